//! Node `ip_output`: from an IP datagram with a known next hop to frames (FreeBSD: netinet/ip_output.c).

use std::net::IpAddr;

use pmd::Mbuf;

use super::datagram::Datagram;
use super::icmp_error::{IcmpError, icmp_error};
use super::ip_forward::too_long_for;
use super::ip_fragment::ip_fragment;
use crate::drops::DropReason;
use crate::inet::Forwarding;
use crate::net::datapath::ether_output;
use crate::net::graph::{Cx, LOOPBACK_PACKETS, PuntReason};
use crate::net::route::{Adjacency, AdjacencyState, NextHopKind};
use crate::wire::{IpHeader, icmp_type, unreach_code};

/// Whose datagram is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IpOrigin {
    /// A stranger's, received on the interface of the context: he gets an ICMP error when it cannot go on.
    Forwarded,
    /// Our own, in answer to something received there.
    Own,
}

/// Routes a datagram of our own and sends it. The Ethernet header at its front need not be filled in.
pub fn ip_output(cx: &mut Cx<'_>, mbuf: Mbuf) {
    let datagram = match Datagram::check(cx, mbuf) {
        Ok(datagram) => datagram,
        Err((reason, mbuf)) => return cx.drop(reason, mbuf),
    };
    let reason = match (datagram.route().kind, datagram.route().adjacency) {
        (NextHopKind::Gateway | NextHopKind::Connected, Some(adjacency)) => {
            return send(cx, IpOrigin::Own, adjacency, datagram);
        }
        (NextHopKind::Local, Some(_)) => return to_ourselves(cx, datagram.into_mbuf()),
        (NextHopKind::Broadcast, _) => DropReason::IpDirectedBroadcast,
        (NextHopKind::Blackhole, _) => DropReason::IpBlackhole,
        (NextHopKind::Reject, _) => DropReason::IpReject,
        _ => {
            cx.ipstat().ips_noroute.inc();
            DropReason::IpNoRoute
        }
    };
    cx.drop(reason, datagram.into_mbuf());
}

/// Sends a datagram along `adjacency`, that of its route: in fragments if need be, and by way of the control thread while the
/// neighbour's MAC address is not known.
pub(super) fn send(
    cx: &mut Cx<'_>,
    origin: IpOrigin,
    adjacency: &Adjacency,
    mut datagram: Datagram<'_>,
) {
    if !adjacency.ifp.is_up() {
        let error = IcmpError::unreach(unreach_code::HOST);
        return give_up(cx, origin, datagram, DropReason::InterfaceDown, error);
    }
    let next_hop = datagram.route().next_hop;
    let forbidden = datagram.header().fragment.get() & IpHeader::DF != 0;
    match too_long_for(adjacency, datagram.header().total_len.get()) {
        // Bytes behind the datagram are the affair of the link that it came over.
        None if !datagram.trim_padding() => cx.drop(DropReason::MbufLayout, datagram.into_mbuf()),
        None => send_frame(cx, origin, adjacency, next_hop, datagram.into_mbuf()),
        Some(mtu) if forbidden => {
            cx.ipstat().ips_cantfrag.inc();
            // RFC 1191 4: the next hop's MTU in the lower half.
            let code = unreach_code::NEEDS_FRAGMENTATION;
            let error = IcmpError { kind: icmp_type::UNREACH, code, rest: u32::from(mtu) };
            give_up(cx, origin, datagram, DropReason::IpNeedsFragmentation, error);
        }
        Some(mtu) => ip_fragment(cx, datagram, mtu, |cx, fragment| {
            send_frame(cx, origin, adjacency, next_hop, fragment)
        }),
    }
}

/// Drops a datagram, with an ICMP error if it is a stranger's.
fn give_up(
    cx: &mut Cx<'_>,
    origin: IpOrigin,
    datagram: Datagram<'_>,
    reason: DropReason,
    error: IcmpError,
) {
    if origin == IpOrigin::Forwarded {
        let _sent: bool = icmp_error(cx, &datagram, error);
    }
    cx.drop(reason, datagram.into_mbuf());
}

fn send_frame(
    cx: &mut Cx<'_>,
    origin: IpOrigin,
    adjacency: &Adjacency,
    next_hop: IpAddr,
    mbuf: Mbuf,
) {
    if adjacency.state == AdjacencyState::Resolved {
        return ether_output(cx, adjacency, origin == IpOrigin::Own, mbuf);
    }
    cx.punt(PuntReason::Unresolved { egress: adjacency.slot, next_hop }, mbuf);
}

/// To an address of our own: comes back in through the loopback at the end of the iteration.
#[cold]
fn to_ourselves(cx: &mut Cx<'_>, mbuf: Mbuf) {
    let Some(loopback) = cx.forwarding().and_then(Forwarding::loopback) else {
        return cx.drop(DropReason::IpNoRoute, mbuf);
    };
    // As in the other queues that vnets share: no more than what is left free.
    let own = cx.loopback.iter().filter(|(slot, _)| *slot == loopback).count();
    if own >= LOOPBACK_PACKETS.saturating_sub(cx.loopback.len()) {
        return cx.drop(DropReason::LoopbackFull, mbuf);
    }
    cx.loopback.push((loopback, mbuf));
}
