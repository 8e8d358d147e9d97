//! State that only the control thread touches.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Control;

/// State that only the control thread touches; the [`Control`] is the proof. Begins empty.
pub struct ControlCell<T>(Mutex<Option<Box<T>>>);

impl<T> ControlCell<T> {
    /// A cell without a value.
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "an initial value; every use is a cell of its own"
    )]
    pub const EMPTY: Self = Self(Mutex::new(None));

    /// Calls `f` with the value; `f` may put one in, change it, or take it out.
    ///
    /// The value is out of the cell while `f` runs: a nested call on the same cell finds it empty, and what the
    /// nested call leaves there is dropped.
    pub fn with<R>(&self, _control: &Control, f: impl FnOnce(&mut Option<Box<T>>) -> R) -> R {
        let mut lent = Lent { value: self.lock().take(), cell: self };
        f(&mut lent.value)
    }

    /// Empties the cell.
    pub(crate) fn clear(&self) {
        let value = self.lock().take();
        drop(value);
    }

    /// Held for a move in or out only, so it never waits for long. Poison means nothing here: no code runs under it.
    fn lock(&self) -> MutexGuard<'_, Option<Box<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings the value back, also when the closure panics.
struct Lent<'a, T> {
    value: Option<Box<T>>,
    cell: &'a ControlCell<T>,
}

impl<T> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        let nested = std::mem::replace(&mut *self.cell.lock(), self.value.take());
        drop(nested);
    }
}

impl<T> fmt::Debug for ControlCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlCell").field("empty", &self.lock().is_none()).finish_non_exhaustive()
    }
}
