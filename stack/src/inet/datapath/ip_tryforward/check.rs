//! First pass of `ip_tryforward`: which packets are not ordinary, where all want to go, and what their TTL will be.

use pmd::{MAX_BURST, Mbuf};

use super::{CHUNK, HEADERS, Rules, exception, load32, load64};
use crate::inet::AddressFilter;
use crate::net::Ifnet;
use crate::net::graph::Columns;
use crate::wire::{
    ETHER_HDR_LEN, IP_HDR_LEN, MARTIAN, VLAN_TAG_LEN, decrement_ttl, is_header_checksum_right,
    is_link_local,
};

/// Packets that are checked side by side.
pub(super) const GROUP: usize = 8;

/// The conditions of an ordinary packet, in the form in which they are compared.
pub(super) struct Ordinary<'a> {
    /// The interface's address, the lower 48 bits.
    pub(super) mac: u64,
    /// Sources that need a second look.
    pub(super) not_sources: &'a AddressFilter,
}

impl<'a> Ordinary<'a> {
    pub(super) fn on(ifp: &Ifnet, rules: &'a Rules<'_>) -> Self {
        Self { mac: ifp.mac.key(), not_sources: rules.forwarding.not_sources() }
    }
}

/// The packets of a chunk that need something done, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Checked {
    /// Those that are not ordinary.
    pub(super) exceptions: u64,
    /// Those whose frame ends behind the datagram; of an exception the bit means nothing.
    pub(super) padded: u64,
}

impl Checked {
    /// Adds those of a group that begins at place `at`.
    #[inline(always)]
    pub(super) fn add(&mut self, group: Self, at: usize) {
        self.exceptions |= group.exceptions << at;
        self.padded |= group.padded << at;
    }

    /// The ordinary packets that have to be trimmed.
    #[inline(always)]
    pub(super) fn to_trim(self) -> u64 {
        self.padded & !self.exceptions
    }
}

/// Looks at the packets of a chunk, whose columns begin at place `start`. With `OFFLOAD` the port has
/// verified the header's checksum; a packet that it does not call good is an exception, and is summed there. `TAG` is how many
/// bytes of 802.1Q tag the frames have.
#[inline(never)]
pub(super) fn check<const OFFLOAD: bool, const TAG: usize>(
    ordinary: &Ordinary<'_>,
    chunk: &[Mbuf],
    columns: &mut Columns,
    start: usize,
) -> Checked {
    let (groups, rest) = chunk.as_chunks::<GROUP>();
    let (mut checked, mut at) = (Checked::default(), 0);
    for group in groups {
        checked.add(check_group::<OFFLOAD, TAG>(ordinary, group, columns, start + at), at);
        at += GROUP;
    }
    if !rest.is_empty() {
        checked.add(check_each::<OFFLOAD, TAG>(ordinary, rest, columns, start + at), at);
    }
    checked
}

/// Takes the trailers off the packets in `padded`, whose columns begin at place `start`, and notes how long they were: what
/// stands behind a datagram is one link's affair, and on another link it would be a covert channel. Packets in `tagged` have a
/// tag. The bits of those whose trailer is spread over several segments: they stay as they are.
#[inline(never)]
pub(super) fn trim_trailers(
    chunk: &mut [Mbuf],
    (padded, tagged): (u64, u64),
    columns: &mut Columns,
    start: usize,
) -> u64 {
    let (mut exceptions, mut left) = (0, padded);
    while left != 0 {
        let bit = left.trailing_zeros() as usize;
        left &= left - 1;
        let at = (start + bit).min(MAX_BURST - 1);
        let Some(mbuf) = chunk.get_mut(bit) else { break };
        let tag = VLAN_TAG_LEN as u32 * (tagged >> bit & 1) as u32;
        let trailer = mbuf.pkt_len().saturating_sub(columns.pkt_len[at] + tag);
        columns.trailer[at] = trailer;
        if !u16::try_from(trailer).is_ok_and(|trailer| mbuf.trim(trailer)) {
            exceptions = exception(exceptions, bit);
        }
    }
    exceptions
}

/// The same for packets that another vnet's fast path has checked, and whose columns are at hand: what does not depend on
/// the vnet is known to be right. The TTL in the columns is the one that they come here with.
#[inline(never)]
pub(super) fn check_again(ordinary: &Ordinary<'_>, columns: &Columns, count: usize) -> u64 {
    let mut exceptions = 0;
    for start in (0..count).step_by(GROUP) {
        exceptions |= check_group_again(ordinary, columns, start) << start;
    }
    exceptions & (u64::MAX >> (CHUNK - count))
}

#[cfg(target_feature = "avx2")]
use super::check_avx2::check_group_again;

#[cfg(not(target_feature = "avx2"))]
use check_each_again as check_group_again;

/// Of a group, which packets are not ordinary for this vnet.
#[cfg(any(test, not(target_feature = "avx2")))]
pub(super) fn check_each_again(ordinary: &Ordinary<'_>, columns: &Columns, start: usize) -> u64 {
    (start..start + GROUP).fold(0, |exceptions, at| {
        let is_ordinary =
            columns.ttl[at] & 0xff >= 2 && ordinary.not_sources.may_hold(columns.src[at]) == 0;
        exceptions | u64::from(!is_ordinary) << (at - start)
    })
}

/// Looks at the packets of a group.
#[cfg(target_feature = "avx2")]
#[inline(always)]
fn check_group<const OFFLOAD: bool, const TAG: usize>(
    ordinary: &Ordinary<'_>,
    group: &[Mbuf; GROUP],
    columns: &mut Columns,
    start: usize,
) -> Checked {
    super::check_avx2::check_group::<OFFLOAD, TAG>(ordinary, group, columns, start)
        .unwrap_or_else(|| check_each::<OFFLOAD, TAG>(ordinary, group, columns, start))
}

#[cfg(not(target_feature = "avx2"))]
use check_each as check_group;

/// One packet after the other: the rest of a run, groups with a frame that is too short to have headers, and CPUs
/// without the instructions for more.
#[inline(never)]
pub(super) fn check_each<const OFFLOAD: bool, const TAG: usize>(
    ordinary: &Ordinary<'_>,
    packets: &[Mbuf],
    columns: &mut Columns,
    start: usize,
) -> Checked {
    let mut checked = Checked::default();
    for (bit, mbuf) in packets.iter().enumerate() {
        let Some((front, h)) = headers::<TAG>(mbuf.data()) else {
            checked.exceptions = exception(checked.exceptions, bit);
            continue;
        };
        let at = start + bit;
        columns.src[at] = load32(h, 26);
        columns.dst[at] = load32(h, 30).swap_bytes();
        columns.ttl[at] = decrement_ttl(load32(h, 22));
        columns.pkt_len[at] = total_len(h) + ETHER_HDR_LEN as u32;
        let padded = mbuf.pkt_len().wrapping_sub(TAG as u32) > columns.pkt_len[at];
        checked.padded |= u64::from(padded) << bit;
        if !is_ordinary::<OFFLOAD, TAG>(ordinary, mbuf, front, h) {
            checked.exceptions = exception(checked.exceptions, bit);
        }
    }
    checked
}

/// Bytes of the datagram, as its header says.
#[inline(always)]
fn total_len(h: &[u8; HEADERS]) -> u32 {
    u32::from(u16::from_be_bytes([h[16], h[17]]))
}

/// The headers of a frame with `TAG` bytes of tag, so cut that the IPv4 header and the EtherType in front of it stand where they
/// stand without a tag; and the first four bytes of the frame.
#[inline(always)]
pub(super) fn headers<const TAG: usize>(frame: &[u8]) -> Option<(u32, &[u8; HEADERS])> {
    let h = frame.get(TAG..)?.first_chunk()?;
    let front = frame.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    Some((front, h))
}

/// Whether something of the link header says no to the fast path: not for us, from a group, or not IPv4. Which VLAN a tag names
/// was looked at before.
#[inline(always)]
pub(super) fn link_difference<const TAG: usize>(mac: u64, front: u32, h: &[u8; HEADERS]) -> u64 {
    /// Bytes 6 to 13, rotated by two: the EtherType, and above it the group bit of the source.
    const LINK_MASK: u64 = 0x1_ffff;
    const LINK: u64 = u64::from_le_bytes([0x08, 0x00, 0, 0, 0, 0, 0, 0]);
    /// The same with a tag, of bytes 0 to 7 of the cut header: the destination's last two bytes and the source's group bit.
    const TAGGED_MASK: u64 = 0x1_ffff;
    /// And of bytes 8 to 15: the EtherType of the tag, and behind the tag that of IPv4.
    const TYPES_MASK: u64 = 0xffff_0000_ffff;
    const TYPES: u64 = u64::from_le_bytes([0x81, 0x00, 0, 0, 0x08, 0x00, 0, 0]);
    if TAG == 0 {
        return ((load64(h, 0) ^ mac) << 16) | ((load64(h, 6).rotate_left(16) & LINK_MASK) ^ LINK);
    }
    u64::from(front ^ mac as u32)
        | ((load64(h, 0) ^ (mac >> 32)) & TAGGED_MASK)
        | ((load64(h, 8) & TYPES_MASK) ^ TYPES)
}

/// The headers are read in a few loads. What would make a packet extraordinary is gathered: differences that should be
/// zero are OR-ed, and so are numbers that should not be negative.
#[inline(always)]
fn is_ordinary<const OFFLOAD: bool, const TAG: usize>(
    ordinary: &Ordinary<'_>,
    mbuf: &Mbuf,
    front: u32,
    h: &[u8; HEADERS],
) -> bool {
    /// Version 4 and five words of header.
    const VERSION_IHL: u64 = 0x45;
    let first = load64(h, 14);
    let second = load64(h, 22);
    let last = load32(h, 30);
    let pkt_len = (mbuf.pkt_len() as i32).wrapping_sub(TAG as i32);
    let total_len = total_len(h) as i32;
    let differences = link_difference::<TAG>(ordinary.mac, front, h)
        | ((first ^ VERSION_IHL) & 0xff)
        // Every destination that is not martian and not a group would also be a fit source.
        | u64::from(MARTIAN[(second >> 32) as u8 as usize] | MARTIAN[last as u8 as usize])
        | u64::from(is_link_local(((second >> 32) as u32).swap_bytes()))
        | u64::from(is_link_local(last.swap_bytes()))
        | ordinary.not_sources.may_hold((second >> 32) as u32);
    // Packets are shorter than 2^31 bytes, so no difference wraps.
    let negative = (total_len - IP_HDR_LEN as i32)
        | pkt_len.wrapping_sub(total_len + ETHER_HDR_LEN as i32)
        | ((second & 0xff) as i32 - 2);
    let checksum_right = if OFFLOAD {
        mbuf.rx_ip_cksum_good()
    } else {
        is_header_checksum_right((first, second, last))
    };
    differences == 0 && negative >= 0 && checksum_right
}
