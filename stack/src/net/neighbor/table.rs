//! The table itself: what it holds, and how an entry comes in and goes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::entry::Entry;
use super::eviction::{Expendable, Worth};
use super::hold::HoldQueue;
use super::{
    Actions, NeighborAction, NeighborKey, NeighborNews, NeighborState, Resolution, Source,
};
use crate::net::IfSlot;
use crate::net::route::UseMark;
use crate::time::Nanos;
use crate::wire::MacAddr;

/// The neighbours of one vnet and one address family.
pub struct NeighborTable<A, P> {
    /// In the order in which they are shown, a page at a time.
    pub(super) entries: BTreeMap<NeighborKey<A>, Entry<A, P>>,
    /// The deadline of each entry that has one.
    pub(super) deadlines: BTreeSet<(Nanos, NeighborKey<A>)>,
    pub(super) expendable: Expendable<A>,
    /// The news of neighbours since they were last taken.
    news: Vec<NeighborNews<A>>,
}

impl<A: Copy + Ord, P> Default for NeighborTable<A, P> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            expendable: Expendable::new(),
            news: Vec::new(),
        }
    }
}

impl<A, P> std::fmt::Debug for NeighborTable<A, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NeighborTable")
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

impl<A: Copy + Ord, P> NeighborTable<A, P> {
    /// All neighbours, by interface and address.
    pub fn iter(&self) -> impl Iterator<Item = (NeighborKey<A>, NeighborState)> + '_ {
        self.entries.iter().map(|(key, entry)| (*key, entry.state))
    }

    /// The neighbours behind `after`, likewise.
    pub fn iter_after(
        &self,
        after: NeighborKey<A>,
    ) -> impl Iterator<Item = (NeighborKey<A>, NeighborState)> + '_ {
        let behind = self.entries.range((Bound::Excluded(after), Bound::Unbounded));
        behind.map(|(key, entry)| (*key, entry.state))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The state of one neighbour.
    #[must_use]
    pub fn get(&self, key: NeighborKey<A>) -> Option<NeighborState> {
        self.entries.get(&key).map(|entry| entry.state)
    }

    /// Our addresses that one neighbour is asked from.
    #[must_use]
    pub fn source(&self, key: NeighborKey<A>) -> Option<Source<A>> {
        self.entries.get(&key).map(|entry| entry.source)
    }

    /// The mark that a worker shall set when it sends to this neighbour; none for one that is known to be needed.
    #[must_use]
    pub fn use_mark(&self, key: NeighborKey<A>) -> Option<&UseMark> {
        self.entries.get(&key)?.unasked.as_ref()
    }

    /// How many packets wait for a neighbour.
    #[must_use]
    pub fn held(&self) -> usize {
        let waiting = self.expendable.incomplete();
        waiting.filter_map(|key| Some(self.entries.get(&key)?.hold.len())).sum()
    }

    /// Sets an entry that never changes. Packets that waited for it are released. False when the table is full and all its
    /// entries are in use.
    pub fn set_static<R: Resolution<Addr = A>>(
        &mut self,
        key: NeighborKey<A>,
        mac: MacAddr,
        rules: &R,
        actions: &mut Actions<R, P>,
    ) -> bool {
        if !self.entries.contains_key(&key)
            && !self.has_room(rules.limits().max_neighbors, Worth::Incomplete, actions)
        {
            return false;
        }
        let entry = Entry {
            state: NeighborState::Static(mac),
            since: Nanos(0),
            unasked: None,
            source: Source { mac, addr: key.addr },
            hold: HoldQueue::new(),
            deadline: None,
        };
        if let Some(mut old) = self.insert(key, entry) {
            old.hold.release(actions);
        }
        actions.push(NeighborAction::Changed);
        true
    }

    /// Removes one entry; packets that waited for it are refused. False when there is none.
    pub fn remove<M>(
        &mut self,
        key: NeighborKey<A>,
        actions: &mut Vec<NeighborAction<A, M, P>>,
    ) -> bool {
        let Some(mut entry) = self.entries.remove(&key) else { return false };
        self.expendable.rerank(entry.rank(key), None);
        self.note(key, Some(entry.state), None);
        self.rearm(key, entry.deadline, None);
        entry.hold.refuse(actions);
        actions.push(NeighborAction::Changed);
        true
    }

    /// Removes the neighbours that are selected by themselves or by our addresses that they are asked from; packets that
    /// waited for them are refused. How many there were.
    pub fn remove_all<M>(
        &mut self,
        selected: impl Fn(NeighborKey<A>, Source<A>) -> bool,
        actions: &mut Vec<NeighborAction<A, M, P>>,
    ) -> usize {
        let chosen = self.entries.iter().filter(|(key, entry)| selected(**key, entry.source));
        let keys: Vec<NeighborKey<A>> = chosen.map(|(key, _)| *key).collect();
        keys.into_iter().filter(|key| self.remove(*key, actions)).count()
    }

    /// Removes the neighbours of an interface that are not static; packets that waited for them are refused.
    pub fn flush<M>(&mut self, slot: IfSlot, actions: &mut Vec<NeighborAction<A, M, P>>) {
        let here = self.entries.iter().filter(|(key, _)| key.slot == slot);
        let dynamic = here.filter(|(_, entry)| !entry.state.is_static());
        let keys: Vec<NeighborKey<A>> = dynamic.map(|(key, _)| *key).collect();
        for key in keys {
            let _was_there = self.remove(key, actions);
        }
    }

    /// The news of neighbours since the last call. The caller that changes the table takes them afterwards.
    pub fn take_news(&mut self) -> Vec<NeighborNews<A>> {
        std::mem::take(&mut self.news)
    }

    /// All packets that wait, for a vnet that dies.
    pub fn drain_held(&mut self) -> impl Iterator<Item = P> + '_ {
        self.entries.values_mut().flat_map(|entry| entry.hold.drain())
    }

    /// Puts an entry in and arms its deadline; the one it replaces.
    pub(super) fn insert(
        &mut self,
        key: NeighborKey<A>,
        entry: Entry<A, P>,
    ) -> Option<Entry<A, P>> {
        let (deadline, rank, state) = (entry.deadline, entry.rank(key), entry.state);
        let old = self.entries.insert(key, entry);
        let before = old.as_ref();
        self.note(key, before.map(|old| old.state), Some(state));
        self.expendable.rerank(before.and_then(|old| old.rank(key)), rank);
        self.rearm(key, before.and_then(|old| old.deadline), deadline);
        old
    }

    /// Keeps what became of a neighbour, if its MAC address is not what it was.
    pub(super) fn note(
        &mut self,
        key: NeighborKey<A>,
        old: Option<NeighborState>,
        state: Option<NeighborState>,
    ) {
        let known = |state: Option<NeighborState>| {
            state.and_then(|state| Some((state.mac()?, state.is_static())))
        };
        if known(old) != known(state) {
            let state = state.filter(|state| state.mac().is_some());
            self.news.push(NeighborNews { key, state });
        }
    }
}
