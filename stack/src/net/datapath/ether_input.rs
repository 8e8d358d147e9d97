//! Node `ether_input`: MAC filter and EtherType of the frames that the fast path left (FreeBSD: net/if_ethersubr.c).

use pmd::{Burst, Mbuf};
use zerocopy::FromBytes;

use super::{pop_vlan_tag, vlan_id};
use crate::drops::DropReason;
use crate::inet::datapath::{arp_input, ip_input};
use crate::net::{IfKind, Ifnet};
use crate::wire::{ETHER_HDR_LEN, EtherHeader, EtherType};
use crate::worker::{Cx, Node};

/// Bytes that must stand in one piece for the header checks: Ethernet header, IPv4 header with all options, and the
/// first words of what follows.
const HEADER_BYTES: usize = 128;

/// Sorts the frames of `burst`, all received on `ifp`, to their protocols. Leaves `burst` empty.
pub fn ether_input(cx: &mut Cx<'_>, ifp: &Ifnet, burst: &mut Burst) {
    let mut ip = Burst::new();
    for mut mbuf in burst.drain() {
        match classify(cx, ifp, &mut mbuf) {
            Ok(Protocol::Ip) => {
                // Both bursts have the same capacity, so there is room.
                let _fits: Result<(), Mbuf> = ip.push(mbuf);
            }
            Ok(Protocol::Arp) => arp_input(cx, ifp, mbuf),
            Err(reason) => cx.drop(reason, mbuf),
        }
    }
    if !ip.is_empty() {
        cx.node(Node::IpInput, ip.len(), |cx| ip_input(cx, ifp, &mut ip));
    }
}

/// The protocols behind an Ethernet header that the stack knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Ip,
    Arp,
}

/// The frame's protocol, or why it is dropped.
fn classify(cx: &Cx<'_>, ifp: &Ifnet, mbuf: &mut Mbuf) -> Result<Protocol, DropReason> {
    let in_one_piece = mbuf.data().len() >= HEADER_BYTES || mbuf.nb_segs() == 1;
    if !in_one_piece && !mbuf.linearize() {
        return Err(DropReason::MbufLayout);
    }
    if matches!(ifp.kind, IfKind::Epair(_)) {
        // A frame as it would come from a cable: what a port said of it ended with the vnet that has the port.
        mbuf.set_ol_flags(0);
    }
    if ifp.vlan().is_none() {
        untag(mbuf)?;
    }
    let (header, _) =
        EtherHeader::ref_from_prefix(mbuf.data()).map_err(|_| DropReason::EtherRunt)?;
    if mbuf.pkt_len() > ifp.mtu() + ETHER_HDR_LEN as u32 {
        return Err(DropReason::EtherOversize);
    }
    if header.src.is_group() {
        return Err(DropReason::EtherBadSource);
    }
    if header.dst.is_group() {
        ifp.counters(cx.reader).imcasts.inc();
    } else if header.dst != ifp.mac {
        return Err(DropReason::EtherNotForUs);
    }
    match header.ether_type() {
        EtherType::IPV4 => Ok(Protocol::Ip),
        EtherType::ARP => Ok(Protocol::Arp),
        _ => Err(DropReason::EtherUnknownType),
    }
}

/// Takes the tag off a frame of a port without VLANs, where nobody looked for tags yet. Id 0 is a priority and no VLAN
/// (IEEE 802.1Q 6.9.1).
fn untag(mbuf: &mut Mbuf) -> Result<(), DropReason> {
    match vlan_id(mbuf) {
        None => {}
        Some(0) => pop_vlan_tag(mbuf),
        Some(_) => return Err(DropReason::VlanUnknown),
    }
    Ok(())
}
