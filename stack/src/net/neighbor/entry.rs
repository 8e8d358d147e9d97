//! One neighbour of the table.

use super::hold::HoldQueue;
use super::{NeighborAction, NeighborState, Resolution};
use crate::net::IfSlot;
use crate::net::route::UseMark;
use crate::time::Nanos;
use crate::wire::MacAddr;

/// A neighbour: the interface it is on, and its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NeighborKey<A> {
    /// The interface.
    pub slot: IfSlot,
    /// The address.
    pub addr: A,
}

/// Our addresses that a neighbour is asked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<A> {
    /// The interface's MAC address.
    pub mac: MacAddr,
    /// Our address on the neighbour's network.
    pub addr: A,
}

pub(super) struct Entry<A, P> {
    pub(super) state: NeighborState,
    /// When it came into the table.
    pub(super) since: Nanos,
    /// The mark of a neighbour that introduced itself; `None` once something is known to need the neighbour.
    pub(super) unasked: Option<UseMark>,
    pub(super) source: Source<A>,
    /// Empty unless the state is `Incomplete`.
    pub(super) hold: HoldQueue<P>,
    /// When its time in its state is over.
    pub(super) deadline: Option<Nanos>,
}

impl<A: Copy, P> Entry<A, P> {
    /// Enters `state` at `now`; the solicitation that this takes.
    #[must_use]
    pub(super) fn enter<R: Resolution<Addr = A>>(
        &mut self,
        now: Nanos,
        key: NeighborKey<A>,
        state: NeighborState,
        rules: &R,
    ) -> Option<NeighborAction<A, R::Message, P>> {
        self.state = state;
        self.deadline = rules.lifetime(state).map(|lifetime| now + lifetime);
        state.is_asking().then(|| {
            let (dst, packet) = R::solicitation(key, self.source, state.mac());
            NeighborAction::Send { slot: key.slot, dst, packet }
        })
    }
}
