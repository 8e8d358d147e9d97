//! Node `probe_input`: ICMP messages that may answer a probe of this vnet (FreeBSD: `pr_pack`, sbin/ping/ping.c, and
//! `packet_ok`, contrib/traceroute/traceroute.c).

use std::net::Ipv4Addr;

use zerocopy::FromBytes;

use super::datagram::Datagram;
use crate::inet::{Heard, ProbeKind, ProbeName, answers_probes};
use crate::net::graph::Cx;
use crate::wire::{ICMP_HDR_LEN, IcmpHeader, IpHeader, icmp_type, ip_proto, unreach_code};

/// Writes a checked ICMP message down if it answers a probe, and says whether it does. From whom it comes does not
/// matter: that is what a probe wants to know.
#[cold]
pub(super) fn probe_input(cx: &Cx<'_>, datagram: &Datagram<'_>) -> bool {
    let Some(probes) = cx.inet().probes().load(cx.reader) else { return false };
    let Some((name, target, heard)) = read(datagram) else { return false };
    probes.answered(name, target, heard, cx.now)
}

/// The probe that the message names, where that went if the message says so, and what the message says. None if it
/// names none.
fn read(datagram: &Datagram<'_>) -> Option<(ProbeName, Option<Ipv4Addr>, Heard)> {
    let header = datagram.header();
    let (icmp, quote) = IcmpHeader::ref_from_prefix(datagram.payload()).ok()?;
    if !answers_probes(icmp.kind) {
        return None;
    }
    let too_long =
        (icmp.kind, icmp.code) == (icmp_type::UNREACH, unreach_code::NEEDS_FRAGMENTATION);
    let heard = Heard {
        from: header.src(),
        kind: icmp.kind,
        code: icmp.code,
        ttl: header.ttl,
        bytes: header.total_len.get().saturating_sub(header.header_len() as u16),
        mtu: if too_long { icmp.sequence.get() } else { 0 },
    };
    if icmp.kind == icmp_type::ECHO_REPLY {
        let (first, second) = (icmp.id.get(), icmp.sequence.get());
        return Some((ProbeName { kind: ProbeKind::Echo, first, second }, None, heard));
    }
    let (name, target) = quoted(quote, header.dst())?;
    Some((name, Some(target), heard))
}

/// The probe that is quoted, and its destination: a packet that `own` sent, with eight bytes behind its header
/// (RFC 792). Anything may stand in a quote.
fn quoted(quote: &[u8], own: Ipv4Addr) -> Option<(ProbeName, Ipv4Addr)> {
    let (header, _) = IpHeader::ref_from_prefix(quote).ok()?;
    let ours = header.version() == 4 && header.src() == own && header.fragment_offset() == 0;
    let data = quote.get(header.header_len()..).filter(|_| ours)?;
    let data = data.first_chunk::<ICMP_HDR_LEN>()?;
    let word = |at: usize| u16::from_be_bytes([data[at], data[at + 1]]);
    let (kind, at) = match header.protocol {
        ip_proto::ICMP if data[0] == icmp_type::ECHO => (ProbeKind::Echo, 4),
        ip_proto::UDP => (ProbeKind::Udp, 0),
        _ => return None,
    };
    Some((ProbeName { kind, first: word(at), second: word(at + 2) }, header.dst()))
}
