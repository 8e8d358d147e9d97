//! The tables that an operator looks at, in pages: a table of a million routes is read in steps that are short for the control
//! thread.

use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;
use vnet::VnetRef;

use super::Stack;
use crate::drops::DropReason;
use crate::inet::control::arp_limits;
use crate::inet::vnet_inet;
use crate::net::neighbor::{NeighborKey, NeighborState};
use crate::net::route::{Hop, RouteEntry, RouteFlags};
use crate::net::{IfSlot, Ifnet, vnet_net};
use crate::time::Nanos;

/// A route, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteView {
    /// Its prefix.
    pub prefix: Ipv4Net,
    /// The kind of route.
    pub flags: RouteFlags,
    /// Where it leads.
    pub hop: Hop,
}

/// A neighbour, and how long it is known for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighborView {
    /// Interface and address.
    pub key: NeighborKey<Ipv4Addr>,
    /// Its state.
    pub state: NeighborState,
    /// When the entry is gone if the neighbour says nothing until then; none for a static one.
    pub expiry: Option<Nanos>,
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
                let hop = inet.routes.hops().get(entry.nexthop)?.clone();
                Some(RouteView { prefix, flags: entry.flags, hop })
            };
            match after {
                Some(after) => inet.rib().iter_after(after).filter_map(view).take(limit).collect(),
                None => inet.rib().iter().filter_map(view).take(limit).collect(),
            }
        })
        .unwrap_or_default()
    }

    /// The route that a packet to `address` takes.
    #[must_use]
    pub fn route_to(&self, vnet: &VnetRef, address: Ipv4Addr) -> Option<RouteView> {
        self.with_inet(vnet, |inet| {
            let (prefix, entry) = inet.rib().longest_match(address)?;
            let hop = inet.routes.hops().get(entry.nexthop)?.clone();
            Some(RouteView { prefix, flags: entry.flags, hop })
        })
        .flatten()
    }

    /// The route of exactly this prefix.
    #[must_use]
    pub fn route_of(&self, vnet: &VnetRef, prefix: Ipv4Net) -> Option<RouteView> {
        self.with_inet(vnet, |inet| {
            let entry = inet.rib().get(prefix.trunc())?;
            let hop = inet.routes.hops().get(entry.nexthop)?.clone();
            Some(RouteView { prefix: prefix.trunc(), flags: entry.flags, hop })
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
        let limits = arp_limits(vnet_inet::init(vnet));
        self.with_inet(vnet, |inet| {
            let view = |(key, state)| NeighborView {
                key,
                state,
                expiry: inet.arp.neighbors.expiry(key, &limits),
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
