//! Node `ip_output`: from an IP datagram with a known next hop to frames (FreeBSD: netinet/ip_output.c).

use std::net::Ipv4Addr;

use pmd::Mbuf;

use super::flow::flow_of;
use super::icmp_error::{IcmpError, icmp_error};
use super::ip_forward::too_long_for;
use super::ip_fragment::ip_fragment;
use super::ip_input::{header_of, trim_padding};
use crate::drops::DropReason;
use crate::inet::{Adjacency, AdjacencyState, Forwarding, NextHopKind};
use crate::net::Ifnet;
use crate::net::datapath::ether_output;
use crate::net::graph::{Cx, LOOPBACK_PACKETS, PuntReason};
use crate::wire::{ETHER_HDR_LEN, IpHeader, icmp_type, unreach_code};

/// Whose datagram is sent.
#[derive(Clone, Copy, Debug)]
pub enum IpOrigin<'a> {
    /// A stranger's, received on this interface: he gets an ICMP error when it cannot go on.
    Forwarded(&'a Ifnet),
    /// Our own, in answer to something received on this interface.
    Own(&'a Ifnet),
}

impl<'a> IpOrigin<'a> {
    /// The interface that the datagram, or what it answers, came in through.
    pub(super) fn ingress(self) -> &'a Ifnet {
        match self {
            IpOrigin::Forwarded(ifp) | IpOrigin::Own(ifp) => ifp,
        }
    }
}

/// Routes a datagram of our own and sends it. The Ethernet header at its front need not be filled in.
pub fn ip_output(cx: &mut Cx<'_>, origin: IpOrigin<'_>, mbuf: Mbuf) {
    let Some(header) = header_of(&mbuf) else { return cx.drop(DropReason::MbufLayout, mbuf) };
    let dst = header.dst.get();
    let Some(forwarding) = cx.forwarding() else { return cx.drop(DropReason::IpNoRoute, mbuf) };
    let route = forwarding.resolve(dst, || flow_of(&mbuf));
    match (route.kind, route.adjacency) {
        (NextHopKind::Gateway | NextHopKind::Connected, Some(adjacency)) => {
            send(cx, origin, adjacency, route.next_hop, mbuf);
        }
        (NextHopKind::Local, Some(_)) => to_ourselves(cx, mbuf),
        (NextHopKind::Broadcast, _) => cx.drop(DropReason::IpDirectedBroadcast, mbuf),
        (NextHopKind::Blackhole, _) => cx.drop(DropReason::IpBlackhole, mbuf),
        (NextHopKind::Reject, _) => cx.drop(DropReason::IpReject, mbuf),
        _ => {
            cx.ipstat().ips_noroute.inc();
            cx.drop(DropReason::IpNoRoute, mbuf);
        }
    }
}

/// Sends a datagram along `adjacency` to `next_hop` (host byte order): in fragments if need be, and by way of the
/// control thread while the neighbour's MAC address is not known.
pub(super) fn send(
    cx: &mut Cx<'_>,
    origin: IpOrigin<'_>,
    adjacency: &Adjacency,
    next_hop: u32,
    mut mbuf: Mbuf,
) {
    if !adjacency.ifp.is_up() {
        if let IpOrigin::Forwarded(ifp) = origin {
            let _sent: bool = icmp_error(cx, ifp, &mbuf, IcmpError::unreach(unreach_code::HOST));
        }
        return cx.drop(DropReason::InterfaceDown, mbuf);
    }
    let Some(header) = header_of(&mbuf) else { return cx.drop(DropReason::MbufLayout, mbuf) };
    let forbidden = header.fragment.get() & IpHeader::DF != 0;
    match too_long_for(adjacency, header.total_len.get()) {
        // A short datagram in a long frame: what stands behind it may be too much for the next link.
        None if mbuf.pkt_len() > u32::from(adjacency.mtu) + ETHER_HDR_LEN as u32
            && !trim_padding(&mut mbuf) =>
        {
            cx.drop(DropReason::MbufLayout, mbuf)
        }
        None => send_frame(cx, origin, adjacency, next_hop, mbuf),
        Some(mtu) if forbidden => {
            cx.ipstat().ips_cantfrag.inc();
            if let IpOrigin::Forwarded(ifp) = origin {
                // RFC 1191 4: the next hop's MTU in the lower half.
                let code = unreach_code::NEEDS_FRAGMENTATION;
                let error = IcmpError { kind: icmp_type::UNREACH, code, rest: u32::from(mtu) };
                let _sent: bool = icmp_error(cx, ifp, &mbuf, error);
            }
            cx.drop(DropReason::IpNeedsFragmentation, mbuf);
        }
        Some(mtu) => {
            ip_fragment(cx, mbuf, mtu, |cx, fragment| {
                send_frame(cx, origin, adjacency, next_hop, fragment)
            });
        }
    }
}

fn send_frame(
    cx: &mut Cx<'_>,
    origin: IpOrigin<'_>,
    adjacency: &Adjacency,
    next_hop: u32,
    mbuf: Mbuf,
) {
    if adjacency.state == AdjacencyState::Resolved {
        return ether_output(cx, adjacency, matches!(origin, IpOrigin::Own(_)), mbuf);
    }
    let next_hop = Ipv4Addr::from_bits(next_hop).into();
    cx.punt(origin.ingress(), PuntReason::Unresolved { egress: adjacency.slot, next_hop }, mbuf);
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
