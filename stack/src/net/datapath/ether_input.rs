//! Node `ether_input`: tag and addresses of the frames that the fast path left (FreeBSD: net/if_ethersubr.c).

use pmd::Mbuf;
use zerocopy::FromBytes;

use super::{pop_vlan_tag, vlan_id};
use crate::drops::DropReason;
use crate::net::IfKind;
use crate::net::graph::Cx;
use crate::wire::{EtherHeader, EtherType};

/// Bytes that must stand in one piece for the header checks: Ethernet header, IPv4 header with all options, and the
/// first words of what follows.
const HEADER_BYTES: usize = 128;

/// The EtherType of a frame for this interface, whose tag comes off; or the reason why it is dropped. The MTU limits what is sent;
/// what a port receives whole is taken, however long it is.
pub(crate) fn ether_input(cx: &Cx<'_>, mbuf: &mut Mbuf) -> Result<EtherType, DropReason> {
    let ifp = cx.ingress;
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
    if header.src.is_group() {
        return Err(DropReason::EtherBadSource);
    }
    if header.dst.is_group() {
        ifp.counters(cx.reader).imcasts.inc();
    } else if header.dst != ifp.mac {
        return Err(DropReason::EtherNotForUs);
    }
    Ok(header.ether_type())
}

/// Takes the tag off a frame of a port without VLANs, where no node looked for tags yet. Id 0 is a priority and no VLAN
/// (IEEE 802.1Q 6.9.1).
fn untag(mbuf: &mut Mbuf) -> Result<(), DropReason> {
    match vlan_id(mbuf) {
        None => {}
        Some(0) => pop_vlan_tag(mbuf),
        Some(_) => return Err(DropReason::VlanUnknown),
    }
    Ok(())
}
