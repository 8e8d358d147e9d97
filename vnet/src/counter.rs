//! A statistic with one writer.

use std::sync::atomic::{AtomicU64, Ordering};

/// A statistic with one writer and any number of readers: an increment is a plain add.
///
/// Two writers lose increments; give each worker its own, in a [`PerWorker`](crate::PerWorker). Wraps at 2^64.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// A counter at zero.
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "an initial value; every use is a counter of its own"
    )]
    pub const ZERO: Self = Self(AtomicU64::new(0));

    /// Adds `n`.
    #[inline(always)]
    pub fn add(&self, n: u64) {
        // A relaxed load and store and not `fetch_add`: with one writer nothing is lost, and it needs no lock prefix.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Adds one.
    #[inline(always)]
    pub fn inc(&self) {
        self.add(1);
    }

    /// The count.
    #[inline(always)]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn zero(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}
