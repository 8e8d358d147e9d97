//! From a burst of one port to runs of frames of one interface each.
//!
//! Tenants arrive interleaved. The frames of one interface are put side by side, in the order in which they came, so that a burst
//! has as many runs as it has tenants.

use std::ops::Range;

use arrayvec::ArrayVec;
use pmd::{Burst, MAX_BURST, Mask, Mbuf};
use vnet::Reader;

use crate::drops::{DropReason, PortDrops};
use crate::net::datapath::{pop_vlan_tag, vlan_tag};
use crate::net::{Ifnet, PortDemux};
use crate::wire::{ETHER_HDR_LEN, VLAN_TAG_LEN};

/// Frames from which a run is worth passes of its own; those of shorter runs are checked together, whatever vnets they are for.
const LONG: u16 = 16;

/// Frames that one interface received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    /// The interface.
    pub(super) ifp: &'a Ifnet,
    /// The place in the burst of the first one, and how many there are.
    start: u16,
    len: u16,
}

impl Run<'_> {
    /// The places of the frames in the burst.
    #[inline(always)]
    pub(super) fn places(&self) -> Range<usize> {
        usize::from(self.start)..usize::from(self.start) + usize::from(self.len)
    }

    /// Whether the run is worth passes of its own.
    #[inline(always)]
    pub(super) fn is_long(&self) -> bool {
        self.len >= LONG
    }
}

/// The runs of one burst, one behind the other, and what was found out of its frames on the way.
#[derive(Debug)]
pub(super) struct Runs<'a> {
    /// Those of one frame first, the long ones last.
    runs: ArrayVec<Run<'a>, MAX_BURST>,
    /// The frames that have the 802.1Q tag of their interface.
    pub(super) tagged: Mask,
}

impl<'a> Runs<'a> {
    /// Nothing.
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { runs: ArrayVec::new(), tagged: Mask::default() }
    }

    /// All runs: those of one frame first, the long ones last.
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
}

/// Stands for the VLAN of frames without one; id 0 is a priority and no VLAN (IEEE 802.1Q 6.9.1).
const UNTAGGED: u16 = 0;
/// Stands for the VLAN of frames whose headers cannot be read.
const UNREADABLE: u16 = 0x1000;
/// Room for VLAN ids and what stands for one: a power of two, so that no number has to be compared with it.
const VLANS: usize = 2 * UNREADABLE as usize;

/// Frames of one VLAN. Of a size that a core can multiply by while it addresses.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(8))]
struct Group {
    vlan: u16,
    len: u16,
    /// The place of its first frame, once the frames are in the order of their groups.
    start: u16,
}

/// Sorts bursts of ports with VLANs.
#[derive(Debug)]
pub(super) struct Sorter {
    /// By VLAN: the number of its group in this burst, plus one; 0 is none. All zero between two bursts.
    group_of: Box<[u16; VLANS]>,
    /// The VLAN of each frame.
    vlans: Box<[u16; MAX_BURST]>,
    /// The groups of a burst in the order of their first frames, a place beyond the last, and more up to a power of two.
    groups: Box<[Group; 2 * MAX_BURST]>,
    /// The group of each frame, and how many of it came before.
    of_frame: Box<[(u8, u8); MAX_BURST]>,
    /// The groups in the order in which they become runs.
    order: Box<[u8; MAX_BURST]>,
}

impl Default for Sorter {
    fn default() -> Self {
        Self {
            group_of: Box::new([0; VLANS]),
            groups: Box::new([Group::default(); 2 * MAX_BURST]),
            of_frame: Box::new([(0, 0); MAX_BURST]),
            vlans: Box::new([0; MAX_BURST]),
            order: Box::new([0; MAX_BURST]),
        }
    }
}

impl Sorter {
    /// Puts the frames of a burst into the order of their interfaces, and finds the runs. Frames that no interface takes end here.
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
            self.groups[0] = Group { vlan: self.vlans[0], len: burst.len() as u16, start: 0 };
            self.order[0] = 0;
            usize::from(!burst.is_empty())
        } else {
            let groups = self.group(burst.len());
            self.order_groups(groups);
            // Groups of one frame each are in order already.
            if groups < burst.len() {
                self.reorder(burst, &mut runs.tagged);
            }
            groups
        };
        let mut unknown = Mask::default();
        for number in &self.order[..groups] {
            let Group { vlan, len, start } = self.groups[usize::from(*number)];
            let run = |ifp| Run { ifp, start, len };
            match interface(reader, demux, vlan) {
                Some(ifp) => {
                    ifp.prefetch_first();
                    runs.runs.push(run(ifp));
                }
                None => end_unknown(&mut unknown, drops, vlan, start..start + len),
            }
        }
        if unknown != Mask::default() {
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
            let known = &mut self.group_of[usize::from(*vlan) % VLANS];
            let is_new = *known == 0;
            let number = if is_new { count } else { *known - 1 };
            *known = number + 1;
            // Beyond the last group, unless it is new.
            let last = &mut self.groups[usize::from(count) % (2 * MAX_BURST)];
            *last = Group { vlan: *vlan, len: 0, start: 0 };
            let number = number as u8;
            let group = &mut self.groups[usize::from(number)];
            *of_frame = (number, group.len as u8);
            group.len += 1;
            count += u16::from(is_new);
        }
        usize::from(count)
    }

    /// Orders the groups, those of one frame first and the long ones last, again without a branch that depends on them; gives each its
    /// place. Clears the table of groups for the next burst.
    #[inline(always)]
    fn order_groups(&mut self, groups: usize) {
        let (mut singles, mut shorts, mut longs) = (0, 0, groups);
        let mut short = [0; MAX_BURST / 2];
        for (number, group) in self.groups[..groups].iter().enumerate() {
            self.group_of[usize::from(group.vlan) % VLANS] = 0;
            let (is_single, is_long) = (group.len == 1, group.len >= LONG);
            longs -= usize::from(is_long);
            self.order[if is_long { longs } else { singles } % MAX_BURST] = number as u8;
            // No more than half of the groups of a burst have two frames.
            short[shorts % (MAX_BURST / 2)] = number as u8;
            singles += usize::from(is_single);
            shorts += usize::from(!is_single & !is_long);
        }
        self.order[singles..longs].copy_from_slice(&short[..shorts]);
        let mut start = 0;
        for number in &self.order[..groups] {
            let group = &mut self.groups[usize::from(*number)];
            group.start = start;
            start += group.len;
        }
    }

    /// Puts the frames into the order of their groups.
    #[inline(always)]
    fn reorder(&mut self, burst: &mut Burst, tagged: &mut Mask) {
        let mut order = [0; MAX_BURST];
        for (frame, (group, before)) in self.of_frame[..burst.len()].iter().enumerate() {
            let place = self.groups[usize::from(*group)].start + u16::from(*before);
            order[usize::from(place) % MAX_BURST] = frame as u8;
        }
        burst.reorder(&order);
        let tags: u32 = tagged.iter().map(|word| word.count_ones()).sum();
        if tags != 0 && tags as usize != burst.len() {
            reorder_bits(&order[..burst.len()], tagged);
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
}

/// The same for the bits of the frames.
#[inline(never)]
fn reorder_bits(order: &[u8], bits: &mut Mask) {
    let mut ordered = Mask::default();
    for (place, frame) in order.iter().enumerate() {
        let bit = bits[usize::from(frame / 64)] >> (frame % 64) & 1;
        ordered[place / 64] |= bit << (place % 64);
    }
    *bits = ordered;
}

/// Adds frames whose VLAN has no interface to those that end, and counts them as dropped.
#[cold]
fn end_unknown(unknown: &mut Mask, drops: &PortDrops, vlan: u16, places: Range<u16>) {
    let reason = match vlan {
        UNTAGGED => DropReason::NoInterface,
        UNREADABLE => DropReason::MbufLayout,
        _ => DropReason::VlanUnknown,
    };
    drops.received.add(reason, places.len() as u64);
    places.for_each(|place| unknown[usize::from(place / 64)] |= 1 << (place % 64));
}

/// The VLAN of a frame, and whether the frame has its tag.
#[inline(always)]
fn vlan_of(mbuf: &mut Mbuf) -> (u16, bool) {
    if mbuf.data().len() < ETHER_HDR_LEN + VLAN_TAG_LEN || mbuf.rx_vlan_stripped().is_some() {
        return vlan_of_other(mbuf);
    }
    vlan_in_frame(mbuf)
}

/// The same for a frame that is too short to have a tag, or whose tag the port took off.
#[inline(never)]
fn vlan_of_other(mbuf: &mut Mbuf) -> (u16, bool) {
    // A tag that begins in one segment and ends in another cannot be read.
    let split = mbuf.data().len() < ETHER_HDR_LEN + VLAN_TAG_LEN && mbuf.nb_segs() > 1;
    if split && !mbuf.linearize() {
        return (UNREADABLE, false);
    }
    match mbuf.rx_vlan_stripped() {
        Some(tci) => (tci & 0x0fff, false),
        None => vlan_in_frame(mbuf),
    }
}

/// The VLAN that a frame's tag says, if it has one.
#[inline(always)]
fn vlan_in_frame(mbuf: &mut Mbuf) -> (u16, bool) {
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
