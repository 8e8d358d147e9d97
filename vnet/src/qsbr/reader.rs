//! A thread's licence to look at shared state.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::Shared;
use super::domain::OFFLINE;
use crate::sync::{Ordering, fence};

/// The domain of a reader that is offline: no domain has this number, and nothing belongs to it.
const ABSENT: u32 = u32::MAX;

/// A thread's licence to look at shared state; what is loaded through it borrows it.
///
/// A reader stays on the thread that made it (neither `Send` nor `Sync`). It begins online; grace periods wait for
/// online readers to call [`quiescent`](Self::quiescent), so a worker calls it once in each iteration. Dropping the
/// reader gives its slot back.
///
/// Nothing that was loaded can be kept across a quiescent state:
///
/// ```compile_fail,E0502
/// fn keeps(reader: &mut vnet::Reader, cell: &vnet::Published<u32>) {
///     let value = cell.load(reader);
///     reader.quiescent();
///     println!("{value:?}");
/// }
/// ```
///
/// nor can a reader leave its thread:
///
/// ```compile_fail,E0277
/// fn leaves(reader: vnet::Reader) {
///     let _thread = std::thread::spawn(move || drop(reader));
/// }
/// ```
pub struct Reader {
    shared: Arc<Shared>,
    slot: usize,
    domain: u32,
    /// The domain while the reader is online, that is, while grace periods wait for it (for the control's own reader they
    /// never do); [`ABSENT`] while it is not. So one comparison with the owner of what is read says both: it is of
    /// this reader's domain, and the reader is online.
    present: Cell<u32>,
    /// This reader's curvnet; the thread-local one is a cache of it.
    #[cfg(not(loom))]
    pub(crate) curvnet: crate::curvnet::Current,
    on_its_thread: PhantomData<*const ()>,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, slot: usize) -> Self {
        let domain = shared.id();
        let reader = Self {
            shared,
            slot,
            domain,
            present: Cell::new(ABSENT),
            #[cfg(not(loom))]
            curvnet: crate::curvnet::Current::new(),
            on_its_thread: PhantomData,
        };
        reader.go_online();
        reader
    }

    /// The index of this reader's own state in a [`PerWorker`](crate::PerWorker): workers count from 0, and the
    /// control has the number of workers.
    #[inline(always)]
    #[must_use]
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// The number of the domain whose grace periods wait for this reader.
    #[inline(always)]
    pub(crate) fn domain(&self) -> u32 {
        self.domain
    }

    /// Reports that this thread holds nothing it has loaded, and leaves curvnet empty.
    ///
    /// # Panics
    ///
    /// In debug builds, if curvnet is still set: a guard was forgotten.
    #[inline]
    pub fn quiescent(&mut self) {
        self.leave_vnet();
        if self.is_online() {
            self.report();
        }
    }

    /// Tells grace periods not to wait for this reader until it is [`online`](Self::online) again: for a thread that
    /// sleeps or blocks. The first load afterwards goes online by itself.
    ///
    /// # Panics
    ///
    /// In debug builds, if curvnet is still set: a guard was forgotten.
    pub fn offline(&mut self) {
        self.leave_vnet();
        self.go_offline();
    }

    /// Ends [`offline`](Self::offline).
    pub fn online(&mut self) {
        self.ensure_online();
    }

    /// Must come before every load of shared state, unless [`is_present`](Self::is_present) said that it is so.
    #[inline(always)]
    pub(crate) fn ensure_online(&self) {
        if !self.is_online() {
            self.go_online();
        }
    }

    #[inline(always)]
    fn is_online(&self) -> bool {
        self.present.get() != ABSENT
    }

    /// Whether the reader is online and of this domain.
    #[inline(always)]
    pub(crate) fn is_present(&self, domain: u32) -> bool {
        self.present.get() == domain
    }

    fn go_offline(&self) {
        self.present.set(ABSENT);
        if let Some(slot) = self.shared.slots.get(self.slot) {
            // Release: what this thread read comes before the control's discovery that it is offline.
            slot.seen.store(OFFLINE, Ordering::Release);
        }
    }

    #[cold]
    fn go_online(&self) {
        self.present.set(self.domain);
        if let Some(slot) = self.shared.slots.get(self.slot) {
            let token = self.shared.token.load(Ordering::Acquire);
            // Release: the control may find this token and never have seen the reader offline.
            slot.seen.store(token, Ordering::Release);
            // With the fence in `Control::grace`: either the control sees this reader online and waits, or this
            // reader sees everything that was unpublished before the grace period began.
            fence(Ordering::SeqCst);
        }
    }

    #[inline]
    fn report(&self) {
        if let Some(slot) = self.shared.slots.get(self.slot) {
            // Acquire: what was unpublished before this token is not seen after it.
            let token = self.shared.token.load(Ordering::Acquire);
            if slot.seen.load(Ordering::Relaxed) != token {
                // Release: what this thread read before comes before the control's frees.
                slot.seen.store(token, Ordering::Release);
            }
        }
    }

    #[cfg(not(loom))]
    #[inline]
    pub(super) fn leave_vnet(&mut self) {
        crate::curvnet::leave(self);
    }

    #[cfg(loom)]
    pub(super) fn leave_vnet(&mut self) {}
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.go_offline();
        match self.shared.slots.get(self.slot) {
            Some(slot) => slot.taken.store(false, Ordering::Release),
            None => self.shared.control_taken.store(false, Ordering::Release),
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("slot", &self.slot)
            .field("online", &self.is_online())
            .finish_non_exhaustive()
    }
}
