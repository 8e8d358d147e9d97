//! Node `ip_forward`: forwarding with all its exceptions (RFC 1812 5.2.4 to 5.2.7, 5.3.1; FreeBSD: `ip_forward`,
//! netinet/ip_input.c).

use std::net::IpAddr;

use super::datagram::Datagram;
use super::icmp_error::{IcmpError, icmp_error};
use super::ip_input::Vector;
use super::ip_output::{IpOrigin, send};
use crate::drops::DropReason;
use crate::net::graph::Cx;
use crate::net::route::{Adjacency, NextHopKind};
use crate::wire::{icmp_type, unreach_code};

/// Forwards datagrams that `ip_input` lets pass.
pub(super) fn ip_forward(cx: &mut Cx<'_>, vector: Vector<'_>) {
    for datagram in vector {
        forward(cx, datagram);
    }
}

fn forward(cx: &mut Cx<'_>, mut datagram: Datagram<'_>) {
    // RFC 1812 5.3.1: the TTL is looked at before the route, and by the time it is sent on it is one less.
    if datagram.header().ttl <= 1 {
        let error = IcmpError { kind: icmp_type::TIME_EXCEEDED, code: 0, rest: 0 };
        return refuse(cx, datagram, DropReason::IpTtlExceeded, error);
    }
    let route = datagram.route();
    let adjacency = match (route.kind, route.adjacency) {
        (NextHopKind::Gateway | NextHopKind::Connected, Some(adjacency)) => adjacency,
        (NextHopKind::Blackhole, _) => {
            cx.ipstat().ips_cantforward.inc();
            return cx.drop(DropReason::IpBlackhole, datagram.into_mbuf());
        }
        (NextHopKind::Reject, _) => {
            cx.ipstat().ips_cantforward.inc();
            let error = IcmpError::unreach(unreach_code::HOST);
            return refuse(cx, datagram, DropReason::IpReject, error);
        }
        _ => {
            cx.ipstat().ips_noroute.inc();
            let error = IcmpError::unreach(unreach_code::NET);
            return refuse(cx, datagram, DropReason::IpNoRoute, error);
        }
    };
    let redirects = cx.inet().ipsendredirects().get() != 0;
    if redirects && adjacency.slot == cx.ingress.slot && route.network.holds(datagram.src()) {
        redirect(cx, &datagram, route.next_hop);
    }
    datagram.take_hop();
    cx.ipstat().ips_forward.inc();
    send(cx, IpOrigin::Forwarded, adjacency, datagram);
}

/// RFC 1812 5.2.7.2: tell the sender of the better first hop. It goes out beside the packet, which is forwarded. ICMP can name
/// IPv4 routers only.
#[cold]
fn redirect(cx: &mut Cx<'_>, datagram: &Datagram<'_>, better: IpAddr) {
    let IpAddr::V4(better) = better else { return };
    if datagram.has_options() {
        return;
    }
    let error = IcmpError { kind: icmp_type::REDIRECT, code: 1, rest: better.to_bits() };
    if icmp_error(cx, datagram, error) {
        cx.ipstat().ips_redirectsent.inc();
    }
}

/// Drops with an ICMP error.
fn refuse(cx: &mut Cx<'_>, datagram: Datagram<'_>, reason: DropReason, error: IcmpError) {
    let _sent: bool = icmp_error(cx, &datagram, error);
    cx.drop(reason, datagram.into_mbuf());
}

/// The MTU that a "fragmentation needed" reports, or `None` when the packet fits.
pub(super) fn too_long_for(adjacency: &Adjacency, total_len: u16) -> Option<u16> {
    (total_len > adjacency.mtu).then_some(adjacency.mtu)
}
