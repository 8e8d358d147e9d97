//! State that each worker has for itself.

use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use crossbeam::utils::CachePadded;

use crate::Reader;
use crate::attic::Attic;

/// One `T` for each worker and one for the control, each on cache lines of its own. Begins empty; attach allocates.
///
/// A worker writes its own through shared references ([`Counter`](crate::Counter), atomics); anybody reads all.
pub struct PerWorker<T> {
    /// At least `len` slots, once `len` is not 0.
    slots: AtomicPtr<CachePadded<T>>,
    /// Grows, never shrinks.
    len: AtomicUsize,
    owns: PhantomData<Box<[T]>>,
}

// SAFETY: owns values of `T` (Send) and lends them to every thread (Sync).
unsafe impl<T: Send + Sync> Send for PerWorker<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for PerWorker<T> {}

impl<T> PerWorker<T> {
    /// Without slots.
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "an initial value; every use is a block of its own"
    )]
    pub const EMPTY: Self = Self {
        slots: AtomicPtr::new(ptr::null_mut()),
        len: AtomicUsize::new(0),
        owns: PhantomData,
    };

    /// The state of the reader's own slot.
    ///
    /// # Panics
    ///
    /// If the slot was not allocated: the module's attach has to call [`alloc`](Self::alloc) with
    /// [`Control::slots`](crate::Control::slots).
    #[inline(always)]
    #[must_use]
    pub fn get<'a>(&'a self, reader: &'a Reader) -> &'a T {
        // Acquire: a length is stored after its slots.
        let len = self.len.load(Ordering::Acquire);
        if reader.slot() >= len {
            unallocated(reader.slot(), len);
        }
        // SAFETY: the slot is within the length.
        unsafe { self.slot(reader.slot()) }
    }

    /// The state of every slot, the control's last.
    pub fn iter<'a>(
        &'a self,
        _reader: &'a Reader,
    ) -> impl ExactSizeIterator<Item = &'a T> + use<'a, T> {
        let len = self.len.load(Ordering::Acquire);
        // SAFETY: the slot is within the length.
        (0..len).map(|slot| unsafe { self.slot(slot) })
    }

    /// # Safety
    ///
    /// `slot` is below a length that was loaded with Acquire.
    #[inline(always)]
    unsafe fn slot(&self, slot: usize) -> &T {
        let slots = self.slots.load(Ordering::Acquire);
        // SAFETY: whatever the pointer has become since the length was loaded, it has at least as many slots; they
        // are freed when `self` is dropped, or never (the attic).
        unsafe { &*slots.add(slot) }
    }
}

impl<T: Default + Send + Sync + 'static> PerWorker<T> {
    /// Makes sure that there are at least `slots` slots; new ones hold `T::default()`.
    pub fn alloc(&self, slots: usize) {
        if slots > self.len.load(Ordering::Acquire) {
            self.replace(slots);
        }
    }

    /// Begins again with default values.
    pub(crate) fn restart(&self) {
        let len = self.len.load(Ordering::Acquire);
        if len > 0 {
            self.replace(len);
        }
    }

    /// Puts at least `len` new slots in the place of the old ones, which readers may still look at.
    fn replace(&self, len: usize) {
        loop {
            // Made before the lock is taken: what `T::default` does is its own affair, and may need the lock.
            let len = len.max(self.len.load(Ordering::Acquire));
            let slots: Box<[CachePadded<T>]> = (0..len).map(|_| CachePadded::default()).collect();
            let mut attic = Attic::lock();
            let old_len = self.len.load(Ordering::Acquire);
            if old_len > len {
                // Somebody else has made more meanwhile. It only grows, so this ends.
                continue;
            }
            let old = self.slots.swap(Box::into_raw(slots).cast(), Ordering::AcqRel);
            self.len.store(len, Ordering::Release);
            return attic.keep(Slots::new(old, old_len));
        }
    }
}

/// Owns slots that have left their `PerWorker`.
struct Slots<T>(*mut [CachePadded<T>]);

// SAFETY: owns the slots like a box, and gives no access.
unsafe impl<T: Send> Send for Slots<T> {}

impl<T> Slots<T> {
    fn new(slots: *mut CachePadded<T>, len: usize) -> Option<Self> {
        (len > 0).then(|| Self(ptr::slice_from_raw_parts_mut(slots, len)))
    }
}

impl<T> Drop for Slots<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer and the length are those of a box that `replace` took apart.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

impl<T> Drop for PerWorker<T> {
    fn drop(&mut self) {
        drop(Slots::new(*self.slots.get_mut(), *self.len.get_mut()));
    }
}

#[cold]
#[inline(never)]
fn unallocated(slot: usize, len: usize) -> ! {
    panic!("per-worker slot {slot} of {len}: attach did not call alloc(control.slots())");
}

impl<T> fmt::Debug for PerWorker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerWorker").field("slots", &self.len).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    /// A statistic whose beginning needs another.
    struct Outer(&'static PerWorker<AtomicU32>);

    impl Default for Outer {
        fn default() -> Self {
            static INNER: PerWorker<AtomicU32> = PerWorker::EMPTY;
            INNER.alloc(INNER.len.load(Ordering::Acquire) + 1);
            Self(&INNER)
        }
    }

    /// Without the lock free, this would never end.
    #[test]
    fn the_values_are_made_without_the_lock() {
        let outer = PerWorker::<Outer>::EMPTY;
        outer.alloc(3);
        assert_eq!(outer.len.load(Ordering::Acquire), 3);
        // SAFETY: the slot is within the length.
        let inner = unsafe { outer.slot(2) }.0;
        assert_eq!(inner.len.load(Ordering::Acquire), 3);
    }
}
