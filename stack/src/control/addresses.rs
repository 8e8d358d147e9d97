//! Addresses of interfaces come and go (FreeBSD: `in_control`, netinet/in.c).

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::vnet_state::{publish_forwarding, publish_if_dirty};
use super::{Event, EventKind, InterfaceError, Stack};
use crate::inet::control::AddressError;
use crate::inet::vnet_inet;
use crate::net::IfSlot;

impl Stack {
    /// Gives an interface an address, with the routes that belong to it, and announces it.
    pub fn add_address(&mut self, slot: IfSlot, net: Ipv4Net) -> Result<(), InterfaceError> {
        let ifp = self
            .interface(slot)
            .cloned()
            .ok_or_else(|| InterfaceError::Missing(format!("#{}", slot.0)))?;
        let vnet = ifp.vnet.clone();
        let plan = self
            .with_inet(&vnet, |inet| inet.plan_address(&ifp, net))
            .ok_or(InterfaceError::Dying)??;
        self.check_routes(&vnet, &plan)?;
        // Booked first, so that the hops of its routes find the interface's address.
        let now = self.now;
        let _booked = self.with_inet(&vnet, |inet| inet.insert_address(&ifp, net));
        if let Err(error) = self.change_routes(&vnet, &plan) {
            let _undone = self.with_inet(&vnet, |inet| inet.remove_address(net));
            return Err(AddressError::Route(error).into());
        }
        if ifp.port().is_some() {
            let more = vnet_inet::init(&vnet).garp_rexmit_count().get().clamp(0, 16) as u8;
            let _armed = self.with_inet(&vnet, |inet| {
                let (arp, iface) = inet.arp_on(&ifp);
                arp.announce(now, iface, net.addr(), more);
            });
            self.timers.arm(&self.control, &vnet);
        }
        publish_forwarding(&mut self.control, &vnet);
        self.events.emit(|| {
            Event::new(EventKind::AddressAdded).vnet(&vnet).interface(&ifp.name).address(net)
        });
        Ok(())
    }

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
            inet.remove_address(net);
            let left = inet.addresses_of(slot);
            inet.arp.forget_address(slot, net, &left, &mut actions);
        });
        self.act(&vnet, actions);
        publish_if_dirty(&mut self.control, &vnet);
        self.events.emit(|| {
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
        publish_if_dirty(&mut self.control, &ifp.vnet);
        Ok(())
    }
}
