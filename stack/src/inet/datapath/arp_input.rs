//! Node `arp_input`: which ARP packets are worth the control thread's time (RFC 826; FreeBSD: `in_arpinput`,
//! netinet/if_ether.c).

use pmd::Mbuf;
use zerocopy::FromBytes;

use crate::drops::DropReason;
use crate::inet::{ArpLimit, Forwarding};
use crate::net::graph::{Cx, PuntReason};
use crate::net::route::NextHopKind;
use crate::wire::{ARP_LEN, ArpOperation, ArpPacket, ETHER_HDR_LEN, MacAddr, is_martian_source};

/// Hands an ARP packet to the control thread when it asks for one of our addresses, or for one that we answer for, or comes from a
/// neighbour of ours or from one of our own addresses; all others end here, so that a chatty network costs the control thread
/// nothing. No host has the network's address or its broadcast, so none asks from there.
pub fn arp_input(cx: &mut Cx<'_>, mbuf: Mbuf) {
    match concerns_us(cx, &mbuf) {
        Ok(reason) => cx.punt(reason, mbuf),
        Err(reason) => cx.drop(reason, mbuf),
    }
}

fn concerns_us(cx: &Cx<'_>, mbuf: &Mbuf) -> Result<PuntReason, DropReason> {
    let packet =
        mbuf.data().get(ETHER_HDR_LEN..ETHER_HDR_LEN + ARP_LEN).ok_or(DropReason::ArpMalformed)?;
    let packet = ArpPacket::read_from_bytes(packet).map_err(|_| DropReason::ArpMalformed)?;
    let (sender, target) = (packet.sender().to_bits(), packet.target().to_bits());
    let probe = sender == 0;
    if packet.operation().is_none()
        || packet.sender_mac.is_group()
        || (!probe && is_martian_source(sender))
    {
        return Err(DropReason::ArpMalformed);
    }
    let forwarding = cx.forwarding().ok_or(DropReason::ArpNotForUs)?;
    if forwarding.resolve(sender, || 0).kind == NextHopKind::Broadcast {
        return Err(DropReason::ArpMalformed);
    }
    let here = cx.ingress.slot;
    let is_ours = |addr| {
        let route = forwarding.resolve(addr, || 0);
        route.kind == NextHopKind::Local && route.adjacency.is_some_and(|path| path.slot == here)
    };
    let asks = packet.operation() == Some(ArpOperation::Request);
    let is_for_us = is_ours(target);
    let is_proxied = !is_for_us && asks && is_proxied(cx, forwarding, sender, target);
    if asks && (is_for_us || is_proxied) && !may_answer(cx, packet.sender_mac) {
        return Err(DropReason::ArpRateLimit);
    }
    if is_for_us || is_proxied || is_ours(sender) || forwarding.knows(here, sender) {
        Ok(PuntReason::Neighbor { is_proxied })
    } else {
        Err(DropReason::ArpNotForUs)
    }
}

/// Whether we answer for a target that is behind another interface (`net.link.ether.inet.proxyall`). Its own link answers for one
/// that is here, and a sender that is elsewhere is on the wrong wire.
fn is_proxied(cx: &Cx<'_>, forwarding: &Forwarding, sender: u32, target: u32) -> bool {
    let here = cx.ingress.slot;
    let has_way = || {
        use NextHopKind::{Connected, Gateway, Local};
        matches!(forwarding.resolve(target, || 0).kind, Connected | Gateway | Local)
    };
    cx.inet().arp_proxyall().get() != 0
        && has_way()
        && !forwarding.leads_through(target, here)
        && forwarding.leads_through(sender, here)
}

/// Takes one answer from the budget of the host that asks.
fn may_answer(cx: &Cx<'_>, sender: MacAddr) -> bool {
    let limit = cx.inet().arp_maxreplies().get();
    let takes = |budget: &ArpLimit| budget.take(sender, limit, cx.now);
    cx.ingress.arp_limit().is_none_or(takes)
}
