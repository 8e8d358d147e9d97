//! `ip_tryforward` for bursts of many interfaces.
//!
//! The parts of a packet that mean the same in every vnet are checked for the whole burst at once, eight packets side by side,
//! whatever vnet they are for ([`check_burst`]). The rest is done run by run inside the run's vnet, packet by packet: runs are short, and a
//! loop whose end a core cannot foresee costs more than its body.

use pmd::{Mask, Mbuf};
use vnet::Reader;

use super::booking::{Booking, Count, book};
use super::check::{Columns, GROUP, Ordinary, check_each, check_group};
use super::rewrite::rewrite_one;
use super::{CHUNK, Headers, Rules, Vector, rules};
use crate::inet::{AddressFilter, FastHop};
use crate::net::Ifnet;
use crate::time::Nanos;
use crate::wire::{ETHER_HDR_LEN, MacAddr, VLAN_TAG_LEN};
use crate::worker::Output;

/// A burst of several interfaces on its way through the fast path.
pub(crate) struct Mixed<'a> {
    reader: &'a Reader,
    out: &'a Output,
    frames: &'a mut [Mbuf],
    /// The frames that have an 802.1Q tag.
    tagged: &'a Mask,
    columns: &'a mut Columns,
    vector: &'a mut Vector,
    now: Nanos,
    /// The packets that the fast path does not take, whatever their vnet.
    exceptions: Mask,
    /// The address that the frames were compared with.
    mac: MacAddr,
}

impl<'a> Mixed<'a> {
    /// Checks `frames` for all that does not depend on the vnet. `first` is the interface of one of them: those on one port
    /// have the same MAC address, as a rule.
    pub(crate) fn new(
        reader: &'a Reader,
        out: &'a Output,
        frames: &'a mut [Mbuf],
        tagged: &'a Mask,
        headers: &'a mut Headers,
        vector: &'a mut Vector,
        now: Nanos,
        first: &Ifnet,
    ) -> Self {
        let (columns, mac) = (&mut headers.columns, first.mac);
        let exceptions = if first.has_rx_checksum() {
            check_burst::<true>(frames, tagged, mac, columns)
        } else {
            check_burst::<false>(frames, tagged, mac, columns)
        };
        Self { reader, out, frames, tagged, columns, vector, now, exceptions, mac }
    }

    /// Makes ready what it can of the packets at `places`, a run that was received on `ifp`, whose vnet is curvnet.
    #[inline(always)]
    pub(crate) fn forward(&mut self, ifp: &'a Ifnet, places: &[u8]) {
        let Some(mut rules) = rules(self.reader, ifp, self.now, false) else { return };
        let before = self.vector.counts();
        let mut ready = Booking::new(&mut rules, self.out, self.vector);
        for place in places {
            let at = usize::from(*place);
            let Some(mbuf) = self.frames.get_mut(at) else { break };
            ready.rules.tagged = is_in(self.tagged, at);
            let exception = if ifp.mac == self.mac {
                is_in(&self.exceptions, at)
            } else {
                check_again_with_mac(ready.rules, mbuf, self.columns, at)
            };
            if let Some(hop) = rewrite_unless(exception, ready.rules, mbuf, self.columns, at) {
                ready.add(hop, Count { packets: 1, bytes: self.columns.pkt_len[at] });
                ready.vector.mark_one(at);
            }
        }
        ready.close();
        let (packets, bytes) = self.vector.since(before);
        rules.block.fastforward.add(packets);
        rules.block.counters.ibytes.add(bytes);
    }

    /// The same for a run of one packet.
    #[inline(always)]
    pub(crate) fn forward_one(&mut self, ifp: &'a Ifnet, at: usize) {
        let Some(mut rules) = rules(self.reader, ifp, self.now, is_in(self.tagged, at)) else {
            return;
        };
        let Some(mbuf) = self.frames.get_mut(at) else { return };
        let exception = if ifp.mac == self.mac {
            is_in(&self.exceptions, at)
        } else {
            check_again_with_mac(&rules, mbuf, self.columns, at)
        };
        let hop = rewrite_unless(exception, &mut rules, mbuf, self.columns, at);
        let Some(hop) = hop else { return };
        let bytes = self.columns.pkt_len[at];
        book(&rules, self.out, hop, Count { packets: 1, bytes });
        self.vector.add(hop.port, 1, u64::from(bytes));
        self.vector.mark_one(at);
        rules.block.fastforward.inc();
        rules.block.counters.ibytes.add(u64::from(bytes));
    }
}

/// Rewrites the packet at place `at`, if nothing in its vnet speaks against it; the hop that it takes.
#[inline(always)]
fn rewrite_unless<'r>(
    exception: bool,
    rules: &mut Rules<'r>,
    mbuf: &mut Mbuf,
    columns: &Columns,
    at: usize,
) -> Option<&'r FastHop> {
    let too_long = columns.pkt_len[at] > rules.ifp.mtu().wrapping_add(ETHER_HDR_LEN as u32);
    if exception | too_long | rules.forwarding.not_sources().holds(columns.src[at]) {
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

/// Checks a burst for `mac` eight packets at a time; the exceptions.
#[inline(never)]
fn check_burst<const OFFLOAD: bool>(
    frames: &[Mbuf],
    tagged: &Mask,
    mac: MacAddr,
    columns: &mut Columns,
) -> Mask {
    static NO_SOURCES: AddressFilter = AddressFilter::EMPTY;
    let ordinary = Ordinary { mac: mac.key(), longest: i32::MAX, not_sources: &NO_SOURCES };
    let mut exceptions = Mask::default();
    for (number, group) in frames.chunks(GROUP).enumerate() {
        let start = number * GROUP;
        let (word, shift) = (start / CHUNK, start % CHUNK);
        let tags = tagged[word] >> shift & 0xff;
        exceptions[word] |= check_some::<OFFLOAD>(&ordinary, group, tags, columns, start) << shift;
    }
    exceptions
}

/// Checks up to eight packets, of which those whose bit is set in `tags` have a tag.
#[inline(always)]
fn check_some<const OFFLOAD: bool>(
    ordinary: &Ordinary<'_>,
    packets: &[Mbuf],
    tags: u64,
    columns: &mut Columns,
    start: usize,
) -> u64 {
    match (packets.first_chunk::<GROUP>(), tags) {
        (Some(group), 0xff) => {
            check_group::<OFFLOAD, VLAN_TAG_LEN>(ordinary, group, columns, start)
        }
        (Some(group), 0) => check_group::<OFFLOAD, 0>(ordinary, group, columns, start),
        _ => check_both::<OFFLOAD>(ordinary, packets, tags, columns, start),
    }
}

/// The same one by one.
#[inline(never)]
fn check_both<const OFFLOAD: bool>(
    ordinary: &Ordinary<'_>,
    packets: &[Mbuf],
    tags: u64,
    columns: &mut Columns,
    start: usize,
) -> u64 {
    let mut exceptions = 0;
    for (bit, packet) in packets.iter().enumerate() {
        let (packet, at) = (std::slice::from_ref(packet), start + bit);
        let found = if tags >> bit & 1 == 1 {
            check_each::<OFFLOAD, VLAN_TAG_LEN>(ordinary, packet, columns, at)
        } else {
            check_each::<OFFLOAD, 0>(ordinary, packet, columns, at)
        };
        exceptions |= found << bit;
    }
    exceptions
}

/// Checks a packet of an interface whose MAC address is another than that of the burst's first one.
#[cold]
#[inline(never)]
fn check_again_with_mac(rules: &Rules<'_>, mbuf: &Mbuf, columns: &mut Columns, at: usize) -> bool {
    let ordinary = Ordinary::on(rules.ifp, rules);
    let packet = std::slice::from_ref(mbuf);
    let found = match (rules.ifp.has_rx_checksum(), rules.tagged) {
        (false, false) => check_each::<false, 0>(&ordinary, packet, columns, at),
        (false, true) => check_each::<false, VLAN_TAG_LEN>(&ordinary, packet, columns, at),
        (true, false) => check_each::<true, 0>(&ordinary, packet, columns, at),
        (true, true) => check_each::<true, VLAN_TAG_LEN>(&ordinary, packet, columns, at),
    };
    found != 0
}
