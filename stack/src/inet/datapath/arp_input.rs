//! Node `arp_input`: which ARP packets are worth the control thread's time (RFC 826; FreeBSD: `in_arpinput`,
//! netinet/if_ether.c).

use pmd::Mbuf;
use zerocopy::FromBytes;

use crate::drops::DropReason;
use crate::inet::ArpLimit;
use crate::net::graph::{Cx, PuntReason};
use crate::net::route::NextHopKind;
use crate::wire::{ARP_LEN, ArpOperation, ArpPacket, ETHER_HDR_LEN, is_martian_source};

/// Hands an ARP packet to the control thread when it asks for one of our addresses, or comes from a neighbour of ours
/// or from one of our own addresses; all others end here, so that a chatty network costs the control thread nothing. No host
/// has the network's address or its broadcast, so none asks from there.
pub fn arp_input(cx: &mut Cx<'_>, mbuf: Mbuf) {
    match concerns_us(cx, &mbuf) {
        Ok(()) => cx.punt(PuntReason::Neighbor, mbuf),
        Err(reason) => cx.drop(reason, mbuf),
    }
}

fn concerns_us(cx: &Cx<'_>, mbuf: &Mbuf) -> Result<(), DropReason> {
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
    let is_ours = |addr| {
        let route = forwarding.resolve(addr, || 0);
        route.kind == NextHopKind::Local
            && route.adjacency.is_some_and(|path| path.slot == cx.ingress.slot)
    };
    if forwarding.resolve(sender, || 0).kind == NextHopKind::Broadcast {
        return Err(DropReason::ArpMalformed);
    }
    if is_ours(target) && packet.operation() == Some(ArpOperation::Request) {
        let limit = cx.inet().arp_maxreplies().get();
        let takes = |budget: &ArpLimit| budget.take(sender, limit, cx.now);
        return match cx.ingress.arp_limit().is_none_or(takes) {
            true => Ok(()),
            false => Err(DropReason::ArpRateLimit),
        };
    }
    let knows_sender = || forwarding.knows(cx.ingress.slot, sender);
    if is_ours(target) || is_ours(sender) || knows_sender() {
        Ok(())
    } else {
        Err(DropReason::ArpNotForUs)
    }
}
