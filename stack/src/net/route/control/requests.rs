//! From what is asked for to changes of the table.

use super::{Hop, RouteChange, RouteError, RouteTable, RouteTarget};
use crate::net::route::RouteFlags;
use crate::net::{Family, IfSlot, IpPrefix};

/// Changes, in the order that they are made in.
type Changes<F> = Vec<RouteChange<<F as Family>::Prefix>>;

impl<F: Family> RouteTable<F> {
    /// The changes that add these routes; `hop_for` says what a target means in the vnet.
    ///
    /// # Errors
    /// Those of `hop_for`.
    pub fn additions(
        &self,
        routes: impl IntoIterator<Item = (F::Prefix, RouteTarget)>,
        hop_for: impl Fn(&RouteTarget) -> Result<(Hop, RouteFlags), RouteError>,
    ) -> Result<Changes<F>, RouteError> {
        let mut last: Option<(RouteTarget, _)> = None;
        let routes = routes.into_iter().map(|(prefix, target)| {
            // Long lists repeat their targets: a table of a million routes has a few neighbours.
            let (hop, flags) = match &last {
                Some((same, hop)) if *same == target => Clone::clone(hop),
                _ => hop_for(&target)?,
            };
            last = Some((target, (hop.clone(), flags)));
            Ok(RouteChange::Add { prefix: prefix.masked(), hop, flags })
        });
        routes.collect()
    }

    /// The changes that delete these routes.
    ///
    /// # Errors
    /// A prefix has no route, or one that belongs to an address.
    pub fn deletions(
        &self,
        prefixes: impl IntoIterator<Item = F::Prefix>,
    ) -> Result<Changes<F>, RouteError> {
        let delete = |prefix: F::Prefix| {
            let prefix = prefix.masked();
            let route = self.rib().get(prefix).ok_or(RouteError::Missing(prefix.into()))?;
            if route.flags.is_of_address() {
                return Err(RouteError::Pinned(prefix.into()));
            }
            Ok(RouteChange::Delete { prefix })
        };
        prefixes.into_iter().map(delete).collect()
    }

    /// The changes after which prefixes lead where they shall, or nowhere.
    ///
    /// # Errors
    /// Those of `hop_for`, and a prefix whose route belongs to an address.
    pub fn replacements(
        &self,
        routes: impl IntoIterator<Item = (F::Prefix, Option<RouteTarget>)>,
        hop_for: impl Fn(&RouteTarget) -> Result<(Hop, RouteFlags), RouteError>,
    ) -> Result<Changes<F>, RouteError> {
        let mut changes = Vec::new();
        for (prefix, target) in routes {
            let prefix = prefix.masked();
            let old = self.rib().get(prefix);
            if old.is_some_and(|route| route.flags.is_of_address()) {
                return Err(RouteError::Pinned(prefix.into()));
            }
            if old.is_some() || target.is_none() {
                changes.push(RouteChange::Delete { prefix });
            }
            if let Some(target) = target {
                let (hop, flags) = hop_for(&target)?;
                changes.push(RouteChange::Add { prefix, hop, flags });
            }
        }
        Ok(changes)
    }

    /// The changes after which no route leads through an interface. Routes that also have gateways elsewhere keep these,
    /// as they are: the network of one may have lost its address since.
    #[must_use]
    pub fn changes_without(&self, slot: IfSlot) -> Changes<F> {
        let mut changes = Vec::new();
        // Most interfaces have no such routes: the hops, which are few, say so without a walk over all routes.
        if !self.hops().iter().flatten().any(|hop| hop.leads_through(slot)) {
            return changes;
        }
        for (prefix, route) in self.rib().iter() {
            let hop = self.hops().get(route.nexthop).filter(|hop| hop.leads_through(slot));
            let Some(hop) = hop else { continue };
            changes.push(RouteChange::Delete { prefix });
            if let Some(hop) = hop.clone().without(slot) {
                changes.push(RouteChange::Add { prefix, hop, flags: route.flags });
            }
        }
        changes
    }
}
