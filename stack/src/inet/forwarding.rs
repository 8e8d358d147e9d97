//! What workers read to forward: the FIB, the next hops it points to, and the adjacencies they lead to.
//!
//! Immutable. The control side publishes a new one when a route's next hop or a neighbour changes; the FIB inside is
//! shared from one to the next.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hashbrown::HashMap;
use pmd::PortId;
use vnet::Reader;

use super::AddressFilter;
use super::route::{Fib, NearFib, NextHopIndex};
use crate::net::ahead::FIRST_EGRESSES;
use crate::net::neighbor::UseMark;
use crate::net::route::NO_HOP;
use crate::net::{IfCounterBlocks, IfCounters, IfSlot, Ifnet, block_of};
use crate::wire::{ETHER_HDR_LEN, VLAN_TAG_LEN};

/// What to do with packets that a route matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum NextHopKind {
    /// No route.
    None,
    /// An address of this vnet; the adjacency names the interface that has it.
    Local,
    /// The broadcast address of a connected network; the adjacency names the interface.
    Broadcast,
    /// To a gateway, or to one of several by flow.
    Gateway,
    /// The destination is on the adjacency's network: look for it among the neighbours.
    Connected,
    /// Discard silently (FreeBSD: `RTF_BLACKHOLE`).
    Blackhole,
    /// Refuse with an ICMP error (FreeBSD: `RTF_REJECT`).
    Reject,
}

/// What a FIB entry points to.
#[derive(Clone, Copy, Debug)]
pub struct NextHop {
    /// What to do.
    pub kind: NextHopKind,
    /// Adjacencies of this next hop, side by side; more than one is ECMP.
    pub count: u16,
    /// The first one's place.
    pub first: u32,
}

impl NextHop {
    /// No route.
    pub const NONE: NextHop = NextHop { kind: NextHopKind::None, count: 0, first: 0 };
}

/// A next hop as the fast path wants it: everything that a frame needs, in half a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub struct FastHop {
    /// The link header's first 16 bytes: addresses, and the EtherType or the 802.1Q tag. An EtherType behind a tag is not among
    /// them: the frame has it already.
    pub link: [u8; 16],
    /// The longest frame that can leave this way, tag not counted, bytes; 0 when the packet needs a second look: the hop is
    /// no single gateway, or not resolved.
    pub longest: u32,
    /// Number of the interface whose counters the packet is added to; see [`Forwarding::egress`].
    pub egress: u32,
    /// The egress interface's slot: a packet that leaves where it came in may want a redirect.
    pub slot: IfSlot,
    /// The port.
    pub port: PortId,
    /// Bytes of the whole link header.
    pub link_len: u8,
    /// Whether the neighbour's table entry has to be marked as used; see [`Adjacency::unasked`].
    pub unasked: bool,
}

const _: () = assert!(size_of::<FastHop>() == 32);

impl FastHop {
    /// Needs a second look, whatever the packet.
    pub const NONE: FastHop = FastHop {
        link: [0; 16],
        longest: 0,
        egress: 0,
        slot: IfSlot(u32::MAX),
        port: PortId(0),
        link_len: 0,
        unasked: false,
    };

    /// Of an adjacency whose counters are those of `egress`.
    fn new(adjacency: &Adjacency, egress: u32) -> Self {
        if adjacency.state != AdjacencyState::Resolved {
            return Self::NONE;
        }
        let [link @ .., _, _] = adjacency.link;
        Self {
            link,
            longest: u32::from(adjacency.mtu) + ETHER_HDR_LEN as u32,
            egress,
            slot: adjacency.slot,
            port: adjacency.port,
            link_len: adjacency.link_len,
            unasked: adjacency.unasked.is_some(),
        }
    }
}

/// Whether an adjacency can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AdjacencyState {
    /// The link header is complete.
    Resolved,
    /// The neighbour's MAC address is not known yet.
    Unresolved,
    /// Stands for an interface, not for a neighbour.
    Interface,
}

/// The longest link header: Ethernet and one 802.1Q tag, bytes.
pub const LINK_HEADER_MAX: usize = ETHER_HDR_LEN + VLAN_TAG_LEN;

/// A next hop on a link: a prebuilt link header, and where it leaves.
#[derive(Clone)]
pub struct Adjacency {
    /// The link header; only `link_len` bytes count.
    pub link: [u8; LINK_HEADER_MAX],
    /// 14 untagged, 18 with a VLAN tag.
    pub link_len: u8,
    /// Whether it can send.
    pub state: AdjacencyState,
    /// The port it leaves through.
    pub port: PortId,
    /// Largest IP packet, bytes.
    pub mtu: u16,
    /// The egress interface's slot.
    pub slot: IfSlot,
    /// The neighbour, host byte order; 0 for an interface.
    pub next_hop: u32,
    /// The network that the neighbour is on, host byte order: for redirects.
    pub network: u32,
    /// Its mask.
    pub netmask: u32,
    /// The egress interface.
    pub ifp: Arc<Ifnet>,
    /// Set with the first packet to a neighbour that introduced itself and that nobody asked for: it is worth its entry.
    pub unasked: Option<UseMark>,
}

impl Adjacency {
    /// Notes that a packet goes to this neighbour.
    #[inline(always)]
    pub fn mark_used(&self) {
        // Written once: a line that several workers read stays with all of them.
        if let Some(unasked) = &self.unasked
            && !unasked.load(Ordering::Relaxed)
        {
            unasked.store(true, Ordering::Relaxed);
        }
    }

    /// The link header.
    #[inline(always)]
    #[must_use]
    pub fn link_header(&self) -> &[u8] {
        if self.link_len == ETHER_HDR_LEN as u8 { &self.link[..ETHER_HDR_LEN] } else { &self.link }
    }

    /// Whether a packet of this source, received on `ingress`, should rather have been sent to the next hop by its
    /// sender itself (RFC 792 "Redirect", RFC 1812 5.2.7.2): it goes out where it came in, and the sender is on the
    /// next hop's network.
    #[inline(always)]
    #[must_use]
    pub fn wants_redirect(&self, ingress: IfSlot, src: u32) -> bool {
        (self.slot == ingress) & (src & self.netmask == self.network)
    }
}

impl fmt::Debug for Adjacency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adjacency")
            .field("ifp", &self.ifp.name)
            .field("next_hop", &self.next_hop)
            .finish()
    }
}

/// Where the lookup of a destination ended.
#[derive(Clone, Copy, Debug)]
pub struct Resolved<'a> {
    /// What to do.
    pub kind: NextHopKind,
    /// The adjacency; none for `None`, `Blackhole` and `Reject`.
    pub adjacency: Option<&'a Adjacency>,
    /// The address to resolve on the adjacency's link, host byte order.
    pub next_hop: u32,
}

/// Bytes of a [`Forwarding`] that every run reads, two cache lines: all that a vnet with few routes and one gateway needs.
pub const FORWARDING_FIRST: usize = 128;
/// Bytes that runs of other vnets read.
pub const FORWARDING_MORE: usize = 256;

/// Next hops that are prefetched.
const FIRST_HOPS: usize = 8;

/// An interface that packets leave through: its port, and what the fast path books, without the interface itself.
#[derive(Debug)]
pub struct Egress {
    /// Its port.
    pub port: PortId,
    counters: IfCounterBlocks,
}

impl Egress {
    /// The calling worker's counters of the interface.
    #[inline(always)]
    #[must_use]
    pub fn counters(&self, reader: &Reader) -> &IfCounters {
        &block_of(&self.counters, reader).counters
    }

    /// Where the counters of the first worker are; for prefetching.
    pub(crate) fn first_counters(&self) -> usize {
        Arc::as_ptr(&self.counters).addr()
    }
}

/// The interfaces of adjacencies, each once; and the adjacencies as the fast path wants them.
fn egresses(adjacencies: &[Adjacency]) -> (Box<[Egress]>, Box<[FastHop]>) {
    let (mut egresses, mut places) = (Vec::new(), HashMap::new());
    let fast = adjacencies.iter().map(|adjacency| {
        let egress = *places.entry(adjacency.slot).or_insert_with(|| {
            let counters = adjacency.ifp.counter_blocks();
            egresses.push(Egress { port: adjacency.port, counters });
            egresses.len() as u32 - 1
        });
        FastHop::new(adjacency, egress)
    });
    let fast = fast.collect();
    (egresses.into(), fast)
}

/// What one vnet's workers read.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Forwarding {
    // The fast path reads the first two cache lines: the FIB, if it is small, ...
    near: NearFib,
    // ... and a copy of the first hop that is a single gateway.
    gateway: FastHop,
    /// FIB index of `gateway`; [`NO_HOP`] is none.
    gateway_index: u16,
    /// Whether `near` is the whole FIB.
    is_near: bool,
    // In vnets with more routes and gateways it reads the next two as well: where the tables are, and the sketches that a filter
    // begins with.
    next_hops: Box<[NextHop]>,
    fib: Arc<Fib>,
    fast_hops: Box<[FastHop]>,
    /// The interfaces of the adjacencies, each once.
    egresses: Box<[Egress]>,
    not_sources: AddressFilter,
    adjacencies: Box<[Adjacency]>,
    /// By adjacency.
    fast_adjacencies: Box<[FastHop]>,
    neighbors: HashMap<(IfSlot, u32), u32>,
    flow_key: u64,
    loopback: Option<IfSlot>,
}

const _: () = {
    assert!(std::mem::offset_of!(Forwarding, is_near) < FORWARDING_FIRST);
    assert!(std::mem::offset_of!(Forwarding, not_sources) + 64 == FORWARDING_MORE);
};

/// What a [`Forwarding`] is made of.
#[derive(Debug)]
pub struct ForwardingParts {
    /// Longest-prefix match to indices of `next_hops`.
    pub fib: Arc<Fib>,
    /// Index 0 is "no route".
    pub next_hops: Vec<NextHop>,
    /// Next hops point into these.
    pub adjacencies: Vec<Adjacency>,
    /// The neighbour table, resolved and not: interface and address to adjacency.
    pub neighbors: HashMap<(IfSlot, u32), u32>,
    /// Secret that decides which flow takes which of several paths.
    pub flow_key: u64,
    /// The vnet's lo0.
    pub loopback: Option<IfSlot>,
    /// The vnet's own addresses and the broadcasts of its networks.
    pub not_sources: AddressFilter,
}

impl Forwarding {
    /// Freezes the parts.
    #[must_use]
    pub fn new(parts: ForwardingParts) -> Self {
        let ForwardingParts {
            fib,
            next_hops,
            adjacencies,
            neighbors,
            flow_key,
            loopback,
            not_sources,
        } = parts;
        let (egresses, fast_adjacencies) = egresses(&adjacencies);
        let fast_hop = |hop: &NextHop| {
            let single = hop.kind == NextHopKind::Gateway && hop.count == 1;
            let adjacency = fast_adjacencies.get(hop.first as usize).filter(|_| single);
            adjacency.copied().unwrap_or(FastHop::NONE)
        };
        let fast_hops: Box<[FastHop]> = next_hops.iter().map(fast_hop).collect();
        let near = fib.near(|NextHopIndex(hop)| {
            let kind = next_hops.get(usize::from(hop)).map(|hop| hop.kind);
            matches!(kind, Some(NextHopKind::Local | NextHopKind::Broadcast))
        });
        let gateway = fast_hops.iter().position(|hop| hop.longest > 0);
        Self {
            fib,
            gateway_index: gateway.and_then(|at| u16::try_from(at).ok()).unwrap_or(NO_HOP),
            gateway: gateway.map_or(FastHop::NONE, |at| fast_hops[at]),
            is_near: near.is_some(),
            near: near.unwrap_or(NearFib::NONE),
            fast_hops,
            next_hops: next_hops.into(),
            adjacencies: adjacencies.into(),
            egresses,
            fast_adjacencies,
            neighbors,
            flow_key,
            loopback,
            not_sources,
        }
    }

    /// Addresses that no received packet may come from (RFC 1812 5.3.7), and a few more.
    #[inline(always)]
    #[must_use]
    pub fn not_sources(&self) -> &AddressFilter {
        &self.not_sources
    }

    /// The vnet's loopback interface.
    #[must_use]
    pub fn loopback(&self) -> Option<IfSlot> {
        self.loopback
    }

    /// The longest-prefix match.
    #[inline(always)]
    #[must_use]
    pub fn fib(&self) -> &Fib {
        &self.fib
    }

    /// The longest-prefix match of one destination (host byte order).
    #[inline(always)]
    #[must_use]
    pub fn lookup(&self, dst: u32) -> u16 {
        if self.is_near { self.near.lookup(dst).0 } else { self.fib.lookup(dst).0 }
    }

    /// Whether a packet from `src`, as a little-endian load of a header's bytes shows it, needs a second look: it may be one of our
    /// addresses, or a broadcast address (RFC 1812 5.3.7).
    #[inline(always)]
    #[must_use]
    pub fn doubts_source(&self, src: u32) -> bool {
        if self.is_near {
            self.near.is_no_source(src.swap_bytes())
        } else {
            self.not_sources.holds(src)
        }
    }

    /// Whether a run of packets reads no more than the first [`FORWARDING_FIRST`] bytes, as a rule.
    pub(crate) fn is_small(&self) -> bool {
        self.is_near && self.gateway_index != NO_HOP
    }

    /// The next hop at a FIB index, for a single packet of the fast path.
    #[inline(always)]
    #[must_use]
    pub fn fast_hop(&self, index: u16) -> Option<&FastHop> {
        if index == self.gateway_index {
            return Some(&self.gateway);
        }
        self.fast_hops.get(usize::from(index))
    }

    /// The next hop at a FIB index; "no route" for an index that is not there.
    #[inline(always)]
    #[must_use]
    pub fn next_hop(&self, index: u16) -> NextHop {
        self.next_hops.get(usize::from(index)).copied().unwrap_or(NextHop::NONE)
    }

    /// The next hops by FIB index, for the fast path.
    #[inline(always)]
    #[must_use]
    pub fn fast_hops(&self) -> &[FastHop] {
        &self.fast_hops
    }

    /// The adjacency at a place.
    #[inline(always)]
    #[must_use]
    pub fn adjacency(&self, at: u32) -> Option<&Adjacency> {
        self.adjacencies.get(at as usize)
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

    /// Parts of the tables that a burst reads besides the first cache lines, as address and bytes: the beginnings. None if the
    /// first lines are all.
    pub(crate) fn tables(&self) -> [(usize, usize); 3] {
        fn of<T: ?Sized>(value: &T, bytes: usize) -> (usize, usize) {
            ((&raw const *value).cast::<u8>().addr(), bytes.min(size_of_val(value)))
        }
        let egresses = size_of::<Egress>() * FIRST_EGRESSES;
        if self.is_small() {
            return [(0, 0), (0, 0), of(&*self.egresses, egresses)];
        }
        let hops = size_of::<FastHop>() * FIRST_HOPS;
        [of(&*self.fib, usize::MAX), of(&*self.fast_hops, hops), of(&*self.egresses, egresses)]
    }

    /// The interfaces of the adjacencies, each once.
    pub(crate) fn egresses(&self) -> &[Egress] {
        &self.egresses
    }

    /// Whether `addr` on `slot` is in the neighbour table, resolved or not.
    #[must_use]
    pub fn knows(&self, slot: IfSlot, addr: u32) -> bool {
        self.neighbors.contains_key(&(slot, addr))
    }

    /// The place of the adjacency that packets of `flow` to `dst` take; for a connected network, the neighbour's when it
    /// has an entry and else the interface's.
    #[inline]
    #[must_use]
    pub fn select(&self, hop: NextHop, dst: u32, flow: impl FnOnce() -> u64) -> Option<u32> {
        let path = if hop.count > 1 { self.path(flow(), hop.count) } else { 0 };
        let place = hop.first + path;
        if hop.kind == NextHopKind::Connected {
            let slot = self.adjacency(place)?.slot;
            return Some(self.neighbors.get(&(slot, dst)).copied().unwrap_or(place));
        }
        Some(place)
    }

    /// Which of `count` paths a flow takes: a keyed mix, so that a stranger cannot steer flows onto one path, mapped
    /// to the range by multiplication.
    #[inline]
    fn path(&self, flow: u64, count: u16) -> u32 {
        let mixed = (flow ^ self.flow_key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(self.flow_key | 1);
        (((mixed >> 32) * u64::from(count)) >> 32) as u32
    }

    /// Whether packets to `addr` would leave through the interface in `slot`, on any of their paths.
    #[must_use]
    pub fn leads_through(&self, addr: u32, slot: IfSlot) -> bool {
        let hop = self.next_hop(self.lookup(addr));
        let mut paths = (0..u32::from(hop.count)).map(|path| self.adjacency(hop.first + path));
        paths.any(|adjacency| adjacency.is_some_and(|adjacency| adjacency.slot == slot))
    }

    /// Looks a destination up and follows it to its adjacency.
    #[must_use]
    pub fn resolve(&self, dst: u32, flow: impl FnOnce() -> u64) -> Resolved<'_> {
        let hop = self.next_hop(self.lookup(dst));
        let adjacency = match hop.kind {
            NextHopKind::None | NextHopKind::Blackhole | NextHopKind::Reject => None,
            _ => self.select(hop, dst, flow).and_then(|place| self.adjacency(place)),
        };
        let next_hop = match adjacency {
            Some(adjacency) if hop.kind == NextHopKind::Gateway => adjacency.next_hop,
            _ => dst,
        };
        Resolved { kind: hop.kind, adjacency, next_hop }
    }
}
