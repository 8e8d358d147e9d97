//! Third pass of `ip_tryforward`: TTL, checksum and link header.

use pmd::Mbuf;

use super::booking::{Booking, Count};
use super::check::GROUP;
use super::{CHUNK, HEADERS, Rules, exception};
use crate::inet::datapath::flow::flow_with;
use crate::net::graph::{Columns, write_headers};
use crate::net::route::{FastHop, NextHop, NextHopKind};
use crate::wire::{ETHER_HDR_LEN, VLAN_TAG_LEN};

/// Rewrites the packets of `chunk` that are no exceptions so far; the bits of the exceptions after it.
#[inline(always)]
pub(super) fn rewrite(
    chunk: &mut [Mbuf],
    columns: &Columns,
    hops: &[u16; CHUNK],
    exceptions: u64,
    booking: Booking<'_, '_>,
) -> u64 {
    if booking.rules.tagged {
        rewrite_all::<VLAN_TAG_LEN>(chunk, columns, hops, exceptions, booking)
    } else {
        rewrite_all::<0>(chunk, columns, hops, exceptions, booking)
    }
}

/// The same for frames with `TAG` bytes of 802.1Q tag.
#[inline(never)]
fn rewrite_all<const TAG: usize>(
    chunk: &mut [Mbuf],
    columns: &Columns,
    hops: &[u16; CHUNK],
    exceptions: u64,
    booking: Booking<'_, '_>,
) -> u64 {
    let mut pass = Pass::<TAG> { columns, hops, exceptions, booking };
    let mut start = 0;
    for group in chunk.as_chunks_mut::<GROUP>().0 {
        if !pass.together(group, start) {
            break;
        }
        start += GROUP;
    }
    match chunk.get_mut(start..) {
        Some(rest) if !rest.is_empty() => pass.finish(rest, start),
        _ => {
            pass.booking.close();
            pass.exceptions
        }
    }
}

/// The input of the pass and its state.
struct Pass<'a, 'b, 'r, const TAG: usize> {
    columns: &'a Columns,
    hops: &'a [u16; CHUNK],
    exceptions: u64,
    booking: Booking<'b, 'r>,
}

impl<'r, const TAG: usize> Pass<'_, '_, 'r, TAG> {
    /// Rewrites the packets from `start` on, the first of which have more than one next hop or are not a whole group; the bits of all exceptions.
    /// A function of its own, so that a chunk with one next hop for all is a short loop.
    #[inline(never)]
    fn finish(mut self, packets: &mut [Mbuf], mut start: usize) -> u64 {
        let (groups, rest) = packets.as_chunks_mut::<GROUP>();
        for group in groups {
            if !self.side_by_side(group, start) && !self.together(group, start) {
                self.one_by_one(group, start);
            }
            start += GROUP;
        }
        self.one_by_one(rest, start);
        self.booking.close();
        self.exceptions
    }

    /// Rewrites a group with one next hop for all: what concerns the hop is done once. False, and nothing done, when the group
    /// is not like that.
    #[inline(always)]
    fn together(&mut self, group: &mut [Mbuf; GROUP], start: usize) -> bool {
        let (Some(hops), Some(lengths), Some(ttls)) = (
            of_group(self.hops, start),
            of_group(&self.columns.pkt_len, start),
            of_group(&self.columns.ttl, start),
        ) else {
            return false;
        };
        let next_hops = self.booking.rules.forwarding.next_hops();
        let Some(hop) = next_hops.fast_hops().get(usize::from(hops[0])) else { return false };
        let others = hops.iter().fold(0, |others, number| others | (number ^ hops[0]));
        // Negative if one of them is too long: lengths are below 2^31.
        let room = lengths.iter().fold(0, |room, len| room | hop.longest.wrapping_sub(*len));
        if others != 0 || room.cast_signed() < 0 || !self.booking.rules.keeps_link_len(hop) {
            return false;
        }
        if self.booking.rules.may_redirect(hop) && self.some_want_redirects(hops[0], start) {
            return false;
        }
        for (mbuf, ttl) in group.iter_mut().zip(ttls) {
            rewrite_plain::<TAG>(hop, mbuf, *ttl);
        }
        self.booking.add(hop, Count { packets: GROUP as u32, bytes: lengths.iter().sum() });
        true
    }

    /// Rewrites a group of packets to different next hops, none of which needs a second look: then no branch depends on a single packet.
    /// False, and nothing done, when the group is not like that.
    #[inline(always)]
    fn side_by_side(&mut self, group: &mut [Mbuf; GROUP], start: usize) -> bool {
        let (Some(numbers), Some(lengths), Some(ttls)) = (
            of_group(self.hops, start),
            of_group(&self.columns.pkt_len, start),
            of_group(&self.columns.ttl, start),
        ) else {
            return false;
        };
        let mut hops = [&FastHop::NONE; GROUP];
        for (lane, hop) in hops.iter_mut().enumerate() {
            *hop = self.hop_of(&group[lane], start + lane, numbers[lane]);
        }
        let first = hops[0];
        let (mut room, mut link_lens, mut egresses, mut second_look) = (0, 0, 0, false);
        for (hop, len) in hops.iter().zip(lengths) {
            // Negative if the packet is too long: lengths are below 2^31. That of an exception may be any, but it has no hop.
            room |= hop.longest.wrapping_sub(*len);
            link_lens |= hop.link_len ^ first.link_len;
            egresses |= hop.egress ^ first.egress;
            second_look |= hop.unasked | (hop.longest == 0);
        }
        let rules = &*self.booking.rules;
        let is_plain = room.cast_signed() >= 0 && link_lens == 0 && !second_look;
        // Which interface the packets leave through decides about redirects; of several, one may be that which they came in on.
        let may_redirect = rules.redirects > 0 && (egresses != 0 || rules.may_redirect(first));
        if !is_plain || !rules.keeps_link_len(first) || may_redirect {
            return false;
        }
        for ((mbuf, hop), ttl) in group.iter_mut().zip(hops).zip(ttls) {
            rewrite_plain::<TAG>(hop, mbuf, *ttl);
        }
        if egresses == 0 {
            self.booking.add(first, Count { packets: GROUP as u32, bytes: lengths.iter().sum() });
        } else {
            let counts = lengths.iter().map(|bytes| Count { packets: 1, bytes: *bytes });
            hops.into_iter().zip(counts).for_each(|(hop, count)| self.booking.add(hop, count));
        }
        true
    }

    /// The hop of a packet: of several paths, that of its flow; on a connected network, its neighbour.
    #[inline(always)]
    fn hop_of(&self, mbuf: &Mbuf, at: usize, number: u16) -> &'r FastHop {
        let rules = &*self.booking.rules;
        let next_hops = rules.forwarding.next_hops();
        match next_hops.fast_hops().get(usize::from(number)) {
            Some(hop) if hop.longest > 0 => hop,
            Some(_) => place_of(rules, mbuf, self.columns, at, number)
                .and_then(|place| next_hops.fast_adjacency(place))
                .unwrap_or(&FastHop::NONE),
            None => &FastHop::NONE,
        }
    }

    /// Whether some packet of a group, all to the gateway at one FIB index, has to be looked at by the other path.
    #[inline(never)]
    fn some_want_redirects(&self, number: u16, start: usize) -> bool {
        let forwarding = self.booking.rules.forwarding;
        let place = forwarding.next_hops().get(number).first;
        let sources = of_group(&self.columns.src, start);
        sources.into_iter().flatten().any(|src| forwarding.wants_redirect(place, src.swap_bytes()))
    }

    /// Rewrites packets to different hops, and those that need a second look.
    #[inline(always)]
    fn one_by_one(&mut self, packets: &mut [Mbuf], start: usize) {
        for (mbuf, at) in packets.iter_mut().zip(start..CHUNK) {
            let (number, bytes) = (self.hops[at], self.columns.pkt_len[at]);
            if self.exceptions >> at & 1 == 1 {
                continue;
            }
            let next_hops = self.booking.rules.forwarding.next_hops();
            let hop = next_hops.fast_hops().get(usize::from(number));
            match rewrite_one(self.booking.rules, mbuf, self.columns, at, number, hop) {
                Some(hop) => self.booking.add(hop, Count { packets: 1, bytes }),
                None => self.exceptions = exception(self.exceptions, at),
            }
        }
    }
}

/// Rewrites one packet, at place `at` of the columns, to the hop of this number, which the fast path knows as `hop`; the hop that it
/// takes. `None` leaves the packet as it was received.
#[inline(always)]
pub(super) fn rewrite_one<'r>(
    rules: &mut Rules<'r>,
    mbuf: &mut Mbuf,
    columns: &Columns,
    at: usize,
    number: u16,
    hop: Option<&'r FastHop>,
) -> Option<&'r FastHop> {
    let fits = |hop: &FastHop| columns.pkt_len[at] <= hop.longest;
    let hop = match hop {
        Some(hop) if fits(hop) && rules.keeps_link_len(hop) => {
            if rules.may_redirect(hop) && rules.wants_redirect(number, columns.src[at]) {
                return None;
            }
            hop
        }
        _ => {
            let place = place_of(rules, mbuf, columns, at, number)?;
            let next_hops = rules.forwarding.next_hops();
            let hop = next_hops.fast_adjacency(place).filter(|hop| fits(hop))?;
            let is_plain = rules.keeps_link_len(hop) & !rules.may_redirect(hop) & !hop.unasked;
            if !is_plain {
                return rewrite_any(rules, mbuf, columns, at, place);
            }
            hop
        }
    };
    if rules.tagged {
        rewrite_plain::<VLAN_TAG_LEN>(hop, mbuf, columns.ttl[at]);
    } else {
        rewrite_plain::<0>(hop, mbuf, columns.ttl[at]);
    }
    Some(hop)
}

/// The adjacency of a packet whose next hop has several paths, or is a connected network; of another one that can be forwarded, that of
/// its gateway.
#[inline(always)]
fn place_of(
    rules: &Rules<'_>,
    mbuf: &Mbuf,
    columns: &Columns,
    at: usize,
    number: u16,
) -> Option<u32> {
    let hop = rules.forwarding.next_hops().get(number);
    match hop.kind {
        NextHopKind::Connected => rules.forwarding.on_link(hop.first, columns.dst[at]),
        NextHopKind::Gateway => place_of_flow(rules, mbuf, columns, at, hop),
        _ => None,
    }
}

/// The adjacency of a packet that may take one of several paths.
#[inline(never)]
fn place_of_flow(
    rules: &Rules<'_>,
    mbuf: &Mbuf,
    columns: &Columns,
    at: usize,
    hop: NextHop,
) -> Option<u32> {
    let (src, dst, ttl) = (columns.src[at], columns.dst[at], columns.ttl[at]);
    let protocol = (ttl >> 8) as u8;
    let flow = || flow_with(mbuf, rules.link_len(), src, dst.swap_bytes(), protocol);
    rules.forwarding.select(hop, dst, flow)
}

/// Rewrites any packet to the adjacency at `place`: to a link with a header of another length, back to where it came from, to a
/// neighbour that is used for the first time.
#[inline(never)]
fn rewrite_any<'r>(
    rules: &mut Rules<'r>,
    mbuf: &mut Mbuf,
    columns: &Columns,
    at: usize,
    place: u32,
) -> Option<&'r FastHop> {
    let link_len = rules.link_len();
    let next_hops = rules.forwarding.next_hops();
    let fast = next_hops.fast_adjacency(place)?;
    if columns.pkt_len[at] > fast.longest
        || (rules.may_redirect(fast) && rules.wants_redirect_at(place, columns.src[at]))
    {
        return None;
    }
    if usize::from(fast.link_len) != link_len && !resize_link(mbuf, rules.tagged) {
        return None;
    }
    if fast.unasked {
        next_hops.adjacency(place)?.mark_used();
    }
    if usize::from(fast.link_len) > ETHER_HDR_LEN {
        rewrite_plain::<VLAN_TAG_LEN>(fast, mbuf, columns.ttl[at]);
    } else {
        rewrite_plain::<0>(fast, mbuf, columns.ttl[at]);
    }
    Some(fast)
}

/// Puts a tag's length in front of a frame that has none, or takes it off one that has; the EtherType and all behind it stay where
/// they are. False, and nothing done, when there is no room.
#[inline(always)]
fn resize_link(mbuf: &mut Mbuf, tagged: bool) -> bool {
    let len = VLAN_TAG_LEN as u16;
    if tagged { mbuf.adj(len) } else { mbuf.prepend(len).is_some() }
}

/// A group's part of a column.
#[inline(always)]
fn of_group<T, const N: usize>(column: &[T; N], start: usize) -> Option<&[T; GROUP]> {
    column.get(start..)?.first_chunk()
}

/// A packet whose link header keeps its length.
#[inline(always)]
fn rewrite_plain<const TAG: usize>(hop: &FastHop, mbuf: &mut Mbuf, ttl: u32) {
    mbuf.set_port(hop.port);
    let frame = mbuf.data_mut();
    if TAG == 0 {
        let Some(h) = frame.first_chunk_mut::<HEADERS>() else { return };
        write_headers(h, &hop.link, ttl);
        return;
    }
    // The EtherType behind the tag is there already.
    let Some(link) = frame.first_chunk_mut::<16>() else { return };
    *link = hop.link;
    let Some(word) = frame.get_mut(TAG + 22..).and_then(|rest| rest.first_chunk_mut::<4>()) else {
        return;
    };
    *word = ttl.to_le_bytes();
}
