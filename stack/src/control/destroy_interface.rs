//! How an interface leaves its vnet while packets flow, without a packet that ends nowhere: to be destroyed, or to move.
//!
//! 1. Its addresses, routes and neighbours go: nothing is sent to it any more.
//! 2. Workers finish what the control thread has handed them for it.
//! 3. It leaves the table that workers read, and a grace period passes: nothing is received from it any more.
//! 4. What it received and workers handed over is taken care of. Packets that came through it and wait for a neighbour
//!    stay; from now on they count as the vnet's own (see `standing`).
//! 5. It leaves the vnet. What it counted stays in the vnet's books.

use std::sync::Arc;

use vnet::VnetRef;

use super::vnet_state::publish_if_dirty;
use super::{EventKind, InterfaceError, Stack};
use crate::net::bpf::TapEnd;
use crate::net::route::RouteError;
use crate::net::{IfKind, IfSlot, Ifnet, vnet_net};

impl Stack {
    /// Destroys an interface with its addresses, its neighbours and the routes that lead through it. Of a route with
    /// several gateways the others stay. An epair goes with both ends. Waits for the workers' grace periods.
    pub fn destroy_interface(&mut self, slot: IfSlot) -> Result<(), InterfaceError> {
        let missing = || InterfaceError::Missing(format!("#{}", slot.0));
        let ifp = self.interface(slot).cloned().ok_or_else(missing)?;
        let peer = match ifp.kind {
            IfKind::Ethernet { .. } => None,
            IfKind::Epair(end) => self.epair_end(end.peer()).cloned(),
            IfKind::Loopback => return Err(InterfaceError::Loopback(ifp.name.clone())),
        };
        // The other end first: what is still sent to it has a name, and this end can be asked for again.
        for ifp in peer.iter().chain([&ifp]) {
            self.strip(ifp)?;
            self.interfaces.unpublish(&mut self.control, ifp);
            self.control.synchronize();
            self.take_last_punts(ifp.slot);
            let end = TapEnd::InterfaceDestroyed;
            self.captures.end(&mut self.control, &ifp.vnet, Some(ifp.slot), end);
            self.forget(ifp);
            self.events.emit_interface(EventKind::InterfaceDestroyed, &ifp.vnet, &ifp.name);
        }
        Ok(())
    }

    /// Takes its addresses, routes and neighbours from an interface, and has workers finish what they were handed for it.
    pub(super) fn strip(&mut self, ifp: &Ifnet) -> Result<(), InterfaceError> {
        let slot = ifp.slot;
        for net in self.addresses_of(&ifp.vnet, slot) {
            self.remove_address(slot, net.addr())?;
        }
        self.remove_routes_through(&ifp.vnet, slot)
            .map_err(|error| InterfaceError::Address(error.into()))?;
        let _neighbors = self.remove_neighbors(&ifp.vnet, |key| key.slot == slot);
        while self.queues.iter().any(|queues| queues.injected() > 0) {
            self.control.synchronize();
        }
        Ok(())
    }

    /// Takes care of what workers handed over of an interface that receives nothing any more.
    pub(super) fn take_last_punts(&mut self, slot: IfSlot) {
        self.interfaces.set_leaving(Some(slot));
        self.take_punts();
        self.interfaces.set_leaving(None);
    }

    /// Takes it out of all lists; no worker receives from it or sends to it any more.
    pub(super) fn forget(&mut self, ifp: &Arc<Ifnet>) {
        let (vnet, slot) = (&ifp.vnet, ifp.slot);
        let _there = self.with_inet(vnet, |inet| {
            inet.interfaces.retain(|other| other.slot != slot);
            inet.dirty = true;
        });
        publish_if_dirty(&mut self.control, vnet);
        self.control.synchronize();
        let count =
            |name| ifp.total().iter().find(|(counter, _)| *counter == name).map(|(_, n)| *n);
        let (received, sent) = (count("ipackets"), count("opackets"));
        vnet_net::init(vnet).interfaces().with(&self.control, |list| {
            if let Some(list) = list {
                list.list.retain(|other| other.slot != slot);
                list.departed_received += received.unwrap_or(0);
                list.departed_sent += sent.unwrap_or(0);
                list.departed_fastforwarded += ifp.fastforwarded();
            }
        });
        self.interfaces.remove(&mut self.control, ifp);
    }

    /// Deletes the routes that lead through an interface. Those with gateways elsewhere, too, keep these.
    fn remove_routes_through(&mut self, vnet: &VnetRef, slot: IfSlot) -> Result<(), RouteError> {
        let changes = self.with_inet(vnet, |inet| inet.routes.changes_without(slot));
        // Fewer than there were: no limit applies, also if one is lower by now.
        self.change_routes(vnet, &changes.unwrap_or_default())
    }

    /// `ingress`, or the vnet's lo0 for a packet that was received through an interface that is gone, or about to: a worker
    /// could not tell the packet's vnet.
    pub(super) fn standing(&self, vnet: &VnetRef, ingress: IfSlot) -> IfSlot {
        if self.interfaces.stays(ingress) {
            return ingress;
        }
        let lo0 = self.with_inet(vnet, |inet| {
            let lo0 = inet.interfaces.iter().find(|ifp| ifp.kind == IfKind::Loopback);
            lo0.map(|ifp| ifp.slot)
        });
        lo0.flatten().unwrap_or(ingress)
    }
}
