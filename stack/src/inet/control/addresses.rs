//! Addresses of a vnet's interfaces, and the routes that come with them (FreeBSD: `in_control`, netinet/in.c).

use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::Arc;

use ipnet::Ipv4Net;

use super::hops::Hop;
use super::routes::{RouteChange, RouteError};
use super::{ArpInterface, InetControl};
use crate::inet::route::RouteFlags;
use crate::net::{IfSlot, Ifnet};

/// One address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The interface.
    pub slot: IfSlot,
    /// The address, with the length of its network's prefix.
    pub net: Ipv4Net,
}

/// Why an address is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No host can have it.
    #[error(
        "{0} is not a host address of its network: take one between the network and the broadcast address"
    )]
    NotHost(Ipv4Net),
    /// Two networks of one vnet overlap.
    #[error("{new} overlaps {old} in the same vnet: networks of one vnet must be disjoint")]
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
/// /32), not a group, not 0/8 nor class E.
fn is_host(net: Ipv4Net, loopback: bool) -> bool {
    let addr = net.addr();
    let edge = net.prefix_len() < 31 && (addr == net.network() || addr == net.broadcast());
    let top = addr.octets()[0];
    !edge && (1..224).contains(&top) && (top != 127 || loopback)
}

impl InetControl {
    /// Gives `ifp` an address: the routes to add for it. Nothing has changed yet when this fails.
    pub(crate) fn plan_address(
        &self,
        ifp: &Ifnet,
        net: Ipv4Net,
    ) -> Result<Vec<RouteChange>, AddressError> {
        if !is_host(net, ifp.port().is_none()) {
            return Err(AddressError::NotHost(net));
        }
        let overlaps =
            |old: &&Address| old.net.contains(&net.network()) || net.contains(&old.net.network());
        if let Some(old) = self.addresses.iter().find(overlaps) {
            return Err(AddressError::Overlap { new: net, old: old.net });
        }
        let host = |addr: Ipv4Addr| Ipv4Net::from(addr);
        let add = |prefix, hop, flags| RouteChange::Add { prefix, hop, flags };
        let mut changes = vec![add(host(net.addr()), Hop::Local(ifp.slot), RouteFlags::LOCAL)];
        if net.prefix_len() < 31 && ifp.port().is_some() {
            // RFC 1122 3.2.1.3: the all-ones host part is the broadcast; the all-zeros one is its obsolete form.
            changes.push(add(
                host(net.broadcast()),
                Hop::Broadcast(ifp.slot),
                RouteFlags::BROADCAST,
            ));
            changes.push(add(host(net.network()), Hop::Broadcast(ifp.slot), RouteFlags::BROADCAST));
        }
        if net.prefix_len() < 32 && ifp.port().is_some() {
            changes.push(add(net.trunc(), Hop::Connected(ifp.slot), RouteFlags::PINNED));
        }
        Ok(changes)
    }

    /// Books an address whose routes are in.
    pub(crate) fn insert_address(&mut self, ifp: &Arc<Ifnet>, net: Ipv4Net) {
        let behind = self.places(ifp.slot).end;
        self.addresses.insert(behind, Address { slot: ifp.slot, net });
        if ifp.primary_address() == 0 {
            ifp.set_primary_address(net.addr().to_bits());
        }
        self.dirty = true;
    }

    /// Takes an address out of the books again, whose routes could not be made.
    pub(crate) fn remove_address(&mut self, ifp: &Ifnet, net: Ipv4Net) {
        self.addresses.retain(|address| address.net != net);
        if ifp.primary_address() == net.addr().to_bits() {
            let next = self.addresses.iter().find(|address| address.slot == ifp.slot);
            ifp.set_primary_address(next.map_or(0, |address| address.net.addr().to_bits()));
        }
        self.dirty = true;
    }

    /// Brings the addresses of `ifp` into this order.
    pub(crate) fn order_addresses(&mut self, ifp: &Ifnet, order: &[Ipv4Net]) {
        let place = |net: &Ipv4Net| order.iter().position(|other| other == net);
        let own = self.places(ifp.slot);
        let own = &mut self.addresses[own];
        own.sort_by_key(|address| place(&address.net).unwrap_or(order.len()));
        ifp.set_primary_address(own.first().map_or(0, |address| address.net.addr().to_bits()));
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

    /// The interface whose network holds `addr`.
    #[must_use]
    pub fn connected(&self, addr: Ipv4Addr) -> Option<Address> {
        self.addresses.iter().find(|address| address.net.contains(&addr)).copied()
    }

    /// All addresses: by interface, and of one interface in the order that they were given in.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }
}

/// ARP's view of an interface.
#[must_use]
pub(crate) fn arp_interface<'a>(ifp: &Ifnet, addresses: &'a [Ipv4Net]) -> ArpInterface<'a> {
    ArpInterface { slot: ifp.slot, mac: ifp.mac, addresses }
}
