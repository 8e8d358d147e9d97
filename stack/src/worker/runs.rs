//! From a burst of one port to runs of frames of one interface each.
//!
//! Tenants arrive interleaved. The frames stay where they are; a run is a list of places, in the order in which the frames came, so
//! that a burst has as many runs as it has tenants.

use arrayvec::ArrayVec;
use pmd::{Burst, MAX_BURST, Mask, Mbuf};
use vnet::Reader;

use crate::drops::{DropReason, PortDrops};
use crate::net::datapath::{pop_vlan_tag, vlan_tag};
use crate::net::{Ifnet, PortDemux};
use crate::wire::{ETHER_HDR_LEN, VLAN_TAG_LEN};

/// Frames that one interface received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    /// The interface.
    pub(super) ifp: &'a Ifnet,
    /// Where the list of its places begins, and how many there are; see [`Runs::places`].
    start: u16,
    len: u16,
}

/// The runs of one burst, and what was found out of its frames on the way.
#[derive(Debug)]
pub(super) struct Runs<'a> {
    /// Those of one frame first.
    runs: ArrayVec<Run<'a>, MAX_BURST>,
    places: [u8; MAX_BURST],
    /// The frames that have the 802.1Q tag of their interface.
    pub(super) tagged: Mask,
}

impl<'a> Runs<'a> {
    /// Nothing.
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { runs: ArrayVec::new(), places: [0; MAX_BURST], tagged: Mask::default() }
    }

    /// All runs, those of one frame first.
    #[inline(always)]
    pub(super) fn all(&self) -> &[Run<'a>] {
        &self.runs
    }

    /// The interface of all `packets` of the burst, and whether all have its tag; none if that is not so simple.
    #[inline(always)]
    pub(super) fn alone(&self, packets: usize) -> Option<(&'a Ifnet, bool)> {
        let [run] = self.runs.as_slice() else { return None };
        let tagged: u32 = self.tagged.iter().map(|word| word.count_ones()).sum();
        (tagged == 0 || tagged as usize == packets).then_some((run.ifp, tagged > 0))
    }

    /// The places in the burst of a run's frames.
    #[inline(always)]
    pub(super) fn places(&self, run: &Run<'_>) -> &[u8] {
        let (start, len) = (usize::from(run.start), usize::from(run.len));
        self.places.get(start..start + len).unwrap_or_default()
    }
}

/// Stands for the VLAN of frames without one; id 0 is a priority and no VLAN (IEEE 802.1Q 6.9.1).
const UNTAGGED: u16 = 0;
/// Stands for the VLAN of frames whose headers cannot be read.
const UNREADABLE: u16 = 0x1000;
/// VLAN ids, and what stands for one.
const VLANS: usize = UNREADABLE as usize + 1;

/// Frames of one VLAN.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    vlan: u16,
    len: u16,
    /// Where the next of its frames goes in the list of places; in the end, behind all of them.
    next: u16,
}

/// Sorts bursts of ports with VLANs.
#[derive(Debug)]
pub(super) struct Sorter {
    /// By VLAN: the number of its group in this burst, plus one; 0 is none. All zero between two bursts.
    group_of: Box<[u16; VLANS]>,
    /// The VLAN of each frame.
    vlans: Box<[u16; MAX_BURST]>,
    /// The groups of a burst in the order of their first frames, and a place beyond the last.
    groups: Box<[Group; MAX_BURST + 1]>,
    /// The group of each frame.
    of_frame: Box<[u16; MAX_BURST]>,
    /// The groups in the order in which they become runs.
    order: Box<[u16; MAX_BURST]>,
}

impl Default for Sorter {
    fn default() -> Self {
        Self {
            group_of: Box::new([0; VLANS]),
            groups: Box::new([Group::default(); MAX_BURST + 1]),
            of_frame: Box::new([0; MAX_BURST]),
            vlans: Box::new([0; MAX_BURST]),
            order: Box::new([0; MAX_BURST]),
        }
    }
}

impl Sorter {
    /// Finds the runs of a burst. Frames that no interface takes end here.
    pub(super) fn sort<'a>(
        &mut self,
        reader: &'a Reader,
        demux: &'a PortDemux,
        drops: &PortDrops,
        burst: &mut Burst,
        runs: &mut Runs<'a>,
    ) {
        let groups = if self.read_tags(burst, &mut runs.tagged) {
            // As from a wire with one tenant.
            let len = burst.len();
            (0..len).zip(&mut runs.places).for_each(|(frame, place)| *place = frame as u8);
            self.groups[0] = Group { vlan: self.vlans[0], len: len as u16, next: len as u16 };
            self.of_frame[..len].fill(0);
            usize::from(len > 0)
        } else {
            let groups = self.group(burst.len());
            self.list_places(burst.len(), groups, &mut runs.places);
            groups
        };
        let mut unknown = 0;
        self.put_singles_first(groups);
        for number in &self.order[..groups] {
            let Group { vlan, len, next } = self.groups[usize::from(*number)];
            match interface(reader, demux, vlan) {
                Some(ifp) => {
                    ifp.prefetch_first();
                    // Behind the last of its places.
                    runs.runs.push(Run { ifp, start: next - len, len });
                }
                None => unknown += usize::from(len),
            }
        }
        if unknown > 0 {
            let unknown = self.unknown(reader, demux, drops, burst, groups);
            self.sort_without(&unknown, reader, demux, drops, burst, runs);
        }
    }

    /// Reads the VLAN of each frame; true when all are of the same.
    #[inline(always)]
    fn read_tags(&mut self, burst: &mut Burst, tagged: &mut Mask) -> bool {
        let (mut first, mut difference) = (None, 0);
        let chunks = burst.as_mut_slice().chunks_mut(64).zip(self.vlans.chunks_mut(64));
        for ((frames, vlans), word) in chunks.zip(tagged) {
            let mut bits = 0;
            for ((bit, mbuf), place) in frames.iter_mut().enumerate().zip(vlans) {
                let (vlan, has_tag) = vlan_of(mbuf);
                bits |= u64::from(has_tag) << bit;
                difference |= vlan ^ *first.get_or_insert(vlan);
                *place = vlan;
            }
            *word = bits;
        }
        difference == 0
    }

    /// Puts each frame into the group of its VLAN; how many groups there are. Without a branch that depends on the VLANs: no wire
    /// sends them in an order that a core could foresee.
    #[inline(always)]
    fn group(&mut self, frames: usize) -> usize {
        let mut count = 0;
        for (vlan, of_frame) in self.vlans[..frames].iter().zip(&mut *self.of_frame) {
            let known = self.group_of[usize::from(*vlan)];
            let is_new = known == 0;
            let number = if is_new { count } else { known - 1 };
            self.group_of[usize::from(*vlan)] = number + 1;
            // Beyond the last group, unless it is new.
            self.groups[usize::from(count)] = Group { vlan: *vlan, len: 0, next: 0 };
            self.groups[usize::from(number)].len += 1;
            *of_frame = number;
            count += u16::from(is_new);
        }
        usize::from(count)
    }

    /// Lists the places of each group's frames, one group behind the other. Clears the table of groups for the next burst.
    #[inline(always)]
    fn list_places(&mut self, frames: usize, groups: usize, places: &mut [u8; MAX_BURST]) {
        let mut start = 0;
        for group in &mut self.groups[..groups] {
            self.group_of[usize::from(group.vlan)] = 0;
            group.next = start;
            start += group.len;
        }
        for (frame, group) in self.of_frame[..frames].iter().enumerate() {
            let group = &mut self.groups[usize::from(*group)];
            places[usize::from(group.next) % MAX_BURST] = frame as u8;
            group.next += 1;
        }
    }

    /// Orders the groups, those of one frame first; again without a branch that depends on them.
    #[inline(always)]
    fn put_singles_first(&mut self, groups: usize) {
        let (mut singles, mut others) = (0, groups);
        for (number, group) in self.groups[..groups].iter().enumerate() {
            let is_single = group.len == 1;
            others -= usize::from(!is_single);
            self.order[if is_single { singles } else { others }] = number as u16;
            singles += usize::from(is_single);
        }
    }

    /// Ends the frames of a sorted burst whose bits are set, and finds the runs of the others.
    pub(super) fn sort_without<'a>(
        &mut self,
        ended: &Mask,
        reader: &'a Reader,
        demux: &'a PortDemux,
        drops: &PortDrops,
        burst: &mut Burst,
        runs: &mut Runs<'a>,
    ) {
        let _moved: usize = burst.extract(ended, &mut Burst::new());
        *runs = Runs::new();
        self.sort(reader, demux, drops, burst, runs);
    }

    /// The frames whose groups have no interface, which are counted as dropped.
    #[cold]
    fn unknown(
        &self,
        reader: &Reader,
        demux: &PortDemux,
        drops: &PortDrops,
        burst: &Burst,
        groups: usize,
    ) -> Mask {
        let mut unknown = Mask::default();
        for (frame, group) in self.of_frame[..burst.len()].iter().enumerate() {
            let group = usize::from(*group);
            let vlan = self.groups[..groups].get(group).map_or(UNREADABLE, |group| group.vlan);
            if interface(reader, demux, vlan).is_some() {
                continue;
            }
            unknown[frame / 64] |= 1 << (frame % 64);
            let reason = match vlan {
                UNTAGGED => DropReason::NoInterface,
                UNREADABLE => DropReason::MbufLayout,
                _ => DropReason::VlanUnknown,
            };
            drops.received.add(reason, 1);
        }
        unknown
    }
}

/// The VLAN of a frame, and whether the frame has its tag.
#[inline(always)]
fn vlan_of(mbuf: &mut Mbuf) -> (u16, bool) {
    // A tag that begins in one segment and ends in another cannot be read.
    let split = mbuf.data().len() < ETHER_HDR_LEN + VLAN_TAG_LEN && mbuf.nb_segs() > 1;
    if split && !mbuf.linearize() {
        return (UNREADABLE, false);
    }
    if let Some(tci) = mbuf.rx_vlan_stripped() {
        return (tci & 0x0fff, false);
    }
    match vlan_tag(mbuf).map(|tci| tci & 0x0fff) {
        None => (UNTAGGED, false),
        Some(UNTAGGED) => pop_priority(mbuf),
        Some(vlan) => (vlan, true),
    }
}

/// Takes a priority tag off, so that its frame and those without one stay in order.
#[cold]
#[inline(never)]
fn pop_priority(mbuf: &mut Mbuf) -> (u16, bool) {
    pop_vlan_tag(mbuf);
    (UNTAGGED, false)
}

/// The interface that takes a VLAN's frames.
#[inline(always)]
fn interface<'a>(reader: &'a Reader, demux: &'a PortDemux, vlan: u16) -> Option<&'a Ifnet> {
    match vlan {
        UNTAGGED => demux.untagged.as_deref(),
        UNREADABLE => None,
        vlan => demux.vlans.as_deref()?.get(reader, vlan),
    }
}
