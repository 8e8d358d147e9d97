//! A packet needs a neighbour whose MAC address the worker did not know.

use super::entry::Entry;
use super::eviction::Worth;
use super::hold::HoldQueue;
use super::{
    Actions, NeighborAction, NeighborKey, NeighborState, NeighborTable, Resolution, Source,
};
use crate::time::Nanos;

impl<A: Copy + Ord, P> NeighborTable<A, P> {
    /// Has `packet` wait for the neighbour, and asks for one that is not in the table yet. Without a `source` there is no
    /// address of ours to ask from: then a neighbour that is not in the table is out of reach.
    pub fn resolve<R: Resolution<Addr = A>>(
        &mut self,
        now: Nanos,
        key: NeighborKey<A>,
        source: Option<Source<A>>,
        packet: P,
        rules: &R,
        actions: &mut Actions<R, P>,
    ) {
        self.need(key);
        let limits = rules.limits();
        if let Some(entry) = self.entries.get_mut(&key) {
            return match entry.state {
                NeighborState::Incomplete { .. } => {
                    entry.hold.push(packet, limits.max_hold, actions);
                }
                NeighborState::Failed => actions.push(NeighborAction::Unreachable(packet)),
                // The answer came while the packet was on its way here.
                NeighborState::Reachable(_)
                | NeighborState::Probing { .. }
                | NeighborState::Static(_) => actions.push(NeighborAction::Release(packet)),
            };
        }
        let Some(source) = source else {
            return actions.push(NeighborAction::Unreachable(packet));
        };
        if !self.has_room(limits.max_neighbors, Worth::Incomplete, actions) {
            return actions.push(NeighborAction::TableFull(packet));
        }
        let state = NeighborState::Incomplete { tries: 1 };
        let hold = HoldQueue::new();
        let mut entry = Entry { state, since: now, unasked: None, source, hold, deadline: None };
        actions.extend(entry.enter(now, key, state, rules));
        entry.hold.push(packet, limits.max_hold, actions);
        let _none = self.insert(key, entry);
        actions.push(NeighborAction::Changed);
    }
}
