//! Node `ip_tryforward`: forwards the packets of a vector that need no exception, and leaves the others (FreeBSD:
//! netinet/ip_fastfwd.c).
//!
//! Three passes over up to 64 packets: check, look up, rewrite. All checks of a packet are folded into one condition,
//! so the passes hold no branch that depends on more than "is this packet ordinary". What they refuse goes on to
//! `ether_input` untouched and gets its drop reason or its ICMP error there; so this node drops nothing for what stands in
//! a packet.
//! A burst that goes on to another vnet is spared what that one would do again ([`Crossing`]).

mod booking;
mod check;
#[cfg(target_feature = "avx2")]
mod check_avx2;
mod crossing;
mod rewrite;

use pmd::{Burst, MAX_BURST, Mbuf, PortId, prefetch};
use vnet::Reader;

use booking::Booking;
use check::{Columns, check, check_again};
pub(crate) use crossing::{Crossing, Headers};
use rewrite::rewrite;

use crate::drops::DropReason;
use crate::inet::{FastHop, Forwarding, IcmpClass, NO_HOP};
use crate::net::Ifnet;
use crate::wire::{ETHER_HDR_LEN, IP_HDR_LEN};
use crate::worker::{Cx, Output};

/// Packets that one round of the passes handles: one bit each in a word.
const CHUNK: usize = 64;
/// Words of a mask over a whole burst.
const WORDS: usize = MAX_BURST / CHUNK;
/// What the passes read of a frame.
const HEADERS: usize = ETHER_HDR_LEN + IP_HDR_LEN;

/// Forwards what it can of `burst`, received on `ifp`; the rest stays, in order. Returns the bytes of the packets it
/// took, as they were received. A burst that came by a `crossing` gets its headers here, unless it goes on by another.
pub(crate) fn ip_tryforward(
    cx: &mut Cx<'_>,
    ifp: &Ifnet,
    burst: &mut Burst,
    crossing: Option<Crossing>,
) -> u64 {
    let rules = rules(cx, ifp);
    let usable = rules.is_some();
    let crossing = crossing.and_then(|crossing| {
        if usable && crossing.leads_to(ifp.mac) {
            return Some(crossing);
        }
        crossing.write_to(burst.as_mut_slice());
        None
    });
    let Some(rules) = rules else { return 0 };
    let mut mask = [0u64; WORDS];
    let mut tally = Tally { may_cross: burst.len() <= CHUNK, ..Tally::default() };
    for (chunk, word) in burst.as_mut_slice().chunks_mut(CHUNK).zip(&mut mask) {
        let columns = &mut cx.headers.columns;
        *word = forward_chunk(&rules, cx.out, columns, crossing.as_ref(), chunk, &mut tally);
    }
    transmit(cx, burst, mask, &tally);
    cx.headers.crossing = tally.crossing;
    tally.received_bytes
}

/// What holds for all packets of a vector; none when all need a closer look.
#[inline(always)]
fn rules<'a>(cx: &Cx<'a>, ifp: &'a Ifnet) -> Option<Rules<'a>> {
    let forwarding = cx.forwarding?;
    prefetch(cx.ipstat());
    // Validation of sources needs a second lookup per packet: the other path has it.
    if cx.inet.ipforwarding().get() == 0 || cx.inet.ip_sav().get() != 0 {
        return None;
    }
    let redirects = cx.inet.ipsendredirects().get() != 0
        && cx.inet.icmp_limit().has_budget(IcmpClass::Redirect, cx.inet.icmplim().get(), cx.now);
    Some(Rules { reader: cx.reader, forwarding, ifp, redirects })
}

/// What holds for all packets of the vector.
struct Rules<'a> {
    reader: &'a Reader,
    forwarding: &'a Forwarding,
    ifp: &'a Ifnet,
    /// Whether a packet that goes out where it came in should be looked at by the other path.
    redirects: bool,
}

impl<'a> Rules<'a> {
    /// The hop at a FIB index, unless packets to it need a second look: those that leave where they came in might want a
    /// redirect.
    #[inline(always)]
    fn fast(&self, hop: u16) -> Option<&'a FastHop> {
        let fast = self.forwarding.fast_hops().get(usize::from(hop))?;
        (!self.redirects || fast.slot != self.ifp.slot).then_some(fast)
    }
}

/// What the vector amounts to.
#[derive(Default)]
struct Tally {
    forwarded: u64,
    received_bytes: u64,
    ports: Ports,
    /// Whether it is one chunk, of which all columns are kept.
    may_cross: bool,
    crossing: Option<Crossing>,
}

/// Which ports the vector leaves through.
#[derive(Clone, Copy, Default, PartialEq)]
enum Ports {
    #[default]
    None,
    One(PortId),
    Many,
}

/// Runs the three passes over one chunk; the bits of the packets that are ready to leave.
fn forward_chunk(
    rules: &Rules<'_>,
    out: &Output,
    columns: &mut Columns,
    before: Option<&Crossing>,
    chunk: &mut [Mbuf],
    tally: &mut Tally,
) -> u64 {
    let mut hops = [0u16; CHUNK];
    let count = chunk.len().min(CHUNK);
    let exceptions = match before {
        Some(_) => check_again(rules, columns, count),
        None if rules.ifp.has_rx_checksum() => check::<true>(rules, chunk, columns),
        None => check::<false>(rules, chunk, columns),
    };
    rules.forwarding.fib().lookup_bulk(&columns.dst[..count], &mut hops[..count]);
    let mut left = exceptions;
    while left != 0 {
        hops[left.trailing_zeros() as usize] = NO_HOP;
        left &= left - 1;
    }
    let mut booking = Booking::new(rules, out, tally);
    let exceptions = if booking.cross(columns, &hops[..count], before) {
        0
    } else {
        rewrite(rules, chunk, columns, &hops, before, exceptions, booking)
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
