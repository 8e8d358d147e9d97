//! Where an operator wants routes to lead, and why that is refused.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{GatewayPath, Hop};
use crate::net::route::{RibError, RouteFlags};
use crate::net::{IfSlot, LimitReached};

/// The most paths of one route.
const PATHS_MAX: usize = 64;

/// Where an operator wants a route to lead: an interface by its slot, and gateways of either family.
pub type RouteTarget = wire::RouteTarget<IpAddr, IfSlot>;

/// The hop that the target means in a vnet. `has_link` says whether an interface leads to other hosts; `path` finds the way to
/// a gateway.
pub fn resolve_target(
    target: &RouteTarget,
    has_link: impl Fn(IfSlot) -> bool,
    path: impl Fn(IpAddr) -> Result<GatewayPath, RouteError>,
) -> Result<(Hop, RouteFlags), RouteError> {
    match target {
        RouteTarget::Blackhole => Ok((Hop::Blackhole, RouteFlags::BLACKHOLE)),
        RouteTarget::Reject => Ok((Hop::Reject, RouteFlags::REJECT)),
        RouteTarget::Interface(slot) if has_link(*slot) => {
            Ok((Hop::Connected(*slot), RouteFlags::STATIC))
        }
        RouteTarget::Interface(_) => Err(RouteError::Loopback),
        RouteTarget::Via(gateways) if gateways.is_empty() || gateways.len() > PATHS_MAX => {
            Err(RouteError::Paths(gateways.len()))
        }
        RouteTarget::Via(gateways) => {
            let mut paths = gateways.iter().copied().map(path).collect::<Result<Vec<_>, _>>()?;
            paths.sort_unstable();
            paths.dedup();
            Ok((Hop::Gateway(paths), RouteFlags::GATEWAY))
        }
    }
}

/// Why a route is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No interface's network holds the gateway.
    #[error(
        "no interface of the vnet is on a network with {gateway}: give one an address next to it"
    )]
    GatewayUnreachable {
        /// The gateway.
        gateway: IpAddr,
    },
    /// The gateway is an address of the vnet itself.
    #[error("{gateway} is this vnet's own address: a gateway must be another host")]
    GatewayIsOurs {
        /// The gateway.
        gateway: IpAddr,
    },
    /// The gateway is an end of its network.
    #[error("{gateway} is no host of {net}, but an end of it: give the address of a router")]
    GatewayNotHost {
        /// The gateway.
        gateway: IpAddr,
        /// The network.
        net: IpNet,
    },
    /// The route's interface is lo0.
    #[error("a route through lo0 leads back to this vnet: make it -blackhole to drop the packets")]
    Loopback,
    /// None, or more than 64.
    #[error("a route takes 1 to 64 gateways, not {0}")]
    Paths(usize),
    /// The prefix has a route already.
    #[error("{0} has a route already: delete it first")]
    Exists(IpNet),
    /// The prefix has no route.
    #[error("{0} has no route")]
    Missing(IpNet),
    /// The route came with an interface's address.
    #[error("{0} belongs to an interface's address: remove the address instead")]
    Pinned(IpNet),
    /// 65,534 different targets are in use.
    #[error("the vnet has too many different next hops (65534 at most)")]
    TooManyHops,
    /// The vnet has as many as it may, or as much memory.
    #[error(transparent)]
    Limit(#[from] LimitReached),
    /// The RIB takes no more.
    #[error(transparent)]
    Rib(#[from] RibError),
}
