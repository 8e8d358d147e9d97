//! Types that can be per-vnet variables.

use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize,
    Ordering,
};

use crate::attic::Attic;
use crate::{ControlCell, Counter, PerWorker, Published};

/// A type that can be a per-vnet variable: shared between threads, and with an empty state that is known when compiling.
pub trait Field: Send + Sync + Sized + 'static {
    /// The state of the variable in a new vnet, unless its declaration states another.
    const INIT: Self;

    /// Brings the variable back to `initial`. Only the static arms call it, when a second [`Vnets`](crate::Vnets) of
    /// one process takes the variables over; a type that keeps the default keeps its old state there.
    fn restart(&self, initial: &Self) {
        let _ = initial;
    }
}

impl<T: Send + Sync + 'static> Field for Published<T> {
    const INIT: Self = Self::empty();

    fn restart(&self, _initial: &Self) {
        Attic::lock().keep(self.vacate());
    }
}

impl<T: Send + 'static> Field for ControlCell<T> {
    const INIT: Self = Self::EMPTY;

    fn restart(&self, _initial: &Self) {
        self.clear();
    }
}

impl<T: Default + Send + Sync + 'static> Field for PerWorker<T> {
    const INIT: Self = Self::EMPTY;

    fn restart(&self, _initial: &Self) {
        PerWorker::restart(self);
    }
}

impl Field for Counter {
    const INIT: Self = Self::ZERO;

    fn restart(&self, _initial: &Self) {
        self.zero();
    }
}

macro_rules! atomic_fields {
    ($($atomic:ident: $zero:literal),*) => {$(
        impl Field for $atomic {
            const INIT: Self = Self::new($zero);

            fn restart(&self, initial: &Self) {
                self.store(initial.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
    )*};
}

atomic_fields!(
    AtomicBool: false, AtomicI32: 0, AtomicI64: 0, AtomicU8: 0, AtomicU16: 0, AtomicU32: 0, AtomicU64: 0, AtomicUsize: 0
);
