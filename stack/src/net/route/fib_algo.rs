//! The calls that a routing table makes to a family's FIB (FreeBSD: `struct fib_lookup_module`, net/route/fib_algo.h).

use std::fmt::Debug;

use super::Rib;
use crate::net::IpPrefix;

/// The control side of a FIB: it follows the RIB, and owns what workers look up in.
///
/// Workers may see a change before the call returns. So publish a new next hop before the routes that lead to it, and
/// let a grace period pass before an id that no route leads to is used again.
pub trait FibAlgo<P: IpPrefix>: Debug {
    /// Follows a change of `rib` at `prefix`, whose route was inserted, replaced or deleted. True when another table takes
    /// the place of the published one: publish it, and retire the old one.
    #[must_use]
    fn change_route(&mut self, rib: &Rib<P>, prefix: P) -> bool;

    /// Makes the table anew from `rib`: it must be published.
    fn rebuild_from(&mut self, rib: &Rib<P>);

    /// Memory that changes have freed since the last call, if any: the FIB uses it again once this is dropped, which must
    /// be after a grace period.
    fn seal_freed(&mut self) -> Option<Box<dyn Send>>;
}
