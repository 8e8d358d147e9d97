//! The table of all interfaces that workers read: from port and VLAN to interface, and from slot to interface.
//!
//! Immutable; the control side publishes a new one for every change.

use std::sync::Arc;

use hashbrown::HashMap;
use pmd::PortId;

use super::{IfKind, IfSlot, Ifnet};

/// Which interfaces a port carries.
#[derive(Debug, Default)]
pub struct PortDemux {
    /// Takes untagged frames.
    pub untagged: Option<Arc<Ifnet>>,
    /// Takes tagged frames, by VLAN id.
    pub vlans: HashMap<u16, Arc<Ifnet>>,
}

/// All interfaces of the process.
#[derive(Debug, Default)]
pub struct Interfaces {
    ports: Vec<PortDemux>,
    slots: Vec<Option<Arc<Ifnet>>>,
}

impl Interfaces {
    /// Sorts interfaces by port, VLAN and slot.
    #[must_use]
    pub fn new<'a>(interfaces: impl Iterator<Item = &'a Arc<Ifnet>>) -> Self {
        let mut table = Self::default();
        for ifp in interfaces {
            table.insert(ifp);
        }
        table
    }

    fn insert(&mut self, ifp: &Arc<Ifnet>) {
        let slot = ifp.slot.place();
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, None);
        }
        self.slots[slot] = Some(Arc::clone(ifp));
        let IfKind::Ethernet { port, vlan } = ifp.kind else { return };
        let port = usize::from(port.0);
        if self.ports.len() <= port {
            self.ports.resize_with(port + 1, PortDemux::default);
        }
        match vlan {
            None => self.ports[port].untagged = Some(Arc::clone(ifp)),
            Some(vlan) => drop(self.ports[port].vlans.insert(vlan, Arc::clone(ifp))),
        }
    }

    /// What `port` carries.
    #[inline]
    #[must_use]
    pub fn port(&self, port: PortId) -> Option<&PortDemux> {
        self.ports.get(usize::from(port.0))
    }

    /// The interface in `slot`; none when another has its place by now.
    #[inline]
    #[must_use]
    pub fn get(&self, slot: IfSlot) -> Option<&Arc<Ifnet>> {
        self.slots.get(slot.place())?.as_ref().filter(|ifp| ifp.slot == slot)
    }

    /// All interfaces, by slot.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Ifnet>> {
        self.slots.iter().flatten()
    }
}
