//! Node `ip_input`: all checks of RFC 1812 5.2.2 and 5.3, one after the other, and the way of a datagram: to us,
//! through us, or into a named drop (FreeBSD: netinet/ip_input.c).

use arrayvec::ArrayVec;
use pmd::{Burst, MAX_BURST, Mbuf};

use super::datagram::Datagram;
use super::icmp_error::{IcmpError, icmp_error};
use super::icmp_input::icmp_input;
use super::ip_forward::ip_forward;
use super::ip_options::{OptionsVerdict, ip_options};
use crate::drops::DropReason;
use crate::net::graph::{Cx, Node};
use crate::net::route::NextHopKind;
use crate::wire::{
    ip_proto, is_link_local, is_martian_destination, is_martian_source, is_multicast, unreach_code,
};

/// Datagrams that a node handles together.
pub(super) type Vector<'a> = ArrayVec<Datagram<'a>, MAX_BURST>;

/// Where a datagram goes.
enum Way {
    Local,
    Forward,
    Drop(DropReason),
    /// Dropped with an ICMP error.
    Refuse(DropReason, IcmpError),
}

/// Handles the IPv4 frames of `burst`, all received on the interface of `cx`. Leaves `burst` empty.
pub fn ip_input(cx: &mut Cx<'_>, burst: &mut Burst) {
    cx.ipstat().ips_total.add(burst.len() as u64);
    let mut forward = Vector::new();
    for mbuf in burst.drain() {
        let mut datagram = match Datagram::check(cx, mbuf) {
            Ok(datagram) => datagram,
            Err((reason, mbuf)) => {
                dropped(cx, reason, mbuf);
                continue;
            }
        };
        match way_of(cx, &mut datagram) {
            Way::Local => local(cx, datagram),
            Way::Forward => {
                // It has the capacity of a burst, so there is room.
                let _fits = forward.try_push(datagram);
            }
            Way::Drop(reason) => dropped(cx, reason, datagram.into_mbuf()),
            Way::Refuse(reason, error) => refuse(cx, reason, error, datagram),
        }
    }
    if !forward.is_empty() {
        cx.node(Node::IpForward, forward.len(), |cx| ip_forward(cx, forward));
    }
}

/// Options, addresses, and the route.
fn way_of(cx: &Cx<'_>, datagram: &mut Datagram<'_>) -> Way {
    let (src, dst, ifp) = (datagram.src(), datagram.dst(), cx.ingress);
    let loopback = ifp.port().is_none();
    if datagram.has_options() {
        match ip_options(cx, datagram) {
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
    let route = datagram.route();
    let here = route.adjacency.is_some_and(|adjacency| adjacency.slot == ifp.slot);
    match route.kind {
        NextHopKind::Local if here || loopback || cx.inet().ip_strong_es().get() == 0 => Way::Local,
        NextHopKind::Local => Way::Drop(DropReason::IpStrongEs),
        NextHopKind::Broadcast if here => Way::Local,
        // RFC 2644: off.
        NextHopKind::Broadcast => Way::Drop(DropReason::IpDirectedBroadcast),
        _ if cx.inet().ipforwarding().get() == 0 => Way::Drop(DropReason::IpNotForwarding),
        _ if !datagram.is_link_unicast() => Way::Drop(DropReason::IpLinkBroadcast),
        _ if is_link_local(src) || is_link_local(dst) => Way::Drop(DropReason::IpLinkLocal),
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
        | DropReason::IpLinkLocal
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

/// Drops with an ICMP error.
fn refuse(cx: &mut Cx<'_>, reason: DropReason, error: IcmpError, datagram: Datagram<'_>) {
    let _sent: bool = icmp_error(cx, &datagram, error);
    dropped(cx, reason, datagram.into_mbuf());
}

/// A datagram for ourselves.
fn local(cx: &mut Cx<'_>, mut datagram: Datagram<'_>) {
    if datagram.header().is_fragment() {
        return dropped(cx, DropReason::IpFragmentLocal, datagram.into_mbuf());
    }
    if !datagram.trim_padding() {
        return cx.drop(DropReason::MbufLayout, datagram.into_mbuf());
    }
    match datagram.header().protocol {
        ip_proto::ICMP => {
            cx.ipstat().ips_delivered.inc();
            cx.node(Node::IcmpInput, 1, |cx| icmp_input(cx, datagram));
        }
        ip_proto::UDP => {
            let error = IcmpError::unreach(unreach_code::PORT);
            refuse(cx, DropReason::UdpNoPort, error, datagram);
        }
        _ => {
            let error = IcmpError::unreach(unreach_code::PROTOCOL);
            refuse(cx, DropReason::IpProtocolUnreachable, error, datagram);
        }
    }
}
