//! Third pass of `ip_tryforward`: TTL, checksum and link header.

use pmd::Mbuf;

use super::booking::{Booking, Count};
use super::check::GROUP;
use super::{CHUNK, HEADERS, Rules, exception};
use crate::inet::datapath::flow::flow_behind;
use crate::net::graph::{Columns, write_headers};
use crate::net::route::{FastHop, NextHopKind};
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
    let (groups, rest) = chunk.as_chunks_mut::<GROUP>();
    let mut start = 0;
    for group in groups {
        if !pass.together(group, start) {
            pass.one_by_one(group, start);
        }
        start += GROUP;
    }
    if !rest.is_empty() {
        pass.one_by_one(rest, start);
    }
    pass.booking.close();
    pass.exceptions
}

/// The input of the pass and its state.
struct Pass<'a, 'b, 'r, const TAG: usize> {
    columns: &'a Columns,
    hops: &'a [u16; CHUNK],
    exceptions: u64,
    booking: Booking<'b, 'r>,
}

impl<const TAG: usize> Pass<'_, '_, '_, TAG> {
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
    match hop {
        Some(hop) if columns.pkt_len[at] <= hop.longest && rules.keeps_link_len(hop) => {
            if rules.may_redirect(hop) && rules.wants_redirect(number, columns.src[at]) {
                return None;
            }
            if rules.tagged {
                rewrite_plain::<VLAN_TAG_LEN>(hop, mbuf, columns.ttl[at]);
            } else {
                rewrite_plain::<0>(hop, mbuf, columns.ttl[at]);
            }
            Some(hop)
        }
        _ => rewrite_any(rules, mbuf, columns, at, number),
    }
}

/// Rewrites any packet: one with several paths, to a host of a connected network, to a link with a header of another length,
/// back to where it came from.
#[inline(never)]
fn rewrite_any<'r>(
    rules: &mut Rules<'r>,
    mbuf: &mut Mbuf,
    columns: &Columns,
    at: usize,
    number: u16,
) -> Option<&'r FastHop> {
    let next_hops = rules.forwarding.next_hops();
    let hop = next_hops.get(number);
    if !matches!(hop.kind, NextHopKind::Gateway | NextHopKind::Connected) {
        return None;
    }
    let link_len = rules.link_len();
    let flow = || flow_behind(mbuf, link_len);
    let place = rules.forwarding.select(hop, columns.dst[at], flow)?;
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
