//! An adjacency: a neighbour or an interface that packets are sent to, with a prebuilt link header.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pmd::PortId;

use crate::net::{IfSlot, Ifnet};
use crate::wire::{ETHER_HDR_LEN, VLAN_TAG_LEN};

/// The longest link header: Ethernet and one 802.1Q tag, bytes.
pub const LINK_HEADER_MAX: usize = ETHER_HDR_LEN + VLAN_TAG_LEN;

/// The worker that first sends to a neighbour sets it, if the neighbour introduced itself and nothing here has asked for it.
pub type UseMark = Arc<AtomicBool>;

/// Whether an adjacency can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AdjacencyState {
    /// The link header is complete.
    Resolved,
    /// The neighbour's MAC address is not known yet.
    Unresolved,
    /// Stands for an interface, not for a neighbour.
    Interface,
}

/// A next hop on a link: a prebuilt link header, and where it leaves. The header's EtherType is that of the packets; the neighbour's
/// address may be of another family (RFC 8950: IPv4 packets to a router that has an IPv6 address only).
#[derive(Clone)]
pub struct Adjacency {
    /// The link header; only `link_len` bytes count.
    pub link: [u8; LINK_HEADER_MAX],
    /// 14 untagged, 18 with a VLAN tag.
    pub link_len: u8,
    /// Whether it can send.
    pub state: AdjacencyState,
    /// The port it leaves through.
    pub port: PortId,
    /// Largest IP packet, bytes.
    pub mtu: u16,
    /// The egress interface's slot.
    pub slot: IfSlot,
    /// The neighbour; none if it stands for an interface.
    pub next_hop: Option<IpAddr>,
    /// The egress interface.
    pub ifp: Arc<Ifnet>,
    /// Set with the first packet to a neighbour that introduced itself and that nothing here has asked for: it is worth its
    /// entry.
    pub unasked: Option<UseMark>,
}

const _: () = assert!(size_of::<Adjacency>() == 64);

impl Adjacency {
    /// Notes that a packet goes to this neighbour.
    #[inline(always)]
    pub fn mark_used(&self) {
        // Written once: a line that several workers read stays with all of them.
        if let Some(unasked) = &self.unasked
            && !unasked.load(Ordering::Relaxed)
        {
            unasked.store(true, Ordering::Relaxed);
        }
    }

    /// The link header.
    #[inline(always)]
    #[must_use]
    pub fn link_header(&self) -> &[u8] {
        if self.link_len == ETHER_HDR_LEN as u8 { &self.link[..ETHER_HDR_LEN] } else { &self.link }
    }
}

impl fmt::Debug for Adjacency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adjacency")
            .field("ifp", &self.ifp.name)
            .field("next_hop", &self.next_hop)
            .finish_non_exhaustive()
    }
}
