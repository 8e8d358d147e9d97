//! The control side of routes: how the control thread changes them.

mod adjacencies;
mod changes;
mod hops;
mod requests;
mod table;
mod target;

pub use adjacencies::{AdjacencyBuilder, NeighborLink};
pub use changes::RouteChange;
pub use hops::{GatewayPath, Hop, HopTable};
pub use table::{PreparedChanges, RouteTable};
pub use target::{RouteError, RouteTarget, resolve_target};
