//! From nested prefixes to disjoint address ranges: what every FIB is built from.
//!
//! Control side.

use std::fmt;

use ipnet::Ipv4Net;
use prefix_trie::PrefixMap;
use prefix_trie::map::Iter;

use super::RouteEntry;

/// A run of addresses with the same next hop, up to the start of the range that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First address, host byte order.
    pub start: u32,
    /// Next hop, 0 for none.
    pub nexthop: u16,
}

/// A prefix that covers the place where the sweep stands.
#[derive(Clone, Copy, Debug)]
struct Cover {
    /// First address.
    first: u32,
    /// Last address.
    last: u32,
    nexthop: u16,
}

impl Cover {
    fn new(prefix: Ipv4Net, nexthop: u16) -> Self {
        Self { first: prefix.network().to_bits(), last: prefix.broadcast().to_bits(), nexthop }
    }
}

/// Prefixes nest at most 33 deep (/0 to /32), below the sweep's own bounds.
const DEPTH_MAX: usize = 34;

/// Sweeps a part of the table in address order; made by [`Rib::ranges`](super::Rib::ranges).
///
/// The first range starts at the first address of the part, neighbours differ in their next hop, and
/// together they cover the part without gaps. The cost is that of walking the routes in the part.
pub struct Ranges<'a> {
    routes: Iter<'a, Ipv4Net, RouteEntry>,
    /// The next route that the sweep has not reached.
    ahead: Option<Cover>,
    /// The routes that cover the place where the sweep stands, the most specific last; at the bottom the
    /// part itself, with the next hop that it inherits from less specific routes.
    covers: [Cover; DEPTH_MAX],
    depth: usize,
    /// Where the sweep stands; `None` behind the last address.
    at: Option<u32>,
    /// Next hop of the range given last.
    previous: Option<u16>,
}

impl<'a> Ranges<'a> {
    pub(super) fn new(routes: &'a PrefixMap<Ipv4Net, RouteEntry>, part: Ipv4Net) -> Self {
        let inherited = routes.get_lpm(&part).map_or(0, |(_, entry)| entry.nexthop.get());
        let bottom = Cover::new(part, inherited);
        let mut ranges = Self {
            routes: routes.children(&part),
            ahead: None,
            covers: [bottom; DEPTH_MAX],
            depth: 1,
            at: Some(bottom.first),
            previous: None,
        };
        ranges.advance();
        ranges
    }

    /// Fetches the next route.
    fn advance(&mut self) {
        self.ahead =
            self.routes.next().map(|(prefix, entry)| Cover::new(prefix, entry.nexthop.get()));
    }

    /// The most specific cover.
    fn top(&self) -> Cover {
        self.covers[self.depth - 1]
    }

    /// Enters the routes that start at `at`; the table yields the less specific first.
    fn enter(&mut self, at: u32) {
        while let Some(route) = self.ahead.filter(|route| route.first == at) {
            self.covers[self.depth] = route;
            self.depth += 1;
            self.advance();
        }
    }

    /// Leaves the routes that end at `last`, and moves behind it.
    fn leave(&mut self, last: u32) {
        self.at = if last == self.covers[0].last { None } else { Some(last + 1) };
        while self.depth > 1 && self.top().last == last {
            self.depth -= 1;
        }
    }
}

impl fmt::Debug for Ranges<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ranges")
            .field("at", &self.at)
            .field("covers", &&self.covers[..self.depth])
            .finish_non_exhaustive()
    }
}

impl Iterator for Ranges<'_> {
    type Item = Range;

    fn next(&mut self) -> Option<Range> {
        loop {
            let start = self.at?;
            self.enter(start);
            let Cover { last, nexthop, .. } = self.top();
            let last = self.ahead.map_or(last, |route| last.min(route.first - 1));
            self.leave(last);
            if self.previous != Some(nexthop) {
                self.previous = Some(nexthop);
                return Some(Range { start, nexthop });
            }
        }
    }
}
