//! The 2009 commit's curvnet, kept for the bench alone: one pointer for the whole process.
//!
//! It is wrong as soon as two workers run, which is why FreeBSD moved curvnet into the thread. The pointer lives here
//! so that the bench can compare the cost of the two accesses; nothing else may use it.

use std::sync::atomic::{AtomicPtr, Ordering};

use super::LIMBO;
use crate::{Reader, Vnet, VnetRef};

static CURVNET: AtomicPtr<Vnet> = AtomicPtr::new((&raw const LIMBO).cast_mut());

/// Restores the pointer that was there before, and keeps the vnet alive.
#[derive(Debug)]
#[must_use = "the pointer is restored when the guard is dropped"]
pub struct GlobalGuard {
    saved: *mut Vnet,
}

/// Stores `vnet` in the process-wide pointer until the guard is dropped. The vnet is never freed afterwards: whoever
/// reads the pointer is not waited for.
#[inline]
pub fn set(vnet: &VnetRef) -> GlobalGuard {
    let pointer = std::sync::Arc::as_ptr(vnet).cast_mut();
    let saved = CURVNET.swap(pointer, Ordering::AcqRel);
    if saved != pointer && !vnet.pin() {
        pin(vnet);
    }
    GlobalGuard { saved }
}

#[cold]
fn pin(vnet: &VnetRef) {
    crate::attic::Attic::lock().keep(Some(VnetRef::clone(vnet)));
}

/// The vnet in the process-wide pointer.
#[inline(always)]
#[must_use]
pub fn get(reader: &Reader) -> Option<&Vnet> {
    let vnet = fast(reader);
    if std::ptr::eq(vnet, &raw const LIMBO) { None } else { Some(vnet) }
}

/// The same, or a vnet without containers: for the bench, as the accessors know the thread's own curvnet.
#[inline(always)]
#[must_use]
pub fn fast(_reader: &Reader) -> &Vnet {
    // SAFETY: the pointer is `LIMBO` or that of a vnet of which `set` has kept a handle, so it is never freed.
    unsafe { &*CURVNET.load(Ordering::Acquire) }
}

impl Drop for GlobalGuard {
    fn drop(&mut self) {
        CURVNET.store(self.saved, Ordering::Release);
    }
}
