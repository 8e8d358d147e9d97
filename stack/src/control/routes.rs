//! Routes and static neighbours.

use std::net::Ipv4Addr;

use hashbrown::HashSet;
use ipnet::Ipv4Net;
use vnet::VnetRef;

use super::Stack;
use crate::inet::control::{InetControl, NeighborKey};
use crate::net::route::{RouteChange, RouteError, RouteTarget};
use crate::net::{IfSlot, LimitReached};
use crate::wire::MacAddr;

impl Stack {
    /// Adds routes, all or none.
    pub fn add_routes(
        &mut self,
        vnet: &VnetRef,
        routes: impl IntoIterator<Item = (Ipv4Net, RouteTarget)>,
    ) -> Result<(), RouteError> {
        let changes =
            self.plan(vnet, |inet| inet.routes.additions(routes, |target| inet.hop_for(target)))?;
        self.check_routes(vnet, &changes)?;
        self.change_routes(vnet, &changes)
    }

    /// Deletes routes, all or none. Routes that belong to addresses stay.
    pub fn delete_routes(
        &mut self,
        vnet: &VnetRef,
        prefixes: impl IntoIterator<Item = Ipv4Net>,
    ) -> Result<(), RouteError> {
        let changes = self.plan(vnet, |inet| inet.routes.deletions(prefixes))?;
        self.change_routes(vnet, &changes)
    }

    /// Sets where prefixes lead, all or none; `None` deletes the route. One that is there is replaced, which no packet
    /// notices.
    pub fn set_routes(
        &mut self,
        vnet: &VnetRef,
        routes: impl IntoIterator<Item = (Ipv4Net, Option<RouteTarget>)>,
    ) -> Result<(), RouteError> {
        let changes = self
            .plan(vnet, |inet| inet.routes.replacements(routes, |target| inet.hop_for(target)))?;
        let deleted: HashSet<Ipv4Net> = changes.iter().filter_map(RouteChange::deleted).collect();
        let is_more = |change: &&RouteChange<_>| !deleted.contains(&change.prefix());
        let more: Vec<RouteChange<_>> = changes.iter().filter(is_more).cloned().collect();
        self.check_routes(vnet, &more)?;
        self.change_routes(vnet, &changes)
    }

    /// The changes that a request amounts to; none in a vnet that is being destroyed.
    fn plan(
        &self,
        vnet: &VnetRef,
        request: impl FnOnce(&InetControl) -> Result<Vec<RouteChange<Ipv4Net>>, RouteError>,
    ) -> Result<Vec<RouteChange<Ipv4Net>>, RouteError> {
        self.with_inet(vnet, |inet| request(inet)).unwrap_or_else(|| Ok(Vec::new()))
    }

    /// Changes routes in the order that loses no packet: new hops are published, and every worker has taken them up,
    /// before the FIB points to them; ids of hops that are no longer used rest until every worker has let go of them.
    pub(super) fn change_routes(
        &mut self,
        vnet: &VnetRef,
        changes: &[RouteChange<Ipv4Net>],
    ) -> Result<(), RouteError> {
        let Some(prepared) = self.with_inet(vnet, |inet| inet.routes.prepare(changes)) else {
            return Ok(());
        };
        let prepared = prepared?;
        if prepared.has_new_hops {
            self.publish_forwarding(vnet);
            self.control.synchronize();
        }
        let applied = self.with_inet(vnet, |inet| {
            let replaced = inet.routes.apply(prepared);
            (replaced, inet.routes.seal_freed(), inet.routes.hops().has_resting())
        });
        let Some((replaced, freed, resting)) = applied else { return Ok(()) };
        if let Some(freed) = freed {
            self.control.retire(freed);
        }
        if replaced {
            self.publish_forwarding(vnet);
        }
        if resting {
            self.control.synchronize();
            let _there = self.with_inet(vnet, |inet| inet.routes.reuse_rested());
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
            inet.arp.set_static(NeighborKey { slot, addr }, mac, &limits, &mut actions)
        });
        if set == Some(false) {
            return Err(self.neighbors_full(vnet));
        }
        self.act(vnet, actions);
        self.publish_if_dirty(vnet);
        Ok(())
    }
}
