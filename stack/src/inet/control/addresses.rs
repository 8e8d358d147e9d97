//! Addresses of a vnet's interfaces, and the routes that come with them (FreeBSD: `in_control`, netinet/in.c).

use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::Arc;

use ipnet::Ipv4Net;

use super::{ArpInterface, ArpTable, HeldPacket, InetControl};
use crate::inet::{Address, Sources};
use crate::net::route::{Hop, RouteChange, RouteError, RouteFlags};
use crate::net::{IfKind, IfSlot, Ifnet};

/// Why an address is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No host can have it.
    #[error(
        "{0} is not a host address of its network: take one between the network and the broadcast address"
    )]
    NotHost(Ipv4Net),
    /// The vnet has it.
    #[error("the vnet has the address {0} already: choose another one")]
    Taken(Ipv4Addr),
    /// Two interfaces would be in one network, or an address would be the end of another one's network.
    #[error("{new} overlaps {old} in the same vnet: networks of its interfaces must be disjoint")]
    Overlap {
        /// The address that was asked for.
        new: Ipv4Net,
        /// The one that is there.
        old: Ipv4Net,
    },
    /// The routes that come with it could not be made.
    #[error(transparent)]
    Route(#[from] RouteError),
}

/// Whether an interface can have this address: not the network's own nor its broadcast (except on /31, RFC 3021, and
/// /32), not a group, not 0/8 nor class E. A network of length 0 would be the whole Internet.
fn is_host(net: Ipv4Net, loopback: bool) -> bool {
    let addr = net.addr();
    let edge = net.prefix_len() < 31 && (addr == net.network() || addr == net.broadcast());
    let top = addr.octets()[0];
    !edge && net.prefix_len() > 0 && (1..224).contains(&top) && (top != 127 || loopback)
}

/// The routes that an address of `ifp` needs. On lo0 its network is nowhere.
fn routes_of(ifp: &Ifnet, net: Ipv4Net) -> impl Iterator<Item = (Ipv4Net, Hop, RouteFlags)> {
    let slot = ifp.slot;
    let has_link = ifp.port().is_some();
    let broadcast = |addr: Ipv4Addr| (addr.into(), Hop::Broadcast(slot), RouteFlags::BROADCAST);
    // RFC 1122 3.2.1.3: the all-ones host part is the broadcast; the all-zeros one is its obsolete form.
    let has_ends = has_link && net.prefix_len() < 31;
    let connected = (net.trunc(), Hop::Connected(slot), RouteFlags::PINNED);
    let all = [
        Some((net.addr().into(), Hop::Local(slot), RouteFlags::LOCAL)),
        has_ends.then(|| broadcast(net.broadcast())),
        has_ends.then(|| broadcast(net.network())),
        (has_link && net.prefix_len() < 32).then_some(connected),
    ];
    all.into_iter().flatten()
}

impl InetControl {
    /// Gives `ifp` an address: the routes to add for it. Those that another address of the interface needs, too, are there
    /// already (FreeBSD: `in_addprefix`). Nothing has changed yet when this fails.
    pub(crate) fn plan_address(
        &self,
        ifp: &Ifnet,
        net: Ipv4Net,
    ) -> Result<Vec<RouteChange<Ipv4Net>>, AddressError> {
        if !is_host(net, ifp.port().is_none()) {
            return Err(AddressError::NotHost(net));
        }
        if self.is_own(net.addr()) {
            return Err(AddressError::Taken(net.addr()));
        }
        let overlaps = |old: &Ipv4Net| old.contains(&net.network()) || net.contains(&old.network());
        let elsewhere = self.addresses.iter().filter(|old| old.slot != ifp.slot);
        if let Some(old) = elsewhere.map(|old| old.net).find(overlaps) {
            return Err(AddressError::Overlap { new: net, old });
        }
        let mut changes = Vec::new();
        for (prefix, hop, flags) in routes_of(ifp, net) {
            match self.needs(ifp, prefix, net) {
                Some((_, same)) if same == hop => {}
                Some((old, _)) => return Err(AddressError::Overlap { new: net, old }),
                None => changes.push(RouteChange::Add { prefix, hop, flags }),
            }
        }
        Ok(changes)
    }

    /// The routes that go with an address of `ifp`: those that no other one of its addresses needs (FreeBSD:
    /// `in_scrubprefix`).
    pub(crate) fn plan_removal(&self, ifp: &Ifnet, net: Ipv4Net) -> Vec<RouteChange<Ipv4Net>> {
        let own = routes_of(ifp, net).map(|(prefix, ..)| prefix);
        let gone = own.filter(|prefix| self.needs(ifp, *prefix, net).is_none());
        gone.map(|prefix| RouteChange::Delete { prefix }).collect()
    }

    /// The address of `ifp`, other than `net`, that needs a route of this prefix, and where it leads.
    fn needs(&self, ifp: &Ifnet, prefix: Ipv4Net, net: Ipv4Net) -> Option<(Ipv4Net, Hop)> {
        let others = self.addresses.iter().filter(|old| old.slot == ifp.slot && old.net != net);
        others.map(|old| old.net).find_map(|old| {
            let mut routes = routes_of(ifp, old);
            routes.find(|(of, ..)| *of == prefix).map(|(_, hop, _)| (old, hop))
        })
    }

    /// Books an address whose routes are in.
    pub(crate) fn insert_address(&mut self, ifp: &Arc<Ifnet>, net: Ipv4Net) {
        let behind = self.places(ifp.slot).end;
        self.addresses.insert(behind, Address { slot: ifp.slot, net });
        self.dirty = true;
    }

    /// Takes an address out of the books again, whose routes could not be made.
    pub(crate) fn remove_address(&mut self, net: Ipv4Net) {
        self.addresses.retain(|address| address.net != net);
        self.dirty = true;
    }

    /// Brings the addresses of `ifp` into this order.
    pub(crate) fn order_addresses(&mut self, ifp: &Ifnet, order: &[Ipv4Net]) {
        let place = |net: &Ipv4Net| order.iter().position(|other| other == net);
        let own = self.places(ifp.slot);
        let own = &mut self.addresses[own];
        own.sort_by_key(|address| place(&address.net).unwrap_or(order.len()));
        self.dirty = true;
    }

    /// Where the addresses of one interface are.
    fn places(&self, slot: IfSlot) -> Range<usize> {
        let before = self.addresses.partition_point(|address| address.slot < slot);
        let own = self.addresses[before..].partition_point(|address| address.slot == slot);
        before..before + own
    }

    /// The addresses of one interface.
    #[must_use]
    pub fn addresses_of(&self, slot: IfSlot) -> Vec<Ipv4Net> {
        self.addresses[self.places(slot)].iter().map(|address| address.net).collect()
    }

    /// The network of the interface that `addr` is on, the longest if there are several.
    pub(super) fn network_of(&self, slot: IfSlot, addr: Ipv4Addr) -> Option<Ipv4Net> {
        let networks = self.addresses[self.places(slot)].iter().map(|address| address.net);
        networks.filter(|net| net.contains(&addr)).max_by_key(Ipv4Net::prefix_len)
    }

    /// The interface whose network holds `addr`, the longest if there are several.
    #[must_use]
    pub fn connected(&self, addr: Ipv4Addr) -> Option<Address> {
        let holders = self.addresses.iter().filter(|address| address.net.contains(&addr));
        holders.max_by_key(|address| address.net.prefix_len()).copied()
    }

    /// Whether `addr` is an address of the vnet.
    #[must_use]
    pub fn is_own(&self, addr: Ipv4Addr) -> bool {
        self.addresses.iter().any(|address| address.net.addr() == addr)
    }

    /// The address whose network a host or router `addr` is on; none if no link leads there, and an error if it is an end
    /// of that network, which no host has.
    pub fn on_link(&self, addr: Ipv4Addr) -> Result<Option<Address>, Ipv4Net> {
        let has_link =
            |found: &Address| self.interface(found.slot).is_some_and(|ifp| ifp.port().is_some());
        let Some(found) = self.connected(addr).filter(has_link) else { return Ok(None) };
        let net = found.net;
        let is_end = addr == net.network() || addr == net.broadcast();
        if net.prefix_len() < 31 && is_end { Err(net.trunc()) } else { Ok(Some(found)) }
    }

    /// The addresses to speak with.
    #[must_use]
    pub fn sources(&self) -> Sources<'_> {
        Sources::new(&self.addresses, self.loopback())
    }

    /// The slot of lo0.
    pub(super) fn loopback(&self) -> Option<IfSlot> {
        loopback_of(&self.interfaces)
    }

    /// ARP's rules, and the interface as it sees it.
    pub(crate) fn arp_on(&mut self, ifp: &Ifnet) -> (&mut ArpTable<HeldPacket>, ArpInterface<'_>) {
        let sources = Sources::new(&self.addresses, loopback_of(&self.interfaces));
        (&mut self.arp, ArpInterface { slot: ifp.slot, mac: ifp.mac, sources })
    }

    /// All addresses: by interface, and of one interface in the order that they were given in.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }
}

/// The slot of lo0.
pub(super) fn loopback_of(interfaces: &[Arc<Ifnet>]) -> Option<IfSlot> {
    interfaces.iter().find(|ifp| ifp.kind == IfKind::Loopback).map(|ifp| ifp.slot)
}
