//! Packets that wait for a neighbour's MAC address.

use std::collections::VecDeque;

use super::NeighborAction;

/// The packets that wait for one neighbour, the oldest first.
pub(super) struct HoldQueue<P>(VecDeque<P>);

impl<P> HoldQueue<P> {
    pub(super) fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// One more packet waits. FreeBSD drops the oldest of a full hold queue: a retransmitting peer still waits for the
    /// answer to the newest.
    pub(super) fn push<A, M>(
        &mut self,
        packet: P,
        max_hold: usize,
        actions: &mut Vec<NeighborAction<A, M, P>>,
    ) {
        self.0.push_back(packet);
        while self.0.len() > max_hold {
            actions.extend(self.0.pop_front().map(NeighborAction::HoldFull));
        }
    }

    /// The address is known: the packets go on.
    pub(super) fn release<A, M>(&mut self, actions: &mut Vec<NeighborAction<A, M, P>>) {
        actions.extend(self.drain().map(NeighborAction::Release));
    }

    /// The neighbour does not answer, or its entry is gone.
    pub(super) fn refuse<A, M>(&mut self, actions: &mut Vec<NeighborAction<A, M, P>>) {
        actions.extend(self.drain().map(NeighborAction::Unreachable));
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = P> + '_ {
        self.0.drain(..)
    }
}
