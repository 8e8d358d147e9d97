//! Third pass of `ip_tryforward`: TTL, checksum and link header.

use pmd::Mbuf;

use super::booking::{Booking, Count};
use super::check::{Columns, GROUP};
use super::crossing::{Crossing, write_headers};
use super::{CHUNK, HEADERS, Rules, exception};
use crate::inet::datapath::flow::flow_of;
use crate::inet::{AdjacencyState, FastHop, NextHopKind};
use crate::net::datapath::write_link_header;
use crate::wire::{ETHER_HDR_LEN, decrement_ttl};

/// Rewrites the packets of `chunk` that are no exceptions so far; the bits of the exceptions after it.
#[inline(never)]
pub(super) fn rewrite(
    rules: &Rules<'_>,
    chunk: &mut [Mbuf],
    columns: &Columns,
    hops: &[u16; CHUNK],
    before: Option<&Crossing>,
    exceptions: u64,
    booking: Booking<'_>,
) -> u64 {
    let mut pass = Pass { rules, columns, hops, before, exceptions, booking };
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

/// What the pass reads and what it has come to.
struct Pass<'a> {
    rules: &'a Rules<'a>,
    columns: &'a Columns,
    hops: &'a [u16; CHUNK],
    /// How the packets came here, if they have no headers of their own yet.
    before: Option<&'a Crossing>,
    exceptions: u64,
    booking: Booking<'a>,
}

impl Pass<'_> {
    /// Rewrites a group with one next hop for all, as in most groups of most bursts: what concerns the hop is done once.
    /// False, and nothing done, when the group is not like that.
    #[inline(always)]
    fn together(&mut self, group: &mut [Mbuf; GROUP], start: usize) -> bool {
        let (Some(hops), Some(lengths), Some(ttls)) = (
            of_group(self.hops, start),
            of_group(&self.columns.pkt_len, start),
            of_group(&self.columns.ttl, start),
        ) else {
            return false;
        };
        let Some(fast) = self.rules.fast(hops[0]) else { return false };
        let longest = lengths.iter().fold(0, |longest, len| longest.max(*len));
        if *hops != [hops[0]; GROUP] || longest > fast.longest {
            return false;
        }
        for (mbuf, ttl) in group.iter_mut().zip(ttls) {
            rewrite_fast(fast, mbuf, *ttl);
        }
        self.booking.add(fast.egress, Count { packets: GROUP as u32, bytes: lengths.iter().sum() });
        true
    }

    /// Rewrites packets to different hops, and those that need a second look.
    #[inline(never)]
    fn one_by_one(&mut self, packets: &mut [Mbuf], start: usize) {
        if let Some(before) = self.before {
            before.write_to(packets);
        }
        for (bit, mbuf) in packets.iter_mut().enumerate() {
            let at = start + bit;
            let (hop, pkt_len) = (self.hops[at], mbuf.pkt_len());
            let egress = match self.rules.fast(hop) {
                Some(fast) if pkt_len <= fast.longest => {
                    rewrite_fast(fast, mbuf, self.columns.ttl[at]);
                    fast.egress
                }
                _ if self.exceptions >> at & 1 == 1 => continue,
                _ => match rewrite_any(self.rules, mbuf, self.columns.dst[at], hop) {
                    Some(egress) => egress,
                    None => {
                        self.exceptions = exception(self.exceptions, at);
                        continue;
                    }
                },
            };
            self.booking.add(egress, Count { packets: 1, bytes: pkt_len });
        }
    }
}

/// A group's part of a column.
#[inline(always)]
fn of_group<T>(column: &[T; CHUNK], start: usize) -> Option<&[T; GROUP]> {
    column.get(start..)?.first_chunk()
}

/// A packet to a single gateway.
#[inline(always)]
fn rewrite_fast(hop: &FastHop, mbuf: &mut Mbuf, ttl: u32) {
    mbuf.set_port(hop.port);
    let Some(h) = mbuf.data_mut().first_chunk_mut::<HEADERS>() else { return };
    write_headers(h, [hop.link_start, hop.link_end], ttl);
}

/// Any packet: several paths, hosts of connected networks, VLAN tags. What it is booked on; `None` leaves the packet as it
/// was received.
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
        return Some(rules.forwarding.egress_of(place));
    }
    // No room for a VLAN tag: put the TTL back, for the other path to find the packet as it was received.
    let h = mbuf.data_mut().first_chunk_mut::<HEADERS>()?;
    h[22..26].copy_from_slice(&before);
    None
}
