//! How many messages of one kind are sent in a second.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::time::Nanos;

const SENT_BITS: u32 = 24;

/// A second and the messages sent in it, shared by the workers of a vnet.
#[derive(Debug, Default)]
pub(super) struct RateWindow {
    /// The second (upper 40 bits) and the messages (lower 24).
    word: AtomicU64,
}

impl RateWindow {
    /// Nothing was sent yet.
    pub(super) const fn new() -> Self {
        Self { word: AtomicU64::new(0) }
    }

    /// Nothing was sent yet, again.
    pub(super) fn restart(&self) {
        self.word.store(0, Ordering::Relaxed);
    }

    /// A window that is later than `now` was opened by a worker that began its iteration later than this one: it is the
    /// window of both.
    fn sent(word: u64, now: Nanos) -> u64 {
        if word >> SENT_BITS >= now.seconds() { word & ((1 << SENT_BITS) - 1) } else { 0 }
    }

    /// How many messages may be sent now, at most; a `limit` of 0 is none.
    #[inline]
    pub(super) fn budget(&self, limit: i32, now: Nanos) -> u32 {
        if limit == 0 {
            return u32::MAX;
        }
        let word = self.word.load(Ordering::Relaxed);
        limit.unsigned_abs().saturating_sub(Self::sent(word, now) as u32)
    }

    /// Takes one message from this second's budget of `limit`; 0 is no limit.
    ///
    /// Two workers that race for the last one may both lose; none may exceed the limit.
    pub(super) fn take(&self, limit: i32, now: Nanos) -> bool {
        if limit == 0 {
            return true;
        }
        let word = self.word.load(Ordering::Relaxed);
        let sent = Self::sent(word, now);
        let second = now.seconds().max(word >> SENT_BITS);
        let next = (second << SENT_BITS) | (sent + 1);
        sent < u64::from(limit.unsigned_abs())
            && self.word.compare_exchange(word, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
