//! Node `icmp_input`: ICMP for ourselves (RFC 792, RFC 1122 3.2.2; FreeBSD: `icmp_input`, netinet/ip_icmp.c).

use pmd::Mbuf;
use zerocopy::FromBytes;

use super::datagram::Datagram;
use super::icmp_error::write_ip_header;
use super::ip_options::ReplyOptions;
use super::ip_output::ip_output;
use super::probe_input::probe_input;
use super::reply_source::reply_source;
use crate::drops::DropReason;
use crate::inet::IcmpClass;
use crate::net::graph::Cx;
use crate::net::route::NextHopKind;
use crate::wire::{
    ETHER_HDR_LEN, IP_HDR_LEN, IcmpHeader, IpHeader, checksum_add, checksum_finish, icmp_type,
};

/// Takes a message for one of our addresses, padding already off. Echo requests are answered in their own mbuf.
pub(super) fn icmp_input(cx: &mut Cx<'_>, datagram: Datagram<'_>) {
    let stat = cx.inet().icmpstat().get(cx.reader);
    match check(cx, &datagram) {
        Ok(Verdict::Echo { own }) => {
            stat.icps_in_echo.inc();
            reflect(cx, datagram, own);
        }
        Ok(Verdict::Probe) => cx.deliver(datagram.into_mbuf()),
        Ok(Verdict::Ignore) => {
            stat.icps_in_other.inc();
            cx.drop(DropReason::IcmpNoListener, datagram.into_mbuf());
        }
        Err(reason) => {
            match reason {
                DropReason::IcmpTooShort => stat.icps_tooshort.inc(),
                DropReason::IcmpBadChecksum => stat.icps_checksum.inc(),
                DropReason::IcmpBroadcastEcho => stat.icps_bmcastecho.inc(),
                DropReason::IcmpRateLimit => stat.icps_ratelimit.inc(),
                DropReason::IpNoRoute => stat.icps_noroute.inc(),
                _ => {}
            }
            cx.drop(reason, datagram.into_mbuf());
        }
    }
}

enum Verdict {
    /// Answer from this address, host byte order.
    Echo { own: u32 },
    /// A probe's answer, which was written down.
    Probe,
    /// No probe waits for it.
    Ignore,
}

fn check(cx: &Cx<'_>, datagram: &Datagram<'_>) -> Result<Verdict, DropReason> {
    let (icmp, _) =
        IcmpHeader::ref_from_prefix(datagram.payload()).map_err(|_| DropReason::IcmpTooShort)?;
    if sum_from(datagram.mbuf(), ETHER_HDR_LEN + datagram.header_len()) != 0 {
        return Err(DropReason::IcmpBadChecksum);
    }
    if icmp.kind != icmp_type::ECHO {
        let taken = probe_input(cx, datagram);
        return Ok(if taken { Verdict::Probe } else { Verdict::Ignore });
    }
    let own = echo_source(cx, datagram)?;
    let limit = cx.inet().icmplim().get();
    if !cx.inet().icmp_limit().take(IcmpClass::Echo, limit, cx.now) {
        return Err(DropReason::IcmpRateLimit);
    }
    Ok(Verdict::Echo { own })
}

/// The address to answer an echo from; one to a broadcast is answered where `bmcastecho` allows it (RFC 1122 3.2.2.6).
fn echo_source(cx: &Cx<'_>, datagram: &Datagram<'_>) -> Result<u32, DropReason> {
    let answers_groups = cx.inet().icmpbmcastecho().get() != 0;
    let ours = datagram.route().kind == NextHopKind::Local;
    let wanted = answers_groups || (ours && datagram.is_link_unicast());
    if !wanted {
        return Err(DropReason::IcmpBroadcastEcho);
    }
    reply_source(cx, datagram).ok_or(DropReason::IpNoRoute)
}

/// The checksum over the packet from offset `at`, over all segments: 0 when it is right.
fn sum_from(mbuf: &Mbuf, at: usize) -> u16 {
    let mut skip = at;
    let mut sum = 0u64;
    let mut odd = false;
    for segment in mbuf.segments() {
        let part = segment.get(skip..).unwrap_or_default();
        skip = skip.saturating_sub(segment.len());
        // A part that starts at an odd offset contributes with its bytes exchanged (RFC 1071 2 (B)).
        let part_sum = u64::from(!checksum_finish(checksum_add(0, part)));
        sum += if odd { u64::from((part_sum as u16).swap_bytes()) } else { part_sum };
        odd ^= part.len() % 2 == 1;
    }
    checksum_finish(sum)
}

/// Turns an echo request into its reply and sends it, with the options that go back.
fn reflect(cx: &mut Cx<'_>, datagram: Datagram<'_>, own: u32) {
    let request = *datagram.header();
    let options = datagram.has_options().then(|| ReplyOptions::of(datagram.header_bytes()));
    let mut mbuf = datagram.into_mbuf();
    if !write_reply(cx, &request, options.as_ref(), own, &mut mbuf) {
        return cx.drop(DropReason::MbufLayout, mbuf);
    }
    let stat = cx.inet().icmpstat().get(cx.reader);
    stat.icps_reflect.inc();
    stat.icps_out_echoreply.inc();
    cx.ipstat().ips_localout.inc();
    // The request ends here and the reply begins, in one mbuf.
    cx.account().delivered.inc();
    cx.account().originated.inc();
    ip_output(cx, mbuf);
}

/// Writes the reply over the request: a header without options but those of the reply, and the message with another type. False
/// when the headers do not stand in one piece.
fn write_reply(
    cx: &Cx<'_>,
    request: &IpHeader,
    options: Option<&ReplyOptions>,
    own: u32,
    mbuf: &mut Mbuf,
) -> bool {
    let reply_header_len = IP_HDR_LEN + options.map_or(0, ReplyOptions::len);
    let removed = request.header_len().saturating_sub(reply_header_len);
    if removed > 0 && !mbuf.adj(removed as u16) {
        return false;
    }
    let total_len = mbuf.pkt_len() as usize - ETHER_HDR_LEN;
    let frame = mbuf.data_mut().get_mut(ETHER_HDR_LEN..).unwrap_or_default();
    let Some((ip, message)) = frame.split_at_mut_checked(reply_header_len) else { return false };
    write_ip_header(cx, ip, request.tos, total_len as u16, own, request.src.get());
    if let Some(options) = options {
        options.write(ip);
    }
    let Some(icmp) = message.first_chunk_mut::<4>() else { return false };
    // Type 8 becomes 0: the checksum grows by 0x0800 (RFC 1624 equation 3).
    let sum = u32::from(!u16::from_be_bytes([icmp[2], icmp[3]])) + u32::from(!0x0800u16);
    let sum = !(((sum & 0xffff) + (sum >> 16)) as u16);
    *icmp = [icmp_type::ECHO_REPLY, icmp[1], 0, 0];
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    if sum == 0 {
        // Of a reply that is all zeros the checksum is 0xffff, which the equation cannot tell from 0.
        let at = ETHER_HDR_LEN + reply_header_len;
        let whole = sum_from(mbuf, at).to_ne_bytes();
        let checksum = mbuf.data_mut().get_mut(at + 2..);
        if let Some(checksum) = checksum.and_then(|rest| rest.first_chunk_mut::<2>()) {
            *checksum = whole;
        }
    }
    true
}
