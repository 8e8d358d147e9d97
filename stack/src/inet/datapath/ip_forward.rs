//! Node `ip_forward`: forwarding with all its exceptions (RFC 1812 5.2.4 to 5.2.7, 5.3.1; FreeBSD: `ip_forward`,
//! netinet/ip_input.c).

use std::net::Ipv4Addr;

use pmd::{Burst, Mbuf};

use super::flow::flow_of;
use super::icmp_error::{IcmpError, icmp_error};
use super::ip_input::header_of;
use super::ip_output::{IpOrigin, send};
use crate::drops::DropReason;
use crate::inet::{Adjacency, NextHopKind};
use crate::net::Ifnet;
use crate::net::graph::Cx;
use crate::wire::{ETHER_HDR_LEN, IP_HDR_LEN, decrement_ttl, icmp_type, unreach_code};

/// Forwards datagrams that `ip_input` checked. Leaves `burst` empty.
pub fn ip_forward(cx: &mut Cx<'_>, ifp: &Ifnet, burst: &mut Burst) {
    for mbuf in burst.drain() {
        forward(cx, ifp, mbuf);
    }
}

fn forward(cx: &mut Cx<'_>, ifp: &Ifnet, mut mbuf: Mbuf) {
    let Some(header) = header_of(&mbuf) else { return cx.drop(DropReason::MbufLayout, mbuf) };
    let (src, dst, ttl) = (header.src.get(), header.dst.get(), header.ttl);
    let Some(forwarding) = cx.forwarding() else { return cx.drop(DropReason::IpNoRoute, mbuf) };
    // RFC 1812 5.3.1: the TTL is looked at before the route, and by the time it is sent on it is one less.
    if ttl <= 1 {
        let error = IcmpError { kind: icmp_type::TIME_EXCEEDED, code: 0, rest: 0 };
        return refuse(cx, ifp, mbuf, DropReason::IpTtlExceeded, error);
    }
    let route = forwarding.resolve(dst, || flow_of(&mbuf));
    let adjacency = match (route.kind, route.adjacency) {
        (NextHopKind::Gateway | NextHopKind::Connected, Some(adjacency)) => adjacency,
        (NextHopKind::Blackhole, _) => {
            cx.ipstat().ips_cantforward.inc();
            return cx.drop(DropReason::IpBlackhole, mbuf);
        }
        (NextHopKind::Reject, _) => {
            cx.ipstat().ips_cantforward.inc();
            return refuse(
                cx,
                ifp,
                mbuf,
                DropReason::IpReject,
                IcmpError::unreach(unreach_code::HOST),
            );
        }
        _ => {
            cx.ipstat().ips_noroute.inc();
            return refuse(
                cx,
                ifp,
                mbuf,
                DropReason::IpNoRoute,
                IcmpError::unreach(unreach_code::NET),
            );
        }
    };
    if cx.inet().ipsendredirects().get() != 0 && adjacency.wants_redirect(ifp.slot, src) {
        redirect(cx, ifp, &mbuf, route.next_hop);
    }
    if !take_one_hop(&mut mbuf) {
        return cx.drop(DropReason::MbufLayout, mbuf);
    }
    cx.ipstat().ips_forward.inc();
    send(cx, IpOrigin::Forwarded(ifp), adjacency, route.next_hop, mbuf);
}

/// RFC 1812 5.2.7.2: tell the sender of the better first hop. It goes out beside the packet, which is forwarded.
#[cold]
fn redirect(cx: &mut Cx<'_>, ifp: &Ifnet, mbuf: &Mbuf, better: u32) {
    let has_options = header_of(mbuf).is_some_and(|header| header.header_len() > IP_HDR_LEN);
    if has_options {
        return;
    }
    let error = IcmpError {
        kind: icmp_type::REDIRECT,
        code: 1,
        rest: Ipv4Addr::from_bits(better).to_bits(),
    };
    if icmp_error(cx, ifp, mbuf, error) {
        cx.ipstat().ips_redirectsent.inc();
    }
}

/// Takes one from the TTL and mends the checksum. False when the header is not where it was.
fn take_one_hop(mbuf: &mut Mbuf) -> bool {
    const TTL: usize = ETHER_HDR_LEN + 8;
    let Some(word) = mbuf.data_mut().get_mut(TTL..).and_then(|rest| rest.first_chunk_mut::<4>())
    else {
        return false;
    };
    *word = decrement_ttl(u32::from_le_bytes(*word)).to_le_bytes();
    true
}

/// Drops with an ICMP error.
fn refuse(cx: &mut Cx<'_>, ifp: &Ifnet, mbuf: Mbuf, reason: DropReason, error: IcmpError) {
    let _sent: bool = icmp_error(cx, ifp, &mbuf, error);
    cx.drop(reason, mbuf);
}

/// The MTU that a "fragmentation needed" reports, or `None` when the packet fits.
pub(super) fn too_long_for(adjacency: &Adjacency, total_len: u16) -> Option<u16> {
    (total_len > adjacency.mtu).then_some(adjacency.mtu)
}
