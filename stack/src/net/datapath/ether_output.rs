//! Node `ether_output`: the link header, the interface's counters, and the port (FreeBSD: net/if_ethersubr.c).

use std::sync::atomic::Ordering;

use pmd::Mbuf;

use crate::drops::DropReason;
use crate::inet::Adjacency;
use crate::wire::ETHER_HDR_LEN;
use crate::worker::Cx;

/// Sends one packet along a resolved adjacency. The packet starts with 14 bytes of some Ethernet header, which are
/// written over; a VLAN tag is put in front of it.
pub fn ether_output(cx: &mut Cx<'_>, adjacency: &Adjacency, mut mbuf: Mbuf) {
    let bytes = u64::from(mbuf.pkt_len());
    if !write_link_header(adjacency, &mut mbuf) {
        return cx.drop(DropReason::MbufLayout, mbuf);
    }
    let Some(tx) = cx.out.port(adjacency.port) else {
        return cx.drop(DropReason::InterfaceGone, mbuf);
    };
    let counters = adjacency.ifp.counters(cx.reader);
    counters.opackets.inc();
    counters.obytes.add(bytes);
    tx.push(mbuf);
}

/// Writes the adjacency's link header over the packet's Ethernet header. False when there is no room for the tag.
#[inline(always)]
pub fn write_link_header(adjacency: &Adjacency, mbuf: &mut Mbuf) -> bool {
    // Written once: a line that several workers read stays with all of them.
    if let Some(unasked) = &adjacency.unasked
        && !unasked.load(Ordering::Relaxed)
    {
        unasked.store(true, Ordering::Relaxed);
    }
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
