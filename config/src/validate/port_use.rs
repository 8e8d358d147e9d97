//! The use of ports: the packets of a port, or of one VLAN of it, go to one interface of all vnets.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::epairs::Epairs;
use crate::diagnostic::Span;
use crate::model::VlanId;
use crate::raw;

/// The ports and epairs that interfaces use, over all vnets.
#[derive(Debug, Default)]
pub(super) struct PortUse {
    /// The ends of each epair.
    pub(super) epairs: Epairs,
    /// Ports that any interface names.
    used: BTreeSet<String>,
    /// The interface that takes the packets of a port, or of one of its VLANs.
    claims: BTreeMap<(String, Option<VlanId>), Claim>,
}

/// The interface that takes some packets.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    /// `em0 of vnet red`.
    pub(super) holder: String,
    /// Where it says so.
    pub(super) span: Span,
}

impl PortUse {
    /// With the epairs of these vnets.
    pub(super) fn of(vnets: &[raw::Vnet]) -> Self {
        Self { epairs: Epairs::of(vnets), ..Self::default() }
    }

    /// Whether any interface names the port.
    pub(super) fn contains(&self, port: &str) -> bool {
        self.used.contains(port)
    }

    /// Notes that an interface names the port.
    pub(super) fn mark(&mut self, port: &str) {
        let _ = self.used.insert(port.to_owned());
    }

    /// Gives the packets to an interface; hands back the one that has taken them before.
    pub(super) fn claim(
        &mut self,
        port: &str,
        vlan: Option<VlanId>,
        claim: Claim,
    ) -> Option<Claim> {
        match self.claims.entry((port.to_owned(), vlan)) {
            Entry::Occupied(first) => Some(first.get().clone()),
            Entry::Vacant(free) => {
                let _ = free.insert(claim);
                None
            }
        }
    }
}
