//! Distributions of cycles that a worker writes and other threads may read: fixed memory, no lock.

use vnet::Counter;

/// Slots of each power of two: a value is known to within 1 part in so many.
const SLOTS_PER_OCTAVE: u64 = 64;
/// Values from here on share the last slot: more than ten seconds.
const LIMIT: u64 = 1 << 36;
/// Every value below the first octave with slots for fractions has one of its own.
const SLOTS: usize = slot(LIMIT - 1) + 1;

/// A histogram with slots that are as wide as their values are large (as HdrHistogram has them), 15 KiB. One writer.
#[derive(Debug)]
pub struct CycleHistogram(Box<[Counter]>);

/// The slot of a value below [`LIMIT`].
const fn slot(value: u64) -> usize {
    let shift = shift_of(value);
    ((shift as u64) * SLOTS_PER_OCTAVE + (value >> shift)) as usize
}

/// How far a value is shifted so that what is left is less than twice [`SLOTS_PER_OCTAVE`].
const fn shift_of(value: u64) -> u32 {
    (value | SLOTS_PER_OCTAVE).ilog2() - SLOTS_PER_OCTAVE.ilog2()
}

/// The largest value of a slot.
const fn upper(slot: usize) -> u64 {
    let slot = slot as u64;
    let shift = (slot / SLOTS_PER_OCTAVE).saturating_sub(1);
    ((slot - shift * SLOTS_PER_OCTAVE + 1) << shift) - 1
}

impl Default for CycleHistogram {
    fn default() -> Self {
        Self((0..SLOTS).map(|_| Counter::default()).collect())
    }
}

impl CycleHistogram {
    /// Counts a value. Its writer is the worker that it belongs to.
    #[inline]
    pub fn record(&self, value: u64) {
        if let Some(counter) = self.0.get(slot(value.min(LIMIT - 1))) {
            counter.inc();
        }
    }

    /// The values that were counted and how often, ascending; each value is the largest that its slot holds.
    pub fn values(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let counted = self.0.iter().enumerate().map(|(slot, counter)| (upper(slot), counter.get()));
        counted.filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_values_are_exact() {
        for value in 0..2 * SLOTS_PER_OCTAVE {
            assert_eq!(upper(slot(value)), value);
        }
    }

    #[test]
    fn slots_follow_each_other_without_a_gap() {
        for n in 1..SLOTS {
            assert_eq!(slot(upper(n - 1) + 1), n);
            assert_eq!(slot(upper(n)), n);
        }
        assert_eq!(upper(SLOTS - 1), LIMIT - 1);
    }

    proptest! {
        #[test]
        fn agrees_with_hdrhistogram_s_promise(value in 0..LIMIT) {
            let shown = upper(slot(value));
            prop_assert!(shown >= value);
            prop_assert!(shown - value <= value / SLOTS_PER_OCTAVE);
        }
    }

    #[test]
    fn what_was_recorded_is_there() {
        let histogram = CycleHistogram::default();
        for value in [5, 5, 1000, u64::MAX] {
            histogram.record(value);
        }
        let values: Vec<_> = histogram.values().collect();
        assert_eq!(values, [(5, 2), (1007, 1), (LIMIT - 1, 1)]);
    }
}
