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

    /// Puts `len` new slots in the place of the old ones, which readers may still look at.
    fn replace(&self, len: usize) {
        let mut attic = Attic::lock();
        let old_len = self.len.load(Ordering::Acquire);
        let len = len.max(old_len);
        let slots: Box<[CachePadded<T>]> = (0..len).map(|_| CachePadded::default()).collect();
        let slots = Box::into_raw(slots).cast::<CachePadded<T>>();
        let old = self.slots.swap(slots, Ordering::AcqRel);
        self.len.store(len, Ordering::Release);
        attic.keep(Slots::new(old, old_len));
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
