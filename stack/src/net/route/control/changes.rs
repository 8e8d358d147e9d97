//! Changes of a routing table, and whether they can be made one after the other.

use hashbrown::HashMap;

use super::{Hop, RouteError};
use crate::net::IpPrefix;
use crate::net::route::{Rib, RouteFlags};

/// One change of the table.
#[derive(Clone, Debug)]
pub enum RouteChange<P> {
    /// A route that is not there yet.
    Add {
        /// Its prefix.
        prefix: P,
        /// Where it leads.
        hop: Hop,
        /// Its kind.
        flags: RouteFlags,
    },
    /// Takes a route out.
    Delete {
        /// Its prefix.
        prefix: P,
    },
}

impl<P: IpPrefix> RouteChange<P> {
    /// The prefix that it changes.
    pub(crate) fn prefix(&self) -> P {
        let (RouteChange::Add { prefix, .. } | RouteChange::Delete { prefix }) = self;
        *prefix
    }

    /// The prefix that it deletes.
    pub(crate) fn deleted(&self) -> Option<P> {
        matches!(self, RouteChange::Delete { .. }).then(|| self.prefix())
    }
}

/// The table after the changes that were looked at so far: a later change of a batch counts on the earlier ones.
pub(super) struct Outlook<'a, P: IpPrefix> {
    rib: &'a Rib<P>,
    /// Prefixes that the batch changes, and whether they have a route then.
    changed: HashMap<P, bool>,
    /// Routes in the table then.
    routes: usize,
}

impl<'a, P: IpPrefix> Outlook<'a, P> {
    pub(super) fn new(rib: &'a Rib<P>, changes: &[RouteChange<P>]) -> Self {
        Self { rib, changed: HashMap::with_capacity(changes.len()), routes: rib.len() }
    }

    fn has(&self, prefix: P) -> bool {
        self.changed.get(&prefix).copied().unwrap_or_else(|| self.rib.get(prefix).is_some())
    }

    pub(super) fn add(&mut self, prefix: P) -> Result<(), RouteError> {
        if self.has(prefix) {
            return Err(RouteError::Exists(prefix.into()));
        }
        self.rib.check_room(self.routes)?;
        self.routes += 1;
        let _before = self.changed.insert(prefix, true);
        Ok(())
    }

    pub(super) fn delete(&mut self, prefix: P) -> Result<(), RouteError> {
        if !self.has(prefix) {
            return Err(RouteError::Missing(prefix.into()));
        }
        self.routes -= 1;
        let _before = self.changed.insert(prefix, false);
        Ok(())
    }
}
