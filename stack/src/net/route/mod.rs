//! Routes of any family: the control thread's tables, from which each family makes the FIB that its workers read.
//! FreeBSD: net/route/route_ctl.c and nhop_ctl.c.
//!
//! | file | subject |
//! |---|---|
//! | `rib.rs`, `rib/` | prefixes and what they lead to; the address ranges they amount to |
//! | `entry.rs` | a route, as the RIB holds it |
//! | `fib_algo.rs` | the calls that a table makes to a family's FIB |
//! | `control/` | changes of routes, next hops and their ids, what an operator asks for |
//!
//! All of it is control side; the lookup is each family's own. Next hops are 16-bit ids; id 0 means "no route".

mod control;
mod entry;
mod fib_algo;
mod rib;

pub use control::{
    GatewayPath, Hop, HopTable, PreparedChanges, RouteChange, RouteError, RouteTable, RouteTarget,
    resolve_target,
};
pub use entry::{RouteEntry, RouteFlags};
pub use fib_algo::FibAlgo;
pub use rib::{Range, Ranges, Rib, RibError};

/// A number that no next hop has.
pub const NO_HOP: u16 = u16::MAX;
