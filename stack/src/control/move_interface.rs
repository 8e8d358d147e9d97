//! How an interface moves from one vnet to another while packets flow (FreeBSD: `if_vmove`, sys/net/if.c).
//!
//! 1. It is made in the other vnet, where nobody receives from it yet: a name that is taken there is found out first.
//! 2. It leaves its vnet as it does to be destroyed: addresses, routes, neighbours, what workers were handed for it.
//! 3. What it receives is dropped by name, and a grace period passes. What it received before is taken care of, and who
//!    looked on is told that it is over.
//! 4. Workers get a table in which the port, or the end of the epair, leads to the other vnet: from now on that one
//!    receives. After another grace period the vnet that it was in forgets it.
//!
//! Name, MAC address, MTU and whether it is up go along, as in FreeBSD. What it counted does not: it stays in the books
//! of the vnet that the packets were in.

use std::sync::Arc;

use pmd::Offloads;
use vnet::VnetRef;

use super::{DestroyVnetError, Event, EventKind, InterfaceError, Stack};
use crate::net::bpf::TapEnd;
use crate::net::{IfKind, IfSlot, Ifnet};

impl Stack {
    /// Moves an interface to `target`, without its addresses, its neighbours and the routes that lead through it. Its
    /// place among all interfaces changes. Waits for the workers' grace periods.
    pub fn move_interface(
        &mut self,
        slot: IfSlot,
        target: &VnetRef,
    ) -> Result<IfSlot, InterfaceError> {
        let missing = || InterfaceError::Missing(format!("#{}", slot.0));
        let ifp = self.interface(slot).cloned().ok_or_else(missing)?;
        if ifp.kind == IfKind::Loopback {
            return Err(InterfaceError::LoopbackStays(ifp.name.clone()));
        }
        if ifp.vnet.id() == target.id() {
            return Err(InterfaceError::AlreadyThere(ifp.name.clone()));
        }
        if self.find(target, &ifp.name).is_some() {
            let (name, vnet) = (ifp.name.clone(), target.name().to_owned());
            return Err(InterfaceError::NameTakenThere { name, vnet });
        }
        self.check_interface(target)?;
        self.carry(&ifp, target)
    }

    /// Moves an interface that nothing keeps from it.
    fn carry(&mut self, ifp: &Arc<Ifnet>, target: &VnetRef) -> Result<IfSlot, InterfaceError> {
        let new = self.make_moved(ifp, target)?;
        if let Err(error) = self.strip(ifp) {
            self.forget(&new);
            return Err(error);
        }
        ifp.begin_move();
        self.control.synchronize();
        self.take_last_punts(ifp.slot);
        let end = TapEnd::InterfaceMoved;
        self.captures.end(&mut self.control, &ifp.vnet, Some(ifp.slot), end);
        self.interfaces.publish(&mut self.control, &new);
        self.control.synchronize();
        self.forget(ifp);
        self.events.emit(|| {
            let moved = Event::new(EventKind::InterfaceMoved).vnet(target).interface(&new.name);
            Event { from: Some(ifp.vnet.name().to_owned()), ..moved }
        });
        Ok(new.slot)
    }

    /// The same interface in another vnet; workers do not know it yet.
    fn make_moved(
        &mut self,
        ifp: &Arc<Ifnet>,
        target: &VnetRef,
    ) -> Result<Arc<Ifnet>, InterfaceError> {
        let mtu = u16::try_from(ifp.mtu()).unwrap_or(u16::MAX);
        let (name, home) = (ifp.name.clone(), ifp.home_vnet);
        let new = self.make_interface(target, name, ifp.kind, ifp.mac, mtu, home)?;
        new.set_up(ifp.is_up());
        new.set_offloads(Offloads {
            rx_ip_checksum: ifp.has_rx_checksum(),
            tx_ip_checksum: ifp.has_tx_checksum(),
            ..Offloads::default()
        });
        Ok(new)
    }

    /// Gives back what other vnets lent to one that is about to go (FreeBSD: `vnet_if_return`, sys/net/if.c). All or
    /// none: a name that was taken at home meanwhile is found out first. Interfaces whose home is gone are at home where
    /// they are.
    pub(super) fn return_interfaces(&mut self, vnet: &VnetRef) -> Result<(), DestroyVnetError> {
        let lent = |ifp: &Arc<Ifnet>| {
            let home = self.vnets.get(ifp.home_vnet).filter(|home| home.id() != vnet.id())?;
            Some((Arc::clone(ifp), home.clone()))
        };
        let lent: Vec<_> = self.interfaces_of(vnet).iter().filter_map(lent).collect();
        for (ifp, home) in &lent {
            if self.find(home, &ifp.name).is_some() {
                let (interface, home) = (ifp.name.clone(), home.name().to_owned());
                return Err(DestroyVnetError::CannotReturn { interface, home });
            }
        }
        for (ifp, home) in lent {
            let _slot = self.carry(&ifp, &home)?;
        }
        Ok(())
    }

    /// Destroys the ends, in other vnets, of the epairs of a vnet that is about to go.
    pub(super) fn destroy_far_ends(&mut self, vnet: &VnetRef) -> Result<(), InterfaceError> {
        let far_end = |ifp: &Arc<Ifnet>| match ifp.kind {
            IfKind::Epair(end) => {
                let peer = self.epair_end(end.peer())?;
                (peer.vnet.id() != vnet.id()).then_some(peer.slot)
            }
            IfKind::Ethernet { .. } | IfKind::Loopback => None,
        };
        let far_ends: Vec<IfSlot> = self.interfaces_of(vnet).iter().filter_map(far_end).collect();
        far_ends.into_iter().try_for_each(|slot| self.destroy_interface(slot))
    }
}
