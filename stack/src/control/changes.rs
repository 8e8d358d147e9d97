//! What an operator takes away or changes while packets flow.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use vnet::VnetRef;

use super::{Event, EventKind, InterfaceError, Stack};
use crate::net::IfSlot;
use crate::net::neighbor::NeighborKey;

impl Stack {
    /// Takes an address from an interface, with the routes that came with it and the neighbours of its network, unless
    /// another address of the interface needs them, too (FreeBSD: `in_scrubprefix`, netinet/in.c). Routes through gateways
    /// of that network stay, as there.
    pub fn remove_address(&mut self, slot: IfSlot, addr: Ipv4Addr) -> Result<(), InterfaceError> {
        let missing = |name: String| InterfaceError::Missing(name);
        let ifp = self.interface(slot).cloned().ok_or_else(|| missing(format!("#{}", slot.0)))?;
        let vnet = ifp.vnet.clone();
        let addresses = self.addresses_of(&vnet, slot);
        let net = addresses.into_iter().find(|net| net.addr() == addr).ok_or_else(|| {
            InterfaceError::NoAddress { interface: ifp.name.clone(), address: addr }
        })?;
        let changes = self
            .with_inet(&vnet, |inet| inet.plan_removal(&ifp, net))
            .ok_or(InterfaceError::Dying)?;
        self.change_routes(&vnet, &changes)
            .map_err(|error| InterfaceError::Address(error.into()))?;
        let mut actions = Vec::new();
        let _gone = self.with_inet(&vnet, |inet| {
            inet.remove_address(&ifp, net);
            let left = inet.addresses_of(slot);
            inet.arp.forget_address(slot, net, &left, &mut actions);
        });
        self.act(&vnet, actions);
        self.publish_if_dirty(&vnet);
        self.emit(|| {
            Event::new(EventKind::AddressDeleted).vnet(&vnet).interface(&ifp.name).address(net)
        });
        Ok(())
    }

    /// Brings the addresses of an interface into this order; those that are not named stay behind. The first is what the
    /// interface answers with.
    pub fn order_addresses(
        &mut self,
        slot: IfSlot,
        order: &[Ipv4Net],
    ) -> Result<(), InterfaceError> {
        let missing = || InterfaceError::Missing(format!("#{}", slot.0));
        let ifp = self.interface(slot).cloned().ok_or_else(missing)?;
        let _there = self.with_inet(&ifp.vnet, |inet| inet.order_addresses(&ifp, order));
        Ok(())
    }

    /// Deletes neighbours; packets that wait for them are refused. How many there were.
    pub fn remove_neighbors(
        &mut self,
        vnet: &VnetRef,
        selected: impl Fn(&NeighborKey<Ipv4Addr>) -> bool,
    ) -> usize {
        let mut actions = Vec::new();
        let removed = self.with_inet(vnet, |inet| {
            inet.arp.neighbors.remove_all(|key, _| selected(&key), &mut actions)
        });
        self.act(vnet, actions);
        self.publish_if_dirty(vnet);
        removed.unwrap_or(0)
    }

    /// The prefixes of at most `limit` routes that somebody added.
    #[must_use]
    pub fn added_routes(&self, vnet: &VnetRef, limit: usize) -> Vec<Ipv4Net> {
        self.with_inet(vnet, |inet| {
            let added = inet.rib().iter().filter(|(_, route)| !route.flags.is_of_address());
            added.map(|(prefix, _)| prefix).take(limit).collect()
        })
        .unwrap_or_default()
    }
}
