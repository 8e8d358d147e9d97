//! A value that workers read and the control thread replaces whole.

use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::qsbr::Reader;
use crate::sync::{AtomicPtr, AtomicU64, Ordering, const_unless_loom};

/// A value that workers read without a lock and [`Control::publish`](crate::Control::publish) replaces whole.
///
/// Begins empty. Dropping the cell drops the value.
pub struct Published<T> {
    value: AtomicPtr<T>,
    /// Who publishes: the domain's number in the upper half, and which tenure of the cell it is in the lower; 0 while
    /// nobody does. A reader of another domain is not waited for, so it must find the cell empty.
    tenure: AtomicU64,
    owns: PhantomData<Box<T>>,
}

// SAFETY: the cell owns a `T` that it moves between threads (Send) and lends to many at a time (Sync).
unsafe impl<T: Send + Sync> Send for Published<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Published<T> {}

const DOMAIN_SHIFT: u32 = 32;

impl<T> Published<T> {
    const_unless_loom! {
        /// A cell without a value.
        #[must_use]
        pub fn empty() -> Self {
            Self { value: AtomicPtr::new(ptr::null_mut()), tenure: AtomicU64::new(0), owns: PhantomData }
        }
    }

    /// The value, for as long as the reader has no quiescent state; none before the first was published.
    #[inline]
    #[must_use]
    pub fn load<'a>(&'a self, reader: &'a Reader) -> Option<&'a T> {
        let tenure = self.tenure.load(Ordering::Acquire);
        if !reader.is_present((tenure >> DOMAIN_SHIFT) as u32) {
            return self.load_later(reader);
        }
        let value = self.value.load(Ordering::Acquire);
        // The same tenure before and after: the value is of this tenure.
        if tenure != self.tenure.load(Ordering::Relaxed) {
            return self.load_later(reader);
        }
        // SAFETY: a pointer that is not null came from a box in `replace` by the control of the reader's domain. It
        // is freed by (1) that control, after a grace period that began when the value had left the cell and that
        // waits for this online reader, whose report needs `&mut` and so ends 'a; or (2) the drop of the cell, which
        // 'a keeps borrowed.
        unsafe { value.as_ref() }
    }

    /// The value for a reader that was offline, or that met a change of tenure; none for one of another domain. Apart, so
    /// that the rest is two branches that are predicted, and nobody waits for the comparisons.
    #[cold]
    #[inline(never)]
    fn load_later<'a>(&'a self, reader: &'a Reader) -> Option<&'a T> {
        reader.ensure_online();
        let tenure = self.tenure.load(Ordering::Acquire);
        if reader.is_present((tenure >> DOMAIN_SHIFT) as u32) { self.load(reader) } else { None }
    }

    /// Replaces the value on behalf of a domain and returns the old one, which readers may still look at.
    pub(crate) fn replace(&self, domain: u32, new: Option<Box<T>>) -> Option<Box<Retired<T>>> {
        let _one = one_at_a_time();
        self.claim(domain);
        let new = new.map_or(ptr::null_mut(), Box::into_raw);
        // Release: the value is built before a reader sees it.
        Retired::new(self.value.swap(new, Ordering::AcqRel))
    }

    fn claim(&self, domain: u32) {
        let tenure = self.tenure.load(Ordering::Relaxed);
        if tenure == 0 {
            // Release: a reader that sees this tenure sees the cell as it was left, empty.
            let mine = (u64::from(domain) << DOMAIN_SHIFT) | next_tenure();
            self.tenure.store(mine, Ordering::Release);
        } else {
            assert!(
                tenure >> DOMAIN_SHIFT == u64::from(domain),
                "two controls publish through one cell"
            );
        }
    }

    /// Empties the cell for another domain. Readers may still look at what is returned, for as long as they like.
    #[cfg(not(loom))]
    pub(crate) fn vacate(&self) -> Option<Box<Retired<T>>> {
        let _one = one_at_a_time();
        let old = Retired::new(self.value.swap(ptr::null_mut(), Ordering::AcqRel));
        self.tenure.store(0, Ordering::Release);
        old
    }
}

/// Keeps the tenure and the value together while they change. Controls of one domain never meet here.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static CHANGE: Mutex<()> = Mutex::new(());
    CHANGE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells the tenures of cells apart; 32 bits, so that a reader would have to sleep through four billion of them.
fn next_tenure() -> u64 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    u64::from(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A value that has left its cell. A raw pointer and not a box, because readers may still hold references to it.
pub(crate) struct Retired<T>(*mut T);

// SAFETY: owns a `T` like a box.
unsafe impl<T: Send> Send for Retired<T> {}

impl<T> Retired<T> {
    fn new(value: *mut T) -> Option<Box<Self>> {
        (!value.is_null()).then(|| Box::new(Self(value)))
    }
}

impl<T> Drop for Retired<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `Box::into_raw`, has left its cell, and this is its only owner; whoever drops
        // this has waited for the readers.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

impl<T> Drop for Published<T> {
    fn drop(&mut self) {
        drop(Retired::new(self.value.load(Ordering::Acquire)));
    }
}

impl<T> fmt::Debug for Published<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let empty = self.value.load(Ordering::Relaxed).is_null();
        f.debug_struct("Published").field("empty", &empty).finish_non_exhaustive()
    }
}
