//! Node `ip_input`: all checks of RFC 1812 5.2.2 and 5.3, one after the other, and the way of a datagram: to us,
//! through us, or into a named drop (FreeBSD: netinet/ip_input.c).

use pmd::{Burst, Mbuf};
use zerocopy::FromBytes;

use super::icmp_error::{IcmpError, icmp_error};
use super::icmp_input::icmp_input;
use super::ip_forward::ip_forward;
use super::ip_options::{OptionsVerdict, ip_options};
use crate::drops::DropReason;
use crate::inet::NextHopKind;
use crate::net::Ifnet;
use crate::net::graph::{Cx, Node};
use crate::wire::{
    ETHER_HDR_LEN, EtherHeader, IP_HDR_LEN, IpHeader, checksum, ip_proto, is_martian_destination,
    is_martian_source, is_multicast, unreach_code,
};

/// Where a datagram goes.
enum Way {
    Local,
    Forward,
    Drop(DropReason),
    /// Dropped with an ICMP error.
    Refuse(DropReason, IcmpError),
}

/// Handles the IPv4 frames of `burst`, all received on `ifp`. Leaves `burst` empty.
pub fn ip_input(cx: &mut Cx<'_>, ifp: &Ifnet, burst: &mut Burst) {
    cx.ipstat().ips_total.add(burst.len() as u64);
    let mut forward = Burst::new();
    for mut mbuf in burst.drain() {
        let way = match check_header(&mbuf) {
            Ok(()) => way_of(cx, ifp, &mut mbuf),
            Err(reason) => Way::Drop(reason),
        };
        match way {
            Way::Local => local(cx, ifp, mbuf),
            Way::Forward => {
                // Both bursts have the same capacity, so there is room.
                let _fits: Result<(), Mbuf> = forward.push(mbuf);
            }
            Way::Drop(reason) => dropped(cx, reason, mbuf),
            Way::Refuse(reason, error) => {
                let _sent: bool = icmp_error(cx, ifp, &mbuf, error);
                dropped(cx, reason, mbuf);
            }
        }
    }
    if !forward.is_empty() {
        cx.node(Node::IpForward, forward.len(), |cx| ip_forward(cx, ifp, &mut forward));
    }
}

/// The header of a frame whose length was checked. `None` cannot be for a frame that passed [`check_header`].
pub(super) fn header_of(mbuf: &Mbuf) -> Option<&IpHeader> {
    let (header, _) = IpHeader::ref_from_prefix(mbuf.data().get(ETHER_HDR_LEN..)?).ok()?;
    Some(header)
}

/// Whether the frame was sent to one station, rather than to a group of them.
pub(super) fn is_link_unicast(mbuf: &Mbuf) -> bool {
    EtherHeader::ref_from_prefix(mbuf.data()).is_ok_and(|(header, _)| !header.dst.is_group())
}

/// Takes off what stands behind the datagram, which is the link's affair alone. False when that is spread over several
/// segments.
pub(super) fn trim_padding(mbuf: &mut Mbuf) -> bool {
    let Some(header) = header_of(mbuf) else { return false };
    let frame_len = u32::from(header.total_len.get()) + ETHER_HDR_LEN as u32;
    let padding = mbuf.pkt_len().saturating_sub(frame_len);
    padding == 0 || u16::try_from(padding).is_ok_and(|padding| mbuf.trim(padding))
}

/// Length, version, header length, checksum, total length: RFC 1812 5.2.2 (1) to (5), where the version comes first
/// because nothing else means anything in another version.
fn check_header(mbuf: &Mbuf) -> Result<(), DropReason> {
    let ip = mbuf.data().get(ETHER_HDR_LEN..).unwrap_or_default();
    let (header, _) = IpHeader::ref_from_prefix(ip).map_err(|_| DropReason::IpTooShort)?;
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
    Ok(())
}

/// Options, addresses, and the route.
fn way_of(cx: &mut Cx<'_>, ifp: &Ifnet, mbuf: &mut Mbuf) -> Way {
    let Some(header) = header_of(mbuf) else { return Way::Drop(DropReason::MbufLayout) };
    let (src, dst) = (header.src.get(), header.dst.get());
    let loopback = ifp.port().is_none();
    if header.header_len() > IP_HDR_LEN {
        match ip_options(cx, ifp, mbuf) {
            OptionsVerdict::Pass => {}
            OptionsVerdict::Drop(reason) => return Way::Drop(reason),
            OptionsVerdict::Refuse(reason, error) => return Way::Refuse(reason, error),
        }
    }
    if is_martian_source(src) && !(loopback && src >> 24 == 127) {
        return Way::Drop(DropReason::IpMartianSource);
    }
    if is_martian_destination(dst) && !(loopback && dst >> 24 == 127) {
        return Way::Drop(DropReason::IpMartianDestination);
    }
    let Some(forwarding) = cx.forwarding() else { return Way::Drop(DropReason::IpNoRoute) };
    let source = forwarding.resolve(src, || 0);
    // RFC 1812 5.3.7: a broadcast address is no source. Our own address is one only on the loopback.
    if source.kind == NextHopKind::Broadcast || (source.kind == NextHopKind::Local && !loopback) {
        return Way::Drop(DropReason::IpMartianSource);
    }
    if cx.inet().ip_sav().get() != 0 && !loopback && !forwarding.leads_through(src, ifp.slot) {
        return Way::Drop(DropReason::IpSourceValidation);
    }
    if is_multicast(dst) {
        return Way::Drop(DropReason::IpNotMember);
    }
    if dst == u32::MAX {
        return Way::Local;
    }
    let route = forwarding.resolve(dst, || 0);
    let here = route.adjacency.is_some_and(|adjacency| adjacency.slot == ifp.slot);
    match route.kind {
        NextHopKind::Local if here || loopback || cx.inet().ip_strong_es().get() == 0 => Way::Local,
        NextHopKind::Local => Way::Drop(DropReason::IpStrongEs),
        NextHopKind::Broadcast if here => Way::Local,
        // RFC 2644: off.
        NextHopKind::Broadcast => Way::Drop(DropReason::IpDirectedBroadcast),
        _ if cx.inet().ipforwarding().get() == 0 => Way::Drop(DropReason::IpNotForwarding),
        _ if !is_link_unicast(mbuf) => Way::Drop(DropReason::IpLinkBroadcast),
        _ => Way::Forward,
    }
}

/// Counts a drop in `ipstat` too, where FreeBSD has a counter for it.
fn dropped(cx: &Cx<'_>, reason: DropReason, mbuf: Mbuf) {
    let stat = cx.ipstat();
    match reason {
        DropReason::IpTooShort => stat.ips_toosmall.inc(),
        DropReason::IpBadVersion => stat.ips_badvers.inc(),
        DropReason::IpBadHeaderLength => stat.ips_badhlen.inc(),
        DropReason::IpBadChecksum => stat.ips_badsum.inc(),
        DropReason::IpBadLength => stat.ips_badlen.inc(),
        DropReason::IpTruncated => stat.ips_tooshort.inc(),
        DropReason::IpBadOptions | DropReason::IpSourceRoute => stat.ips_badoptions.inc(),
        DropReason::IpMartianSource | DropReason::IpMartianDestination => stat.ips_badaddr.inc(),
        DropReason::IpNotMember => stat.ips_notmember.inc(),
        DropReason::IpNotForwarding
        | DropReason::IpLinkBroadcast
        | DropReason::IpDirectedBroadcast => {
            stat.ips_cantforward.inc();
        }
        DropReason::IpNoRoute => stat.ips_noroute.inc(),
        DropReason::IpProtocolUnreachable => stat.ips_noproto.inc(),
        DropReason::IpFragmentLocal => {
            stat.ips_fragments.inc();
            stat.ips_fragdropped.inc();
        }
        _ => {}
    }
    cx.drop(reason, mbuf);
}

/// A datagram for ourselves.
fn local(cx: &mut Cx<'_>, ifp: &Ifnet, mut mbuf: Mbuf) {
    let Some(header) = header_of(&mbuf) else { return cx.drop(DropReason::MbufLayout, mbuf) };
    let (protocol, is_fragment) = (header.protocol, header.is_fragment());
    if is_fragment {
        return dropped(cx, DropReason::IpFragmentLocal, mbuf);
    }
    if !trim_padding(&mut mbuf) {
        return cx.drop(DropReason::MbufLayout, mbuf);
    }
    match protocol {
        ip_proto::ICMP => {
            cx.ipstat().ips_delivered.inc();
            cx.node(Node::IcmpInput, 1, |cx| icmp_input(cx, ifp, mbuf));
        }
        ip_proto::UDP => {
            let _sent: bool = icmp_error(cx, ifp, &mbuf, IcmpError::unreach(unreach_code::PORT));
            dropped(cx, DropReason::UdpNoPort, mbuf);
        }
        _ => {
            let _sent: bool =
                icmp_error(cx, ifp, &mbuf, IcmpError::unreach(unreach_code::PROTOCOL));
            dropped(cx, DropReason::IpProtocolUnreachable, mbuf);
        }
    }
}
