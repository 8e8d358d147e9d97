//! [`Counting`]: the heap, with counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    /// `const` and without a destructor, so that it can be used while a thread begins and ends.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, which counts; for a `#[global_allocator]` or as one of a test's own.
#[derive(Debug)]
pub struct Counting {
    live_bytes: AtomicUsize,
}

impl Counting {
    /// An allocator that has given out nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { live_bytes: AtomicUsize::new(0) }
    }

    /// Allocations of the calling thread so far, from all allocators of this type.
    #[must_use]
    pub fn allocations_of_this_thread() -> u64 {
        ALLOCATIONS.get()
    }

    /// Bytes that are given out and not yet given back, by all threads.
    #[must_use]
    pub fn live_bytes(&self) -> usize {
        self.live_bytes.load(Ordering::Relaxed)
    }
}

impl Default for Counting {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: forwards to the system's allocator, and only counts beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        let _before = self.live_bytes.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller guarantees.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let _before = self.live_bytes.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller guarantees.
        unsafe { System.dealloc(block, layout) }
    }
}
