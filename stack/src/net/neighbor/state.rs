//! The states of a neighbour, and their order in time.

use std::time::Duration;

use super::NeighborLimits;
use crate::wire::MacAddr;

/// The state of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighborState {
    /// Asked `tries` times, no answer yet.
    Incomplete {
        /// Solicitations sent.
        tries: u32,
    },
    /// Known.
    Reachable(MacAddr),
    /// Known, about to expire, asked again `tries` times.
    Probing {
        /// The address known so far.
        mac: MacAddr,
        /// Solicitations sent.
        tries: u32,
    },
    /// Set by the operator; never changes, never expires.
    Static(MacAddr),
    /// Did not answer; left alone for a while.
    Failed,
}

impl NeighborState {
    /// The MAC address to send to, if there is one.
    #[must_use]
    pub fn mac(self) -> Option<MacAddr> {
        match self {
            NeighborState::Reachable(mac)
            | NeighborState::Probing { mac, .. }
            | NeighborState::Static(mac) => Some(mac),
            NeighborState::Incomplete { .. } | NeighborState::Failed => None,
        }
    }

    /// Whether the operator set it.
    #[must_use]
    pub fn is_static(self) -> bool {
        matches!(self, NeighborState::Static(_))
    }

    /// Whether the neighbour has been asked and has not answered yet.
    #[must_use]
    pub fn is_asking(self) -> bool {
        matches!(self, NeighborState::Incomplete { .. } | NeighborState::Probing { .. })
    }

    /// How long an entry stays in this state; none for one that never expires.
    #[must_use]
    pub fn lifetime(self, limits: &NeighborLimits) -> Option<Duration> {
        match self {
            NeighborState::Incomplete { .. } | NeighborState::Probing { .. } => {
                Some(limits.retransmit)
            }
            NeighborState::Reachable(_) => Some(limits.reachable),
            NeighborState::Failed => Some(limits.down),
            NeighborState::Static(_) => None,
        }
    }

    /// The state that follows when that time passed without an answer; none when the entry goes.
    #[must_use]
    pub fn next(self, limits: &NeighborLimits) -> Option<Self> {
        match self {
            NeighborState::Incomplete { tries } if tries < limits.max_solicits => {
                Some(NeighborState::Incomplete { tries: tries + 1 })
            }
            NeighborState::Incomplete { .. } => Some(NeighborState::Failed),
            // RFC 1122 2.3.2.1 (2), RFC 4861 7.3.3: ask the neighbour itself while its entry still serves.
            NeighborState::Reachable(mac) => Some(NeighborState::Probing { mac, tries: 1 }),
            NeighborState::Probing { mac, tries } if tries < limits.max_probes => {
                Some(NeighborState::Probing { mac, tries: tries + 1 })
            }
            NeighborState::Probing { .. } | NeighborState::Failed => None,
            NeighborState::Static(mac) => Some(NeighborState::Static(mac)),
        }
    }
}
