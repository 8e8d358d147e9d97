//! The actions that address resolution asks for, and its reports.

use super::{NeighborKey, NeighborState};
use crate::net::IfSlot;
use crate::wire::MacAddr;

/// An action that address resolution asks for. `M` is a message of the family.
#[derive(Debug, PartialEq)]
pub enum NeighborAction<A, M, P> {
    /// Send this packet on `slot` to `dst`.
    Send {
        /// The interface.
        slot: IfSlot,
        /// Link-layer destination.
        dst: MacAddr,
        /// The packet.
        packet: M,
    },
    /// The address is known: route the packet again.
    Release(P),
    /// The neighbour does not answer: refuse the packet.
    Unreachable(P),
    /// The hold queue was full: drop the packet.
    HoldFull(P),
    /// The table is full: drop the packet.
    TableFull(P),
    /// Adjacencies changed.
    Changed,
    /// A neighbour did not answer its last solicitation.
    TimedOut(NeighborKey<A>),
    /// Another host uses our address. The family finds this out; the table knows no address of ours.
    Duplicate {
        /// The interface and our address.
        key: NeighborKey<A>,
        /// The host that uses it.
        mac: MacAddr,
    },
    /// A neighbour has a new MAC address, or a host claims the address of a static one.
    Moved {
        /// The neighbour.
        key: NeighborKey<A>,
        /// The address known so far.
        from: MacAddr,
        /// The one it claims now.
        to: MacAddr,
    },
}

/// A neighbour that is known since, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighborNews<A> {
    /// The neighbour.
    pub key: NeighborKey<A>,
    /// Its state, with a MAC address that is new; none when the one that was known is known no more.
    pub state: Option<NeighborState>,
}
