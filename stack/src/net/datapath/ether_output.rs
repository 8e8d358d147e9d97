//! Node `ether_output`: the link header, the interface's counters, and the port (FreeBSD: net/if_ethersubr.c).

use pmd::{Mbuf, Offloads};

use crate::drops::DropReason;
use crate::net::bpf::tap_sent;
use crate::net::graph::Cx;
use crate::net::route::Adjacency;
use crate::wire::ETHER_HDR_LEN;

/// Sends one packet along a resolved adjacency. The packet starts with 14 bytes of some Ethernet header, which are
/// written over; a VLAN tag is put in front of it. The IPv4 header checksum of one of our `own` is left to the port where
/// it offers that; that of another was right when it came, and every node that changes the header keeps it so.
pub fn ether_output(cx: &mut Cx<'_>, adjacency: &Adjacency, own: bool, mut mbuf: Mbuf) {
    let bytes = u64::from(mbuf.pkt_len());
    if !write_link_header(adjacency, &mut mbuf) {
        return cx.drop(DropReason::MbufLayout, mbuf);
    }
    if own && adjacency.ifp.has_tx_checksum() {
        offload_ip_checksum(adjacency, &mut mbuf);
    }
    if !cx.out.has(adjacency.port) {
        return cx.drop(DropReason::InterfaceGone, mbuf);
    }
    if adjacency.ifp.is_captured() {
        tap_sent(cx, &adjacency.ifp, &mbuf);
    }
    let counters = adjacency.ifp.counters(cx.reader);
    counters.opackets.inc();
    counters.obytes.add(bytes);
    let _there_is_one: Result<(), Mbuf> = cx.out.push(adjacency.port, mbuf);
}

/// Has the port fill in the header checksum. Where it could not reach the header, the sum that is there stays.
#[cold]
fn offload_ip_checksum(adjacency: &Adjacency, mbuf: &mut Mbuf) {
    let l2_len = u16::from(adjacency.link_len);
    let Some(version_ihl) = mbuf.data().get(usize::from(l2_len)) else { return };
    let l3_len = u16::from(version_ihl & 0xf) * 4;
    let offloads = Offloads { tx_ip_checksum: true, ..Offloads::default() };
    let _asked: bool = mbuf.fill_ip_checksum(offloads, l2_len, l3_len);
}

/// Writes the adjacency's link header over the packet's Ethernet header. False when there is no room for the tag.
fn write_link_header(adjacency: &Adjacency, mbuf: &mut Mbuf) -> bool {
    adjacency.mark_used();
    let link = adjacency.link_header();
    if link.len() > ETHER_HDR_LEN && mbuf.prepend((link.len() - ETHER_HDR_LEN) as u16).is_none() {
        return false;
    }
    match mbuf.data_mut().get_mut(..link.len()) {
        Some(room) => {
            room.copy_from_slice(link);
            true
        }
        None => false,
    }
}
