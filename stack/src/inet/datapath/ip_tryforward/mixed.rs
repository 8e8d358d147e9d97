//! `ip_tryforward` for bursts of many interfaces.
//!
//! Of short runs, the parts of a packet that mean the same in every vnet are checked together, eight packets side by side, whatever vnet
//! they are for ([`check_burst`]). The rest is done run by run inside the run's vnet, packet by packet: a loop whose end a core
//! cannot foresee costs more than its body. Long runs take the three passes as a burst of one interface does.

use std::ops::Range;

use pmd::{Mask, Mbuf};
use vnet::Reader;

use super::booking::{Booking, Count};
use super::check::{Checked, Ordinary, check, check_each, trim_trailers};
use super::rewrite::rewrite_one;
use super::{CHUNK, Rules, Vector, check_chunk, pass, rules};
use crate::inet::AddressFilter;
use crate::net::Ifnet;
use crate::net::graph::{Columns, Output};
use crate::net::route::FastHop;
use crate::time::Nanos;
use crate::wire::{MacAddr, VLAN_TAG_LEN};

/// A burst of several interfaces on its way through the fast path.
pub(crate) struct Mixed<'a> {
    reader: &'a Reader,
    out: &'a Output,
    now: Nanos,
    frames: &'a mut [Mbuf],
    /// The frames that have an 802.1Q tag.
    tagged: &'a Mask,
    columns: &'a mut Columns,
    /// The packets that the fast path does not take, whatever their vnet.
    exceptions: Mask,
    /// The others that have a trailer.
    padded: Mask,
    /// The address that the frames were compared with.
    mac: MacAddr,
    /// Whether there are no such packets, and all frames have a tag or none has: then no packet is asked by itself.
    is_plain: bool,
    vector: Vector,
}

impl<'a> Mixed<'a> {
    /// Checks the first `together` frames, those of short runs, for all that does not depend on the vnet. `first` is the interface of one
    /// of them: those on one port have the same MAC address, as a rule.
    pub(crate) fn new(
        (reader, now): (&'a Reader, Nanos),
        out: &'a Output,
        frames: &'a mut [Mbuf],
        tagged: &'a Mask,
        columns: &'a mut Columns,
        (together, first): (usize, &Ifnet),
    ) -> Self {
        let mac = first.mac;
        let short = frames.get(..together).unwrap_or_default();
        let (exceptions, padded) = if first.has_rx_checksum() {
            check_burst::<true>(short, tagged, mac, columns)
        } else {
            check_burst::<false>(short, tagged, mac, columns)
        };
        let tags: u32 = tagged.iter().map(|word| word.count_ones()).sum();
        let is_uniform = tags == 0 || tags as usize == frames.len();
        let is_plain = is_uniform && [exceptions, padded] == [Mask::default(); 2];
        let vector = Vector::all(frames.len());
        Self {
            reader,
            out,
            now,
            frames,
            tagged,
            columns,
            exceptions,
            padded,
            mac,
            is_plain,
            vector,
        }
    }

    /// The packets that are ready by now.
    pub(crate) fn into_vector(self) -> Vector {
        self.vector
    }

    /// The packets at `places` are not for the fast path.
    pub(crate) fn leave(&mut self, places: Range<usize>) {
        places.for_each(|place| self.vector.leave(place));
    }

    /// Makes ready what it can of the packets at `places`, a run that was received on `ifp`, whose vnet is curvnet. They were checked.
    #[inline(always)]
    pub(crate) fn forward(&mut self, ifp: &'a Ifnet, places: Range<usize>) {
        let tagged = is_in(self.tagged, places.start);
        let Some(rules) = rules(self.reader, ifp, self.now, tagged) else {
            return self.leave(places);
        };
        if self.is_plain && ifp.mac == self.mac {
            self.forward_run::<true>(rules, places);
        } else {
            self.forward_run::<false>(rules, places);
        }
    }

    /// The same in the vnet of `rules`. If the run is `PLAIN`, nothing but the vnet speaks against its packets.
    #[inline(always)]
    fn forward_run<const PLAIN: bool>(&mut self, mut rules: Rules<'a>, places: Range<usize>) {
        let (mut taken, mut received) = (0, 0);
        let mut booking = Booking::new(&mut rules, self.out, &mut self.vector);
        for at in places {
            let Some(mbuf) = self.frames.get_mut(at) else { break };
            let mut exception = false;
            if !PLAIN {
                booking.rules.tagged = is_in(self.tagged, at);
                let padded;
                (exception, padded) = if booking.rules.ifp.mac == self.mac {
                    (is_in(&self.exceptions, at), is_in(&self.padded, at))
                } else {
                    check_again_with_mac(booking.rules, mbuf, self.columns, at)
                };
                if padded {
                    exception = !trim_one(booking.rules, mbuf, self.columns, at);
                    // Off it is for good, whichever path the packet takes.
                    received += if exception { 0 } else { u64::from(self.columns.trailer[at]) };
                }
            }
            let bytes = self.columns.pkt_len[at];
            match rewrite_unless(exception, booking.rules, mbuf, self.columns, at) {
                Some(hop) => {
                    booking.add(hop, Count { packets: 1, bytes });
                    taken += 1;
                    received += u64::from(bytes);
                }
                None => booking.vector.leave(at),
            }
        }
        booking.close();
        rules.block.fastforward.add(taken);
        rules.block.counters.ibytes.add(received);
    }

    /// Makes ready what it can of the packets at `places`, a long run that was received on `ifp`, whose vnet is curvnet.
    #[inline(never)]
    pub(crate) fn forward_long(&mut self, ifp: &'a Ifnet, places: Range<usize>) {
        let Some(mut rules) = rules(self.reader, ifp, self.now, false) else {
            return self.leave(places);
        };
        let before = self.vector.counts();
        let (mut at, end) = (places.start, places.end);
        while at < end {
            let (is_tagged, count) = stretch(self.tagged, at, end);
            let Some(chunk) = self.frames.get_mut(at..at + count) else { break };
            rules.tagged = is_tagged;
            let mut exceptions = pass(&mut rules, self.out, self.columns, chunk, &mut self.vector);
            while exceptions != 0 {
                self.vector.leave(at + exceptions.trailing_zeros() as usize);
                exceptions &= exceptions - 1;
            }
            at += count;
        }
        let after = self.vector.counts();
        rules.block.fastforward.add(after.0 - before.0);
        rules.block.counters.ibytes.add(after.1 - before.1);
    }
}

/// How many packets from place `at` on, and before place `end`, have a tag, or have none, as the first one; at most as many as there are
/// bits in a word.
#[inline(always)]
fn stretch(tagged: &Mask, at: usize, end: usize) -> (bool, usize) {
    let word = tagged.get(at / CHUNK).copied().unwrap_or(0) >> (at % CHUNK);
    let is_tagged = word & 1 == 1;
    let alike = if is_tagged { word.trailing_ones() } else { word.trailing_zeros() } as usize;
    (is_tagged, alike.min(CHUNK - at % CHUNK).min(end - at))
}

/// Rewrites the packet at place `at`, unless it is an exception or its vnet speaks against it; the hop that it takes.
#[inline(always)]
fn rewrite_unless<'r>(
    exception: bool,
    rules: &mut Rules<'r>,
    mbuf: &mut Mbuf,
    columns: &Columns,
    at: usize,
) -> Option<&'r FastHop> {
    if exception | rules.forwarding.doubts_source(columns.src[at]) {
        return None;
    }
    let number = rules.forwarding.lookup(columns.dst[at]);
    let hop = rules.forwarding.fast_hop(number);
    rewrite_one(rules, mbuf, columns, at, number, hop)
}

/// Whether a place is in a set.
#[inline(always)]
fn is_in(set: &Mask, at: usize) -> bool {
    set.get(at / CHUNK).is_some_and(|word| word >> (at % CHUNK) & 1 == 1)
}

/// Checks a burst for `mac`, of which the frames in `tagged` have a tag; the exceptions, and the others that have a trailer.
fn check_burst<const OFFLOAD: bool>(
    frames: &[Mbuf],
    tagged: &Mask,
    mac: MacAddr,
    columns: &mut Columns,
) -> (Mask, Mask) {
    static NO_SOURCES: AddressFilter = AddressFilter::EMPTY;
    let ordinary = Ordinary { mac: mac.key(), not_sources: &NO_SOURCES };
    let (mut exceptions, mut padded) = (Mask::default(), Mask::default());
    let words = tagged.iter().zip(exceptions.iter_mut().zip(&mut padded));
    let chunks = frames.chunks(CHUNK).zip((0..).step_by(CHUNK));
    for ((chunk, start), (tags, (exceptions, padded))) in chunks.zip(words) {
        let checked = match *tags {
            0 => check::<OFFLOAD, 0>(&ordinary, chunk, columns, start),
            tags if tags.count_ones() as usize == chunk.len() => {
                check::<OFFLOAD, VLAN_TAG_LEN>(&ordinary, chunk, columns, start)
            }
            tags => check_both::<OFFLOAD>(&ordinary, chunk, tags, columns, start),
        };
        (*exceptions, *padded) = (checked.exceptions, checked.to_trim());
    }
    (exceptions, padded)
}

/// The same for a chunk of frames of which those whose bit is set in `tags` have a tag.
#[inline(never)]
fn check_both<const OFFLOAD: bool>(
    ordinary: &Ordinary<'_>,
    packets: &[Mbuf],
    tags: u64,
    columns: &mut Columns,
    start: usize,
) -> Checked {
    let mut checked = Checked::default();
    for (bit, packet) in packets.iter().enumerate() {
        let (packet, at) = (std::slice::from_ref(packet), start + bit);
        let found = if tags >> bit & 1 == 1 {
            check_each::<OFFLOAD, VLAN_TAG_LEN>(ordinary, packet, columns, at)
        } else {
            check_each::<OFFLOAD, 0>(ordinary, packet, columns, at)
        };
        checked.add(found, bit);
    }
    checked
}

/// Checks a packet of an interface whose MAC address is another than that of the burst's first one: whether it is an exception, and
/// whether it has a trailer if it is none.
#[cold]
#[inline(never)]
fn check_again_with_mac(
    rules: &Rules<'_>,
    mbuf: &Mbuf,
    columns: &mut Columns,
    at: usize,
) -> (bool, bool) {
    let checked = check_chunk(rules, std::slice::from_ref(mbuf), columns, at);
    (checked.exceptions != 0, checked.to_trim() != 0)
}

/// Takes the trailer off one packet; false if it is spread over several segments.
#[inline(never)]
fn trim_one(rules: &Rules<'_>, mbuf: &mut Mbuf, columns: &mut Columns, at: usize) -> bool {
    let bits = (1, u64::from(rules.tagged));
    trim_trailers(std::slice::from_mut(mbuf), bits, columns, at) == 0
}
