//! Interfaces and their addresses.

use std::sync::Arc;

use ipnet::Ipv4Net;
use pmd::PortId;
use vnet::{DestroyError, VnetId, VnetRef};

use super::{Event, EventKind, Stack};
use crate::inet::control::AddressError;
use crate::net::bpf::TapEnd;
use crate::net::{IfKind, IfSlot, Ifnet, IfnetParts, LimitReached, vnet_net};
use crate::wire::MacAddr;

/// MTU of a loopback (FreeBSD: LOMTU, net/if_loop.c).
const LOOPBACK_MTU: u16 = 16384;

/// What an interface shall be.
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

/// Why a vnet is not destroyed.
#[derive(Debug, thiserror::Error)]
pub enum DestroyVnetError {
    /// No such vnet.
    #[error("there is no vnet {0}")]
    Unknown(String),
    /// An interface of another vnet cannot return.
    #[error("{interface} was lent by {home}, which has another interface of that name by now")]
    CannotReturn {
        /// The interface.
        interface: String,
        /// The vnet that it is at home in.
        home: String,
    },
    /// Another interface has to go first, and does not.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// It cannot go.
    #[error(transparent)]
    Refused(#[from] DestroyError),
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
        if let Some(taken) = self.published.receiver(self.control.reader(), kind) {
            return Err(InterfaceError::PortTaken {
                taken: format!("{}.{}", taken.vnet.name(), taken.name),
            });
        }
        self.check_interface(vnet)?;
        let ifp = self.make_interface(vnet, name, kind, mac, mtu, vnet.id())?;
        self.show_interface(&ifp);
        Ok(ifp.slot)
    }

    /// lo0, which every vnet has; once.
    pub(super) fn attach_loopback(&mut self, vnet: &VnetRef) {
        if self.find(vnet, "lo0").is_none() {
            let (name, home) = ("lo0".to_owned(), vnet.id());
            let (kind, mac) = (IfKind::Loopback, MacAddr::ZERO);
            let made = self.make_interface(vnet, name, kind, mac, LOOPBACK_MTU, home);
            if let Ok(lo0) = made {
                self.show_interface(&lo0);
            }
        }
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
        let used = self.free_slots.last().copied();
        let slot =
            used.or_else(|| IfSlot::first(self.interfaces.len())).ok_or(InterfaceError::TooMany)?;
        let (slots, captured) = (self.control.slots(), self.is_captured(vnet));
        let list = vnet_net::init(vnet).interfaces();
        let ifp = list.with(&self.control, |list| {
            let list = list.as_deref_mut().ok_or(InterfaceError::Dying)?;
            let index = list.free_index().ok_or(InterfaceError::TooMany)?;
            let parts =
                IfnetParts { name, index, slot, kind, mac, mtu, vnet: vnet.clone(), home_vnet };
            let ifp = Arc::new(Ifnet::new(parts, slots));
            ifp.set_captured(captured);
            list.list.insert(usize::from(index.0) - 1, Arc::clone(&ifp));
            Ok::<_, InterfaceError>(ifp)
        })?;
        match used {
            Some(_) => drop(self.free_slots.pop()),
            None => self.interfaces.push(None),
        }
        self.interfaces[slot.place()] = Some(Arc::clone(&ifp));
        let _there = self.with_inet(vnet, |inet| {
            inet.interfaces.push(Arc::clone(&ifp));
            inet.dirty = true;
        });
        Ok(ifp)
    }

    /// Shows a new interface to the workers and to who wants to be told.
    pub(super) fn show_interface(&mut self, ifp: &Arc<Ifnet>) {
        self.publish_interface(ifp);
        self.emit_interface(EventKind::InterfaceCreated, &ifp.vnet, &ifp.name);
    }

    /// Has workers find an interface, in the place of the one that received what it will, if there is one.
    pub(super) fn publish_interface(&mut self, ifp: &Arc<Ifnet>) {
        if let IfKind::Epair(end) = ifp.kind {
            self.epairs.insert(end, ifp.slot);
        }
        self.published.insert(&mut self.control, ifp);
    }

    /// The interface of this name.
    #[must_use]
    pub fn find(&self, vnet: &VnetRef, name: &str) -> Option<Arc<Ifnet>> {
        self.with_list(vnet, |list| list.iter().find(|ifp| ifp.name == name).cloned())
    }

    /// The interface in `slot`.
    #[must_use]
    pub fn interface(&self, slot: IfSlot) -> Option<&Arc<Ifnet>> {
        self.interfaces.get(slot.place())?.as_ref().filter(|ifp| ifp.slot == slot)
    }

    /// The interfaces of one vnet, in the order of their indices.
    #[must_use]
    pub fn interfaces_of(&self, vnet: &VnetRef) -> Vec<Arc<Ifnet>> {
        self.with_list(vnet, <[_]>::to_vec)
    }

    /// Looks at the interfaces of one vnet, in the order of their indices: none when the vnet is gone.
    pub(super) fn with_list<R>(&self, vnet: &VnetRef, look: impl FnOnce(&[Arc<Ifnet>]) -> R) -> R {
        let list = vnet_net::init(vnet).interfaces();
        list.with(&self.control, |list| look(list.as_ref().map_or(&[], |list| &list.list)))
    }

    /// The interfaces on a port, each with the name `VNET.INTERFACE`.
    #[must_use]
    pub fn interfaces_on(&self, port: PortId) -> Vec<(IfSlot, String)> {
        let on_it = self.interfaces.iter().flatten().filter(|ifp| ifp.port() == Some(port));
        on_it.map(|ifp| (ifp.slot, format!("{}.{}", ifp.vnet.name(), ifp.name))).collect()
    }

    /// Takes an interface up or down; what its vnet's workers forward by follows.
    pub fn set_interface_up(&mut self, slot: IfSlot, up: bool) -> Result<(), InterfaceError> {
        let was_up = self.interface(slot).is_some_and(|ifp| ifp.is_up());
        self.change_interface(slot, |ifp| ifp.set_up(up))?;
        if let Some(ifp) = self.interface(slot).filter(|_| up != was_up).cloned() {
            let kind = if up { EventKind::InterfaceUp } else { EventKind::InterfaceDown };
            self.emit_interface(kind, &ifp.vnet, &ifp.name);
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
        self.publish_forwarding(&ifp.vnet);
        Ok(())
    }

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
            let _undone = self.with_inet(&vnet, |inet| inet.remove_address(&ifp, net));
            return Err(AddressError::Route(error).into());
        }
        if ifp.port().is_some() {
            let _armed = self.with_inet(&vnet, |inet| {
                let addresses = inet.addresses_of(slot);
                inet.arp.announce(
                    now,
                    crate::inet::control::arp_interface(&ifp, &addresses),
                    net.addr(),
                );
            });
            self.arm(&vnet);
        }
        self.publish_forwarding(&vnet);
        self.emit(|| {
            Event::new(EventKind::AddressAdded).vnet(&vnet).interface(&ifp.name).address(net)
        });
        Ok(())
    }

    /// Destroys a vnet. Interfaces that others lent to it return to them, without addresses; epairs that have an end at
    /// home there go, with both ends. Its memory comes back after a grace period, by [`Stack::tick`].
    pub fn destroy_vnet(&mut self, name: &str) -> Result<(), DestroyVnetError> {
        let vnet = self
            .vnets
            .by_name(name)
            .cloned()
            .ok_or_else(|| DestroyVnetError::Unknown(name.to_owned()))?;
        let id = vnet.id();
        // The base vnet is refused before anything is taken from it.
        if self.vnets.vnet0().is_some_and(|vnet0| vnet0.id() != id) {
            self.return_interfaces(&vnet)?;
            self.destroy_far_ends(&vnet)?;
            self.disarm(&vnet);
            self.end_captures(&vnet, None, TapEnd::VnetDestroyed);
            // Without a port, too: what is published keeps the vnet.
            for ifp in self.interfaces_of(&vnet) {
                self.withdraw(&ifp);
            }
        }
        let event = Event::new(EventKind::VnetDestroyed).vnet(&vnet);
        drop(vnet);
        self.vnets.destroy(&mut self.control, id)?;
        self.emit(|| event);
        Ok(())
    }

    /// Takes an interface out of the process's tables; its place is free for another.
    pub(super) fn withdraw(&mut self, ifp: &Ifnet) {
        self.published.remove(&mut self.control, ifp);
        if let Some(gone) = self.interfaces.get_mut(ifp.slot.place()).and_then(Option::take) {
            self.departed.remember(&gone);
            self.free_slots.push(ifp.slot.next());
            if let IfKind::Epair(end) = gone.kind {
                self.epairs.remove(end, gone.slot);
            }
        }
    }

    /// Destroys all interfaces and vnets, after the workers have ended; how many vnets could not be freed.
    pub fn shutdown(&mut self) -> usize {
        for ifp in self.interfaces.drain(..).flatten() {
            self.published.remove(&mut self.control, &ifp);
        }
        self.free_slots.clear();
        self.vnets.shutdown(&mut self.control)
    }
}
