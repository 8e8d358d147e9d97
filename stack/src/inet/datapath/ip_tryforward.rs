//! Node `ip_tryforward`: forwards the packets of a vector that need no exception, and leaves the others (FreeBSD:
//! netinet/ip_fastfwd.c).
//!
//! Three passes over up to 64 packets: check, look up, rewrite. All checks of a packet are folded into one condition,
//! so the passes hold no branch that depends on more than "is this packet ordinary". What they refuse goes on to
//! `ether_input` untouched and gets its drop reason or its ICMP error there; so this node drops nothing for what stands in a packet.

use pmd::{Burst, MAX_BURST, Mbuf, PortId};

use super::flow::flow_of;
use crate::drops::DropReason;
use crate::inet::{Adjacency, AdjacencyState, Forwarding, IcmpClass, NextHopKind};
use crate::net::Ifnet;
use crate::net::datapath::write_link_header;
use crate::wire::{
    ETHER_HDR_LEN, EtherType, IP_HDR_LEN, checksum_of_header, decrement_ttl, is_martian_source,
};
use crate::worker::Cx;

/// Packets that one round of the passes handles: one bit each in a word.
const CHUNK: usize = 64;
/// Words of a mask over a whole burst.
const WORDS: usize = MAX_BURST / CHUNK;
/// What the passes read of a frame.
const HEADERS: usize = ETHER_HDR_LEN + IP_HDR_LEN;

/// Forwards what it can of `burst`, received on `ifp`; the rest stays, in order.
pub fn ip_tryforward(cx: &mut Cx<'_>, ifp: &Ifnet, burst: &mut Burst) {
    let Some(forwarding) = cx.forwarding else { return };
    // Validation of sources needs a second lookup per packet: the other path has it.
    if cx.inet.ipforwarding().get() == 0 || cx.inet.ip_sav().get() != 0 {
        return;
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
    let mut ready = check(rules.ifp, chunk, &mut dst);
    let count = chunk.len().min(CHUNK);
    rules.forwarding.fib().lookup_bulk(&dst[..count], &mut hops[..count]);
    for (bit, mbuf) in chunk.iter_mut().enumerate() {
        if ready >> bit & 1 == 0 {
            continue;
        }
        match egress(rules, mbuf, dst[bit], hops[bit]) {
            Some(adjacency) if rewrite(adjacency, mbuf) => tally.add(cx, adjacency, mbuf.pkt_len()),
            _ => ready &= !(1 << bit),
        }
    }
    ready
}

/// First pass: which packets are ordinary, and where they want to go.
#[inline]
fn check(ifp: &Ifnet, chunk: &[Mbuf], dst: &mut [u32; CHUNK]) -> u64 {
    const ORDINARY: u32 = u32::from_be_bytes([
        EtherType::IPV4.0.to_be_bytes()[0],
        EtherType::IPV4.0.to_be_bytes()[1],
        0x45,
        0,
    ]);
    let mac = ifp.mac.key();
    let longest = ifp.mtu() + ETHER_HDR_LEN as u32;
    let mut ready = 0u64;
    for (bit, (mbuf, dst)) in chunk.iter().zip(dst.iter_mut()).enumerate() {
        let Some(h) = mbuf.data().first_chunk::<HEADERS>() else { continue };
        let word = |at: usize| u32::from_ne_bytes([h[at], h[at + 1], h[at + 2], h[at + 3]]);
        let link = u64::from_le_bytes([h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]]) << 16;
        let total_len = u32::from(u16::from_be_bytes([h[16], h[17]]));
        let src = u32::from_be(word(26));
        *dst = u32::from_be(word(30));
        let ordinary = (link == mac)
            // EtherType, version and header length in one comparison; the type of service is free.
            & (u32::from_be(word(12)) & 0xffff_ff00 == ORDINARY)
            & (h[6] & 1 == 0)
            & (total_len >= IP_HDR_LEN as u32)
            & (total_len + ETHER_HDR_LEN as u32 <= mbuf.pkt_len())
            & (mbuf.pkt_len() <= longest)
            & (h[22] > 1)
            & (checksum_of_header([word(14), word(18), word(22), word(26), word(30)]) == 0)
            & !is_martian_source(src)
            // Every destination that is not martian and not a group is also a fit source.
            & !is_martian_source(*dst);
        ready |= u64::from(ordinary) << bit;
    }
    ready
}

/// Second pass: the adjacency of a packet that can leave now, without an exception.
#[inline(always)]
fn egress<'a>(rules: &Rules<'a>, mbuf: &Mbuf, dst: u32, hop: u16) -> Option<&'a Adjacency> {
    let hop = rules.forwarding.next_hop(hop);
    if !matches!(hop.kind, NextHopKind::Gateway | NextHopKind::Connected) {
        return None;
    }
    let adjacency = rules.forwarding.select(hop, dst, || flow_of(mbuf.data()))?;
    let h = mbuf.data().first_chunk::<HEADERS>()?;
    let total_len = u16::from_be_bytes([h[16], h[17]]);
    let ordinary = (adjacency.state == AdjacencyState::Resolved) & (total_len <= adjacency.mtu);
    if rules.redirects {
        let src = u32::from_be_bytes([h[26], h[27], h[28], h[29]]);
        return (ordinary & !adjacency.wants_redirect(rules.ifp.slot, src)).then_some(adjacency);
    }
    ordinary.then_some(adjacency)
}

/// Third pass: TTL, checksum and link header. False when the link header does not fit.
#[inline(always)]
fn rewrite(adjacency: &Adjacency, mbuf: &mut Mbuf) -> bool {
    let Some(h) = mbuf.data_mut().first_chunk_mut::<HEADERS>() else { return false };
    let before = [h[22], h[23], h[24], h[25]];
    h[22..26].copy_from_slice(&decrement_ttl(u32::from_ne_bytes(before)).to_ne_bytes());
    if write_link_header(adjacency, mbuf) {
        mbuf.set_port(adjacency.port);
        return true;
    }
    // No room for a VLAN tag: put the TTL back, for the other path to find the packet as it was received.
    if let Some(h) = mbuf.data_mut().first_chunk_mut::<HEADERS>() {
        h[22..26].copy_from_slice(&before);
    }
    false
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
