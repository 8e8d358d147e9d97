//! A next hop as the fast path wants it.

use pmd::PortId;

use super::{Adjacency, AdjacencyState};
use crate::net::IfSlot;
use crate::wire::ETHER_HDR_LEN;

/// Everything of a next hop that a frame needs, in half a cache line. It holds no address, so it is the same for all families.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub struct FastHop {
    /// The link header's first 16 bytes: addresses, and the EtherType or the 802.1Q tag. An EtherType behind a tag is not among
    /// them: the frame has it already.
    pub link: [u8; 16],
    /// The longest frame that can leave this way, tag not counted, bytes; 0 when the packet needs a second look: the hop is
    /// no single gateway, or not resolved.
    pub longest: u32,
    /// Number of the interface whose counters the packet is added to; see [`NextHops::egress`](super::NextHops::egress).
    pub egress: u32,
    /// The egress interface's slot: a packet that leaves where it came in may want a redirect.
    pub slot: IfSlot,
    /// The port.
    pub port: PortId,
    /// Bytes of the whole link header.
    pub link_len: u8,
    /// Whether the neighbour's table entry has to be marked as used; see [`Adjacency::unasked`].
    pub unasked: bool,
}

const _: () = assert!(size_of::<FastHop>() == 32);

impl FastHop {
    /// Needs a second look, whatever the packet.
    pub const NONE: FastHop = FastHop {
        link: [0; 16],
        longest: 0,
        egress: 0,
        slot: IfSlot(u32::MAX),
        port: PortId(0),
        link_len: 0,
        unasked: false,
    };

    /// Of an adjacency whose counters are those of `egress`.
    pub(super) fn new(adjacency: &Adjacency, egress: u32) -> Self {
        if adjacency.state != AdjacencyState::Resolved {
            return Self::NONE;
        }
        let [link @ .., _, _] = adjacency.link;
        Self {
            link,
            longest: u32::from(adjacency.mtu) + ETHER_HDR_LEN as u32,
            egress,
            slot: adjacency.slot,
            port: adjacency.port,
            link_len: adjacency.link_len,
            unasked: adjacency.unasked.is_some(),
        }
    }
}
