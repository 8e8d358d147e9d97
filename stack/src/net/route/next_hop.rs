//! The next hop that a FIB entry points to, and the path that a flow takes when it has several.

/// A number that no next hop has.
pub const NO_HOP: u16 = u16::MAX;

/// The treatment of packets that a route matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum NextHopKind {
    /// No route.
    None,
    /// An address of this vnet; the adjacency names the interface that has it.
    Local,
    /// The broadcast address of a connected network; the adjacency names the interface.
    Broadcast,
    /// To a gateway, or to one of several by flow.
    Gateway,
    /// The destination is on the link of the adjacency's interface: look for it among the neighbours.
    Connected,
    /// Discard silently (FreeBSD: `RTF_BLACKHOLE`).
    Blackhole,
    /// Refuse with an ICMP error (FreeBSD: `RTF_REJECT`).
    Reject,
}

/// The next hop that a FIB entry points to (FreeBSD: `struct nhop_object`, or `struct nhgrp_object` for several).
#[derive(Clone, Copy, Debug)]
pub struct NextHop {
    /// The treatment of packets.
    pub kind: NextHopKind,
    /// Adjacencies of this next hop, side by side; more than one is ECMP.
    pub count: u16,
    /// The first one's place.
    pub first: u32,
}

impl NextHop {
    /// No route.
    pub const NONE: NextHop = NextHop::without_adjacency(NextHopKind::None);

    /// One that leads nowhere.
    #[must_use]
    pub const fn without_adjacency(kind: NextHopKind) -> Self {
        Self { kind, count: 0, first: 0 }
    }

    /// The places of its adjacencies.
    pub fn places(self) -> impl Iterator<Item = u32> {
        (0..u32::from(self.count)).map(move |path| self.first + path)
    }

    /// The place of the adjacency that packets of `flow` take. `key` is a secret of the vnet.
    #[inline]
    #[must_use]
    pub fn select(self, key: u64, flow: impl FnOnce() -> u64) -> u32 {
        let path = if self.count > 1 { path_of(flow(), key, self.count) } else { 0 };
        self.first + path
    }
}

/// Which of `count` paths a flow takes: a keyed mix, so that a stranger cannot steer flows onto one path, mapped
/// to the range by multiplication.
#[inline]
fn path_of(flow: u64, key: u64, count: u16) -> u32 {
    let mixed = (flow ^ key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(key | 1);
    (((mixed >> 32) * u64::from(count)) >> 32) as u32
}
