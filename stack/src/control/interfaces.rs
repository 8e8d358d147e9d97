//! Interfaces are made and changed.

use std::sync::Arc;

use pmd::PortId;
use vnet::{VnetId, VnetRef};

use super::vnet_state::{self, publish_forwarding};
use super::{EventKind, Stack};
use crate::inet::INET_DOMAIN;
use crate::inet::control::AddressError;
use crate::net::{AF_MAX, AfDomain, IfKind, IfSlot, Ifnet, IfnetParts, LimitReached, vnet_net};
use crate::wire::MacAddr;

/// The families that every interface has, each at its place.
const FAMILIES: [AfDomain; AF_MAX] = [INET_DOMAIN];

/// The interface that is asked for.
#[derive(Clone, Debug)]
pub struct InterfaceSpec {
    /// Name, unique in the vnet.
    pub name: String,
    /// The port it is on.
    pub port: PortId,
    /// The VLAN of the port, or untagged.
    pub vlan: Option<u16>,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Largest IP packet, bytes.
    pub mtu: u16,
}

/// Why an interface is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InterfaceError {
    /// The vnet has one of that name.
    #[error("the vnet has an interface {0} already")]
    NameTaken(String),
    /// The vnet that it should move to has one of that name.
    #[error("vnet {vnet} has an interface {name} already")]
    NameTakenThere {
        /// The name.
        name: String,
        /// The vnet.
        vnet: String,
    },
    /// Another interface receives what this one would.
    #[error("{taken} takes these frames of the port already: give the new interface another VLAN")]
    PortTaken {
        /// The other interface.
        taken: String,
    },
    /// There is no such VLAN (IEEE 802.1Q 9.6: 0 is none, and 4095 is reserved).
    #[error("{0} is no VLAN: give a number from 1 to 4094")]
    BadVlan(u16),
    /// The vnet is going away.
    #[error("the vnet is being destroyed")]
    Dying,
    /// The vnet has as many as it may, or as much memory.
    #[error(transparent)]
    Limit(#[from] LimitReached),
    /// Every vnet has its loopback, and keeps it.
    #[error("{0} cannot move: every vnet has its own")]
    LoopbackStays(String),
    /// It need not move.
    #[error("{0} is in that vnet already")]
    AlreadyThere(String),
    /// Too many epairs.
    #[error("a process takes {} epairs at most", crate::net::MAX_EPAIRS)]
    TooManyEpairs,
    /// Too many interfaces.
    #[error("a vnet takes 65535 interfaces at most")]
    TooMany,
    /// No such interface.
    #[error("the vnet has no interface {0}")]
    Missing(String),
    /// Every vnet has its loopback.
    #[error("{0} cannot be destroyed: every vnet has it, and it goes with the vnet")]
    Loopback(String),
    /// The interface does not have the address.
    #[error("{interface} has no address {address}")]
    NoAddress {
        /// The interface.
        interface: String,
        /// The address.
        address: std::net::Ipv4Addr,
    },
    /// The address is refused.
    #[error(transparent)]
    Address(#[from] AddressError),
}

impl Stack {
    /// Makes an interface in `vnet`.
    pub fn create_interface(
        &mut self,
        vnet: &VnetRef,
        spec: InterfaceSpec,
    ) -> Result<IfSlot, InterfaceError> {
        let InterfaceSpec { name, port, vlan, mac, mtu } = spec;
        let kind = IfKind::Ethernet { port, vlan };
        if self.find(vnet, &name).is_some() {
            return Err(InterfaceError::NameTaken(name));
        }
        if let Some(vlan) = vlan.filter(|vlan| !(1..=4094).contains(vlan)) {
            return Err(InterfaceError::BadVlan(vlan));
        }
        if let Some(taken) = self.interfaces.published().receiver(self.control.reader(), kind) {
            return Err(InterfaceError::PortTaken {
                taken: format!("{}.{}", taken.vnet.name(), taken.name),
            });
        }
        self.check_interface(vnet)?;
        let ifp = self.make_interface(vnet, name, kind, mac, mtu, vnet.id())?;
        self.show_interface(&ifp);
        Ok(ifp.slot)
    }

    /// Makes an interface that workers do not know yet: it is in the lists of its vnet only.
    pub(super) fn make_interface(
        &mut self,
        vnet: &VnetRef,
        name: String,
        kind: IfKind,
        mac: MacAddr,
        mtu: u16,
        home_vnet: VnetId,
    ) -> Result<Arc<Ifnet>, InterfaceError> {
        let slot = self.interfaces.unused_slot().ok_or(InterfaceError::TooMany)?;
        let (slots, captured) = (self.control.slots(), self.captures.is_captured(vnet));
        let list = vnet_net::init(vnet).interfaces();
        let ifp = list.with(&self.control, |list| {
            let list = list.as_deref_mut().ok_or(InterfaceError::Dying)?;
            let index = list.free_index().ok_or(InterfaceError::TooMany)?;
            let parts =
                IfnetParts { name, index, slot, kind, mac, mtu, vnet: vnet.clone(), home_vnet };
            let ifp = Arc::new(Ifnet::new(parts, FAMILIES, slots));
            ifp.set_captured(captured);
            list.list.insert(usize::from(index.0) - 1, Arc::clone(&ifp));
            Ok::<_, InterfaceError>(ifp)
        })?;
        self.interfaces.insert(&ifp);
        let _there = self.with_inet(vnet, |inet| {
            inet.interfaces.push(Arc::clone(&ifp));
            inet.dirty = true;
        });
        Ok(ifp)
    }

    /// Shows a new interface to the workers, and to clients that follow events.
    pub(super) fn show_interface(&mut self, ifp: &Arc<Ifnet>) {
        self.interfaces.publish(&mut self.control, ifp);
        self.events.emit_interface(EventKind::InterfaceCreated, &ifp.vnet, &ifp.name);
    }

    /// The interface of this name.
    #[must_use]
    pub fn find(&self, vnet: &VnetRef, name: &str) -> Option<Arc<Ifnet>> {
        self.with_list(vnet, |list| list.iter().find(|ifp| ifp.name == name).cloned())
    }

    /// The interface in `slot`.
    #[must_use]
    pub fn interface(&self, slot: IfSlot) -> Option<&Arc<Ifnet>> {
        self.interfaces.get(slot)
    }

    /// The interfaces of one vnet, in the order of their indices.
    #[must_use]
    pub fn interfaces_of(&self, vnet: &VnetRef) -> Vec<Arc<Ifnet>> {
        self.with_list(vnet, <[_]>::to_vec)
    }

    /// Looks at the interfaces of one vnet, in the order of their indices: none when the vnet is gone.
    pub(super) fn with_list<R>(&self, vnet: &VnetRef, look: impl FnOnce(&[Arc<Ifnet>]) -> R) -> R {
        vnet_state::with_interfaces(&self.control, vnet, look)
    }

    /// The interfaces on a port, each with the name `VNET.INTERFACE`.
    #[must_use]
    pub fn interfaces_on(&self, port: PortId) -> Vec<(IfSlot, String)> {
        let on_it = self.interfaces.iter().filter(|ifp| ifp.port() == Some(port));
        on_it.map(|ifp| (ifp.slot, format!("{}.{}", ifp.vnet.name(), ifp.name))).collect()
    }

    /// Takes an interface up or down; what its vnet's workers forward by follows.
    pub fn set_interface_up(&mut self, slot: IfSlot, up: bool) -> Result<(), InterfaceError> {
        let was_up = self.interface(slot).is_some_and(|ifp| ifp.is_up());
        self.change_interface(slot, |ifp| ifp.set_up(up))?;
        if let Some(ifp) = self.interface(slot).filter(|_| up != was_up).cloned() {
            if !up {
                self.flush_neighbors(&ifp.vnet, slot);
            }
            let kind = if up { EventKind::InterfaceUp } else { EventKind::InterfaceDown };
            self.events.emit_interface(kind, &ifp.vnet, &ifp.name);
        }
        Ok(())
    }

    /// Sets an interface's MTU, bytes of an IP packet; what its vnet's workers forward by follows.
    pub fn set_interface_mtu(&mut self, slot: IfSlot, mtu: u16) -> Result<(), InterfaceError> {
        self.change_interface(slot, |ifp| ifp.set_mtu(mtu))
    }

    fn change_interface(
        &mut self,
        slot: IfSlot,
        change: impl FnOnce(&Ifnet),
    ) -> Result<(), InterfaceError> {
        let missing = || InterfaceError::Missing(format!("#{}", slot.0));
        let ifp = self.interface(slot).cloned().ok_or_else(missing)?;
        change(&ifp);
        publish_forwarding(&mut self.control, &ifp.vnet);
        Ok(())
    }
}
