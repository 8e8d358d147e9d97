//! Routes and static neighbours.

use std::net::Ipv4Addr;

use hashbrown::HashSet;
use ipnet::Ipv4Net;
use vnet::VnetRef;

use super::changes::is_of_address;
use super::{LimitReached, Stack};
use crate::inet::control::{RouteChange, RouteError, RouteTarget};
use crate::net::IfSlot;
use crate::net::neighbor::NeighborKey;
use crate::wire::MacAddr;

impl Stack {
    /// Adds routes, all or none.
    pub fn add_routes(
        &mut self,
        vnet: &VnetRef,
        routes: impl IntoIterator<Item = (Ipv4Net, RouteTarget)>,
    ) -> Result<(), RouteError> {
        let changes = self.additions(vnet, routes)?;
        self.check_routes(vnet, &changes)?;
        self.change_routes(vnet, &changes)
    }

    /// The changes that add these routes.
    pub(super) fn additions(
        &self,
        vnet: &VnetRef,
        routes: impl IntoIterator<Item = (Ipv4Net, RouteTarget)>,
    ) -> Result<Vec<RouteChange>, RouteError> {
        self.with_inet(vnet, |inet| -> Result<Vec<RouteChange>, RouteError> {
            let mut last: Option<(RouteTarget, _)> = None;
            routes
                .into_iter()
                .map(|(prefix, target)| {
                    // Long lists repeat their targets: a table of a million routes has a few neighbours.
                    let (hop, flags) = match &last {
                        Some((same, hop)) if *same == target => Clone::clone(hop),
                        _ => inet.hop_for(&target)?,
                    };
                    last = Some((target, (hop.clone(), flags)));
                    Ok(RouteChange::Add { prefix: prefix.trunc(), hop, flags })
                })
                .collect()
        })
        .unwrap_or_else(|| Ok(Vec::new()))
    }

    /// Deletes routes, all or none. Routes that belong to addresses stay.
    pub fn delete_routes(
        &mut self,
        vnet: &VnetRef,
        prefixes: impl IntoIterator<Item = Ipv4Net>,
    ) -> Result<(), RouteError> {
        let changes = self
            .with_inet(vnet, |inet| {
                let delete = |prefix: Ipv4Net| {
                    let prefix = prefix.trunc();
                    let route = inet.rib().get(prefix).ok_or(RouteError::Missing(prefix))?;
                    if is_of_address(route.flags) {
                        return Err(RouteError::Pinned(prefix));
                    }
                    Ok(RouteChange::Delete { prefix })
                };
                prefixes.into_iter().map(delete).collect::<Result<Vec<_>, _>>()
            })
            .unwrap_or_else(|| Ok(Vec::new()))?;
        self.change_routes(vnet, &changes)
    }

    /// Sets where prefixes lead, all or none; `None` deletes the route. One that is there is replaced, which no packet
    /// notices.
    pub fn set_routes(
        &mut self,
        vnet: &VnetRef,
        routes: impl IntoIterator<Item = (Ipv4Net, Option<RouteTarget>)>,
    ) -> Result<(), RouteError> {
        let changes = self.with_inet(vnet, |inet| -> Result<Vec<RouteChange>, RouteError> {
            let mut changes = Vec::new();
            for (prefix, target) in routes {
                let prefix = prefix.trunc();
                let old = inet.rib().get(prefix);
                if old.is_some_and(|route| is_of_address(route.flags)) {
                    return Err(RouteError::Pinned(prefix));
                }
                if old.is_some() || target.is_none() {
                    changes.push(RouteChange::Delete { prefix });
                }
                if let Some(target) = target {
                    let (hop, flags) = inet.hop_for(&target)?;
                    changes.push(RouteChange::Add { prefix, hop, flags });
                }
            }
            Ok(changes)
        });
        let changes = changes.unwrap_or_else(|| Ok(Vec::new()))?;
        let deleted: HashSet<Ipv4Net> = changes.iter().filter_map(RouteChange::deleted).collect();
        let is_more = |change: &&RouteChange| !deleted.contains(&change.prefix());
        let more: Vec<RouteChange> = changes.iter().filter(is_more).cloned().collect();
        self.check_routes(vnet, &more)?;
        self.change_routes(vnet, &changes)
    }

    /// Changes routes in the order that loses no packet: new hops are published, and every worker has taken them up,
    /// before the FIB points to them; ids of hops that are no longer used rest until every worker has let go of them.
    pub(super) fn change_routes(
        &mut self,
        vnet: &VnetRef,
        changes: &[RouteChange],
    ) -> Result<(), RouteError> {
        let Some(prepared) = self.with_inet(vnet, |inet| inet.prepare(changes)) else {
            return Ok(());
        };
        let prepared = prepared?;
        if prepared.has_new_hops {
            self.publish_forwarding(vnet);
            self.control.synchronize();
        }
        let applied = self.with_inet(vnet, |inet| {
            let replaced = inet.apply(prepared);
            (replaced, inet.fib.seal(), inet.hops.has_resting())
        });
        let Some((replaced, freed, resting)) = applied else { return Ok(()) };
        if let Some(freed) = freed {
            self.control.retire(Box::new(freed));
        }
        if replaced {
            self.publish_forwarding(vnet);
        }
        if resting {
            self.control.synchronize();
            let _there = self.with_inet(vnet, |inet| inet.hops.reuse_rested());
        }
        self.emit_routes(vnet, changes);
        Ok(())
    }

    /// Sets a neighbour that is never asked for (`arp -s`).
    ///
    /// # Errors
    /// The table is full.
    pub fn add_neighbor(
        &mut self,
        vnet: &VnetRef,
        slot: IfSlot,
        addr: Ipv4Addr,
        mac: MacAddr,
    ) -> Result<(), LimitReached> {
        let mut actions = Vec::new();
        let set = self.with_inet(vnet, |inet| {
            let limits = self.arp_limits(vnet, inet);
            inet.arp.neighbors.set_static(NeighborKey { slot, addr }, mac, &limits, &mut actions)
        });
        if set == Some(false) {
            return Err(self.neighbors_full(vnet));
        }
        self.act(vnet, actions);
        self.publish_if_dirty(vnet);
        Ok(())
    }
}
