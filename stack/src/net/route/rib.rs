//! The RIB: every prefix of one family in a vnet, and what it leads to.
//!
//! Control side. A multi-bit trie (crate `prefix-trie`, about 40 bytes an IPv4 route) holds the prefixes; this
//! file gives it the words of a routing table, and [`Ranges`] turns it into what a FIB is made of.

mod ranges;

use prefix_trie::PrefixMap;

use super::RouteEntry;
use crate::net::IpPrefix;

pub use ranges::{Range, Ranges};

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

/// The routes of one family in one vnet.
///
/// A prefix is held with its host bits cleared, and methods that take a prefix ignore its host bits, as
/// FreeBSD's `rtrequest` masks the destination.
#[derive(Debug)]
pub struct Rib<P: IpPrefix> {
    routes: PrefixMap<P, RouteEntry>,
    /// The most routes this table may hold.
    limit: usize,
    /// The most routes since the trie was last laid out afresh.
    peak: usize,
}

impl<P: IpPrefix> Default for Rib<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: IpPrefix> Rib<P> {
    /// The most routes any table holds: four times today's Internet. It keeps every IPv4 FIB below the 2^24
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
    pub fn insert(&mut self, prefix: P, entry: RouteEntry) -> Result<Option<RouteEntry>, RibError> {
        if !self.routes.contains_key(&prefix) {
            self.check_room(self.len())?;
        }
        let replaced = self.routes.insert(prefix, entry);
        self.peak = self.peak.max(self.len());
        Ok(replaced)
    }

    /// Deletes the route of exactly this prefix; returns it.
    pub fn remove(&mut self, prefix: P) -> Option<RouteEntry> {
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
    pub fn get(&self, prefix: P) -> Option<RouteEntry> {
        self.routes.get(&prefix).copied()
    }

    /// The most specific route that covers `address`.
    #[must_use]
    pub fn longest_match(&self, address: impl Into<P>) -> Option<(P, RouteEntry)> {
        let (prefix, &entry) = self.routes.get_lpm(&address.into())?;
        Some((prefix, entry))
    }

    /// All routes, by address and, for the same address, the less specific first.
    pub fn iter(&self) -> impl Iterator<Item = (P, RouteEntry)> {
        self.routes.iter().map(|(prefix, &entry)| (prefix, entry))
    }

    /// The routes behind `after` in the order of [`Rib::iter`], without a walk over those before it: what is more specific
    /// than `after`, and then, from the inside to the outside, the upper halves of all prefixes in whose lower half it lies.
    pub fn iter_after(&self, after: P) -> impl Iterator<Item = (P, RouteEntry)> {
        let after = after.masked();
        let inside = self.more_specific(after).filter(move |(prefix, _)| *prefix != after);
        let upper_halves = (1..=after.prefix_len())
            .rev()
            .filter_map(move |len| after.shortened(len).upper_sibling());
        inside.chain(upper_halves.flat_map(|half| self.more_specific(half)))
    }

    /// The routes whose prefix contains `prefix` (itself included), the least specific first.
    pub fn covering(&self, prefix: P) -> impl Iterator<Item = (P, RouteEntry)> {
        self.routes.cover(&prefix.masked()).map(|(prefix, &entry)| (prefix, entry))
    }

    /// The routes whose prefix is within `prefix` (itself included), in the order of [`Rib::iter`].
    pub fn more_specific(&self, prefix: P) -> impl Iterator<Item = (P, RouteEntry)> {
        self.routes.children(&prefix.masked()).map(|(prefix, &entry)| (prefix, entry))
    }

    /// Longest match for all addresses of `prefix`, as maximal runs of addresses with the
    /// same next hop.
    #[must_use]
    pub fn ranges(&self, prefix: P) -> Ranges<'_, P> {
        Ranges::new(&self.routes, prefix.masked())
    }
}
