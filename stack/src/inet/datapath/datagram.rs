//! A datagram whose header was checked, and where it goes.

use pmd::Mbuf;
use zerocopy::FromBytes;

use super::flow::flow_of;
use crate::drops::DropReason;
use crate::inet::Resolved;
use crate::net::graph::Cx;
use crate::net::route::NextHopKind;
use crate::wire::{
    ETHER_HDR_LEN, EtherHeader, IP_HDR_LEN, IpHeader, checksum, decrement_ttl, is_multicast,
};

/// An IPv4 datagram behind an Ethernet header. There is none whose header was not checked, so nothing is parsed, nor looked up,
/// a second time.
#[derive(Debug)]
pub struct Datagram<'a> {
    mbuf: Mbuf,
    /// The header without its options, as it was when it was checked.
    header: IpHeader,
    /// Where packets of its flow to its destination go.
    route: Resolved<'a>,
}

impl<'a> Datagram<'a> {
    /// Length, version, header length, checksum, total length: RFC 1812 5.2.2 (1) to (5), where the version comes first
    /// because nothing else means anything in another version. Then the route is looked up.
    pub fn check(cx: &Cx<'a>, mbuf: Mbuf) -> Result<Self, (DropReason, Mbuf)> {
        let header = match check_header(&mbuf) {
            Ok(header) => header,
            Err(reason) => return Err((reason, mbuf)),
        };
        let dst = header.dst.get();
        let route = match cx.forwarding() {
            Some(forwarding) => forwarding.resolve(dst, || flow_of(&mbuf)),
            None => Resolved::none(dst),
        };
        Ok(Self { mbuf, header, route })
    }

    /// The header without its options, as it was when it was checked: what [`Self::take_hop`] changes is not changed here.
    pub(super) fn header(&self) -> &IpHeader {
        &self.header
    }

    /// The source address, host byte order.
    pub(super) fn src(&self) -> u32 {
        self.header.src.get()
    }

    /// The destination address, host byte order.
    pub(super) fn dst(&self) -> u32 {
        self.header.dst.get()
    }

    /// Bytes of the header, options included.
    pub(super) fn header_len(&self) -> usize {
        self.header.header_len()
    }

    /// Whether the header has options.
    pub(super) fn has_options(&self) -> bool {
        self.header_len() > IP_HDR_LEN
    }

    /// Where it goes.
    pub(super) fn route(&self) -> Resolved<'a> {
        self.route
    }

    /// The packet; its Ethernet header stands at its front.
    pub(super) fn mbuf(&self) -> &Mbuf {
        &self.mbuf
    }

    /// The packet alone, to send it or to end it.
    pub fn into_mbuf(self) -> Mbuf {
        self.mbuf
    }

    /// The header with its options.
    pub(super) fn header_bytes(&self) -> &[u8] {
        let end = ETHER_HDR_LEN + self.header_len();
        self.mbuf.data().get(ETHER_HDR_LEN..end).unwrap_or_default()
    }

    /// The header with its options, to fill these in; the caller sees to the checksum.
    pub(super) fn header_bytes_mut(&mut self) -> &mut [u8] {
        let end = ETHER_HDR_LEN + self.header_len();
        self.mbuf.data_mut().get_mut(ETHER_HDR_LEN..end).unwrap_or_default()
    }

    /// The bytes behind the header, as far as they are in the first segment.
    pub(super) fn payload(&self) -> &[u8] {
        self.mbuf.data().get(ETHER_HDR_LEN + self.header_len()..).unwrap_or_default()
    }

    /// Whether it came in a frame that was sent to one station, rather than to a group of them.
    pub(super) fn is_link_unicast(&self) -> bool {
        let frame = self.mbuf.data();
        EtherHeader::ref_from_prefix(frame).is_ok_and(|(header, _)| !header.dst.is_group())
    }

    /// Whether it is for more than one host.
    pub(super) fn is_for_group(&self) -> bool {
        let dst = self.dst();
        is_multicast(dst) || dst == u32::MAX || self.route.kind == NextHopKind::Broadcast
    }

    /// Takes one from the TTL and mends the checksum.
    pub(super) fn take_hop(&mut self) {
        let word = self.header_bytes_mut().get_mut(8..).and_then(|rest| rest.first_chunk_mut());
        if let Some(word) = word {
            *word = decrement_ttl(u32::from_le_bytes(*word)).to_le_bytes();
        }
    }

    /// Takes off what stands behind the datagram, which is the link's affair alone. False when that is spread over several
    /// segments.
    pub(super) fn trim_padding(&mut self) -> bool {
        let frame_len = u32::from(self.header.total_len.get()) + ETHER_HDR_LEN as u32;
        let padding = self.mbuf.pkt_len().saturating_sub(frame_len);
        padding == 0 || u16::try_from(padding).is_ok_and(|padding| self.mbuf.trim(padding))
    }
}

fn check_header(mbuf: &Mbuf) -> Result<IpHeader, DropReason> {
    let ip = mbuf.data().get(ETHER_HDR_LEN..).unwrap_or_default();
    let (header, _) = IpHeader::read_from_prefix(ip).map_err(|_| DropReason::IpTooShort)?;
    if header.version() != 4 {
        return Err(DropReason::IpBadVersion);
    }
    let header_len = header.header_len();
    if header_len < IP_HDR_LEN {
        return Err(DropReason::IpBadHeaderLength);
    }
    let with_options = ip.get(..header_len).ok_or(DropReason::IpBadHeaderLength)?;
    if checksum(with_options) != 0 {
        return Err(DropReason::IpBadChecksum);
    }
    let total_len = usize::from(header.total_len.get());
    if total_len < header_len {
        return Err(DropReason::IpBadLength);
    }
    if total_len + ETHER_HDR_LEN > mbuf.pkt_len() as usize {
        return Err(DropReason::IpTruncated);
    }
    Ok(header)
}
