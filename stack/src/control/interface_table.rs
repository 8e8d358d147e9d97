//! The interfaces of all vnets: the control thread's table, and the one that it publishes to the workers.

use std::sync::Arc;

use vnet::Control;

use super::books::Departed;
use super::epairs::EpairTable;
use crate::net::{EpairEnd, IfKind, IfSlot, Ifnet, Interfaces};

/// Every interface of the process, by slot.
#[derive(Debug)]
pub(super) struct InterfaceTable {
    /// By place.
    places: Vec<Option<Arc<Ifnet>>>,
    /// Places that were used before and are free, with the slot that each is next.
    free: Vec<IfSlot>,
    /// The table that workers read.
    published: Arc<Interfaces>,
    /// Which of them are ends of epairs.
    pub(super) epairs: EpairTable,
    /// For the books of the process: interfaces that were destroyed.
    pub(super) departed: Departed,
    /// The interface that leaves its vnet, while the packets that it received are taken care of.
    leaving: Option<IfSlot>,
}

impl InterfaceTable {
    /// No interfaces, for the workers of `control`'s domain.
    pub(super) fn new(control: &Control) -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            published: Arc::new(Interfaces::new(control)),
            epairs: EpairTable::default(),
            departed: Departed::default(),
            leaving: None,
        }
    }

    /// The table that workers read.
    pub(super) fn published(&self) -> &Arc<Interfaces> {
        &self.published
    }

    /// The interface in `slot`.
    pub(super) fn get(&self, slot: IfSlot) -> Option<&Arc<Ifnet>> {
        self.places.get(slot.place())?.as_ref().filter(|ifp| ifp.slot == slot)
    }

    /// All interfaces, by place.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Ifnet>> {
        self.places.iter().flatten()
    }

    /// The interface that is this end of an epair.
    pub(super) fn epair_end(&self, end: EpairEnd) -> Option<&Arc<Ifnet>> {
        self.get(self.epairs.get(end)?)
    }

    /// The slot that the next interface gets; none when all places are taken.
    pub(super) fn unused_slot(&self) -> Option<IfSlot> {
        self.free.last().copied().or_else(|| IfSlot::first(self.places.len()))
    }

    /// Books an interface that was made for [`unused_slot`](Self::unused_slot). Workers do not know it yet.
    pub(super) fn insert(&mut self, ifp: &Arc<Ifnet>) {
        match self.free.pop_if(|free| *free == ifp.slot) {
            Some(_) => {}
            None => self.places.push(None),
        }
        self.places[ifp.slot.place()] = Some(Arc::clone(ifp));
    }

    /// Has workers find an interface, in the place of the one that received what it will, if there is one.
    pub(super) fn publish(&mut self, control: &mut Control, ifp: &Arc<Ifnet>) {
        if let IfKind::Epair(end) = ifp.kind {
            self.epairs.insert(end, ifp.slot);
        }
        self.published.insert(control, ifp);
    }

    /// Has workers no longer find an interface. It keeps its slot.
    pub(super) fn unpublish(&mut self, control: &mut Control, ifp: &Ifnet) {
        self.published.remove(control, ifp);
    }

    /// Takes an interface out; its place is free for another.
    pub(super) fn remove(&mut self, control: &mut Control, ifp: &Ifnet) {
        self.unpublish(control, ifp);
        if let Some(gone) = self.places.get_mut(ifp.slot.place()).and_then(Option::take) {
            self.departed.remember(&gone);
            self.free.push(ifp.slot.next());
            if let IfKind::Epair(end) = gone.kind {
                self.epairs.remove(end, gone.slot);
            }
        }
    }

    /// Takes all interfaces out, after the workers have ended.
    pub(super) fn clear(&mut self, control: &mut Control) {
        for ifp in self.places.drain(..).flatten() {
            self.published.remove(control, &ifp);
        }
        self.free.clear();
    }

    /// An interface leaves its vnet, or none does any more.
    pub(super) fn set_leaving(&mut self, slot: Option<IfSlot>) {
        self.leaving = slot;
    }

    /// Whether an interface is there and not about to leave its vnet.
    pub(super) fn stays(&self, slot: IfSlot) -> bool {
        self.leaving != Some(slot) && self.get(slot).is_some()
    }
}
