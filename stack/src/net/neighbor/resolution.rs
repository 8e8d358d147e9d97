//! The part of a neighbour table that its family supplies.

use std::time::Duration;

use super::{NeighborAction, NeighborKey, NeighborState, Source};
use crate::wire::MacAddr;

/// How a family resolves its addresses, with the values that the sysctls of a vnet give.
pub trait Resolution {
    /// An address of the family.
    type Addr: Copy + Ord;
    /// A message of the family, to be made a packet of.
    type Message;

    /// The bounds of the table and the timings of its entries.
    fn limits(&self) -> NeighborLimits;

    /// The message that asks for a neighbour, and its link-layer destination: the MAC address that is `known`, or else the
    /// group of all hosts that may have the address.
    fn solicitation(
        key: NeighborKey<Self::Addr>,
        source: Source<Self::Addr>,
        known: Option<MacAddr>,
    ) -> (MacAddr, Self::Message);

    /// How long an entry stays in `state`, more than no time; none for one that stays until it is removed.
    fn lifetime(&self, state: NeighborState) -> Option<Duration> {
        state.lifetime(&self.limits())
    }

    /// The state that follows when that time is over, with the same MAC address; none when the entry goes. The table sends a
    /// solicitation whenever an entry enters a state that asks.
    fn next_state(&self, state: NeighborState) -> Option<NeighborState> {
        state.next(&self.limits())
    }
}

/// Where the actions of the table of a family go.
pub type Actions<R, P> =
    Vec<NeighborAction<<R as Resolution>::Addr, <R as Resolution>::Message, P>>;

/// The bounds of a table and the timings of its entries.
#[derive(Clone, Copy, Debug)]
pub struct NeighborLimits {
    /// Between two solicitations of one address (RFC 4861: RetransTimer).
    pub retransmit: Duration,
    /// Solicitations of an address that is not known (RFC 4861: MAX_MULTICAST_SOLICIT).
    pub max_solicits: u32,
    /// Solicitations of a neighbour whose MAC address is known (RFC 4861: MAX_UNICAST_SOLICIT).
    pub max_probes: u32,
    /// How long a neighbour is not asked again after it was heard of (RFC 4861: ReachableTime).
    pub reachable: Duration,
    /// How long an address that did not answer is left alone.
    pub down: Duration,
    /// Packets that wait for one neighbour.
    pub max_hold: usize,
    /// Entries of the table.
    pub max_neighbors: usize,
}
