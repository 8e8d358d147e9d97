//! Routes of any family: the control thread's tables, from which each family makes the FIB that its workers read, and the next
//! hops that FIBs lead to. FreeBSD: net/route/route_ctl.c, nhop.c and nhop_ctl.c.
//!
//! | file | plane | subject |
//! |---|---|---|
//! | `rib.rs`, `rib/` | control | prefixes and what they lead to; the address ranges they amount to |
//! | `entry.rs` | control | a route, as the RIB holds it |
//! | `fib_algo.rs` | control | the calls that a table makes to a family's FIB |
//! | `control/` | control | changes of routes, ids of next hops, what an operator asks for; adjacencies from hops and neighbours |
//! | `next_hops.rs` | datapath | the tables of next hops that workers read |
//! | `next_hop.rs` | datapath | the next hop that a FIB entry points to, and its paths |
//! | `adjacency.rs` | datapath | a neighbour or an interface, with a prebuilt link header |
//! | `fast_hop.rs` | datapath | the same in half a cache line, for the fast path |
//! | `egress.rs` | datapath | the interfaces that packets leave through, and their counters |
//!
//! The lookup is each family's own. Its answers are 16-bit ids of next hops; id 0 means "no route".

mod adjacency;
mod control;
mod egress;
mod entry;
mod fast_hop;
mod fib_algo;
mod next_hop;
mod next_hops;
mod rib;

pub use adjacency::{Adjacency, AdjacencyState, LINK_HEADER_MAX, UseMark};
pub use control::{
    AdjacencyBuilder, GatewayPath, Hop, HopTable, NeighborLink, PreparedChanges, RouteChange,
    RouteError, RouteTable, RouteTarget, resolve_target,
};
pub use egress::Egress;
pub use entry::{RouteEntry, RouteFlags};
pub use fast_hop::FastHop;
pub use fib_algo::FibAlgo;
pub use next_hop::{NO_HOP, NextHop, NextHopKind};
pub use next_hops::NextHops;
pub use rib::{Range, Ranges, Rib, RibError};
