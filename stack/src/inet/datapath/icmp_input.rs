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
use crate::net::graph::{Cx, PuntReason};
use crate::net::route::NextHopKind;
use crate::wire::{
    ETHER_HDR_LEN, ICMP_HDR_LEN, IP_HDR_LEN, IcmpHeader, IpHeader, checksum_add, checksum_finish,
    icmp_type,
};

/// Takes a message for one of our addresses, padding already off. Requests are answered in their own mbuf.
pub(super) fn icmp_input(cx: &mut Cx<'_>, datagram: Datagram<'_>) {
    let stat = cx.inet().icmpstat().get(cx.reader);
    match check(cx, &datagram) {
        Ok(Verdict::Answer { request, own }) => {
            match request {
                Request::Echo => stat.icps_in_echo.inc(),
                Request::Timestamp => stat.icps_in_tstamp.inc(),
            }
            reflect(cx, datagram, request, own);
        }
        Ok(Verdict::Probe) => cx.deliver(datagram.into_mbuf()),
        Ok(Verdict::Redirect) => {
            stat.icps_in_other.inc();
            cx.punt(PuntReason::Redirect, datagram.into_mbuf());
        }
        Ok(Verdict::Ignore) => {
            stat.icps_in_other.inc();
            cx.drop(DropReason::IcmpNoListener, datagram.into_mbuf());
        }
        Err(reason) => {
            match reason {
                DropReason::IcmpTooShort => stat.icps_tooshort.inc(),
                DropReason::IcmpBadChecksum => stat.icps_checksum.inc(),
                DropReason::IcmpRateLimit => stat.icps_ratelimit.inc(),
                DropReason::IpNoRoute => stat.icps_noroute.inc(),
                _ => {}
            }
            cx.drop(reason, datagram.into_mbuf());
        }
    }
}

/// The requests that are answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Request {
    Echo,
    Timestamp,
}

impl Request {
    fn of(cx: &Cx<'_>, kind: u8) -> Option<Self> {
        match kind {
            icmp_type::ECHO => Some(Self::Echo),
            icmp_type::TIMESTAMP if cx.inet().icmptstamprepl().get() != 0 => Some(Self::Timestamp),
            _ => None,
        }
    }

    /// Bytes of the shortest message.
    fn min_len(self) -> usize {
        match self {
            Self::Echo => ICMP_HDR_LEN,
            Self::Timestamp => TIMESTAMP_LEN,
        }
    }

    fn class(self) -> IcmpClass {
        match self {
            Self::Echo => IcmpClass::Echo,
            Self::Timestamp => IcmpClass::Timestamp,
        }
    }
}

/// RFC 792: the header, and the times of origin, receipt and transmission.
const TIMESTAMP_LEN: usize = ICMP_HDR_LEN + 3 * 4;

enum Verdict {
    /// Answer from this address, host byte order.
    Answer { request: Request, own: u32 },
    /// A probe's answer, which was written down.
    Probe,
    /// For the operator's log.
    Redirect,
    /// No probe waits for it.
    Ignore,
}

fn check(cx: &Cx<'_>, datagram: &Datagram<'_>) -> Result<Verdict, DropReason> {
    let (icmp, _) =
        IcmpHeader::ref_from_prefix(datagram.payload()).map_err(|_| DropReason::IcmpTooShort)?;
    if sum_from(datagram.mbuf(), ETHER_HDR_LEN + datagram.header_len()) != 0 {
        return Err(DropReason::IcmpBadChecksum);
    }
    let Some(request) = Request::of(cx, icmp.kind) else {
        return Ok(match icmp.kind {
            icmp_type::REDIRECT if cx.inet().log_redirect().get() != 0 => Verdict::Redirect,
            _ if probe_input(cx, datagram) => Verdict::Probe,
            _ => Verdict::Ignore,
        });
    };
    if datagram.payload().len() < request.min_len() {
        return Err(DropReason::IcmpTooShort);
    }
    let own = answer_source(cx, datagram, request)?;
    let limit = cx.inet().icmplim().get();
    if !cx.inet().icmp_limit().take(request.class(), limit, cx.now) {
        return Err(DropReason::IcmpRateLimit);
    }
    Ok(Verdict::Answer { request, own })
}

/// The address to answer from; a request to a broadcast is answered where `bmcastecho` allows it (RFC 1122 3.2.2.6 and 3.2.2.8).
fn answer_source(
    cx: &Cx<'_>,
    datagram: &Datagram<'_>,
    request: Request,
) -> Result<u32, DropReason> {
    let answers_groups = cx.inet().icmpbmcastecho().get() != 0;
    let ours = datagram.route().kind == NextHopKind::Local;
    let wanted = answers_groups || (ours && datagram.is_link_unicast());
    if !wanted {
        let stat = cx.inet().icmpstat().get(cx.reader);
        match request {
            Request::Echo => stat.icps_bmcastecho.inc(),
            Request::Timestamp => stat.icps_bmcasttstamp.inc(),
        }
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

/// Turns a request into its reply and sends it, with the options that go back.
fn reflect(cx: &mut Cx<'_>, datagram: Datagram<'_>, request: Request, own: u32) {
    let header = *datagram.header();
    let options = datagram.has_options().then(|| ReplyOptions::of(datagram.header_bytes()));
    let mut mbuf = datagram.into_mbuf();
    let message = write_header(cx, &header, options.as_ref(), own, &mut mbuf);
    let written = message.is_some_and(|at| match request {
        Request::Echo => write_echo_reply(&mut mbuf, at),
        Request::Timestamp => write_timestamp_reply(cx.timestamp(), &mut mbuf, at),
    });
    if !written {
        return cx.drop(DropReason::MbufLayout, mbuf);
    }
    let stat = cx.inet().icmpstat().get(cx.reader);
    stat.icps_reflect.inc();
    match request {
        Request::Echo => stat.icps_out_echoreply.inc(),
        Request::Timestamp => stat.icps_out_tstampreply.inc(),
    }
    cx.ipstat().ips_localout.inc();
    // The request ends here and the reply begins, in one mbuf.
    cx.account().delivered.inc();
    cx.account().originated.inc();
    ip_output(cx, mbuf);
}

/// Writes the reply's header over the request's: without options but those of the reply. Where the message is in the frame; none
/// when the headers do not stand in one piece.
fn write_header(
    cx: &Cx<'_>,
    request: &IpHeader,
    options: Option<&ReplyOptions>,
    own: u32,
    mbuf: &mut Mbuf,
) -> Option<usize> {
    let reply_header_len = IP_HDR_LEN + options.map_or(0, ReplyOptions::len);
    let removed = request.header_len().saturating_sub(reply_header_len);
    if removed > 0 && !mbuf.adj(removed as u16) {
        return None;
    }
    let total_len = mbuf.pkt_len() as usize - ETHER_HDR_LEN;
    let frame = mbuf.data_mut().get_mut(ETHER_HDR_LEN..).unwrap_or_default();
    let ip = frame.get_mut(..reply_header_len)?;
    write_ip_header(cx, ip, request.tos, total_len as u16, own, request.src.get());
    if let Some(options) = options {
        options.write(ip);
    }
    Some(ETHER_HDR_LEN + reply_header_len)
}

/// The message at place `at` with another type. False when its beginning does not stand in one piece.
fn write_echo_reply(mbuf: &mut Mbuf, at: usize) -> bool {
    let message = mbuf.data_mut().get_mut(at..).unwrap_or_default();
    let Some(icmp) = message.first_chunk_mut::<4>() else { return false };
    // Type 8 becomes 0: the checksum grows by 0x0800 (RFC 1624 equation 3).
    let sum = u32::from(!u16::from_be_bytes([icmp[2], icmp[3]])) + u32::from(!0x0800u16);
    let sum = !(((sum & 0xffff) + (sum >> 16)) as u16);
    *icmp = [icmp_type::ECHO_REPLY, icmp[1], 0, 0];
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    // Of a reply that is all zeros the checksum is 0xffff, which the equation cannot tell from 0.
    sum != 0 || write_sum(mbuf, at)
}

/// The message at place `at` with another type and our times. False when it does not stand in one piece.
fn write_timestamp_reply(stamp: u32, mbuf: &mut Mbuf, at: usize) -> bool {
    let message = mbuf.data_mut().get_mut(at..).unwrap_or_default();
    let Some(icmp) = message.first_chunk_mut::<TIMESTAMP_LEN>() else { return false };
    icmp[0] = icmp_type::TIMESTAMP_REPLY;
    // FreeBSD: received and sent at one time.
    for at in [12, 16] {
        icmp[at..at + 4].copy_from_slice(&stamp.to_be_bytes());
    }
    write_sum(mbuf, at)
}

/// Sums the message at place `at` anew. False when its header does not stand in one piece.
fn write_sum(mbuf: &mut Mbuf, at: usize) -> bool {
    let set = |mbuf: &mut Mbuf, sum: u16| {
        let field = mbuf.data_mut().get_mut(at + 2..).and_then(|rest| rest.first_chunk_mut::<2>());
        field.map(|field| *field = sum.to_ne_bytes()).is_some()
    };
    set(mbuf, 0) && {
        let sum = sum_from(mbuf, at);
        set(mbuf, sum)
    }
}
