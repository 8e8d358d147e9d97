//! Next hops, shared between the routes that lead to the same one: a 16-bit id for the FIB, with a count of users
//! (FreeBSD: net/route/nhop_ctl.c).

use std::net::IpAddr;
use std::num::NonZeroU16;

use hashbrown::HashMap;

use crate::net::IfSlot;
use crate::net::route::NO_HOP;

/// One way of a route through a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GatewayPath {
    /// The interface that reaches the gateway.
    pub slot: IfSlot,
    /// The gateway, of either family: IPv4 packets may go to a router that has an IPv6 address only (RFC 8950).
    pub gateway: IpAddr,
}

/// The next hop of a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Hop {
    /// An address of ours, on this interface.
    Local(IfSlot),
    /// The broadcast address of this interface's network.
    Broadcast(IfSlot),
    /// The destinations are on this interface's network.
    Connected(IfSlot),
    /// Through one of these gateways, by flow.
    Gateway(Vec<GatewayPath>),
    /// Discarded silently.
    Blackhole,
    /// Refused.
    Reject,
}

impl Hop {
    /// Ways that it leads, each with an adjacency of its own.
    #[must_use]
    pub fn paths(&self) -> usize {
        match self {
            Hop::Gateway(paths) => paths.len(),
            _ => 1,
        }
    }

    /// Whether packets that take it leave by this interface. Routes to addresses of our own and to broadcast addresses do
    /// not count: they come with an address and go with it.
    #[must_use]
    pub fn leads_through(&self, slot: IfSlot) -> bool {
        match self {
            Hop::Connected(of) => *of == slot,
            Hop::Gateway(paths) => paths.iter().any(|path| path.slot == slot),
            Hop::Local(_) | Hop::Broadcast(_) => false,
            Hop::Blackhole | Hop::Reject => false,
        }
    }

    /// The same hop without the paths through this interface, if any other is left.
    #[must_use]
    pub fn without(self, slot: IfSlot) -> Option<Hop> {
        let Hop::Gateway(mut paths) = self else { return None };
        paths.retain(|path| path.slot != slot);
        (!paths.is_empty()).then_some(Hop::Gateway(paths))
    }
}

#[derive(Debug)]
struct Used {
    hop: Hop,
    routes: usize,
}

/// All hops of one vnet.
#[derive(Debug, Default)]
pub struct HopTable {
    /// By id; index 0 is never used.
    used: Vec<Option<Used>>,
    ids: HashMap<Hop, NonZeroU16>,
    /// Ways that all of them lead.
    paths: usize,
    /// Ids that are free and that no worker can still meet.
    free: Vec<NonZeroU16>,
    /// Ids that the FIB no longer holds, but that a worker may have just read.
    resting: Vec<NonZeroU16>,
}

impl HopTable {
    /// The id of `hop`, with one more user; and whether it is new, so that it must be published before the FIB points
    /// to it. `None` when all 65,534 are in use.
    pub fn acquire(&mut self, hop: &Hop) -> Option<(NonZeroU16, bool)> {
        if let Some(id) = self.ids.get(hop) {
            if let Some(Some(used)) = self.used.get_mut(usize::from(id.get())) {
                used.routes += 1;
            }
            return Some((*id, false));
        }
        let id = match self.free.pop() {
            Some(id) => id,
            None => u16::try_from(self.used.len().max(1))
                .ok()
                .filter(|id| *id < NO_HOP)
                .and_then(NonZeroU16::new)?,
        };
        let at = usize::from(id.get());
        if self.used.len() <= at {
            self.used.resize_with(at + 1, || None);
        }
        self.used[at] = Some(Used { hop: hop.clone(), routes: 1 });
        let _new = self.ids.insert(hop.clone(), id);
        self.paths += hop.paths();
        Some((id, true))
    }

    /// One user less. The id of a hop without users rests until [`Self::reuse_rested`].
    pub fn release(&mut self, id: NonZeroU16) {
        let Some(slot) = self.used.get_mut(usize::from(id.get())) else { return };
        let Some(used) = slot else { return };
        used.routes -= 1;
        if used.routes == 0 {
            let _id = self.ids.remove(&used.hop);
            self.paths -= used.hop.paths();
            *slot = None;
            self.resting.push(id);
        }
    }

    /// Frees the ids that rested, after a grace period.
    pub fn reuse_rested(&mut self) {
        self.free.append(&mut self.resting);
    }

    /// Whether ids wait for a grace period.
    #[must_use]
    pub fn has_resting(&self) -> bool {
        !self.resting.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Ways that all of them lead.
    #[must_use]
    pub fn paths(&self) -> usize {
        self.paths
    }

    /// Whether some route leads to `hop`.
    #[must_use]
    pub fn contains(&self, hop: &Hop) -> bool {
        self.ids.contains_key(hop)
    }

    /// The hop of an id.
    #[must_use]
    pub fn get(&self, id: NonZeroU16) -> Option<&Hop> {
        self.used.get(usize::from(id.get()))?.as_ref().map(|used| &used.hop)
    }

    /// All hops by id, from 0, which is never a hop.
    pub fn iter(&self) -> impl Iterator<Item = Option<&Hop>> {
        self.used.iter().map(|used| used.as_ref().map(|used| &used.hop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shared_and_come_back_after_a_rest() {
        let mut table = HopTable::default();
        let (one, new) = table.acquire(&Hop::Blackhole).expect("an id");
        assert!(new);
        assert_eq!(table.acquire(&Hop::Blackhole), Some((one, false)));
        let (two, _) = table.acquire(&Hop::Reject).expect("an id");
        assert_ne!(one, two);
        table.release(one);
        assert_eq!(table.get(one), Some(&Hop::Blackhole));
        table.release(one);
        assert_eq!(table.get(one), None);
        let (three, new) = table.acquire(&Hop::Blackhole).expect("an id");
        assert!(new && three != one, "an id that a worker may still hold was given out again");
        table.reuse_rested();
        let (four, _) = table.acquire(&Hop::Local(IfSlot(1))).expect("an id");
        assert_eq!(four, one);
    }

    #[test]
    fn ids_run_out_without_a_wrap() {
        let mut table = HopTable::default();
        let taken =
            (0..70_000).map_while(|slot| table.acquire(&Hop::Connected(IfSlot(slot)))).count();
        assert_eq!(taken, 65_534);
    }
}
