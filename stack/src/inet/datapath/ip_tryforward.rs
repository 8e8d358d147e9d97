//! Node `ip_tryforward`: forwards the packets of a vector that need no exception, and leaves the others (FreeBSD:
//! netinet/ip_fastfwd.c).
//!
//! Three passes over up to 64 packets: check, look up, rewrite. All checks of a packet are folded into one condition,
//! so the passes hold no branch that depends on more than "is this packet ordinary". What they refuse goes on to
//! `ether_input` untouched and gets its drop reason or its ICMP error there; so this node drops nothing for what stands in a packet.

use pmd::{Burst, MAX_BURST, Mbuf, PortId};

use super::flow::flow_of;
use crate::drops::DropReason;
use crate::inet::{AdjacencyState, FastHop, Forwarding, IcmpClass, NO_HOP, NextHopKind};
use crate::net::Ifnet;
use crate::net::datapath::write_link_header;
use crate::wire::{ETHER_HDR_LEN, IP_HDR_LEN, MARTIAN, decrement_ttl, is_header_checksum_right};
use crate::worker::Cx;

/// Packets that one round of the passes handles: one bit each in a word.
const CHUNK: usize = 64;
/// Words of a mask over a whole burst.
const WORDS: usize = MAX_BURST / CHUNK;
/// What the passes read of a frame.
const HEADERS: usize = ETHER_HDR_LEN + IP_HDR_LEN;

/// Forwards what it can of `burst`, received on `ifp`; the rest stays, in order. Returns the bytes of the packets it
/// took, as they were received.
pub fn ip_tryforward(cx: &mut Cx<'_>, ifp: &Ifnet, burst: &mut Burst) -> u64 {
    let Some(forwarding) = cx.forwarding else { return 0 };
    // Validation of sources needs a second lookup per packet: the other path has it.
    if cx.inet.ipforwarding().get() == 0 || cx.inet.ip_sav().get() != 0 {
        return 0;
    }
    let redirects = cx.inet.ipsendredirects().get() != 0
        && cx.inet.icmp_limit().has_budget(IcmpClass::Redirect, cx.inet.icmplim().get(), cx.now);
    let rules = Rules { forwarding, ifp, redirects };
    let mut mask = [0u64; WORDS];
    let mut tally = Tally::default();
    for (chunk, word) in burst.as_mut_slice().chunks_mut(CHUNK).zip(&mut mask) {
        *word = forward_chunk(cx, &rules, chunk, &mut tally);
    }
    transmit(cx, burst, mask, &tally);
    tally.received_bytes
}

/// What holds for all packets of the vector.
struct Rules<'a> {
    forwarding: &'a Forwarding,
    ifp: &'a Ifnet,
    /// Whether a packet that goes out where it came in should be looked at by the other path.
    redirects: bool,
}

/// What the vector amounts to.
#[derive(Default)]
struct Tally {
    forwarded: u64,
    received_bytes: u64,
    ports: Ports,
}

/// Which ports the vector leaves through.
#[derive(Clone, Copy, Default, PartialEq)]
enum Ports {
    #[default]
    None,
    One(PortId),
    Many,
}

impl Tally {
    /// Books the packets of `count`, which leave along the adjacency at `place`.
    #[cold]
    fn book(&mut self, cx: &Cx<'_>, place: u32, count: Count) {
        let Some(adjacency) = cx.forwarding.and_then(|forwarding| forwarding.adjacency(place))
        else {
            return;
        };
        let counters = adjacency.ifp.counters(cx.reader);
        // Without a transmit queue they are dropped, not sent.
        if cx.out.has(adjacency.port) {
            counters.opackets.add(count.packets());
            counters.obytes.add(count.bytes());
        }
        self.forwarded += count.packets();
        self.received_bytes += count.bytes();
        self.ports = match self.ports {
            Ports::None => Ports::One(adjacency.port),
            Ports::One(port) if port == adjacency.port => self.ports,
            _ => Ports::Many,
        };
    }
}

/// Runs the three passes over one chunk; the bits of the packets that are ready to leave.
fn forward_chunk(cx: &Cx<'_>, rules: &Rules<'_>, chunk: &mut [Mbuf], tally: &mut Tally) -> u64 {
    let mut dst = [0u32; CHUNK];
    let mut hops = [0u16; CHUNK];
    let count = chunk.len().min(CHUNK);
    let exceptions = if rules.ifp.has_rx_checksum() {
        check::<true>(rules, chunk, &mut dst)
    } else {
        check::<false>(rules, chunk, &mut dst)
    };
    rules.forwarding.fib().lookup_bulk(&dst[..count], &mut hops[..count]);
    let mut left = exceptions;
    while left != 0 {
        hops[left.trailing_zeros() as usize] = NO_HOP;
        left &= left - 1;
    }
    let exceptions = rewrite(cx, rules, chunk, &dst, &hops, exceptions, tally);
    !exceptions & (u64::MAX >> (CHUNK - count))
}

/// The word of eight bytes at `at`, which is a constant in every call: one load. (Put together from single bytes, those
/// that are used apart would be loaded apart.)
#[inline(always)]
fn load64(h: &[u8; HEADERS], at: usize) -> u64 {
    h.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u64::from_le_bytes(*word))
}

/// The word of four bytes at `at`, likewise.
#[inline(always)]
fn load32(h: &[u8; HEADERS], at: usize) -> u32 {
    h.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_le_bytes(*word))
}

/// Keeps what is rare out of the loops: a call that is never inlined is a branch that is never taken.
#[cold]
#[inline(never)]
fn exception(exceptions: u64, bit: usize) -> u64 {
    exceptions | 1 << bit
}

/// First pass: which packets are not ordinary, and where all want to go.
///
/// The headers are read in five loads. What would make a packet extraordinary is gathered: differences that should be
/// zero are OR-ed, and so are numbers that should not be negative. With `OFFLOAD` the port has verified the header's
/// checksum; a packet that it does not call good is an exception, and is summed there.
#[inline(never)]
fn check<const OFFLOAD: bool>(rules: &Rules<'_>, chunk: &[Mbuf], dst: &mut [u32; CHUNK]) -> u64 {
    /// Bytes 6 to 13, rotated by two: the EtherType, and above it the group bit of the source.
    const LINK_MASK: u64 = 0x1_ffff;
    const LINK: u64 = u64::from_le_bytes([0x08, 0x00, 0, 0, 0, 0, 0, 0]);
    /// Version 4 and five words of header.
    const VERSION_IHL: u64 = 0x45;
    let (ifp, not_sources) = (rules.ifp, rules.forwarding.not_sources());
    let mac = ifp.mac.key();
    let longest = ifp.mtu().wrapping_add(ETHER_HDR_LEN as u32) as i32;
    let mut exceptions = 0u64;
    for (bit, (mbuf, dst)) in chunk.iter().zip(dst.iter_mut()).enumerate() {
        let Some(h) = mbuf.data().first_chunk::<HEADERS>() else {
            exceptions = exception(exceptions, bit);
            continue;
        };
        let first = load64(h, 14);
        let second = load64(h, 22);
        let last = load32(h, 30);
        *dst = last.swap_bytes();
        let pkt_len = mbuf.pkt_len() as i32;
        let total_len = (u32::from((first >> 16) as u16).swap_bytes() >> 16) as i32;
        let differences = ((load64(h, 0) ^ mac) << 16)
            | ((load64(h, 6).rotate_left(16) & LINK_MASK) ^ LINK)
            | ((first ^ VERSION_IHL) & 0xff)
            // Every destination that is not martian and not a group would also be a fit source.
            | u64::from(MARTIAN[(second >> 32) as u8 as usize] | MARTIAN[last as u8 as usize])
            | not_sources.may_hold((second >> 32) as u32);
        // Packets are shorter than 2^31 bytes, so no difference wraps.
        let negative = (total_len - IP_HDR_LEN as i32)
            | pkt_len.wrapping_sub(total_len + ETHER_HDR_LEN as i32)
            | longest.wrapping_sub(pkt_len)
            | ((second & 0xff) as i32 - 2);
        let checksum_right = if OFFLOAD {
            mbuf.rx_ip_cksum_good()
        } else {
            is_header_checksum_right((first, second, last))
        };
        if differences != 0 || negative < 0 || !checksum_right {
            exceptions = exception(exceptions, bit);
        }
    }
    exceptions
}

/// Third pass: TTL, checksum and link header of the packets that are no exceptions so far; the exceptions after it.
#[inline(never)]
fn rewrite(
    cx: &Cx<'_>,
    rules: &Rules<'_>,
    chunk: &mut [Mbuf],
    dst: &[u32; CHUNK],
    hops: &[u16; CHUNK],
    mut exceptions: u64,
    tally: &mut Tally,
) -> u64 {
    // A packet that might want a redirect needs a second look: then no hop is fast.
    let fast_hops = if rules.redirects { &[] } else { rules.forwarding.fast_hops() };
    let mut current = u32::MAX;
    let mut count = Count(0);
    for (bit, ((mbuf, hop), dst)) in chunk.iter_mut().zip(hops).zip(dst).enumerate() {
        let pkt_len = mbuf.pkt_len();
        let place = match fast_hops.get(usize::from(*hop)) {
            Some(fast) if pkt_len <= fast.longest => {
                rewrite_fast(fast, mbuf);
                fast.adjacency
            }
            _ if exceptions >> bit & 1 == 1 => continue,
            _ => match rewrite_any(rules, mbuf, *dst, *hop) {
                Some(place) => place,
                None => {
                    exceptions = exception(exceptions, bit);
                    continue;
                }
            },
        };
        if place != current {
            tally.book(cx, current, count);
            (current, count) = (place, Count(0));
        }
        count.add(pkt_len);
    }
    tally.book(cx, current, count);
    exceptions
}

/// Packets (upper half) and bytes (lower half) of at most 64 packets, in one word: one addition a packet.
#[derive(Clone, Copy)]
struct Count(u64);

impl Count {
    #[inline(always)]
    fn add(&mut self, bytes: u32) {
        self.0 += 1 << 32 | u64::from(bytes);
    }

    fn packets(self) -> u64 {
        self.0 >> 32
    }

    fn bytes(self) -> u64 {
        self.0 & u64::from(u32::MAX)
    }
}

/// Third pass for a packet to a single gateway.
#[inline(always)]
fn rewrite_fast(hop: &FastHop, mbuf: &mut Mbuf) {
    mbuf.set_port(hop.port);
    let Some(h) = mbuf.data_mut().first_chunk_mut::<HEADERS>() else { return };
    let ttl = load32(h, 22);
    h[0..8].copy_from_slice(&hop.link_start);
    h[6..14].copy_from_slice(&hop.link_end);
    h[22..26].copy_from_slice(&decrement_ttl(ttl).to_le_bytes());
}

/// Third pass for any packet: several paths, hosts of connected networks, VLAN tags. The adjacency's place; `None` leaves
/// the packet as it was received.
#[inline(never)]
fn rewrite_any(rules: &Rules<'_>, mbuf: &mut Mbuf, dst: u32, hop: u16) -> Option<u32> {
    let hop = rules.forwarding.next_hop(hop);
    if !matches!(hop.kind, NextHopKind::Gateway | NextHopKind::Connected) {
        return None;
    }
    let place = rules.forwarding.select(hop, dst, || flow_of(mbuf))?;
    let adjacency = rules.forwarding.adjacency(place)?;
    let fits = mbuf.pkt_len() <= u32::from(adjacency.mtu) + ETHER_HDR_LEN as u32;
    let h = mbuf.data_mut().first_chunk_mut::<HEADERS>()?;
    let src = u32::from_be_bytes([h[26], h[27], h[28], h[29]]);
    let redirect = rules.redirects && adjacency.wants_redirect(rules.ifp.slot, src);
    if adjacency.state != AdjacencyState::Resolved || !fits || redirect {
        return None;
    }
    let before = [h[22], h[23], h[24], h[25]];
    h[22..26].copy_from_slice(&decrement_ttl(u32::from_le_bytes(before)).to_le_bytes());
    if write_link_header(adjacency, mbuf) {
        mbuf.set_port(adjacency.port);
        return Some(place);
    }
    // No room for a VLAN tag: put the TTL back, for the other path to find the packet as it was received.
    let h = mbuf.data_mut().first_chunk_mut::<HEADERS>()?;
    h[22..26].copy_from_slice(&before);
    None
}

/// Moves the ready packets to their ports.
#[inline]
fn transmit(cx: &mut Cx<'_>, burst: &mut Burst, mask: [u64; WORDS], tally: &Tally) {
    let stat = cx.ipstat();
    stat.ips_total.add(tally.forwarded);
    stat.ips_forward.add(tally.forwarded);
    stat.ips_fastforward.add(tally.forwarded);
    match tally.ports {
        Ports::None => {}
        Ports::One(port) => match cx.out.port(port) {
            Some(tx) => tx.extract(burst, &mask, tally.forwarded as usize),
            None => distribute(cx, burst, mask),
        },
        Ports::Many => distribute(cx, burst, mask),
    }
}

/// Moves the ready packets to the ports that the third pass wrote into their descriptors.
#[cold]
fn distribute(cx: &mut Cx<'_>, burst: &mut Burst, mask: [u64; WORDS]) {
    let mut leaving = Burst::new();
    let _moved: usize = burst.extract(&mask, &mut leaving);
    for mbuf in leaving.drain() {
        match cx.out.port(mbuf.port()) {
            Some(tx) => tx.push(mbuf),
            None => cx.drop(DropReason::InterfaceGone, mbuf),
        }
    }
}
