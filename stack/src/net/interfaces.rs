//! The table of all interfaces that workers read: from port and VLAN to interface, and from slot to interface.
//!
//! The control side replaces the places that a change concerns, each whole, and no other: what a change costs does not
//! depend on how many interfaces there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pmd::PortId;
use vnet::{Control, PublishedTable, Reader};

use super::{IfKind, IfSlot, Ifnet};

/// Which interfaces a port carries, or which is the end of an epair that is a port to others.
#[derive(Debug, Default)]
pub struct PortDemux {
    /// Takes untagged frames.
    pub untagged: Option<Arc<Ifnet>>,
    /// Takes tagged frames; none while the port has no VLANs.
    pub vlans: Option<Arc<Vlans>>,
}

/// The VLANs of a port.
#[derive(Debug)]
pub struct Vlans {
    /// By VLAN id, of 12 bits.
    interfaces: PublishedTable<Ifnet, 16, 256>,
    /// How many there are; for the control side.
    count: AtomicU32,
}

impl Vlans {
    fn new(control: &Control) -> Self {
        Self { interfaces: PublishedTable::new(control), count: AtomicU32::new(0) }
    }

    /// The interface of a VLAN.
    #[inline]
    #[must_use]
    pub fn get<'a>(&'a self, reader: &'a Reader, vlan: u16) -> Option<&'a Ifnet> {
        self.interfaces.load(reader, usize::from(vlan))
    }
}

/// All interfaces of the process.
#[derive(Debug)]
pub struct Interfaces {
    ports: PublishedTable<PortDemux, 256, 256>,
    slots: PublishedTable<Ifnet, 1024, { IfSlot::PLACES / 1024 }>,
}

impl Interfaces {
    /// No interfaces, for the readers of `control`'s domain.
    #[must_use]
    pub fn new(control: &Control) -> Self {
        Self { ports: PublishedTable::new(control), slots: PublishedTable::new(control) }
    }

    /// The interfaces that `port` carries.
    #[inline]
    #[must_use]
    pub fn port<'a>(&'a self, reader: &'a Reader, port: PortId) -> Option<&'a PortDemux> {
        self.ports.load(reader, usize::from(port.0))
    }

    /// The interface in `slot`; none when another has its place by now.
    #[inline]
    #[must_use]
    pub fn get<'a>(&'a self, reader: &'a Reader, slot: IfSlot) -> Option<&'a Ifnet> {
        self.slots.load(reader, slot.place()).filter(|ifp| ifp.slot == slot)
    }

    /// The interface that receives what one of this kind would; none for a loopback, which receives nothing of a port.
    #[must_use]
    pub fn receiver<'a>(&'a self, reader: &'a Reader, kind: IfKind) -> Option<&'a Ifnet> {
        let (port, vlan) = kind.receives()?;
        let demux = self.port(reader, port)?;
        match vlan {
            None => demux.untagged.as_deref(),
            Some(vlan) => demux.vlans.as_deref()?.get(reader, vlan),
        }
    }

    /// Puts an interface at its slot and where it receives, in the place of whoever was there: workers find the one or
    /// the other, and never neither.
    ///
    /// # Panics
    ///
    /// If the VLAN id has more than 12 bits.
    pub(crate) fn insert(&self, control: &mut Control, ifp: &Arc<Ifnet>) {
        control.put(&self.slots, ifp.slot.place(), Some(Arc::clone(ifp)));
        let Some((port, vlan)) = ifp.kind.receives() else { return };
        let is_new = self.receiver(control.reader(), ifp.kind).is_none();
        let Some(vlan) = vlan else { return self.set_untagged(control, port, Some(ifp)) };
        let vlans = self.port(control.reader(), port).and_then(|demux| demux.vlans.clone());
        let vlans = vlans.unwrap_or_else(|| {
            let vlans = Arc::new(Vlans::new(control));
            self.set_vlans(control, port, Some(&vlans));
            vlans
        });
        control.put(&vlans.interfaces, usize::from(vlan), Some(Arc::clone(ifp)));
        let _before = vlans.count.fetch_add(u32::from(is_new), Ordering::Relaxed);
    }

    /// Takes an interface out, except where another has its place already.
    pub(crate) fn remove(&self, control: &mut Control, ifp: &Ifnet) {
        let is_there = |found: Option<&Ifnet>| found.is_some_and(|other| other.slot == ifp.slot);
        if is_there(self.receiver(control.reader(), ifp.kind)) {
            self.stop_receiving(control, ifp);
        }
        if is_there(self.get(control.reader(), ifp.slot)) {
            control.put(&self.slots, ifp.slot.place(), None);
        }
    }

    fn stop_receiving(&self, control: &mut Control, ifp: &Ifnet) {
        let Some((port, vlan)) = ifp.kind.receives() else { return };
        let Some(vlan) = vlan else { return self.set_untagged(control, port, None) };
        let vlans = self.port(control.reader(), port).and_then(|demux| demux.vlans.clone());
        let Some(vlans) = vlans else { return };
        control.put(&vlans.interfaces, usize::from(vlan), None);
        if vlans.count.fetch_sub(1, Ordering::Relaxed) == 1 {
            // A port without VLANs has a shorter way again.
            self.set_vlans(control, port, None);
        }
    }

    fn set_untagged(&self, control: &mut Control, port: PortId, ifp: Option<&Arc<Ifnet>>) {
        let vlans = self.port(control.reader(), port).and_then(|demux| demux.vlans.clone());
        self.set_port(control, port, PortDemux { untagged: ifp.cloned(), vlans });
    }

    fn set_vlans(&self, control: &mut Control, port: PortId, vlans: Option<&Arc<Vlans>>) {
        let untagged = self.port(control.reader(), port).and_then(|demux| demux.untagged.clone());
        self.set_port(control, port, PortDemux { untagged, vlans: vlans.cloned() });
    }

    /// A port that carries nothing is not there.
    fn set_port(&self, control: &mut Control, port: PortId, demux: PortDemux) {
        let carries = demux.untagged.is_some() || demux.vlans.is_some();
        control.put(&self.ports, usize::from(port.0), carries.then(|| Arc::new(demux)));
    }
}
