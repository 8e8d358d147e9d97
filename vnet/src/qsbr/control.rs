//! The one that replaces shared state and frees it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::domain::OFFLINE;
use super::{Reader, Shared};
use crate::sync::{Ordering, fence, spin_loop, yield_now};
use crate::{Published, PublishedTable};

/// The right to replace shared state; the control thread owns it. One for each [`Domain`](super::Domain).
///
/// Grace periods do not wait for the control's own reader: whatever frees takes the control by `&mut`, which ends all
/// borrows of that reader.
pub struct Control {
    reader: Reader,
    shared: Arc<Shared>,
    /// Retired values, oldest first, and the grace period that each waits for.
    retired: VecDeque<(GraceToken, Box<dyn Send>)>,
    /// The latest grace period that is known to have passed.
    passed: Cell<u64>,
}

/// Names a grace period of one domain; see [`Control::grace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GraceToken {
    domain: u32,
    token: u64,
}

/// Looks at the readers before the waiting thread gives its processor away.
const SPINS: u32 = 64;

impl Control {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let reader = Reader::new(Arc::clone(&shared), shared.slots.len());
        Self { reader, shared, retired: VecDeque::new(), passed: Cell::new(0) }
    }

    /// The reader of the control thread; its slot is the number of workers.
    #[inline]
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// How many slots a [`PerWorker`](crate::PerWorker) needs: the workers and the control.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.shared.slots.len() + 1
    }

    /// Replaces what `cell` holds. Readers see the old or the new, whole; the old is freed after a grace period.
    ///
    /// # Panics
    ///
    /// If another domain publishes through `cell`, whose readers this control does not wait for.
    pub fn publish<T: Send + Sync + 'static>(&mut self, cell: &Published<T>, new: Option<Box<T>>) {
        if let Some(old) = cell.replace(self.shared.id(), new) {
            self.retire(old);
        }
    }

    /// Replaces the value at one place of `table`, or takes it out. Readers see the old or the new; the table's handle to
    /// the old is dropped after a grace period.
    ///
    /// # Panics
    ///
    /// If the table is another domain's, or has no such place for `new`.
    pub fn put<T: Send + Sync + 'static, const CHUNKS: usize, const CHUNK: usize>(
        &mut self,
        table: &PublishedTable<T, CHUNKS, CHUNK>,
        place: usize,
        new: Option<Arc<T>>,
    ) {
        if let Some(old) = table.replace(self.shared.id(), place, new) {
            self.retire(Box::new(old));
        }
    }

    /// Drops `garbage` after a grace period that begins now.
    pub fn retire(&mut self, garbage: Box<dyn Send>) {
        let token = self.grace();
        self.retired.push_back((token, garbage));
    }

    /// Drops what was retired and has passed its grace period, and says how many. Never blocks; the control thread
    /// calls it in each of its ticks.
    pub fn reclaim(&mut self) -> usize {
        let mut freed = 0;
        while let Some(&(token, _)) = self.retired.front() {
            if !self.passed(token) {
                break;
            }
            drop(self.retired.pop_front());
            freed += 1;
        }
        freed
    }

    /// How much retired garbage waits for its grace period.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.retired.len()
    }

    /// Begins a grace period: [`passed`](Self::passed) says when every reader that is online now has reported.
    pub fn grace(&mut self) -> GraceToken {
        // With the fence of a reader that goes online: either we see it online, or it sees what was unpublished.
        fence(Ordering::SeqCst);
        // Release: a reader that reports this token has seen what was unpublished.
        let token = self.shared.token.fetch_add(1, Ordering::AcqRel) + 1;
        GraceToken { domain: self.shared.id(), token }
    }

    /// Whether the grace period has passed; never for a grace period of another domain.
    #[must_use]
    pub fn passed(&self, grace: GraceToken) -> bool {
        if grace.domain != self.shared.id() {
            return false;
        }
        // Once passed, always passed, although a reader may go online with an older token: it then sees what came
        // before the fence of `grace`.
        if grace.token > self.passed.get() && self.all_reported(grace.token) {
            self.passed.set(grace.token);
        }
        grace.token <= self.passed.get()
    }

    fn all_reported(&self, token: u64) -> bool {
        self.shared.slots.iter().all(|slot| {
            // Acquire: what the reader read before its report comes before our frees.
            let seen = slot.seen.load(Ordering::Acquire);
            seen == OFFLINE || seen >= token
        })
    }

    /// Waits until every reader that is online now has reported, then frees what was retired before.
    ///
    /// A thread that also holds an online [`Reader`] would wait for itself, for ever.
    pub fn synchronize(&mut self) {
        let grace = self.grace();
        let mut looks = 0;
        while !self.passed(grace) {
            looks += 1;
            if looks < SPINS {
                spin_loop();
            } else {
                yield_now();
            }
        }
        let _freed = self.reclaim();
    }

    #[cfg(not(loom))]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The control's own quiescent state: after it, no vnet is reachable through the control's curvnet.
    #[cfg(not(loom))]
    pub(crate) fn quiescent(&mut self) {
        crate::curvnet::clear(&self.reader);
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _freed = self.reclaim();
        self.shared.adopt(self.retired.drain(..).map(|(_, garbage)| garbage));
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("slots", &self.slots())
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}
