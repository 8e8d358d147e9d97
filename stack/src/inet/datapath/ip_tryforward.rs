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
//! A burst that goes on to another vnet is spared what that one would do again ([`Unwritten`]).

mod booking;
mod check;
#[cfg(target_feature = "avx2")]
mod check_avx2;
mod mixed;
mod rewrite;
mod vector;

use pmd::{Burst, Mbuf};
use vnet::Reader;

use booking::Booking;
use check::{Checked, Ordinary, check, check_again, trim_trailers};
pub(crate) use mixed::Mixed;
use rewrite::rewrite;
pub(crate) use vector::Vector;

use crate::inet::{Forwarding, IcmpClass};
use crate::net::graph::{Columns, Cx, HEADERS, Output, Received, Unwritten};
use crate::net::route::{FastHop, NO_HOP};
use crate::net::{IfBlock, Ifnet};
use crate::time::Nanos;
use crate::wire::{ETHER_HDR_LEN, VLAN_TAG_LEN};

/// Packets that one round of the passes handles: one bit each in a word.
const CHUNK: usize = 64;

/// Forwards what it can of a burst that was received on the interface of `cx`. If the frames are `tagged`, each has the 802.1Q
/// tag of the interface. Returns the burst with those that are left, all of them with their headers, and the bytes of the
/// others, as they were received.
pub(crate) fn ip_tryforward<'q>(
    cx: &mut Cx<'_>,
    received: Received<'q>,
    tagged: bool,
) -> (&'q mut Burst, u64) {
    let Some(mut rules) = rules(cx.reader, cx.ingress, cx.now, tagged) else {
        return (received.written(), 0);
    };
    let received = match received {
        Received::Unwritten(frames) if !frames.are_for(rules.ifp.mac) => {
            Received::Written(frames.written().0)
        }
        received => received,
    };
    let mut vector = Vector::default();
    let burst = forward(&mut rules, cx.out, cx.columns, received, &mut vector);
    let (packets, bytes) = vector.counts();
    rules.block.fastforward.add(packets);
    (burst, bytes)
}

/// The rules for a run that was received on `ifp`, whose vnet is curvnet; none when all its packets need a closer look.
#[inline(always)]
fn rules<'a>(reader: &'a Reader, ifp: &'a Ifnet, now: Nanos, tagged: bool) -> Option<Rules<'a>> {
    // `INIT_VNET_INET` with the interface's vnet, as much of FreeBSD has it, and found when the interface was made: curvnet was
    // stored a moment ago, and to load it again the core would wait for the store.
    let inet = ifp.inet()?;
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

/// Runs the three passes over each chunk; the burst with the packets that are left.
#[inline(always)]
fn forward<'q>(
    rules: &mut Rules<'_>,
    out: &mut Output,
    columns: &mut Box<Columns>,
    mut received: Received<'q>,
    vector: &mut Vector,
) -> &'q mut Burst {
    let packets = received.len();
    // All columns of the burst are kept.
    let may_cross = !rules.tagged && packets <= CHUNK;
    for (number, start) in (0..packets).step_by(CHUNK).enumerate() {
        let count = (packets - start).min(CHUNK);
        let mut hops = [0; CHUNK];
        // The lookup is inlined where it is called once.
        let (read, exceptions) = match &mut received {
            Received::Written(burst) => {
                let chunk = chunk_of(burst, start);
                let checked = check_chunk(rules, chunk, columns, 0);
                let whole = trim(rules, chunk, columns, checked, vector);
                (&**columns, checked.exceptions | whole)
            }
            Received::Unwritten(frames) => {
                let ordinary = Ordinary::on(rules.ifp, rules);
                (frames.columns(), check_again(&ordinary, frames.columns(), count))
            }
        };
        look_up(rules, read, exceptions, &mut hops[..count]);
        let burst = match received {
            Received::Written(burst) => burst,
            Received::Unwritten(frames) => {
                return forward_unwritten(rules, out, frames, &hops, exceptions, vector);
            }
        };
        if may_cross
            && let Some(hop) =
                only_hop(rules, columns, &hops[..count], |hop| out.can_cross(hop.port).is_some())
            && let Some(end) = out.can_cross(hop.port)
        {
            Booking::new(rules, out, vector).add_all(hop, &columns.pkt_len[..count]);
            out.cross(end, burst, columns, hop.link);
            return burst;
        }
        let booking = Booking::new(rules, out, vector);
        let exceptions = rewrite(chunk_of(burst, start), columns, &hops, exceptions, booking);
        vector.mark(number, ready_of(exceptions, count));
        received = Received::Written(burst);
    }
    let burst = received.written();
    vector.transmit(burst, out);
    burst
}

/// The three passes over a chunk of a burst of many interfaces; the bits of the exceptions.
#[inline(always)]
fn pass(
    rules: &mut Rules<'_>,
    out: &Output,
    columns: &mut Columns,
    chunk: &mut [Mbuf],
    vector: &mut Vector,
) -> u64 {
    let mut hops = [0; CHUNK];
    let checked = check_chunk(rules, chunk, columns, 0);
    let exceptions = checked.exceptions | trim(rules, chunk, columns, checked, vector);
    look_up(rules, columns, exceptions, &mut hops[..chunk.len()]);
    rewrite(chunk, columns, &hops, exceptions, Booking::new(rules, out, vector))
}

/// The chunk that begins at place `start`.
#[inline(always)]
fn chunk_of(burst: &mut Burst, start: usize) -> &mut [Mbuf] {
    burst
        .as_mut_slice()
        .get_mut(start..)
        .unwrap_or_default()
        .chunks_mut(CHUNK)
        .next()
        .unwrap_or_default()
}

/// The third pass over a burst that crosses an epair, of which all packets leave by one way as a rule.
#[inline(never)]
fn forward_unwritten<'q>(
    rules: &mut Rules<'_>,
    out: &mut Output,
    mut frames: Unwritten<'q>,
    hops: &[u16; CHUNK],
    exceptions: u64,
    vector: &mut Vector,
) -> &'q mut Burst {
    let count = frames.len().min(CHUNK);
    let burst = if let Some(hop) = only_hop(rules, frames.columns(), &hops[..count], |_| true) {
        let lengths = &frames.columns().pkt_len[..count];
        Booking::new(rules, out, vector).add_all(hop, lengths);
        frames.take_hop();
        if let Some(end) = out.can_cross(hop.port) {
            return frames.cross(out, end, hop.link);
        }
        vector.mark(0, ready_of(0, count));
        frames.write(&hop.link).0
    } else {
        let (burst, columns) = frames.written();
        columns.take_hop(count);
        let booking = Booking::new(rules, out, vector);
        let exceptions = rewrite(burst.as_mut_slice(), columns, hops, exceptions, booking);
        vector.mark(0, ready_of(exceptions, count));
        burst
    };
    vector.transmit(burst, out);
    burst
}

/// The first pass over one chunk, whose columns begin at place `start`.
#[inline(always)]
fn check_chunk(rules: &Rules<'_>, chunk: &[Mbuf], columns: &mut Columns, start: usize) -> Checked {
    const TAG: usize = VLAN_TAG_LEN;
    let ordinary = Ordinary::on(rules.ifp, rules);
    match (rules.ifp.has_rx_checksum(), rules.tagged) {
        (false, false) => check::<false, 0>(&ordinary, chunk, columns, start),
        (false, true) => check::<false, TAG>(&ordinary, chunk, columns, start),
        (true, false) => check::<true, 0>(&ordinary, chunk, columns, start),
        (true, true) => check::<true, TAG>(&ordinary, chunk, columns, start),
    }
}

/// Takes the trailers off the packets of a chunk; the bits of those that keep theirs.
#[inline(always)]
fn trim(
    rules: &Rules<'_>,
    chunk: &mut [Mbuf],
    columns: &mut Columns,
    checked: Checked,
    vector: &mut Vector,
) -> u64 {
    let padded = checked.to_trim();
    if padded == 0 {
        return 0;
    }
    let tagged = if rules.tagged { u64::MAX } else { 0 };
    let whole = trim_trailers(chunk, (padded, tagged), columns, 0);
    vector.add_trailers(&columns.trailer, padded & !whole);
    whole
}

/// The second pass: the FIB indices of the packets' next hops; [`NO_HOP`] for the exceptions.
#[inline(always)]
fn look_up(rules: &Rules<'_>, columns: &Columns, exceptions: u64, hops: &mut [u16]) {
    rules.forwarding.fib().lookup_bulk(&columns.dst[..hops.len()], hops);
    let mut left = exceptions;
    while left != 0 {
        if let Some(hop) = hops.get_mut(left.trailing_zeros() as usize) {
            *hop = NO_HOP;
        }
        left &= left - 1;
    }
}

/// The next hop that packets all take, if it is a `wanted` one and nothing else speaks against it.
#[inline(always)]
fn only_hop<'r>(
    rules: &Rules<'r>,
    columns: &Columns,
    hops: &[u16],
    wanted: impl FnOnce(&FastHop) -> bool,
) -> Option<&'r FastHop> {
    let first = *hops.first()?;
    let hop = rules.forwarding.next_hops().fast_hops().get(usize::from(first))?;
    if !rules.keeps_link_len(hop) || rules.may_redirect(hop) || !wanted(hop) {
        return None;
    }
    let lengths = &columns.pkt_len[..hops.len()];
    let longest = lengths.iter().fold(0, |longest, len| longest.max(*len));
    let all = longest <= hop.longest && hops.iter().all(|other| *other == first);
    all.then_some(hop)
}

/// The bits of the packets of a chunk of `count` that are no exceptions.
#[inline(always)]
fn ready_of(exceptions: u64, count: usize) -> u64 {
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
