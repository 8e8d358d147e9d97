//! How a block is timed.

use std::hint::black_box;

use anyhow::Result;
use hdrhistogram::Histogram;
use pmd::tsc;

/// Histograms count thousandths of a cycle, so that costs below one cycle have their digits.
pub(super) const PER_CYCLE: f64 = 1000.0;

/// The time of one access.
#[derive(Debug)]
pub(super) struct Cost {
    /// Of the blocks' means, in thousandths of a cycle.
    pub(super) histogram: Histogram<u64>,
    /// The cycles that were subtracted from each block.
    pub(super) baseline: u64,
}

impl Cost {
    /// Of `blocks` of so many accesses each, in cycles, from which `baseline` is subtracted.
    pub(super) fn of(blocks: &[u64], baseline: u64, accesses: usize) -> Result<Self> {
        let mut histogram = Histogram::new(3)?;
        for cycles in blocks {
            // A block that took less than an empty one took nothing that can be measured.
            let cycles = cycles.saturating_sub(baseline) as f64;
            histogram.record((cycles * PER_CYCLE / accesses as f64).round() as u64)?;
        }
        Ok(Self { histogram, baseline })
    }

    /// Cycles of an access in the median block.
    pub(super) fn median(&self) -> f64 {
        self.histogram.value_at_quantile(0.5) as f64 / PER_CYCLE
    }

    /// Cycles of an access in the mean block.
    pub(super) fn mean(&self) -> f64 {
        self.histogram.mean() / PER_CYCLE
    }
}

/// Cycles of `count` calls of `block`. A tenth as many calls come first, to warm caches and predictors up.
pub(super) fn time(count: usize, mut block: impl FnMut() -> u32) -> Vec<u64> {
    for _warm_up in 0..count / 10 {
        let _sum = black_box(block());
    }
    let mut blocks = Vec::with_capacity(count);
    blocks.extend((0..count).map(|_| timed(&mut block)));
    blocks
}

/// Cycles of `count` calls of `block` with `place`, each after `prepare`. Between the two, `block` is timed with
/// `rehearsal`: so the code that measures and is measured is warm, and what else `place` leads to is as `prepare` left
/// it.
pub(super) fn time_prepared<P: Copy>(
    count: usize,
    rehearsal: P,
    place: P,
    mut prepare: impl FnMut(),
    mut block: impl FnMut(P) -> u32,
) -> Vec<u64> {
    let places = black_box([rehearsal, place]);
    let mut blocks = Vec::with_capacity(count);
    for _sample in 0..count {
        prepare();
        let mut cycles = 0;
        for place in places {
            cycles = timed(|| block(place));
        }
        blocks.push(cycles);
    }
    blocks
}

#[inline(always)]
fn timed(block: impl FnOnce() -> u32) -> u64 {
    let began = tsc::serialized();
    let sum = block();
    let ended = tsc::serialized();
    let _sum = black_box(sum);
    ended.wrapping_sub(began)
}

/// The median of `blocks`; 0 of none.
pub(super) fn median(mut blocks: Vec<u64>) -> u64 {
    let middle = blocks.len() / 2;
    if blocks.is_empty() { 0 } else { *blocks.select_nth_unstable(middle).1 }
}

/// TSC cycles of a fixed chain of instructions. It is as long as the core's clock is slow: two calls that differ tell
/// that the frequency has changed between them.
pub(super) fn clock() -> u64 {
    median(time(101, || chain(1, 4096)))
}

/// `steps` times a shift, an exclusive or and a multiplication, each of which waits for the one before.
#[inline(never)]
pub(super) fn chain(seed: u32, steps: u32) -> u32 {
    (0..black_box(steps)).fold(seed, |x, _step| (x ^ (x >> 7)).wrapping_mul(0x9e37_79b1))
}

/// Takes what was used out of the first two levels of cache, by reading more than they hold.
#[derive(Debug)]
pub(super) struct Evictor {
    memory: Vec<u64>,
}

impl Evictor {
    /// For caches as this machine says it has.
    pub(super) fn new() -> Self {
        /// Four times the cache: replacement is not quite least recently used.
        const TIMES: usize = 4;
        let bytes = l2_bytes().unwrap_or(2 << 20) * TIMES;
        Self { memory: vec![1; bytes / size_of::<u64>()] }
    }

    /// Reads it all.
    pub(super) fn evict(&self) {
        const WORDS_PER_LINE: usize = 8;
        let _sum: u64 = black_box(self.memory.iter().step_by(WORDS_PER_LINE).sum());
    }
}

fn l2_bytes() -> Option<usize> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index2/size").ok()?;
    text.trim().strip_suffix('K')?.parse::<usize>().ok().map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_what_a_block_took_beyond_the_baseline() {
        let cost = Cost::of(&[300, 356, 100], 100, 256).expect("small numbers");
        let error = (cost.median() - 200.0 / 256.0).abs();
        assert!(error < 0.002, "{}", cost.median());
        assert_eq!(cost.histogram.min(), 0);
        assert_eq!(cost.histogram.len(), 3);
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![9, 1, 5]), 5);
        assert_eq!(median(Vec::new()), 0);
    }

    #[test]
    fn every_block_is_called_as_often_as_it_says() {
        let mut calls = 0;
        let times = time(50, || {
            calls += 1;
            0
        });
        assert_eq!((times.len(), calls), (50, 55), "a tenth to warm up");
    }

    #[test]
    fn a_prepared_block_is_rehearsed_elsewhere_and_then_timed() {
        let log = std::cell::RefCell::new(String::new());
        let called = |place| {
            log.borrow_mut().push(place);
            0
        };
        let times = time_prepared(3, 'r', 'p', || log.borrow_mut().push('-'), called);
        assert_eq!((times.len(), log.into_inner().as_str()), (3, "-rp-rp-rp"));
    }
}
