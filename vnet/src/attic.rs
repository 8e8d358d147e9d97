//! Where values stay that were replaced without a grace period.
//!
//! The static arms have one set of variables for the whole process. When a second [`Vnets`](crate::Vnets) of the
//! process takes them over, readers of the first may still look at the old values, and nothing waits for them. So the
//! old values are kept: a few kilobytes, in tests. So are slots of a [`PerWorker`](crate::PerWorker) that was enlarged, and
//! vnets that were in the bench's process-wide pointer.

use std::any::Any;
use std::sync::{Mutex, MutexGuard, PoisonError};

static ATTIC: Mutex<Vec<Box<dyn Any + Send>>> = Mutex::new(Vec::new());

pub(crate) struct Attic(MutexGuard<'static, Vec<Box<dyn Any + Send>>>);

impl Attic {
    pub(crate) fn lock() -> Self {
        Self(ATTIC.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps `value`, if there is one, until the process ends.
    pub(crate) fn keep<T: Send + 'static>(&mut self, value: Option<T>) {
        self.0.extend(value.map(|value| Box::new(value) as Box<dyn Any + Send>));
    }
}
