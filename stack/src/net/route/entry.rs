//! A route, as the RIB holds it.

use std::num::NonZeroU16;

/// The next hop of a prefix: 4 bytes, because there may be a million of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RouteEntry {
    /// The id of a next-hop group.
    pub nexthop: NonZeroU16,
    /// The kind of route; kept and given back, the FIB does not look at it.
    pub flags: RouteFlags,
}

/// Kind of a route, in the terms of FreeBSD's `RTF_*` (`sys/net/route.h`), renumbered to fit 16 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct RouteFlags(pub u16);

impl RouteFlags {
    /// Leads through a gateway (`RTF_GATEWAY`).
    pub const GATEWAY: Self = Self(1 << 0);
    /// Added by hand (`RTF_STATIC`).
    pub const STATIC: Self = Self(1 << 1);
    /// The prefix of an interface's address (`RTF_PINNED`): goes when the address goes.
    pub const PINNED: Self = Self(1 << 2);
    /// An address of this vnet (`RTF_LOCAL`).
    pub const LOCAL: Self = Self(1 << 3);
    /// A broadcast address (`RTF_BROADCAST`).
    pub const BROADCAST: Self = Self(1 << 4);
    /// Discard, and tell the sender (`RTF_REJECT`).
    pub const REJECT: Self = Self(1 << 5);
    /// Discard silently (`RTF_BLACKHOLE`).
    pub const BLACKHOLE: Self = Self(1 << 6);

    /// Whether all flags of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether a route came with an interface's address.
    #[must_use]
    pub const fn is_of_address(self) -> bool {
        self.contains(Self::PINNED) || self.contains(Self::LOCAL) || self.contains(Self::BROADCAST)
    }
}

impl std::ops::BitOr for RouteFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
