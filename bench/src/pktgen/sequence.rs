//! [`Tracker`]: what became of numbered packets. Loss, duplicates, and reordering as RFC 4737 defines it.

/// Packets behind the highest for which duplicates are told from latecomers.
pub(crate) const WINDOW: u64 = 1 << 16;
const WORDS: usize = (WINDOW / 64) as usize;

/// Follows one stream. Memory is fixed: a bitmap of [`WINDOW`] packets that slides with the highest number seen.
#[derive(Clone, Debug)]
pub(crate) struct Tracker {
    /// One more than the highest number seen: RFC 4737's NextExp.
    next: u64,
    /// Bit `n % WINDOW`: number `n` was seen, for the last WINDOW numbers below `next`.
    seen: Box<[u64; WORDS]>,
    counts: Counts,
}

/// The counts of a [`Tracker`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Counts {
    /// Different numbers received. Loss is what was sent less this.
    pub(crate) unique: u64,
    /// Numbers received again.
    pub(crate) duplicates: u64,
    /// Packets with a number below the highest seen before them (RFC 4737 section 3.3); duplicates are not among them.
    pub(crate) reordered: u64,
    /// The farthest that a packet was behind the highest number.
    pub(crate) reordered_by_most: u64,
    /// Packets so far behind that nobody knows any more whether they are duplicates; counted as unique and reordered.
    pub(crate) behind_window: u64,
}

impl Tracker {
    /// Expects number 0 first.
    pub(crate) fn new() -> Self {
        Self { next: 0, seen: Box::new([0; WORDS]), counts: Counts::default() }
    }

    /// The counts so far.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The full number of a packet that carries its low 32 bits: the one nearest to the highest seen. `None` for one
    /// from before the first packet.
    #[inline(always)]
    pub(crate) fn widen(&self, low: u32) -> Option<u64> {
        // The distance as a signed number: up to 2^31 ahead or behind.
        let ahead = low.wrapping_sub(self.next as u32) as i32;
        self.next.checked_add_signed(i64::from(ahead))
    }

    /// Notes that number `n` arrived. Returns whether it is the first time.
    #[inline(always)]
    pub(crate) fn note(&mut self, n: u64) -> bool {
        if n == self.next {
            self.next += 1;
            self.set(n);
            self.counts.unique += 1;
            return true;
        }
        self.note_out_of_order(n)
    }

    fn note_out_of_order(&mut self, n: u64) -> bool {
        if n >= self.next {
            self.forget(self.next, n);
            self.next = n + 1;
            self.set(n);
            self.counts.unique += 1;
            return true;
        }
        let behind = self.next - n;
        if behind <= WINDOW {
            if self.is_set(n) {
                self.counts.duplicates += 1;
                return false;
            }
            self.set(n);
        } else {
            self.counts.behind_window += 1;
        }
        self.counts.unique += 1;
        self.counts.reordered += 1;
        self.counts.reordered_by_most = self.counts.reordered_by_most.max(behind - 1);
        true
    }

    /// Clears the places of the numbers from `first` up to, not including, `end`: a gap. The work is bounded by the
    /// window.
    fn forget(&mut self, first: u64, end: u64) {
        if end - first >= WINDOW {
            self.seen.fill(0);
            return;
        }
        for n in first..end {
            let (word, bit) = place(n);
            self.seen[word] &= !bit;
        }
    }

    #[inline(always)]
    fn set(&mut self, n: u64) {
        let (word, bit) = place(n);
        self.seen[word] |= bit;
    }

    fn is_set(&self, n: u64) -> bool {
        let (word, bit) = place(n);
        self.seen[word] & bit != 0
    }
}

/// Word and bit of a number.
#[inline(always)]
fn place(n: u64) -> (usize, u64) {
    ((n / 64) as usize % WORDS, 1 << (n % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// The same without a window: a set of all numbers.
    fn naive(numbers: &[u64]) -> Counts {
        let (mut all, mut counts, mut next) = (HashSet::new(), Counts::default(), 0);
        for &n in numbers {
            if !all.insert(n) {
                counts.duplicates += 1;
                continue;
            }
            counts.unique += 1;
            if n < next {
                counts.reordered += 1;
                counts.reordered_by_most = counts.reordered_by_most.max(next - 1 - n);
            }
            next = next.max(n + 1);
        }
        counts
    }

    fn tracked(numbers: &[u64]) -> Counts {
        let mut tracker = Tracker::new();
        for &n in numbers {
            let n = tracker.widen(n as u32).expect("near the highest");
            let _first = tracker.note(n);
        }
        *tracker.counts()
    }

    /// A stream of steps forward with packets repeated, left out and moved, never farther than the window.
    fn stream() -> impl Strategy<Value = Vec<u64>> {
        let step = prop_oneof![8 => Just(1_u64), 1 => 2..50_u64, 1 => 1000..60_000_u64];
        let packet = (step, 0..20_u64, prop::bool::weighted(0.2));
        prop::collection::vec(packet, 1..400).prop_map(|packets| {
            let (mut numbers, mut at) = (Vec::new(), 0_u64);
            for (step, back, goes_back) in packets {
                at += step;
                numbers.push(if goes_back { at.saturating_sub(back * back) } else { at });
            }
            numbers
        })
    }

    proptest! {
        #[test]
        fn as_the_naive_model(numbers in stream()) {
            prop_assert_eq!(tracked(&numbers), naive(&numbers));
        }
    }

    #[test]
    fn cases() {
        let table: [(&[u64], [u64; 4]); 6] = [
            (&[0, 1, 2, 3], [4, 0, 0, 0]),
            (&[0, 2, 3], [3, 0, 0, 0]),
            (&[0, 2, 1, 3], [4, 0, 1, 1]),
            (&[0, 0, 1, 1], [2, 2, 0, 0]),
            // RFC 4737 section 7.1: three packets overtaken by one are three that are reordered.
            (&[3, 0, 1, 2], [4, 0, 3, 3]),
            (&[2, 1, 1, 2, 0], [3, 2, 2, 2]),
        ];
        for (numbers, [unique, duplicates, reordered, most]) in table {
            let counts = tracked(numbers);
            let found =
                [counts.unique, counts.duplicates, counts.reordered, counts.reordered_by_most];
            assert_eq!(found, [unique, duplicates, reordered, most], "{numbers:?}");
        }
    }

    #[test]
    fn the_window_ends_somewhere_and_slides() {
        let mut tracker = Tracker::new();
        for n in 0..3 * WINDOW {
            assert!(tracker.note(n));
        }
        assert!(!tracker.note(2 * WINDOW), "the oldest of the window: a duplicate");
        assert!(tracker.note(2 * WINDOW - 1), "behind it: nobody knows");
        assert_eq!((tracker.counts().duplicates, tracker.counts().behind_window), (1, 1));
        assert!(tracker.note(9 * WINDOW), "a gap larger than the window");
        assert!(tracker.note(9 * WINDOW - 5), "nothing is left of before the gap");
    }

    #[test]
    fn numbers_wrap_at_32_bits_and_do_not_come_from_before_the_first() {
        let mut tracker = Tracker::new();
        assert_eq!(tracker.widen(u32::MAX), None);
        tracker.next = (1 << 32) - 1;
        assert_eq!(tracker.widen(u32::MAX), Some((1 << 32) - 1));
        assert_eq!(tracker.widen(3), Some((1 << 32) + 3));
        tracker.next = (1 << 32) + 4;
        assert_eq!(tracker.widen(u32::MAX), Some((1 << 32) - 1));
    }
}
