//! Epairs (FreeBSD: sys/net/if_epair.c): two interfaces that come and go together, in one vnet or in two.

use std::collections::{BTreeSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use vnet::VnetRef;

use super::{InterfaceError, Stack};
use crate::net::{EpairEnd, IfKind, IfSlot, Ifnet};
use crate::wire::MacAddr;

/// MTU of an epair, bytes: Ethernet's, as in FreeBSD.
pub const EPAIR_MTU: u16 = 1500;

/// A request for one end of an epair.
#[derive(Clone, Debug)]
pub struct EpairSpec {
    /// The vnet that it is made in.
    pub vnet: VnetRef,
    /// Name, unique in the vnet.
    pub name: String,
    /// Its MAC address; one is made up otherwise.
    pub mac: Option<MacAddr>,
    /// Largest IP packet, bytes.
    pub mtu: u16,
}

/// Which interface is which end.
#[derive(Debug, Default)]
pub(super) struct EpairTable {
    /// By end.
    ends: Vec<Option<IfSlot>>,
    /// Numbers of pairs that are gone. The one that was free for the longest is used first.
    free: VecDeque<usize>,
    /// Makes MAC addresses that a stranger cannot foretell.
    key: hashbrown::DefaultHashBuilder,
}

impl EpairTable {
    /// A pair that is free.
    fn unused(&self) -> Option<(EpairEnd, EpairEnd)> {
        EpairEnd::pair(self.free.front().copied().unwrap_or(self.ends.len() / 2))
    }

    /// An end has an interface from now on: its first, or the one that it moved to.
    pub(super) fn insert(&mut self, end: EpairEnd, slot: IfSlot) {
        if self.free.front() == Some(&end.number()) {
            let _used = self.free.pop_front();
        }
        if self.ends.len() <= end.place() {
            self.ends.resize(end.number() * 2 + 2, None);
        }
        self.ends[end.place()] = Some(slot);
    }

    /// The interface is gone; when it was the last of the pair, so is the pair.
    pub(super) fn remove(&mut self, end: EpairEnd, slot: IfSlot) {
        let Some(place) = self.ends.get_mut(end.place()) else { return };
        // After a move, the end has another interface by now.
        if place.take_if(|there| *there == slot).is_some() && self.get(end.peer()).is_none() {
            self.free.push_back(end.number());
        }
    }

    /// The interface that is this end.
    pub(super) fn get(&self, end: EpairEnd) -> Option<IfSlot> {
        *self.ends.get(end.place())?
    }

    /// A locally administered address (FreeBSD: `ether_gen_addr`, net/if_ethersubr.c). Ends of a pair differ in the last
    /// bit.
    fn mac(&self, end: EpairEnd, vnet: &str, name: &str) -> MacAddr {
        let [_, _, _, a, b, c, d, e] = self.key.hash_one((end.number(), vnet, name)).to_be_bytes();
        MacAddr([0x02, a, b, c, d, e & !1 | (end.place() & 1) as u8])
    }
}

impl Stack {
    /// Makes an epair: its `a` end and its `b` end.
    pub fn create_epair(
        &mut self,
        a: EpairSpec,
        b: EpairSpec,
    ) -> Result<(IfSlot, IfSlot), InterfaceError> {
        let same = a.vnet.id() == b.vnet.id() && a.name == b.name;
        for spec in [&a, &b] {
            if same || self.find(&spec.vnet, &spec.name).is_some() {
                return Err(InterfaceError::NameTaken(spec.name.clone()));
            }
            self.check_interface(&spec.vnet)?;
        }
        let (end_a, end_b) =
            self.interfaces.epairs.unused().ok_or(InterfaceError::TooManyEpairs)?;
        let (first_vnet, first_name) = (a.vnet.clone(), a.name.clone());
        let mac = |end| self.interfaces.epairs.mac(end, first_vnet.name(), &first_name);
        let (mac_a, mac_b) =
            (a.mac.unwrap_or_else(|| mac(end_a)), b.mac.unwrap_or_else(|| mac(end_b)));
        let (home_a, home_b) = (a.vnet.id(), b.vnet.id());
        let a = self.make_interface(&a.vnet, a.name, IfKind::Epair(end_a), mac_a, a.mtu, home_a)?;
        let b = self.make_interface(&b.vnet, b.name, IfKind::Epair(end_b), mac_b, b.mtu, home_b);
        let b = b.inspect_err(|_| self.forget(&a))?;
        for ifp in [&a, &b] {
            self.show_interface(ifp);
        }
        Ok((a.slot, b.slot))
    }

    /// The lowest `epairN` whose ends have no namesakes in `vnet`, nor among the interfaces that are at home there and
    /// may come back (FreeBSD: `ifc_alloc_unit`, net/if_clone.c).
    #[must_use]
    pub fn unused_epair_name(&self, vnet: &VnetRef) -> String {
        let id = vnet.id();
        let there = |ifp: &&Arc<Ifnet>| ifp.vnet.id() == id || ifp.home_vnet == id;
        let unit = |name: &str| -> Option<usize> {
            name.strip_prefix("epair")?.strip_suffix(['a', 'b'])?.parse().ok()
        };
        let used: BTreeSet<usize> =
            self.interfaces.iter().filter(there).filter_map(|ifp| unit(&ifp.name)).collect();
        let free = (0..).zip(&used).find(|(number, used)| number != *used);
        format!("epair{}", free.map_or(used.len(), |(number, _)| number))
    }

    /// The interface that is this end of an epair.
    #[must_use]
    pub fn epair_end(&self, end: EpairEnd) -> Option<&Arc<Ifnet>> {
        self.interfaces.epair_end(end)
    }
}
