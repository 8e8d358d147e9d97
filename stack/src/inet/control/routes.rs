//! Routes of a vnet, as the control thread changes them (FreeBSD: `rib_action`, net/route).
//!
//! A change takes two steps, because workers read the FIB while it changes: first every hop that the change needs has
//! an id and is published; only then does the FIB point to it.

use std::net::Ipv4Addr;
use std::num::NonZeroU16;

use hashbrown::HashMap;
use ipnet::Ipv4Net;

use super::InetControl;
use super::hops::{GatewayPath, Hop};
use crate::control::LimitReached;
use crate::inet::route::{FibUpdate, Rib, RibError, RouteEntry, RouteFlags};
use crate::net::IfSlot;

/// Changes of this many routes and more rebuild the FIB once, instead of following each.
const REBUILD_FROM: usize = 4096;
/// The most paths of one route.
const PATHS_MAX: usize = 64;

/// Where an operator wants a route to lead.
pub type RouteTarget = wire::RouteTarget<Ipv4Addr, IfSlot>;

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
    /// The gateway is an end of its network.
    #[error("{gateway} is no host of {net}, but an end of it: give the address of a router")]
    GatewayNotHost {
        /// The gateway.
        gateway: Ipv4Addr,
        /// The network.
        net: Ipv4Net,
    },
    /// The route's interface is lo0.
    #[error("a route through lo0 leads back to this vnet: make it -blackhole to drop the packets")]
    Loopback,
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
    /// The vnet has as many as it may, or as much memory.
    #[error(transparent)]
    Limit(#[from] LimitReached),
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

impl RouteChange {
    /// The prefix that it changes.
    pub(crate) fn prefix(&self) -> Ipv4Net {
        let (RouteChange::Add { prefix, .. } | RouteChange::Delete { prefix }) = self;
        *prefix
    }

    /// The prefix that it deletes.
    pub(crate) fn deleted(&self) -> Option<Ipv4Net> {
        matches!(self, RouteChange::Delete { .. }).then(|| self.prefix())
    }
}

/// What the table will be after the changes looked at so far: a later change of a batch counts on the earlier ones.
struct Outlook<'a> {
    rib: &'a Rib,
    /// Prefixes that the batch changes, and whether they have a route then.
    changed: HashMap<Ipv4Net, bool>,
    /// Routes in the table then.
    routes: usize,
}

impl<'a> Outlook<'a> {
    fn new(rib: &'a Rib, changes: &[RouteChange]) -> Self {
        Self { rib, changed: HashMap::with_capacity(changes.len()), routes: rib.len() }
    }

    fn has(&self, prefix: Ipv4Net) -> bool {
        self.changed.get(&prefix).copied().unwrap_or_else(|| self.rib.get(prefix).is_some())
    }

    fn add(&mut self, prefix: Ipv4Net) -> Result<(), RouteError> {
        if self.has(prefix) {
            return Err(RouteError::Exists(prefix));
        }
        self.rib.check_room(self.routes)?;
        self.routes += 1;
        let _before = self.changed.insert(prefix, true);
        Ok(())
    }

    fn delete(&mut self, prefix: Ipv4Net) -> Result<(), RouteError> {
        if !self.has(prefix) {
            return Err(RouteError::Missing(prefix));
        }
        self.routes -= 1;
        let _before = self.changed.insert(prefix, false);
        Ok(())
    }
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
            RouteTarget::Interface(slot)
                if self.interface(*slot).is_some_and(|ifp| ifp.port().is_none()) =>
            {
                Err(RouteError::Loopback)
            }
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
        if self.is_own(gateway) {
            return Err(RouteError::GatewayIsOurs { gateway });
        }
        let address = self
            .on_link(gateway)
            .map_err(|net| RouteError::GatewayNotHost { gateway, net })?
            .ok_or(RouteError::GatewayUnreachable { gateway })?;
        Ok(GatewayPath { slot: address.slot, gateway })
    }

    /// First step: checks all changes, in their order, and takes ids for their hops. Nothing has changed when this fails.
    pub(crate) fn prepare(
        &mut self,
        changes: &[RouteChange],
    ) -> Result<PreparedChanges, RouteError> {
        let mut outlook = Outlook::new(&self.rib, changes);
        for change in changes {
            let prefix = change.prefix().trunc();
            match change {
                RouteChange::Add { .. } => outlook.add(prefix)?,
                RouteChange::Delete { .. } => outlook.delete(prefix)?,
            }
        }
        let mut prepared =
            PreparedChanges { list: Vec::with_capacity(changes.len()), has_new_hops: false };
        for change in changes {
            let RouteChange::Add { prefix, hop, flags } = change else {
                prepared.list.push((change.prefix(), None));
                continue;
            };
            let Some((nexthop, is_new)) = self.hops.acquire(hop) else {
                let taken = prepared.list.into_iter().filter_map(|(_, entry)| entry);
                taken.for_each(|entry| self.hops.release(entry.nexthop));
                return Err(RouteError::TooManyHops);
            };
            prepared.has_new_hops |= is_new;
            // A route that goes and comes is replaced: at no moment do packets find none.
            let _replaced =
                prepared.list.pop_if(|(before, entry)| before == prefix && entry.is_none());
            prepared.list.push((*prefix, Some(RouteEntry { nexthop, flags: *flags })));
        }
        Ok(prepared)
    }

    /// Second step: changes RIB and FIB. True when the FIB is another one now, which must be published.
    pub(crate) fn apply(&mut self, prepared: PreparedChanges) -> bool {
        let rebuild = prepared.list.len() >= REBUILD_FROM;
        let mut replaced = rebuild;
        for (prefix, entry) in prepared.list {
            let old = match entry {
                Some(entry) => {
                    self.rib.insert(prefix, entry).expect("the first step looked for room")
                }
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
        replaced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(prefix: &str, hop: Hop) -> RouteChange {
        let prefix = prefix.parse().expect("a prefix");
        RouteChange::Add { prefix, hop, flags: RouteFlags::STATIC }
    }

    fn delete(prefix: &str) -> RouteChange {
        RouteChange::Delete { prefix: prefix.parse().expect("a prefix") }
    }

    /// A table with one route and room for two more.
    fn table() -> InetControl {
        let mut inet = InetControl::new(0);
        inet.rib = Rib::with_limit(3);
        let prepared = inet.prepare(&[add("10.0.0.0/8", Hop::Blackhole)]).expect("room");
        let _replaced = inet.apply(prepared);
        inet
    }

    /// A batch is refused, and nothing of it remains: no route, and no hop.
    #[track_caller]
    fn refused(inet: &mut InetControl, changes: &[RouteChange], error: &RouteError) {
        let before: Vec<_> = inet.rib.iter().collect();
        assert_eq!(&inet.prepare(changes).expect_err("a refusal"), error);
        assert_eq!(inet.rib.iter().collect::<Vec<_>>(), before);
        assert_eq!(inet.hops.iter().flatten().collect::<Vec<_>>(), [&Hop::Blackhole]);
    }

    #[test]
    fn a_batch_that_does_not_fit_is_refused_whole() {
        let mut inet = table();
        let (one, two) = (add("10.1.0.0/16", Hop::Reject), add("10.2.0.0/16", Hop::Reject));
        let three = add("10.3.0.0/16", Hop::Reject);
        let full = RouteError::Rib(RibError::Full { limit: 3 });
        refused(&mut inet, &[one.clone(), two.clone(), three.clone()], &full);
        // In this order there is room at each step, and in the other there is not.
        let last_out = [one.clone(), two.clone(), three.clone(), delete("10.0.0.0/8")];
        refused(&mut inet, &last_out, &full);
        let prepared = inet.prepare(&[delete("10.0.0.0/8"), one, two, three]).expect("room");
        let _replaced = inet.apply(prepared);
        assert_eq!(inet.rib.len(), 3);
    }

    #[test]
    fn a_change_counts_on_those_before_it() {
        let mut inet = table();
        let prefix = "10.1.0.0/16".parse().expect("a prefix");
        let twice = [add("10.1.0.0/16", Hop::Reject), add("10.1.0.0/16", Hop::Reject)];
        refused(&mut inet, &twice, &RouteError::Exists(prefix));
        let ten = "10.0.0.0/8".parse().expect("a prefix");
        refused(
            &mut inet,
            &[delete("10.0.0.0/8"), delete("10.0.0.0/8")],
            &RouteError::Missing(ten),
        );
        let replace = [delete("10.0.0.0/8"), add("10.0.0.0/8", Hop::Reject)];
        let prepared = inet.prepare(&replace).expect("a replacement");
        assert_eq!(prepared.list.len(), 1, "between two steps there would be no route");
        let _replaced = inet.apply(prepared);
        let entry = inet.rib.get(ten).expect("a route");
        assert_eq!(inet.hops.get(entry.nexthop), Some(&Hop::Reject));
    }
}
