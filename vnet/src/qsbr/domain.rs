//! The state that the readers and the control of one process share: the token and a slot for each reader.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam::utils::CachePadded;

use super::{Control, Reader};
use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// Why a [`Reader`] or the [`Control`] was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QsbrError {
    /// The domain has fewer slots.
    #[error(
        "reader slot {slot} does not exist: the domain has {workers} workers; make the domain with more workers"
    )]
    NoSuchSlot {
        /// The slot that was asked for.
        slot: usize,
        /// How many there are.
        workers: usize,
    },
    /// Somebody holds the slot.
    #[error(
        "reader slot {slot} is taken: drop the reader that holds it first, or take another slot"
    )]
    SlotTaken {
        /// The slot that was asked for.
        slot: usize,
    },
    /// Somebody holds the control.
    #[error("the control of this domain is taken: there is one, and the control thread owns it")]
    ControlTaken,
}

/// A group of readers and the one control that waits for them. Clones are handles to the same group.
#[derive(Clone)]
pub struct Domain(Arc<Shared>);

/// A slot's state while its reader is offline or absent; tokens are larger.
pub(super) const OFFLINE: u64 = 0;

/// One reader's last report, and whether somebody owns the slot.
pub(super) struct Slot {
    /// The token that the reader saw last, or [`OFFLINE`].
    pub(super) seen: AtomicU64,
    /// Somebody holds a [`Reader`] for the slot.
    pub(super) taken: AtomicBool,
}

/// The state behind a [`Domain`], kept alive by every reader and by the control.
pub(crate) struct Shared {
    /// Process-wide number, never used twice; not 0.
    id: u32,
    /// Grace periods that have begun, plus one.
    pub(super) token: CachePadded<AtomicU64>,
    pub(super) slots: Box<[CachePadded<Slot>]>,
    pub(super) control_taken: AtomicBool,
    /// Garbage of a control that is gone. No reader is left when this is dropped.
    orphans: Mutex<Vec<Box<dyn Send>>>,
}

impl Domain {
    /// A domain for `workers` worker threads.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let slot = || {
            CachePadded::new(Slot { seen: AtomicU64::new(OFFLINE), taken: AtomicBool::new(false) })
        };
        Self(Arc::new(Shared {
            id: next_id(),
            token: CachePadded::new(AtomicU64::new(1)),
            slots: (0..workers).map(|_| slot()).collect(),
            control_taken: AtomicBool::new(false),
            orphans: Mutex::new(Vec::new()),
        }))
    }

    /// How many workers the domain has.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.0.slots.len()
    }

    /// The reader of `slot`, online, for the calling thread.
    ///
    /// # Errors
    ///
    /// The slot does not exist, or somebody holds its reader.
    pub fn reader(&self, slot: usize) -> Result<Reader, QsbrError> {
        let entry = self
            .0
            .slots
            .get(slot)
            .ok_or(QsbrError::NoSuchSlot { slot, workers: self.workers() })?;
        if entry.taken.swap(true, Ordering::Acquire) {
            return Err(QsbrError::SlotTaken { slot });
        }
        Ok(Reader::new(Arc::clone(&self.0), slot))
    }

    /// The control of the domain, for the calling thread. There is one at a time.
    ///
    /// # Errors
    ///
    /// Somebody holds it.
    pub fn control(&self) -> Result<Control, QsbrError> {
        if self.0.control_taken.swap(true, Ordering::Acquire) {
            return Err(QsbrError::ControlTaken);
        }
        Ok(Control::new(Arc::clone(&self.0)))
    }
}

impl Shared {
    /// The number that tells this domain from all others of the process.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Keeps `garbage` until no reader and no control of this domain is left.
    pub(crate) fn adopt(&self, garbage: impl IntoIterator<Item = Box<dyn Send>>) {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner).extend(garbage);
    }
}

fn next_id() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |id| id.checked_add(1))
        .expect("a process makes fewer than four billion domains")
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Domain")
            .field("id", &self.0.id)
            .field("workers", &self.workers())
            .finish_non_exhaustive()
    }
}
