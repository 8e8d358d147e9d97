//! What an operator looks at, in pages: a table of a million routes is read in steps that are short for the control
//! thread.

use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;
use vnet::VnetRef;

use super::Stack;
use crate::drops::DropReason;
use crate::inet::control::Hop;
use crate::inet::route::{Rib, RouteEntry, RouteFlags};
use crate::net::neighbor::{NeighborKey, NeighborState};
use crate::net::{IfSlot, Ifnet, vnet_net};
use crate::time::Nanos;

/// A route, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteView {
    /// Its prefix.
    pub prefix: Ipv4Net,
    /// What kind of route it is.
    pub flags: RouteFlags,
    /// Where it leads.
    pub hop: Hop,
}

/// A neighbour, and how long it is known for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighborView {
    /// Interface and address.
    pub key: NeighborKey<Ipv4Addr>,
    /// What is known of it.
    pub state: NeighborState,
    /// When the entry's timer ends; none for a static one.
    pub deadline: Option<Nanos>,
}

impl Stack {
    /// The time of the last tick.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// How many interfaces and routes a vnet has.
    #[must_use]
    pub fn sizes_of(&self, vnet: &VnetRef) -> (usize, usize) {
        let interfaces = self.with_list(vnet, <[_]>::len);
        (interfaces, self.with_inet(vnet, |inet| inet.rib().len()).unwrap_or(0))
    }

    /// At most `limit` interfaces of a vnet whose index is above `after`, in the order of their index.
    #[must_use]
    pub fn interfaces_after(&self, vnet: &VnetRef, after: u64, limit: usize) -> Vec<Arc<Ifnet>> {
        self.with_list(vnet, |list| {
            let first = list.partition_point(|ifp| u64::from(ifp.index.0) <= after);
            list[first..].iter().take(limit).cloned().collect()
        })
    }

    /// At most `limit` routes that come behind `after`: by address and, for the same address, the less specific first.
    #[must_use]
    pub fn routes_after(
        &self,
        vnet: &VnetRef,
        after: Option<Ipv4Net>,
        limit: usize,
    ) -> Vec<RouteView> {
        self.with_inet(vnet, |inet| {
            let view = |(prefix, entry): (Ipv4Net, RouteEntry)| {
                let hop = inet.hops.get(entry.nexthop)?.clone();
                Some(RouteView { prefix, flags: entry.flags, hop })
            };
            behind(inet.rib(), after).filter_map(view).take(limit).collect()
        })
        .unwrap_or_default()
    }

    /// The route that a packet to `address` takes.
    #[must_use]
    pub fn route_to(&self, vnet: &VnetRef, address: Ipv4Addr) -> Option<RouteView> {
        self.with_inet(vnet, |inet| {
            let (prefix, entry) = inet.rib().longest_match(address)?;
            let hop = inet.hops.get(entry.nexthop)?.clone();
            Some(RouteView { prefix, flags: entry.flags, hop })
        })
        .flatten()
    }

    /// At most `limit` neighbours behind `after`, by interface and address.
    #[must_use]
    pub fn neighbors_after(
        &self,
        vnet: &VnetRef,
        after: Option<NeighborKey<Ipv4Addr>>,
        limit: usize,
    ) -> Vec<NeighborView> {
        self.with_inet(vnet, |inet| {
            let view = |(key, state)| NeighborView {
                key,
                state,
                deadline: inet.arp.neighbors.deadline(key),
            };
            match after {
                Some(after) => inet.arp.neighbors.iter_after(after).take(limit).map(view).collect(),
                None => inet.arp.neighbors.iter().take(limit).map(view).collect(),
            }
        })
        .unwrap_or_default()
    }

    /// A vnet's drops by reason, those that are not zero.
    #[must_use]
    pub fn drops_of(&self, vnet: &VnetRef) -> Vec<(&'static str, u64)> {
        let (net, reader) = (vnet_net::init(vnet), self.control.reader());
        let mut sums = [0; DropReason::ALL.len()];
        // One worker after the other: memory is read as it lies there.
        for drops in net.drops().iter(reader) {
            for (sum, reason) in sums.iter_mut().zip(DropReason::ALL) {
                *sum += drops.get(*reason);
            }
        }
        let all = DropReason::ALL.iter().map(|reason| reason.name()).zip(sums);
        all.filter(|(_, packets)| *packets > 0).collect()
    }

    /// The addresses of one interface.
    #[must_use]
    pub fn addresses_of(&self, vnet: &VnetRef, slot: IfSlot) -> Vec<Ipv4Net> {
        self.with_inet(vnet, |inet| inet.addresses_of(slot)).unwrap_or_default()
    }
}

/// The routes behind `after`, without walking those before: what is more specific than it, and then, from the inside to
/// the outside, the upper halves of all prefixes in whose lower half it lies.
fn behind(
    rib: &Rib,
    after: Option<Ipv4Net>,
) -> Box<dyn Iterator<Item = (Ipv4Net, RouteEntry)> + '_> {
    let Some(after) = after.map(|after| after.trunc()) else { return Box::new(rib.iter()) };
    let inside = rib.more_specific(after).filter(move |(prefix, _)| *prefix != after);
    let upper_halves = (1..=after.prefix_len()).rev().filter_map(move |length| {
        let bit = 1u32 << (32 - u32::from(length));
        let address = after.network().to_bits();
        let half = (address & bit == 0).then(|| Ipv4Addr::from_bits(address | bit))?;
        Ipv4Net::new(half, length).ok().map(|half| half.trunc())
    });
    Box::new(inside.chain(upper_halves.flat_map(|half| rib.more_specific(half))))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pages_are_the_table_in_its_order(
            prefixes in proptest::collection::btree_set((0u32..64, 0u8..=32), 0..60),
            page in 1usize..7,
        ) {
            let mut rib = Rib::new();
            for (address, length) in prefixes {
                // Close together, at both ends of the address space.
                let address = if address % 2 == 0 { address } else { !address };
                let prefix = Ipv4Net::new(Ipv4Addr::from_bits(address), length).expect("a length");
                let entry = RouteEntry { nexthop: NonZeroU16::MIN, flags: RouteFlags::STATIC };
                let _old = rib.insert(prefix.trunc(), entry).expect("room");
            }
            let all: Vec<Ipv4Net> = rib.iter().map(|(prefix, _)| prefix).collect();
            let mut paged: Vec<Ipv4Net> = Vec::new();
            loop {
                let next: Vec<Ipv4Net> =
                    behind(&rib, paged.last().copied()).map(|(prefix, _)| prefix).take(page).collect();
                paged.extend(&next);
                if next.len() < page {
                    break;
                }
            }
            prop_assert_eq!(all, paged);
        }
    }
}
