//! 802.1Q tags of received frames (IEEE 802.1Q 9.6).

use pmd::Mbuf;

use crate::wire::{ETHER_HDR_LEN, EtherType, VLAN_TAG_LEN};

const TAGGED: [u8; 2] = EtherType::VLAN.0.to_be_bytes();

/// The tag control information of the frame's tag, if it has one.
#[inline(always)]
pub fn vlan_tag(mbuf: &Mbuf) -> Option<u16> {
    let header = mbuf.data().first_chunk::<{ ETHER_HDR_LEN + VLAN_TAG_LEN }>()?;
    (header[12..14] == TAGGED).then(|| u16::from_be_bytes([header[14], header[15]]))
}

/// The frame's VLAN id: from its tag, or from the descriptor when the port took the tag off. `None` is untagged;
/// id 0 is a priority tag and counts as untagged (IEEE 802.1Q 6.9.1).
#[inline]
pub fn vlan_id(mbuf: &Mbuf) -> Option<u16> {
    mbuf.rx_vlan_stripped().or_else(|| vlan_tag(mbuf)).map(|tci| tci & 0x0fff)
}

/// Takes the tag that [`vlan_id`] found, so that the nodes behind see a plain Ethernet header. Does nothing to an untagged
/// frame, nor to one whose tag the port took off: a tag that it still has is an inner one (IEEE 802.1ad).
#[inline]
pub fn pop_vlan_tag(mbuf: &mut Mbuf) {
    if mbuf.rx_vlan_stripped().is_some() {
        return;
    }
    let data = mbuf.data_mut();
    if data.len() >= ETHER_HDR_LEN + VLAN_TAG_LEN && data[12..14] == TAGGED {
        data.copy_within(0..12, VLAN_TAG_LEN);
        let _taken: bool = mbuf.adj(VLAN_TAG_LEN as u16);
    }
}
