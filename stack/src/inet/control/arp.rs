//! ARP's rules: RFC 826, RFC 1122 2.3.2, RFC 5227 (FreeBSD: netinet/if_ether.c).
//!
//! A pure state machine: time and packets come in, [`ArpAction`]s go out. `P` is a packet that waits for its address. The
//! table of neighbours is that of all families ([`crate::net::neighbor`]); how ARP uses it is in `rules.rs`, and what
//! becomes of our own addresses in `own_addresses.rs`.

mod own_addresses;
mod rules;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

pub use rules::ArpLimits;

use crate::inet::Sources;
use crate::net::IfSlot;
use crate::net::neighbor::{NeighborAction, NeighborKey, NeighborTable, NeighborUpdate, Source};
use crate::time::Nanos;
use crate::wire::{ArpOperation, ArpPacket, MacAddr};
use own_addresses::OwnAddresses;

/// An action that ARP asks for.
pub type ArpAction<P> = NeighborAction<Ipv4Addr, ArpPacket, P>;

/// Our side of an interface.
#[derive(Clone, Copy, Debug)]
pub struct ArpInterface<'a> {
    /// The interface.
    pub slot: IfSlot,
    /// Its MAC address.
    pub mac: MacAddr,
    /// The vnet's addresses.
    pub sources: Sources<'a>,
}

impl ArpInterface<'_> {
    fn owns(&self, addr: Ipv4Addr) -> bool {
        self.sources.of(self.slot).any(|own| own == addr)
    }
}

/// The neighbours of one vnet, and our own addresses as ARP sees them.
#[derive(Debug)]
pub struct ArpTable<P> {
    /// The neighbours.
    pub neighbors: NeighborTable<Ipv4Addr, P>,
    own: OwnAddresses,
}

impl<P> Default for ArpTable<P> {
    fn default() -> Self {
        Self { neighbors: NeighborTable::default(), own: OwnAddresses::default() }
    }
}

impl<P> ArpTable<P> {
    /// A received ARP packet, already checked to be Ethernet/IPv4 with a unicast sender MAC. We also answer one that asks for an
    /// address that is not ours, if it `is_proxied`.
    pub fn input(
        &mut self,
        now: Nanos,
        iface: ArpInterface<'_>,
        packet: &ArpPacket,
        is_proxied: bool,
        limits: &ArpLimits,
        actions: &mut Vec<ArpAction<P>>,
    ) {
        let (sender, target, mac) = (packet.sender(), packet.target(), packet.sender_mac);
        if mac == iface.mac {
            return;
        }
        let asks_us = packet.operation() == Some(ArpOperation::Request) && iface.owns(target);
        if iface.owns(sender) {
            self.own.defend(now, iface, sender, mac, actions);
        } else if !sender.is_unspecified()
            && let Some(update) = self.merge(iface, sender, mac, asks_us)
        {
            self.neighbors.update(now, update, limits, actions);
        }
        if asks_us || is_proxied {
            let reply = ArpPacket::new(ArpOperation::Reply, iface.mac, target, mac, sender);
            actions.push(ArpAction::Send { slot: iface.slot, dst: mac, packet: reply });
        }
    }

    /// RFC 826's merge: an entry that exists is updated; a new one is made only for a host that asks for us, and only on a
    /// network that the interface is on.
    fn merge(
        &self,
        iface: ArpInterface<'_>,
        sender: Ipv4Addr,
        mac: MacAddr,
        asks_us: bool,
    ) -> Option<NeighborUpdate<Ipv4Addr>> {
        let key = NeighborKey { slot: iface.slot, addr: sender };
        let on_link = iface.sources.on_link(iface.slot, sender);
        // A host of another network, as in `resolve`, keeps the address that it was asked from.
        let asked_from = || self.neighbors.source(key).map(|source| source.addr);
        let source = Source { mac: iface.mac, addr: on_link.or_else(asked_from)? };
        Some(NeighborUpdate { key, mac, source, may_create: asks_us && on_link.is_some() })
    }

    /// A packet for `addr` whose MAC address the worker did not know.
    pub fn resolve(
        &mut self,
        now: Nanos,
        iface: ArpInterface<'_>,
        addr: Ipv4Addr,
        packet: P,
        limits: &ArpLimits,
        actions: &mut Vec<ArpAction<P>>,
    ) {
        let key = NeighborKey { slot: iface.slot, addr };
        // A route through the interface itself leads to hosts of other networks on its link, too.
        let ours = iface.sources.towards(iface.slot, addr);
        let source = ours.map(|addr| Source { mac: iface.mac, addr });
        self.neighbors.resolve(now, key, source, packet, limits, actions);
    }

    /// Announces a new address of ours: now, and so many times more (RFC 5227 2.3).
    pub fn announce(&mut self, now: Nanos, iface: ArpInterface<'_>, addr: Ipv4Addr, more: u8) {
        self.own.announce(now, iface, addr, more);
    }

    /// An address of ours is gone: it is neither announced nor asked from any more, and the neighbours of its network go,
    /// unless they are in that of an address that is `left` (FreeBSD: `in_scrubprefix`, netinet/in.c). Packets that waited
    /// for them are refused.
    pub fn forget_address(
        &mut self,
        slot: IfSlot,
        net: Ipv4Net,
        left: &[Ipv4Net],
        actions: &mut Vec<ArpAction<P>>,
    ) {
        self.own.forget(NeighborKey { slot, addr: net.addr() });
        let is_off =
            |addr: Ipv4Addr| net.contains(&addr) && !left.iter().any(|net| net.contains(&addr));
        let depends = |key: NeighborKey<Ipv4Addr>, source: Source<Ipv4Addr>| {
            key.slot == slot && (is_off(key.addr) || source.addr == net.addr())
        };
        let _gone = self.neighbors.remove_all(depends, actions);
    }

    /// When [`Self::tick`] next has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Nanos> {
        let deadlines = [self.neighbors.next_deadline(), self.own.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Runs what is due at `now`.
    pub fn tick(&mut self, now: Nanos, limits: &ArpLimits, actions: &mut Vec<ArpAction<P>>) {
        self.neighbors.tick(now, limits, actions);
        self.own.tick(now, actions);
    }
}
