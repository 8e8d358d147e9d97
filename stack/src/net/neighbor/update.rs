//! A neighbour told its MAC address.

use super::entry::Entry;
use super::eviction::Worth;
use super::hold::HoldQueue;
use super::{
    Actions, NeighborAction, NeighborKey, NeighborState, NeighborTable, Resolution, Source,
};
use crate::net::route::UseMark;
use crate::time::Nanos;
use crate::wire::MacAddr;

/// The contents of a neighbour's message about itself.
#[derive(Clone, Copy, Debug)]
pub struct NeighborUpdate<A> {
    /// The neighbour.
    pub key: NeighborKey<A>,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Our addresses that it will be asked from.
    pub source: Source<A>,
    /// Whether the message makes an entry where there is none. Such an entry has a [`UseMark`], and only replaces one that
    /// has failed: a neighbour that we need is asked for again, so leaving it out loses nothing.
    pub may_create: bool,
}

impl<A: Copy + Ord, P> NeighborTable<A, P> {
    /// The neighbour is reachable from now on; packets that waited for it are released. A static entry stays as it is.
    pub fn update<R: Resolution<Addr = A>>(
        &mut self,
        now: Nanos,
        update: NeighborUpdate<A>,
        rules: &R,
        actions: &mut Actions<R, P>,
    ) {
        let NeighborUpdate { key, mac, source, may_create } = update;
        let old = self.entries.get(&key);
        let known = old.map(|entry| entry.state);
        let (since, unasked) = old.map_or_else(
            || (now, Some(UseMark::default())),
            |old| (old.since, old.unasked.clone()),
        );
        let before = known.and_then(NeighborState::mac);
        if let Some(from) = before.filter(|from| *from != mac) {
            actions.push(NeighborAction::Moved { key, from, to: mac });
        }
        let is_welcome = match known {
            Some(state) => !state.is_static(),
            None => {
                may_create && self.has_room(rules.limits().max_neighbors, Worth::Failed, actions)
            }
        };
        if !is_welcome {
            return;
        }
        let state = NeighborState::Reachable(mac);
        let hold = HoldQueue::new();
        let mut entry = Entry { state, since, unasked, source, hold, deadline: None };
        actions.extend(entry.enter(now, key, state, rules));
        if let Some(mut old) = self.insert(key, entry) {
            old.hold.release(actions);
        }
        if before != Some(mac) {
            actions.push(NeighborAction::Changed);
        }
    }
}
