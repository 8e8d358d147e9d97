//! Which entry a full table gives up for another one.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::entry::Entry;
use super::{NeighborAction, NeighborKey, NeighborState, NeighborTable};
use crate::time::Nanos;

/// Entries that are looked at to find one to give up: the work for a packet is bounded.
const EVICTION_LOOKS: usize = 32;

/// The worth of an entry that can be given up for another; the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// Does not answer.
    Failed,
    /// Introduced itself, and nothing was ever sent to it. Any host on the link can fill a table with these.
    Unasked,
    /// May still answer.
    Incomplete,
}

/// The place of an entry in the order of eviction; of equal worth, the oldest is given up first.
pub(super) type Rank<A> = (Worth, Nanos, NeighborKey<A>);

impl<A: Copy, P> Entry<A, P> {
    /// `None` is an entry in use.
    fn worth(&self) -> Option<Worth> {
        match self.state {
            NeighborState::Static(_) => None,
            NeighborState::Failed => Some(Worth::Failed),
            NeighborState::Incomplete { .. } => Some(Worth::Incomplete),
            NeighborState::Reachable(_) | NeighborState::Probing { .. } => {
                self.unasked.is_some().then_some(Worth::Unasked)
            }
        }
    }

    pub(super) fn rank(&self, key: NeighborKey<A>) -> Option<Rank<A>> {
        self.worth().map(|worth| (worth, self.since, key))
    }
}

/// The entries that can be given up, the first one first.
pub(super) struct Expendable<A>(BTreeSet<Rank<A>>);

impl<A: Copy + Ord> Expendable<A> {
    pub(super) fn new() -> Self {
        Self(BTreeSet::new())
    }

    /// Books the rank that an entry has now instead of the one it had before.
    pub(super) fn rerank(&mut self, before: Option<Rank<A>>, after: Option<Rank<A>>) {
        if before != after {
            let _was_there = before.is_some_and(|before| self.0.remove(&before));
            self.0.extend(after);
        }
    }

    /// The neighbours that are asked for and not known yet, which are few at a time.
    pub(super) fn incomplete(&self) -> impl Iterator<Item = NeighborKey<A>> + '_ {
        let last = self.0.iter().rev();
        last.take_while(|(worth, _, _)| *worth == Worth::Incomplete).map(|(_, _, key)| *key)
    }
}

impl<A: Copy + Ord, P> NeighborTable<A, P> {
    /// Whether the table has room for one more entry, perhaps after giving up one that is worth no more than `most`.
    pub(super) fn has_room<M>(
        &mut self,
        max_neighbors: usize,
        most: Worth,
        actions: &mut Vec<NeighborAction<A, M, P>>,
    ) -> bool {
        self.len() < max_neighbors || self.make_room(most, actions)
    }

    /// Gives up an entry that is worth no more than `most`, the least worth first and of those the oldest. False when there
    /// is none: then the table stays as it is.
    fn make_room<M>(&mut self, most: Worth, actions: &mut Vec<NeighborAction<A, M, P>>) -> bool {
        for _ in 0..EVICTION_LOOKS {
            let Some(&(worth, _, key)) = self.expendable.0.first() else { return false };
            if worth > most {
                return false;
            }
            let mark = self.use_mark(key).filter(|_| worth == Worth::Unasked);
            if mark.is_some_and(|mark| mark.load(Ordering::Relaxed)) {
                self.need(key);
            } else {
                return self.remove(key, actions);
            }
        }
        false
    }

    /// The entry, if there is one, is in use from now on.
    pub(super) fn need(&mut self, key: NeighborKey<A>) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let before = entry.rank(key);
        entry.unasked = None;
        self.expendable.rerank(before, entry.rank(key));
    }
}
