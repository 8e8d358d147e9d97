//! Node `ip_tryforward`: forwards the packets of a vector that need no exception, and leaves the others (FreeBSD:
//! netinet/ip_fastfwd.c).
//!
//! Three passes over up to 64 packets: check, look up, rewrite. All checks of a packet are folded into one condition,
//! so the passes hold no branch that depends on more than "is this packet ordinary". What they refuse goes on to
//! `ether_input` untouched and gets its drop reason or its ICMP error there; so this node drops nothing for what stands in a packet.

use pmd::{Burst, MAX_BURST, Mbuf, PortId};

use super::flow::flow_of;
use crate::drops::DropReason;
use crate::inet::{Adjacency, AdjacencyState, FastHop, Forwarding, IcmpClass, NextHopKind};
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
    tally.settle(cx);
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

/// Packets and bytes that go out along one adjacency's interface, counted once they change.
#[derive(Default)]
struct Tally<'a> {
    current: Option<&'a Adjacency>,
    packets: u64,
    bytes: u64,
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

impl<'a> Tally<'a> {
    #[inline(always)]
    fn add(&mut self, cx: &Cx<'a>, adjacency: &'a Adjacency, bytes: u32) {
        if !self.current.is_some_and(|current| std::ptr::eq(current, adjacency)) {
            self.change(cx, adjacency);
        }
        self.packets += 1;
        self.bytes += u64::from(bytes);
    }

    fn change(&mut self, cx: &Cx<'a>, adjacency: &'a Adjacency) {
        self.settle(cx);
        self.current = Some(adjacency);
        self.ports = match self.ports {
            Ports::None => Ports::One(adjacency.port),
            Ports::One(port) if port == adjacency.port => self.ports,
            _ => Ports::Many,
        };
    }

    /// Books what was counted so far.
    fn settle(&mut self, cx: &Cx<'a>) {
        let Some(adjacency) = self.current.take() else { return };
        let counters = adjacency.ifp.counters(cx.reader);
        counters.opackets.add(self.packets);
        counters.obytes.add(self.bytes);
        self.forwarded += self.packets;
        self.received_bytes += self.bytes;
        (self.packets, self.bytes) = (0, 0);
    }
}

/// Runs the three passes over one chunk; the bits of the packets that are ready to leave.
#[inline]
fn forward_chunk<'a>(
    cx: &Cx<'a>,
    rules: &Rules<'a>,
    chunk: &mut [Mbuf],
    tally: &mut Tally<'a>,
) -> u64 {
    let mut dst = [0u32; CHUNK];
    let mut hops = [0u16; CHUNK];
    let count = chunk.len().min(CHUNK);
    let mut exceptions = check(rules.ifp, chunk, &mut dst);
    rules.forwarding.fib().lookup_bulk(&dst[..count], &mut hops[..count]);
    for (bit, (mbuf, hop)) in chunk.iter_mut().zip(hops).enumerate() {
        if exceptions >> bit & 1 == 1 {
            continue;
        }
        let bytes = mbuf.pkt_len();
        let fast = rules.forwarding.fast_hop(hop);
        let adjacency = if bytes <= fast.longest && !rules.redirects {
            rewrite_fast(fast, mbuf);
            rules.forwarding.adjacency(fast.adjacency)
        } else {
            rewrite_any(rules, mbuf, dst[bit], hop)
        };
        match adjacency {
            Some(adjacency) => tally.add(cx, adjacency, bytes),
            None => exceptions |= 1 << bit,
        }
    }
    !exceptions & (u64::MAX >> (CHUNK - count))
}

/// First pass: which packets are not ordinary, and where all want to go.
///
/// What would make a packet extraordinary is gathered without a branch: differences that should be zero are OR-ed, and
/// so are the signs of differences that should not be negative.
#[inline(always)]
fn check(ifp: &Ifnet, chunk: &[Mbuf], dst: &mut [u32; CHUNK]) -> u64 {
    /// The destination's 48 bits and, above them, the group bit of the source.
    const LINK_MASK: u64 = 0x0001_ffff_ffff_ffff;
    /// EtherType, version and header length; the type of service is free.
    const KIND: u32 = u32::from_le_bytes([0x08, 0x00, 0x45, 0x00]);
    const KIND_MASK: u32 = 0x00ff_ffff;
    let mac = ifp.mac.key();
    let longest = ifp.mtu().wrapping_add(ETHER_HDR_LEN as u32);
    let mut exceptions = 0u64;
    for (bit, (mbuf, dst)) in chunk.iter().zip(dst.iter_mut()).enumerate() {
        let Some(h) = mbuf.data().first_chunk::<HEADERS>() else {
            exceptions |= 1 << bit;
            continue;
        };
        let word = |at: usize| u32::from_le_bytes([h[at], h[at + 1], h[at + 2], h[at + 3]]);
        let link = u64::from_le_bytes([h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]]);
        let total_len = u32::from(u16::from_be_bytes([h[16], h[17]]));
        let pkt_len = mbuf.pkt_len();
        let ttl = u32::from(h[22]);
        let checksum_right =
            is_header_checksum_right([word(14), word(18), word(22), word(26), word(30)]);
        let differences = ((link ^ mac) & LINK_MASK) | u64::from((word(12) ^ KIND) & KIND_MASK);
        let negative = total_len.wrapping_sub(IP_HDR_LEN as u32)
            | pkt_len.wrapping_sub(total_len + ETHER_HDR_LEN as u32)
            | longest.wrapping_sub(pkt_len)
            | ttl.wrapping_sub(2);
        // Every destination that is not martian and not a group would also be a fit source.
        let martian = MARTIAN[usize::from(h[26])] | MARTIAN[usize::from(h[30])];
        let extraordinary = differences | u64::from(negative & 0x8000_0000) | u64::from(martian);
        if (extraordinary != 0) | !checksum_right {
            exceptions |= 1 << bit;
        }
        *dst = word(30).swap_bytes();
    }
    exceptions
}

/// Third pass for a packet to a single gateway: TTL, checksum and link header.
#[inline(always)]
fn rewrite_fast(hop: &FastHop, mbuf: &mut Mbuf) {
    mbuf.set_port(hop.port);
    let Some(h) = mbuf.data_mut().first_chunk_mut::<HEADERS>() else { return };
    let ttl = u32::from_le_bytes([h[22], h[23], h[24], h[25]]);
    h[0..8].copy_from_slice(&hop.link_start);
    h[6..14].copy_from_slice(&hop.link_end);
    h[22..26].copy_from_slice(&decrement_ttl(ttl).to_le_bytes());
}

/// Third pass for any packet: several paths, hosts of connected networks, VLAN tags. `None` leaves the packet as it
/// was received.
#[inline(never)]
fn rewrite_any<'a>(
    rules: &Rules<'a>,
    mbuf: &mut Mbuf,
    dst: u32,
    hop: u16,
) -> Option<&'a Adjacency> {
    let hop = rules.forwarding.next_hop(hop);
    if !matches!(hop.kind, NextHopKind::Gateway | NextHopKind::Connected) {
        return None;
    }
    let adjacency = rules.forwarding.select(hop, dst, || flow_of(mbuf.data()))?;
    let h = mbuf.data_mut().first_chunk_mut::<HEADERS>()?;
    let total_len = u16::from_be_bytes([h[16], h[17]]);
    let src = u32::from_be_bytes([h[26], h[27], h[28], h[29]]);
    let redirect = rules.redirects && adjacency.wants_redirect(rules.ifp.slot, src);
    if adjacency.state != AdjacencyState::Resolved || total_len > adjacency.mtu || redirect {
        return None;
    }
    let before = [h[22], h[23], h[24], h[25]];
    h[22..26].copy_from_slice(&decrement_ttl(u32::from_le_bytes(before)).to_le_bytes());
    if write_link_header(adjacency, mbuf) {
        mbuf.set_port(adjacency.port);
        return Some(adjacency);
    }
    // No room for a VLAN tag: put the TTL back, for the other path to find the packet as it was received.
    let h = mbuf.data_mut().first_chunk_mut::<HEADERS>()?;
    h[22..26].copy_from_slice(&before);
    None
}

/// Moves the ready packets to their ports.
#[inline]
fn transmit(cx: &mut Cx<'_>, burst: &mut Burst, mask: [u64; WORDS], tally: &Tally<'_>) {
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
