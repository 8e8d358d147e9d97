//! Node `ip_tryforward`: forwards the packets of a run that need no exception, and leaves the others (FreeBSD:
//! netinet/ip_fastfwd.c).
//!
//! Three passes over up to 64 packets: check, look up, rewrite. All checks of a packet are folded into one condition,
//! so the passes hold no branch that depends on more than "is this packet ordinary". What they refuse goes on to
//! `ether_input` untouched and gets its drop reason or its ICMP error there; so this node drops nothing for what stands in
//! a packet.
//!
//! A burst of many interfaces is handled run by run ([`mixed`]). The packets that are ready stay where they are until all runs
//! have had their turn, and leave together ([`Vector`]).
//! A burst that goes on to another vnet is spared what that one would do again ([`Crossing`]).

mod booking;
mod check;
#[cfg(target_feature = "avx2")]
mod check_avx2;
mod crossing;
mod mixed;
mod rewrite;
mod vector;

use pmd::Mbuf;
use vnet::Reader;

use booking::Booking;
use check::{Columns, Ordinary, check, check_again};
pub(crate) use crossing::{Crossing, Headers};
pub(crate) use mixed::Mixed;
use rewrite::rewrite;
pub(crate) use vector::Vector;

use crate::inet::{Forwarding, IcmpClass};
use crate::net::route::{FastHop, NO_HOP};
use crate::net::{IfBlock, Ifnet};
use crate::time::Nanos;
use crate::wire::{ETHER_HDR_LEN, IP_HDR_LEN, VLAN_TAG_LEN};
use crate::worker::{Cx, Output};

/// Packets that one round of the passes handles: one bit each in a word.
const CHUNK: usize = 64;
/// What the passes read of a frame.
const HEADERS: usize = ETHER_HDR_LEN + IP_HDR_LEN;

/// Makes ready what it can of `frames`, a burst that was received on the interface of `cx`. If they are `tagged`, each has the
/// 802.1Q tag of the interface. Returns the bytes of the packets that are ready, as they were received. A burst that came by a
/// `crossing` gets its headers here, unless it goes on by another.
pub(crate) fn ip_tryforward(
    cx: &mut Cx<'_>,
    frames: &mut [Mbuf],
    tagged: bool,
    vector: &mut Vector,
    crossing: Option<Crossing>,
) -> u64 {
    let rules = rules(cx.reader, cx.ingress, cx.now, tagged);
    let usable = rules.is_some();
    let crossing = crossing.and_then(|crossing| {
        if usable && crossing.leads_to(cx.ingress.mac) {
            return Some(crossing);
        }
        crossing.write_to(frames);
        None
    });
    let Some(mut rules) = rules else { return 0 };
    let before = vector.counts();
    for (number, chunk) in frames.chunks_mut(CHUNK).enumerate() {
        let columns = &mut cx.headers.columns;
        let ready = forward_chunk(&mut rules, cx.out, columns, crossing.as_ref(), chunk, vector);
        vector.mark(number, ready);
    }
    let (packets, bytes) = vector.since(before);
    rules.block.fastforward.add(packets);
    bytes
}

/// The rules for a run that was received on `ifp`, whose vnet is curvnet; none when all its packets need a closer look.
#[inline(always)]
fn rules<'a>(reader: &'a Reader, ifp: &'a Ifnet, now: Nanos, tagged: bool) -> Option<Rules<'a>> {
    // `INIT_VNET_INET` with the interface's vnet, as much of FreeBSD has it, and found when the interface was made: curvnet was
    // stored a moment ago, and to load it again the core would wait for the store.
    let inet = ifp.inet();
    let forwarding = inet.forwarding().load(reader)?;
    // Validation of sources needs a second lookup per packet: the other path has it.
    if inet.ipforwarding().get() == 0 || inet.ip_sav().get() != 0 {
        return None;
    }
    let redirects = if inet.ipsendredirects().get() == 0 {
        0
    } else {
        inet.icmp_limit().budget(IcmpClass::Redirect, inet.icmplim().get(), now)
    };
    Some(Rules { reader, forwarding, ifp, block: ifp.block(reader), tagged, redirects })
}

/// The facts that hold for all packets of a run.
struct Rules<'a> {
    reader: &'a Reader,
    forwarding: &'a Forwarding,
    ifp: &'a Ifnet,
    /// The worker's counters of the interface.
    block: &'a IfBlock,
    /// Whether the frames have an 802.1Q tag.
    tagged: bool,
    /// Redirects that may be sent now: so many packets that go out where they came in may be left to the other path.
    redirects: u32,
}

impl Rules<'_> {
    /// Bytes of the link header that the packets have.
    #[inline(always)]
    fn link_len(&self) -> usize {
        if self.tagged { ETHER_HDR_LEN + VLAN_TAG_LEN } else { ETHER_HDR_LEN }
    }

    /// Whether packets keep the length of their link header on the way to this hop.
    #[inline(always)]
    fn keeps_link_len(&self, hop: &FastHop) -> bool {
        usize::from(hop.link_len) == self.link_len()
    }

    /// Whether packets to this hop might want a redirect that may be sent: they go out where they came in.
    #[inline(always)]
    fn may_redirect(&self, hop: &FastHop) -> bool {
        (self.redirects > 0) & (hop.slot == self.ifp.slot)
    }

    /// Whether a packet to the single gateway at this FIB index should be looked at by the other path, because its sender (as in
    /// the header) should have sent it to the gateway itself.
    #[inline(always)]
    fn wants_redirect(&mut self, number: u16, src: u32) -> bool {
        self.wants_redirect_at(self.forwarding.next_hops().get(number).first, src)
    }

    /// The same for the adjacency at a place.
    #[inline(always)]
    fn wants_redirect_at(&mut self, place: u32, src: u32) -> bool {
        let wants = self.forwarding.wants_redirect(place, src.swap_bytes());
        self.redirects -= u32::from(wants);
        wants
    }
}

/// Runs the three passes over one chunk; the bits of the packets that are ready to leave.
#[inline(always)]
fn forward_chunk(
    rules: &mut Rules<'_>,
    out: &Output,
    columns: &mut Columns,
    before: Option<&Crossing>,
    chunk: &mut [Mbuf],
    vector: &mut Vector,
) -> u64 {
    const TAG: usize = VLAN_TAG_LEN;
    let mut hops = [0u16; CHUNK];
    let count = chunk.len().min(CHUNK);
    let ordinary = Ordinary::on(rules.ifp, rules);
    let exceptions = match (before, rules.ifp.has_rx_checksum(), rules.tagged) {
        (Some(_), ..) => check_again(&ordinary, columns, count),
        (None, false, false) => check::<false, 0>(&ordinary, chunk, columns, 0),
        (None, false, true) => check::<false, TAG>(&ordinary, chunk, columns, 0),
        (None, true, false) => check::<true, 0>(&ordinary, chunk, columns, 0),
        (None, true, true) => check::<true, TAG>(&ordinary, chunk, columns, 0),
    };
    rules.forwarding.fib().lookup_bulk(&columns.dst[..count], &mut hops[..count]);
    let mut left = exceptions;
    while left != 0 {
        hops[left.trailing_zeros() as usize] = NO_HOP;
        left &= left - 1;
    }
    let mut booking = Booking::new(rules, out, vector);
    let exceptions = if booking.cross(columns, &hops[..count], before) {
        0
    } else {
        rewrite(chunk, columns, &hops, before, exceptions, booking)
    };
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
