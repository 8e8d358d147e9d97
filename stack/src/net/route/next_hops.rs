//! The next hops of one vnet and family, as workers read them.

use super::{Adjacency, Egress, FastHop, NextHop, NextHopKind};

/// Next hops, the adjacencies that they lead to, and both as the fast path wants them. Immutable: the control thread publishes
/// others when a hop or a neighbour changes.
// The fast path reads the first fields; they stand together in a cache line that a family's forwarding table chooses.
#[derive(Debug)]
#[repr(C)]
pub struct NextHops {
    next_hops: Box<[NextHop]>,
    fast_hops: Box<[FastHop]>,
    /// The interfaces of the adjacencies, each once.
    egresses: Box<[Egress]>,
    adjacencies: Box<[Adjacency]>,
    /// By adjacency.
    fast_adjacencies: Box<[FastHop]>,
}

impl NextHops {
    /// Freezes next hops by FIB index, of which 0 is "no route", and the adjacencies that they point into.
    #[must_use]
    pub fn new(next_hops: Vec<NextHop>, adjacencies: Vec<Adjacency>) -> Self {
        let (egresses, numbers) = Egress::number(&adjacencies);
        let fast_adjacencies: Box<[FastHop]> = adjacencies
            .iter()
            .zip(numbers)
            .map(|(hop, egress)| FastHop::new(hop, egress))
            .collect();
        let fast_hop = |hop: &NextHop| {
            let single = hop.kind == NextHopKind::Gateway && hop.count == 1;
            let adjacency = fast_adjacencies.get(hop.first as usize).filter(|_| single);
            adjacency.copied().unwrap_or(FastHop::NONE)
        };
        Self {
            fast_hops: next_hops.iter().map(fast_hop).collect(),
            next_hops: next_hops.into(),
            egresses,
            adjacencies: adjacencies.into(),
            fast_adjacencies,
        }
    }

    /// The next hop at a FIB index; "no route" for an index that is not there.
    #[inline(always)]
    #[must_use]
    pub fn get(&self, index: u16) -> NextHop {
        self.next_hops.get(usize::from(index)).copied().unwrap_or(NextHop::NONE)
    }

    /// The next hops by FIB index, for the fast path.
    #[inline(always)]
    #[must_use]
    pub fn fast_hops(&self) -> &[FastHop] {
        &self.fast_hops
    }

    /// The first hop that is a single gateway and resolved, and its FIB index.
    #[must_use]
    pub fn first_gateway(&self) -> Option<(u16, FastHop)> {
        let at = self.fast_hops.iter().position(|hop| hop.longest > 0)?;
        Some((u16::try_from(at).ok()?, self.fast_hops[at]))
    }

    /// The adjacency at a place.
    #[inline(always)]
    #[must_use]
    pub fn adjacency(&self, at: u32) -> Option<&Adjacency> {
        self.adjacencies.get(at as usize)
    }

    /// The adjacencies.
    #[must_use]
    pub fn adjacencies(&self) -> &[Adjacency] {
        &self.adjacencies
    }

    /// The adjacency at a place, for the fast path.
    #[inline(always)]
    #[must_use]
    pub fn fast_adjacency(&self, at: u32) -> Option<&FastHop> {
        self.fast_adjacencies.get(at as usize)
    }

    /// The interface of a number.
    #[inline(always)]
    #[must_use]
    pub fn egress(&self, number: u32) -> Option<&Egress> {
        self.egresses.get(number as usize)
    }

    /// The interfaces of the adjacencies, each once.
    pub(crate) fn egresses(&self) -> &[Egress] {
        &self.egresses
    }
}
