//! Which layout a table of a given size gets.
//!
//! Control side. FreeBSD's `fib_algo` (`sys/net/route/fib_algo.c`) asks each algorithm for its preference
//! and switches when another one is better by a margin; here the layouts are a ladder with one limit a rung.

use ipnet::Ipv4Net;

use super::super::fib::FEW_RANGES_MAX;
use super::kind::Kind;
use crate::net::route::Rib;

/// The largest tables that each layout is used for.
///
/// A table that outgrows its limit moves up at once; it moves down only when it has shrunk to half of
/// the limit below, so that a route that comes and goes does not rebuild the FIB each time. Tests inject
/// small limits to reach each layout with few routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FibPolicy {
    /// `few`: the most address ranges (not above [`FEW_RANGES_MAX`]).
    pub few_ranges: usize,
    /// `split`: the most routes.
    pub split_routes: usize,
    /// `direct16`: the most routes.
    pub direct16_routes: usize,
    /// `direct18`: the most routes; more make it `direct20`.
    pub direct18_routes: usize,
}

impl Default for FibPolicy {
    /// Each step up costs at most about 16 to 64 bytes a route, and keeps lists at a few ranges.
    fn default() -> Self {
        Self {
            few_ranges: FEW_RANGES_MAX,
            split_routes: 4 << 10,
            direct16_routes: 32 << 10,
            direct18_routes: 256 << 10,
        }
    }
}

impl FibPolicy {
    /// The layout for `rib`, given the one in use.
    pub(super) fn choose(&self, current: Kind, rib: &Rib<Ipv4Net>) -> Kind {
        let fits = self.smallest(rib, 1);
        if fits >= current { fits } else { self.smallest(rib, 2).min(current) }
    }

    /// The smallest layout whose limit, divided by `margin`, is not exceeded.
    fn smallest(&self, rib: &Rib<Ipv4Net>, margin: usize) -> Kind {
        let routes = rib.len();
        if self.fits_few(rib, self.few_ranges.min(FEW_RANGES_MAX) / margin) {
            Kind::Few
        } else if routes <= self.split_routes / margin {
            Kind::Split
        } else if routes <= self.direct16_routes / margin {
            Kind::Direct16
        } else if routes <= self.direct18_routes / margin {
            Kind::Direct18
        } else {
            Kind::Direct20
        }
    }

    /// Whether the table amounts to at most `limit` ranges; asks at most `limit` routes.
    fn fits_few(&self, rib: &Rib<Ipv4Net>, limit: usize) -> bool {
        rib.len() <= limit && rib.ranges(Ipv4Net::default()).nth(limit).is_none()
    }
}
