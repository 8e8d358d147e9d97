//! Node `icmp_error`: error messages about packets that could not go on (RFC 792, RFC 1122 3.2.2, RFC 1812 4.3.2;
//! FreeBSD: `icmp_error`, netinet/ip_icmp.c).

use pmd::Mbuf;

use super::datagram::Datagram;
use super::ip_output::ip_output;
use super::reply_source::reply_source;
use crate::inet::IcmpClass;
use crate::net::graph::Cx;
use crate::net::route::NextHopKind;
use crate::wire::{
    ETHER_HDR_LEN, ICMP_HDR_LEN, IP_HDR_LEN, IpHeader, checksum, icmp_type, ip_proto,
    is_martian_source, unreach_code,
};

/// The contents of an error message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// Message type.
    pub kind: u8,
    /// Code within the type.
    pub code: u8,
    /// The second word, host byte order: next-hop MTU, pointer (upper byte) or gateway.
    pub rest: u32,
}

impl IcmpError {
    /// Destination unreachable.
    #[must_use]
    pub const fn unreach(code: u8) -> Self {
        Self { kind: icmp_type::UNREACH, code, rest: 0 }
    }

    fn class(self) -> IcmpClass {
        match self.kind {
            icmp_type::TIME_EXCEEDED => IcmpClass::TimeExceeded,
            icmp_type::REDIRECT => IcmpClass::Redirect,
            icmp_type::PARAMETER_PROBLEM => IcmpClass::ParameterProblem,
            _ if self.code == unreach_code::NEEDS_FRAGMENTATION => IcmpClass::NeedsFragmentation,
            _ => IcmpClass::Unreach,
        }
    }
}

/// RFC 1812 4.3.2.3: the whole error fits in 576 bytes.
const MESSAGE_MAX: usize = ETHER_HDR_LEN + 576;

/// Sends `error` about a datagram, received on the interface of `cx`, to its source, if RFC 1122 3.2.2 and the rate limit allow
/// it. The datagram itself stays with the caller. True when a message was sent.
#[cold]
pub fn icmp_error(cx: &mut Cx<'_>, about: &Datagram<'_>, error: IcmpError) -> bool {
    let stat = cx.inet().icmpstat().get(cx.reader);
    stat.icps_error.inc();
    if !may_answer(cx, about) {
        stat.icps_oldicmp.inc();
        return false;
    }
    let Some(own) = reply_source(cx, about) else {
        stat.icps_noroute.inc();
        return false;
    };
    let limit = cx.inet().icmplim().get();
    if !cx.inet().icmp_limit().take(error.class(), limit, cx.now) {
        stat.icps_ratelimit.inc();
        return false;
    }
    let Some(message) = build(cx, about, own, error) else { return false };
    match error.kind {
        icmp_type::TIME_EXCEEDED => stat.icps_out_timxceed.inc(),
        icmp_type::REDIRECT => stat.icps_out_redirect.inc(),
        icmp_type::PARAMETER_PROBLEM => stat.icps_out_paramprob.inc(),
        _ => stat.icps_out_unreach.inc(),
    }
    cx.ipstat().ips_localout.inc();
    cx.account().originated.inc();
    ip_output(cx, message);
    true
}

/// RFC 1122 3.2.2: no error about an ICMP error, a packet to a group (of the network or of the link), a fragment other
/// than the first, or a source that does not name one host. On the loopback, 127/8 does.
fn may_answer(cx: &Cx<'_>, about: &Datagram<'_>) -> bool {
    let src = about.src();
    let looped = cx.ingress.port().is_none() && src >> 24 == 127;
    if about.header().fragment_offset() != 0
        || about.is_for_group()
        || !about.is_link_unicast()
        || (is_martian_source(src) && !looped)
    {
        return false;
    }
    if about.header().protocol == ip_proto::ICMP {
        let kind = about.payload().first();
        if kind.is_none_or(|kind| icmp_type::is_error(*kind)) {
            return false;
        }
    }
    let kind = cx.forwarding().map(|table| table.resolve(src, || 0).kind);
    kind != Some(NextHopKind::Broadcast)
}

/// The message in an mbuf of its own, quoting as much as `net.inet.icmp.quotelen` and 576 bytes allow.
fn build(cx: &Cx<'_>, about: &Datagram<'_>, own: u32, error: IcmpError) -> Option<Mbuf> {
    let (offending_len, header_len) =
        (usize::from(about.header().total_len.get()), about.header_len());
    let (src, tos) = (about.src(), about.header().tos);
    // FreeBSD: the header, and at least eight bytes behind it.
    let wanted = header_len + usize::try_from(cx.inet().icmp_quotelen().get()).unwrap_or(8).max(8);
    let room = MESSAGE_MAX - ETHER_HDR_LEN - IP_HDR_LEN - ICMP_HDR_LEN;
    let quote_len = wanted.min(offending_len).min(room);

    let mut buffer = [0u8; MESSAGE_MAX];
    let (front, quote) = buffer.split_at_mut(ETHER_HDR_LEN + IP_HDR_LEN + ICMP_HDR_LEN);
    let quoted = copy_bytes(about.mbuf(), ETHER_HDR_LEN, quote.get_mut(..quote_len)?);
    let total_len = IP_HDR_LEN + ICMP_HDR_LEN + quoted;
    let (_, front) = front.split_at_mut(ETHER_HDR_LEN);
    let (ip, icmp) = front.split_at_mut(IP_HDR_LEN);
    // RFC 1812 4.3.2.5: precedence 6 or 7 for errors; the low bits are the packet's own.
    write_ip_header(cx, ip, (tos & 0x1e) | 0xc0, u16::try_from(total_len).ok()?, own, src);
    icmp[0] = error.kind;
    icmp[1] = error.code;
    icmp[4..8].copy_from_slice(&error.rest.to_be_bytes());
    let message = ETHER_HDR_LEN + IP_HDR_LEN..ETHER_HDR_LEN + total_len;
    let sum = checksum(buffer.get(message.clone())?);
    buffer[message.start + 2..message.start + 4].copy_from_slice(&sum.to_ne_bytes());

    let mut mbuf = cx.pool.alloc()?;
    let frame = buffer.get(..message.end)?;
    mbuf.append(u16::try_from(frame.len()).ok()?)?.copy_from_slice(frame);
    Some(mbuf)
}

/// Fills `to` with the bytes of the frame from `at` on, over as many segments as it takes; how many there were.
pub(super) fn copy_bytes(mbuf: &Mbuf, at: usize, to: &mut [u8]) -> usize {
    let mut skip = at;
    let mut filled = 0;
    for segment in mbuf.segments() {
        let from = segment.get(skip..).unwrap_or_default();
        skip = skip.saturating_sub(segment.len());
        let take = from.len().min(to.len() - filled);
        to[filled..filled + take].copy_from_slice(&from[..take]);
        filled += take;
        if filled == to.len() {
            break;
        }
    }
    filled
}

/// A header of our own without options: TTL by sysctl, a fresh identification, checksum.
pub(super) fn write_ip_header(
    cx: &Cx<'_>,
    ip: &mut [u8],
    tos: u8,
    total_len: u16,
    src: u32,
    dst: u32,
) {
    let Some(ip) = ip.first_chunk_mut::<IP_HDR_LEN>() else { return };
    let id = cx.inet().ip_id().get(cx.reader);
    id.inc();
    // Workers count apart; the slot in the upper bits keeps their numbers apart (RFC 6864 asks no more of packets
    // that may be fragmented but are this short).
    let id = (id.get() as u16) ^ (cx.reader.slot() as u16).rotate_right(4);
    *ip = [0; IP_HDR_LEN];
    ip[0] = 0x45;
    ip[1] = tos;
    ip[2..4].copy_from_slice(&total_len.to_be_bytes());
    ip[4..6].copy_from_slice(&id.to_be_bytes());
    ip[8] = cx.inet().ip_defttl().get().clamp(1, 255) as u8;
    ip[9] = ip_proto::ICMP;
    ip[12..16].copy_from_slice(&src.to_be_bytes());
    ip[16..20].copy_from_slice(&dst.to_be_bytes());
    let sum = checksum(ip);
    ip[10..12].copy_from_slice(&sum.to_ne_bytes());
    debug_assert_eq!(ip.len(), size_of::<IpHeader>());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_mtu_discovery_has_a_budget_of_its_own() {
        let class = |code| IcmpError::unreach(code).class();
        assert_eq!(class(unreach_code::NEEDS_FRAGMENTATION), IcmpClass::NeedsFragmentation);
        assert_eq!(class(unreach_code::PORT), IcmpClass::Unreach);
    }
}
