//! `ip_tryforward` for bursts of many interfaces.
//!
//! The parts of a packet that mean the same in every vnet are checked for the whole burst at once, eight packets side by side,
//! whosever they are ([`check_burst`]). The rest is done run by run inside the run's vnet, packet by packet: runs are short, and a
//! loop whose end a core cannot foresee costs more than its body.

use pmd::{Mask, Mbuf};

use super::booking::{Booking, Count};
use super::check::{Columns, GROUP, Ordinary, check_each, check_group};
use super::rewrite::rewrite_one;
use super::{CHUNK, Rules, Vector, rules};
use crate::inet::AddressFilter;
use crate::wire::{ETHER_HDR_LEN, MacAddr, VLAN_TAG_LEN};
use crate::worker::Cx;

/// Packets of a burst that the fast path does not take, whatever their vnet.
#[derive(Debug)]
pub(crate) struct Checked {
    exceptions: Mask,
    /// The address that the frames were compared with.
    mac: MacAddr,
}

/// Checks a burst of frames for `mac`, of which those in `tagged` have an 802.1Q tag, for all that does not depend on the vnet.
pub(crate) fn check_burst(
    frames: &[Mbuf],
    tagged: &Mask,
    mac: MacAddr,
    offload: bool,
    columns: &mut Columns,
) -> Checked {
    static NO_SOURCES: AddressFilter = AddressFilter::EMPTY;
    let ordinary = Ordinary { mac: mac.key(), longest: i32::MAX, not_sources: &NO_SOURCES };
    let mut exceptions = Mask::default();
    for (number, group) in frames.chunks(GROUP).enumerate() {
        let start = number * GROUP;
        let (word, shift) = (start / CHUNK, start % CHUNK);
        let tags = tagged[word] >> shift & 0xff;
        let found = if offload {
            check_some::<true>(&ordinary, group, tags, columns, start)
        } else {
            check_some::<false>(&ordinary, group, tags, columns, start)
        };
        exceptions[word] |= found << shift;
    }
    Checked { exceptions, mac }
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

/// Makes ready what it can of a run: of `frames`, which are a whole burst, those at `places`, all received on the interface of
/// `cx`. Returns the bytes of the packets that are ready, as they were received.
#[inline]
pub(crate) fn ip_tryforward_some(
    cx: &mut Cx<'_>,
    frames: &mut [Mbuf],
    places: &[u8],
    tagged: &Mask,
    checked: &Checked,
    vector: &mut Vector,
) -> u64 {
    let Some(mut rules) = rules(cx, false) else { return 0 };
    let before = vector.counts();
    let columns = &mut cx.headers.columns;
    let longest = rules.ifp.mtu().wrapping_add(ETHER_HDR_LEN as u32);
    let same_mac = rules.ifp.mac == checked.mac;
    let mut booking = Booking::new(&mut rules, cx.out, vector);
    for &place in places {
        let at = usize::from(place);
        let (word, bit) = (at / CHUNK, at % CHUNK);
        let Some(mbuf) = frames.get_mut(at) else { break };
        booking.rules.tagged = tagged[word] >> bit & 1 == 1;
        let excepted = if same_mac {
            checked.exceptions[word] >> bit & 1 == 1
        } else {
            check_again_with_mac(booking.rules, mbuf, columns, at)
        };
        let bytes = columns.pkt_len[at];
        if excepted
            || bytes > longest
            || booking.rules.forwarding.not_sources().holds(columns.src[at])
        {
            continue;
        }
        let hop = booking.rules.forwarding.fib().lookup(columns.dst[at]).0;
        if let Some(hop) = rewrite_one(booking.rules, mbuf, columns, at, hop) {
            booking.add(hop, Count { packets: 1, bytes });
            booking.vector.mark_one(at);
        }
    }
    booking.close();
    let (packets, bytes) = vector.since(before);
    let stat = cx.ipstat();
    stat.ips_total.add(packets);
    stat.ips_forward.add(packets);
    stat.ips_fastforward.add(packets);
    bytes
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
