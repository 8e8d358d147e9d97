//! Routes.

use hashbrown::HashSet;
use ipnet::Ipv4Net;
use vnet::{Control, VnetRef};

use super::Stack;
use super::vnet_state::{publish_forwarding, with_inet};
use crate::inet::control::InetControl;
use crate::net::route::{RouteChange, RouteError, RouteTarget};

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

    /// Changes routes, all or none, and tells clients that follow events.
    pub(super) fn change_routes(
        &mut self,
        vnet: &VnetRef,
        changes: &[RouteChange<Ipv4Net>],
    ) -> Result<(), RouteError> {
        if change_routes(&mut self.control, vnet, changes)? {
            self.events.emit_routes(vnet, changes);
        }
        Ok(())
    }

    /// The prefixes of at most `limit` routes that did not come with an address.
    #[must_use]
    pub fn added_routes(&self, vnet: &VnetRef, limit: usize) -> Vec<Ipv4Net> {
        self.with_inet(vnet, |inet| {
            let added = inet.rib().iter().filter(|(_, route)| !route.flags.is_of_address());
            added.map(|(prefix, _)| prefix).take(limit).collect()
        })
        .unwrap_or_default()
    }
}

/// Changes routes in the order that loses no packet: new hops are published, and every worker has taken them up, before
/// the FIB points to them; ids of hops that are no longer used rest until every worker has let go of them. False for a
/// vnet that is being destroyed.
fn change_routes(
    control: &mut Control,
    vnet: &VnetRef,
    changes: &[RouteChange<Ipv4Net>],
) -> Result<bool, RouteError> {
    let prepared = with_inet(control, vnet, |inet| inet.routes.prepare(changes));
    let Some(prepared) = prepared.transpose()? else { return Ok(false) };
    if prepared.has_new_hops {
        publish_forwarding(control, vnet);
        control.synchronize();
    }
    let applied = with_inet(control, vnet, |inet| {
        let replaced = inet.routes.apply(prepared);
        (replaced, inet.routes.seal_freed(), inet.routes.hops().has_resting())
    });
    let Some((replaced, freed, resting)) = applied else { return Ok(false) };
    if let Some(freed) = freed {
        control.retire(freed);
    }
    if replaced {
        publish_forwarding(control, vnet);
    }
    if resting {
        control.synchronize();
        let _there = with_inet(control, vnet, |inet| inet.routes.reuse_rested());
    }
    Ok(true)
}
