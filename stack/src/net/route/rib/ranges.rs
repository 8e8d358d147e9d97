//! From nested prefixes to disjoint address ranges: what every FIB is built from.
//!
//! Control side.

use std::fmt;

use prefix_trie::PrefixMap;
use prefix_trie::map::Iter;

use super::RouteEntry;
use crate::net::IpPrefix;

/// A run of addresses with the same next hop, up to the start of the range that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range<A> {
    /// First address, as a number.
    pub start: A,
    /// Next hop, 0 for none.
    pub nexthop: u16,
}

/// A prefix that covers the place where the sweep stands.
#[derive(Clone, Copy, Debug)]
struct Cover<A> {
    /// First address.
    first: A,
    /// Last address.
    last: A,
    nexthop: u16,
}

impl<A> Cover<A> {
    fn new<P: IpPrefix<R = A>>(prefix: P, nexthop: u16) -> Self {
        Self { first: prefix.mask(), last: prefix.last(), nexthop }
    }
}

/// Sweeps a part of the table in address order; made by [`Rib::ranges`](super::Rib::ranges).
///
/// The first range starts at the first address of the part, neighbours differ in their next hop, and
/// together they cover the part without gaps. The cost is that of walking the routes in the part.
pub struct Ranges<'a, P: IpPrefix> {
    routes: Iter<'a, P, RouteEntry>,
    /// The next route that the sweep has not reached.
    ahead: Option<Cover<P::R>>,
    /// The part itself, with the next hop that it inherits from less specific routes.
    part: Cover<P::R>,
    /// The routes that cover the place where the sweep stands, the most specific last. Prefixes nest at most as deep as
    /// an address has bits, and one more.
    covers: Vec<Cover<P::R>>,
    /// Where the sweep stands; `None` behind the last address.
    at: Option<P::R>,
    /// Next hop of the range given last.
    previous: Option<u16>,
}

impl<'a, P: IpPrefix> Ranges<'a, P> {
    pub(super) fn new(routes: &'a PrefixMap<P, RouteEntry>, part: P) -> Self {
        let inherited = routes.get_lpm(&part).map_or(0, |(_, entry)| entry.nexthop.get());
        let cover = Cover::new(part, inherited);
        let mut ranges = Self {
            routes: routes.children(&part),
            ahead: None,
            part: cover,
            covers: Vec::new(),
            at: Some(cover.first),
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
    fn top(&self) -> Cover<P::R> {
        self.covers.last().copied().unwrap_or(self.part)
    }

    /// Enters the routes that start at `at`; the table yields the less specific first.
    fn enter(&mut self, at: P::R) {
        while let Some(route) = self.ahead.filter(|route| route.first == at) {
            self.covers.push(route);
            self.advance();
        }
    }

    /// Leaves the routes that end at `last`, and moves behind it.
    fn leave(&mut self, last: P::R) {
        self.at = if last == self.part.last { None } else { Some(last + P::R::from(1)) };
        while self.covers.pop_if(|cover| cover.last == last).is_some() {}
    }
}

impl<P: IpPrefix> fmt::Debug for Ranges<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ranges")
            .field("at", &self.at)
            .field("covers", &self.covers)
            .finish_non_exhaustive()
    }
}

impl<P: IpPrefix> Iterator for Ranges<'_, P> {
    type Item = Range<P::R>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.at?;
            self.enter(start);
            let Cover { last, nexthop, .. } = self.top();
            let last = self.ahead.map_or(last, |route| last.min(route.first - P::R::from(1)));
            self.leave(last);
            if self.previous != Some(nexthop) {
                self.previous = Some(nexthop);
                return Some(Range { start, nexthop });
            }
        }
    }
}
