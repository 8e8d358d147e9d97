//! Routes of a vnet, as the control thread changes them (FreeBSD: `rib_action`, net/route).
//!
//! A change takes two steps, because workers read the FIB while it changes: first every hop that the change needs has
//! an id and is published; only then does the FIB point to it.

use std::net::Ipv4Addr;
use std::num::NonZeroU16;

use ipnet::Ipv4Net;

use super::InetControl;
use super::hops::{GatewayPath, Hop};
use crate::inet::route::{FibUpdate, RibError, RouteEntry, RouteFlags};
use crate::net::IfSlot;

/// Changes of this many routes and more rebuild the FIB once, instead of following each.
const REBUILD_FROM: usize = 4096;
/// The most paths of one route.
const PATHS_MAX: usize = 64;

/// Where an operator wants a route to lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteTarget {
    /// Through gateways on connected networks; several share the flows.
    Via(Vec<Ipv4Addr>),
    /// The destinations are on this interface's link.
    Interface(IfSlot),
    /// Discarded silently.
    Blackhole,
    /// Refused with an ICMP error.
    Reject,
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
        gateway: Ipv4Addr,
    },
    /// The gateway is an address of the vnet itself.
    #[error("{gateway} is this vnet's own address: a gateway must be another host")]
    GatewayIsOurs {
        /// The gateway.
        gateway: Ipv4Addr,
    },
    /// None, or more than 64.
    #[error("a route takes 1 to 64 gateways, not {0}")]
    Paths(usize),
    /// The prefix has a route already.
    #[error("{0} has a route already: delete it first")]
    Exists(Ipv4Net),
    /// The prefix has no route.
    #[error("{0} has no route")]
    Missing(Ipv4Net),
    /// The route came with an interface's address.
    #[error("{0} belongs to an interface's address: remove the address instead")]
    Pinned(Ipv4Net),
    /// 65,534 different targets are in use.
    #[error("the vnet has too many different next hops (65534 at most)")]
    TooManyHops,
    /// The RIB takes no more.
    #[error(transparent)]
    Rib(#[from] RibError),
}

/// One change of the table.
#[derive(Clone, Debug)]
pub enum RouteChange {
    /// A route that is not there yet.
    Add {
        /// Its prefix.
        prefix: Ipv4Net,
        /// Where it leads.
        hop: Hop,
        /// What it is.
        flags: RouteFlags,
    },
    /// Takes a route out.
    Delete {
        /// Its prefix.
        prefix: Ipv4Net,
    },
}

/// Changes whose hops have ids, ready for the FIB.
#[derive(Debug)]
pub(crate) struct PreparedChanges {
    list: Vec<(Ipv4Net, Option<RouteEntry>)>,
    /// Whether a hop is new: then the hops must be published before the changes are applied.
    pub(crate) has_new_hops: bool,
}

impl InetControl {
    /// What an operator's target means in this vnet.
    pub fn hop_for(&self, target: &RouteTarget) -> Result<(Hop, RouteFlags), RouteError> {
        match target {
            RouteTarget::Blackhole => Ok((Hop::Blackhole, RouteFlags::BLACKHOLE)),
            RouteTarget::Reject => Ok((Hop::Reject, RouteFlags::REJECT)),
            RouteTarget::Interface(slot) => Ok((Hop::Connected(*slot), RouteFlags::STATIC)),
            RouteTarget::Via(gateways) if gateways.is_empty() || gateways.len() > PATHS_MAX => {
                Err(RouteError::Paths(gateways.len()))
            }
            RouteTarget::Via(gateways) => {
                let mut paths = gateways
                    .iter()
                    .map(|gateway| self.path(*gateway))
                    .collect::<Result<Vec<_>, _>>()?;
                paths.sort_unstable();
                paths.dedup();
                Ok((Hop::Gateway(paths), RouteFlags::GATEWAY))
            }
        }
    }

    fn path(&self, gateway: Ipv4Addr) -> Result<GatewayPath, RouteError> {
        let address = self.connected(gateway).ok_or(RouteError::GatewayUnreachable { gateway })?;
        if address.net.addr() == gateway {
            return Err(RouteError::GatewayIsOurs { gateway });
        }
        Ok(GatewayPath { slot: address.slot, gateway })
    }

    /// First step: checks all changes and takes ids for their hops. Nothing has changed when this fails.
    pub(crate) fn prepare(
        &mut self,
        changes: &[RouteChange],
    ) -> Result<PreparedChanges, RouteError> {
        let mut prepared =
            PreparedChanges { list: Vec::with_capacity(changes.len()), has_new_hops: false };
        for change in changes {
            if let Err(error) = self.prepare_one(change, &mut prepared) {
                for (_, entry) in prepared.list {
                    entry.into_iter().for_each(|entry| self.hops.release(entry.nexthop));
                }
                return Err(error);
            }
        }
        Ok(prepared)
    }

    fn prepare_one(
        &mut self,
        change: &RouteChange,
        prepared: &mut PreparedChanges,
    ) -> Result<(), RouteError> {
        match change {
            RouteChange::Add { prefix, hop, flags } => {
                if self.rib.get(*prefix).is_some() {
                    return Err(RouteError::Exists(*prefix));
                }
                let (nexthop, is_new) = self.hops.acquire(hop).ok_or(RouteError::TooManyHops)?;
                prepared.has_new_hops |= is_new;
                prepared.list.push((*prefix, Some(RouteEntry { nexthop, flags: *flags })));
            }
            RouteChange::Delete { prefix } => {
                let _there: RouteEntry =
                    self.rib.get(*prefix).ok_or(RouteError::Missing(*prefix))?;
                prepared.list.push((*prefix, None));
            }
        }
        Ok(())
    }

    /// Second step: changes RIB and FIB. True when the FIB is another one now, which must be published.
    pub(crate) fn apply(&mut self, prepared: PreparedChanges) -> Result<bool, RouteError> {
        let rebuild = prepared.list.len() >= REBUILD_FROM;
        let mut replaced = rebuild;
        for (prefix, entry) in prepared.list {
            let old = match entry {
                Some(entry) => self.rib.insert(prefix, entry)?,
                None => self.rib.remove(prefix),
            };
            if !rebuild {
                replaced |= matches!(self.fib.update(&self.rib, prefix), FibUpdate::Replaced(_));
            }
            old.map(|old: RouteEntry| old.nexthop)
                .into_iter()
                .for_each(|id: NonZeroU16| self.hops.release(id));
        }
        if rebuild {
            let _fib = self.fib.rebuild(&self.rib);
        }
        Ok(replaced)
    }
}
