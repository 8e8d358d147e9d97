//! Who may use which words of a FIB's arena.
//!
//! Control side. Words that were freed are handed out again only after a grace period: a reader may
//! have loaded the entry that led to them just before it was switched.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::fib::words::{Extent, class_words};

/// Stands for one grace period; dropping it says that the period has passed.
///
/// Made by [`FibControl::seal`](super::FibControl::seal). Hand it to whatever runs grace periods, as
/// garbage: `vnet::Control::retire(Box::new(token))` drops it once every worker has been quiescent. A
/// token that is never dropped costs memory (until the FIB is next laid out afresh), nothing else; one
/// that is dropped too early makes readers search ranges that are being overwritten.
#[derive(Debug)]
#[must_use = "dropped at once, it says that no reader still looks at what was freed"]
pub struct GraceToken(Arc<AtomicBool>);

impl Drop for GraceToken {
    fn drop(&mut self) {
        // Release/Acquire: what readers did before the period ended stays before the reuse.
        self.0.store(true, Ordering::Release);
    }
}

/// Extents that were freed before the same grace period.
#[derive(Debug)]
struct Batch {
    passed: Arc<AtomicBool>,
    extents: Vec<Extent>,
}

/// The allocator of one arena: free lists by size class above a line below which all is handed out.
#[derive(Debug, Default)]
pub(super) struct Extents {
    /// Words in the arena.
    capacity: usize,
    /// Words from here on were never handed out.
    line: usize,
    /// Words in use by the current table.
    live: usize,
    /// Bases of extents that may be handed out, by size class.
    free: Vec<Vec<u32>>,
    /// Freed since the last [`Extents::seal`].
    open: Vec<Extent>,
    /// Freed and waiting for their grace period, the oldest first.
    waiting: VecDeque<Batch>,
}

impl Extents {
    /// All of an arena of `capacity` words is free.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, ..Self::default() }
    }

    /// Words in the arena.
    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Words in use by the current table.
    pub(super) const fn live(&self) -> usize {
        self.live
    }

    /// Heap bytes of the allocator itself.
    pub(super) fn memory_bytes(&self) -> usize {
        let bases: usize = self.free.iter().map(|bases| bases.capacity() * size_of::<u32>()).sum();
        let batches: usize = self.waiting.iter().map(|batch| batch.extents.capacity()).sum();
        bases
            + self.free.capacity() * size_of::<Vec<u32>>()
            + (batches + self.open.capacity()) * size_of::<Extent>()
            + self.waiting.capacity() * size_of::<Batch>()
    }

    /// An extent of size class `class`, or `None` if there is none: then the arena must be laid out afresh.
    pub(super) fn alloc(&mut self, class: u8) -> Option<Extent> {
        self.collect();
        let words = class_words(class);
        let reused = self.free.get_mut(usize::from(class)).and_then(Vec::pop);
        let base = match reused {
            Some(base) => base,
            None if words <= self.capacity - self.line => {
                let base = u32::try_from(self.line).ok()?;
                self.line += words;
                base
            }
            None => return None,
        };
        self.live += words;
        Some(Extent { base, class })
    }

    /// Takes back an extent that no entry refers to any more, but a reader may still look at.
    pub(super) fn free(&mut self, extent: Extent) {
        self.live -= extent.words();
        self.open.push(extent);
    }

    /// Ends a batch; `None` if nothing was freed.
    pub(super) fn seal(&mut self) -> Option<GraceToken> {
        if self.open.is_empty() {
            return None;
        }
        let passed = Arc::new(AtomicBool::new(false));
        let extents = std::mem::take(&mut self.open);
        self.waiting.push_back(Batch { passed: Arc::clone(&passed), extents });
        Some(GraceToken(passed))
    }

    /// Puts the batches whose grace period has passed on the free lists.
    fn collect(&mut self) {
        while self.waiting.front().is_some_and(|batch| batch.passed.load(Ordering::Acquire)) {
            for extent in self.waiting.pop_front().into_iter().flat_map(|batch| batch.extents) {
                let class = usize::from(extent.class);
                if self.free.len() <= class {
                    self.free.resize_with(class + 1, Vec::new);
                }
                self.free[class].push(extent.base);
            }
        }
    }
}
