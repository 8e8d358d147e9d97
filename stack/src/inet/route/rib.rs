//! The RIB: every IPv4 prefix of a vnet and what it leads to.
//!
//! Control side. A multi-bit trie (crate `prefix-trie`, about 40 bytes a route) holds the prefixes; this
//! file gives it the words of a routing table, and [`Ranges`] turns it into what a FIB is made of.

mod ranges;

use std::net::Ipv4Addr;
use std::num::NonZeroU16;

use ipnet::Ipv4Net;
use prefix_trie::PrefixMap;

pub use ranges::{Range, Ranges};

/// What a prefix leads to: 4 bytes, because there may be a million of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RouteEntry {
    /// The id of a next-hop group.
    pub nexthop: NonZeroU16,
    /// What kind of route this is; kept and given back, the FIB does not look at it.
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
}

impl std::ops::BitOr for RouteFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Why a route was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RibError {
    /// The table holds as many routes as it may.
    #[error("the routing table is full ({limit} routes): delete or aggregate routes first")]
    Full {
        /// The most routes the table may hold.
        limit: usize,
    },
}

/// The routes of one vnet.
///
/// A prefix is held with its host bits cleared, and methods that take a prefix ignore its host bits, as
/// FreeBSD's `rtrequest` masks the destination.
#[derive(Debug)]
pub struct Rib {
    routes: PrefixMap<Ipv4Net, RouteEntry>,
    /// The most routes this table may hold.
    limit: usize,
    /// The most routes since the trie was last laid out afresh.
    peak: usize,
}

impl Default for Rib {
    fn default() -> Self {
        Self::new()
    }
}

impl Rib {
    /// The most routes any table holds: four times today's Internet. It keeps every FIB below the 2^24
    /// arena words that its entries can address: at most two ranges a route and one a table entry (9.4 Mi),
    /// padded by less than a fifth, with an eighth in reserve.
    pub const ROUTES_MAX: usize = 1 << 22;

    /// Below this many routes at its peak, a trie is too small to be worth laying out afresh.
    const PEAK_MIN: usize = 1024;

    /// A table without routes.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(Self::ROUTES_MAX)
    }

    /// A table without routes that holds at most `limit`, and in no case more than [`Rib::ROUTES_MAX`].
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self { routes: PrefixMap::new(), limit: limit.min(Self::ROUTES_MAX), peak: 0 }
    }

    /// How many routes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there is no route.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Whether a table of `routes` routes has room for one more.
    ///
    /// # Errors
    /// [`RibError::Full`] if it has not.
    pub fn check_room(&self, routes: usize) -> Result<(), RibError> {
        if routes < self.limit { Ok(()) } else { Err(RibError::Full { limit: self.limit }) }
    }

    /// Bytes of memory in use.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.routes.mem_size()
    }

    /// Adds a route or replaces the one of the same prefix; returns what was replaced.
    ///
    /// # Errors
    /// [`RibError::Full`] if the prefix is new and the table holds as many routes as it may.
    pub fn insert(
        &mut self,
        prefix: Ipv4Net,
        entry: RouteEntry,
    ) -> Result<Option<RouteEntry>, RibError> {
        if !self.routes.contains_key(&prefix) {
            self.check_room(self.len())?;
        }
        let replaced = self.routes.insert(prefix, entry);
        self.peak = self.peak.max(self.len());
        Ok(replaced)
    }

    /// Deletes the route of exactly this prefix; returns it.
    pub fn remove(&mut self, prefix: Ipv4Net) -> Option<RouteEntry> {
        let removed = self.routes.remove(&prefix);
        // The trie keeps freed nodes for itself: give them back once most are free.
        if self.is_empty() || (self.peak > Self::PEAK_MIN && self.len() < self.peak / 4) {
            self.routes = self.routes.iter().map(|(prefix, &entry)| (prefix, entry)).collect();
            self.peak = self.len();
        }
        removed
    }

    /// The route of exactly this prefix.
    #[must_use]
    pub fn get(&self, prefix: Ipv4Net) -> Option<RouteEntry> {
        self.routes.get(&prefix).copied()
    }

    /// The most specific route that covers `address`.
    #[must_use]
    pub fn longest_match(&self, address: Ipv4Addr) -> Option<(Ipv4Net, RouteEntry)> {
        let (prefix, &entry) = self.routes.get_lpm(&Ipv4Net::from(address))?;
        Some((prefix, entry))
    }

    /// All routes, by address and, for the same address, the less specific first.
    pub fn iter(&self) -> impl Iterator<Item = (Ipv4Net, RouteEntry)> {
        self.routes.iter().map(|(prefix, &entry)| (prefix, entry))
    }

    /// The routes whose prefix contains `prefix` (itself included), the least specific first.
    pub fn covering(&self, prefix: Ipv4Net) -> impl Iterator<Item = (Ipv4Net, RouteEntry)> {
        self.routes.cover(&prefix.trunc()).map(|(prefix, &entry)| (prefix, entry))
    }

    /// The routes whose prefix is within `prefix` (itself included), in the order of [`Rib::iter`].
    pub fn more_specific(&self, prefix: Ipv4Net) -> impl Iterator<Item = (Ipv4Net, RouteEntry)> {
        self.routes.children(&prefix.trunc()).map(|(prefix, &entry)| (prefix, entry))
    }

    /// What longest match amounts to for the addresses of `prefix`: maximal runs of addresses with the
    /// same next hop.
    #[must_use]
    pub fn ranges(&self, prefix: Ipv4Net) -> Ranges<'_> {
        Ranges::new(&self.routes, prefix.trunc())
    }
}
