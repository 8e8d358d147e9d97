//! Time as protocol code sees it: passed in, never read.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Nanoseconds since the process started; in tests, since the test's virtual clock started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// Whole seconds, the window of rate limits.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// From whole seconds.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds * 1_000_000_000)
    }
}

impl Add<Duration> for Nanos {
    type Output = Nanos;

    fn add(self, later: Duration) -> Nanos {
        Nanos(self.0.saturating_add(u64::try_from(later.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Nanos {
    type Output = Duration;

    fn sub(self, earlier: Nanos) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}
