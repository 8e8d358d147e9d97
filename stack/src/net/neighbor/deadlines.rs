//! When an entry's time in its state is over.

use super::{Actions, NeighborAction, NeighborKey, NeighborTable, Resolution};
use crate::time::Nanos;

impl<A: Copy + Ord, P> NeighborTable<A, P> {
    /// When [`Self::tick`] next has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// The deadline of one neighbour; none for a static one.
    #[must_use]
    pub fn deadline(&self, key: NeighborKey<A>) -> Option<Nanos> {
        self.entries.get(&key)?.deadline
    }

    /// When the entry of one neighbour will be gone if nothing is heard of it any more; none for a static one.
    #[must_use]
    pub fn expiry<R: Resolution<Addr = A>>(&self, key: NeighborKey<A>, rules: &R) -> Option<Nanos> {
        let entry = self.entries.get(&key)?;
        let (mut end, mut state) = (entry.deadline?, entry.state);
        let limits = rules.limits();
        // An entry is asked for, fails, is known and is asked again: it has no more states to go through.
        for _ in 0..=limits.max_solicits + limits.max_probes + 2 {
            let Some(next) = rules.next_state(state) else { break };
            end = end + rules.lifetime(next)?;
            state = next;
        }
        Some(end)
    }

    /// Runs what is due at `now`.
    pub fn tick<R: Resolution<Addr = A>>(
        &mut self,
        now: Nanos,
        rules: &R,
        actions: &mut Actions<R, P>,
    ) {
        while let Some(&(deadline, key)) = self.deadlines.first() {
            if deadline > now {
                break;
            }
            let _first = self.deadlines.pop_first();
            self.expire(now, key, rules, actions);
        }
    }

    /// The entry enters the state that follows, or goes.
    fn expire<R: Resolution<Addr = A>>(
        &mut self,
        now: Nanos,
        key: NeighborKey<A>,
        rules: &R,
        actions: &mut Actions<R, P>,
    ) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let (old, rank) = (entry.state, entry.rank(key));
        let Some(state) = rules.next_state(old) else {
            if old.is_asking() {
                actions.push(NeighborAction::TimedOut(key));
            }
            let _was_there = self.remove(key, actions);
            return;
        };
        actions.extend(entry.enter(now, key, state, rules));
        if old.is_asking() && !state.is_asking() {
            entry.hold.refuse(actions);
            actions.push(NeighborAction::TimedOut(key));
        }
        let deadline = entry.deadline;
        self.expendable.rerank(rank, entry.rank(key));
        self.rearm(key, None, deadline);
    }

    /// Replaces an entry's deadline.
    pub(super) fn rearm(
        &mut self,
        key: NeighborKey<A>,
        before: Option<Nanos>,
        deadline: Option<Nanos>,
    ) {
        if before != deadline {
            let _was_armed = before.is_some_and(|before| self.deadlines.remove(&(before, key)));
            self.deadlines.extend(deadline.map(|deadline| (deadline, key)));
        }
    }
}
