//! Medians, and how sure a ratio of two builds is.
//!
//! The interval is the percentile bootstrap (Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979): the rounds
//! are drawn again with replacement, [`RESAMPLES`] times, and the middle 95 % of what the ratio then is are the interval.
//! It asks nothing of the noise, which here is one-sided and has outliers.

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// How often the rounds are drawn again.
pub(crate) const RESAMPLES: usize = 10_000;
/// Share of the resamples that the interval holds.
pub(crate) const CONFIDENCE: f64 = 0.95;
/// Where the draws begin; the same for every ratio, so that a result can be computed again from its samples.
pub(crate) const SEED: u64 = 0x6375_7276;
/// Fewest rounds of a paired comparison: if both builds were equal, five rounds would all fall to the same side in
/// 2 of 32 cases, which is more than 5 %; six do so in 2 of 64.
pub(crate) const PAIRED_ROUNDS_MIN: usize = 6;
/// Fewest rounds on each side of an unpaired comparison: two samples of four from one distribution are fully apart in
/// 2 of 70 orders; two of three in 2 of 20.
pub(crate) const UNPAIRED_ROUNDS_MIN: usize = 4;

/// A ratio with the interval that holds it with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ratio {
    /// The ratio.
    pub(crate) value: f64,
    /// The interval's lower end.
    pub(crate) low: f64,
    /// The interval's upper end.
    pub(crate) high: f64,
}

impl Ratio {
    /// Whether the interval holds 1: no difference is shown.
    pub(crate) fn holds_one(&self) -> bool {
        self.low <= 1.0 && 1.0 <= self.high
    }
}

/// The middle value, or the mean of the two middle ones; NaN of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    median_of(&mut values.to_vec())
}

fn median_of(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values {
        [] => f64::NAN,
        _ if values.len() % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// (largest - smallest) / median: what the rounds differ by. 0 where all are 0.
pub(crate) fn spread(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    if largest == smallest { 0.0 } else { (largest - smallest) / median(values) }
}

/// The median of each round's own ratio, `values[round] / reference[round]`. What disturbs a round disturbs both builds
/// and cancels. `None` where there are no rounds, their numbers differ, or a reference is 0.
pub(crate) fn paired(values: &[f64], reference: &[f64]) -> Option<Ratio> {
    if values.is_empty() || values.len() != reference.len() {
        return None;
    }
    let ratios: Vec<f64> = values.iter().zip(reference).map(|(value, one)| value / one).collect();
    ratios.iter().all(|ratio| ratio.is_finite()).then(|| {
        let mut random = Random::new(SEED);
        let mut resample = vec![0.0; ratios.len()];
        let interval = interval(|| {
            draw(&mut random, &ratios, &mut resample);
            median_of(&mut resample)
        });
        Ratio { value: median(&ratios), low: interval.0, high: interval.1 }
    })
}

/// The ratio of the medians of two samples that have no rounds in common. `None` where one of them is empty or a median
/// of `before` may be 0.
pub(crate) fn unpaired(now: &[f64], before: &[f64]) -> Option<Ratio> {
    if now.is_empty() || before.is_empty() || before.iter().any(|value| *value <= 0.0) {
        return None;
    }
    let mut random = Random::new(SEED);
    let (mut above, mut below) = (vec![0.0; now.len()], vec![0.0; before.len()]);
    let interval = interval(|| {
        draw(&mut random, now, &mut above);
        draw(&mut random, before, &mut below);
        median_of(&mut above) / median_of(&mut below)
    });
    Some(Ratio { value: median(now) / median(before), low: interval.0, high: interval.1 })
}

/// The ends of the middle [`CONFIDENCE`] of what `statistic` gives.
fn interval(mut statistic: impl FnMut() -> f64) -> (f64, f64) {
    let mut all: Vec<f64> = (0..RESAMPLES).map(|_| statistic()).collect();
    all.sort_unstable_by(f64::total_cmp);
    let outside = (RESAMPLES as f64 * (1.0 - CONFIDENCE) / 2.0).round() as usize;
    (all[outside], all[RESAMPLES - 1 - outside])
}

/// Draws with replacement.
fn draw(random: &mut Random, from: &[f64], into: &mut [f64]) {
    for place in into {
        *place = from[random.place(from.len())];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn medians_by_hand() {
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[9.0, 1.0, 4.0]), 4.0);
        assert_eq!(median(&[9.0, 1.0, 4.0, 6.0]), 5.0);
        assert!(median(&[]).is_nan());
        assert_eq!(spread(&[4.0, 5.0, 6.0]), 0.4);
        assert_eq!(spread(&[0.0, 0.0]), 0.0);
    }

    /// All 7^7 resamples of seven ratios, enumerated by a Python program that shares nothing with this one
    /// (itertools.product, statistics.median): the quantiles 2.5 % and 97.5 % fall on 0.97 (the median of
    /// 10.8 % of the resamples is not above it, of 1.0 % not above 0.95) and on 1.06 (99.0 %; 89.2 % not above 1.04).
    #[test]
    fn paired_interval_is_that_of_all_resamples() {
        let reference = [100.0, 200.0, 50.0, 80.0, 10.0, 40.0, 25.0];
        let ratios = [1.02, 0.97, 1.04, 1.00, 0.95, 1.06, 1.08];
        let values: Vec<f64> = ratios.iter().zip(reference).map(|(a, b)| a * b).collect();
        let ratio = paired(&values, &reference).unwrap();
        assert!((ratio.value - 1.02).abs() < 1e-12);
        assert!((ratio.low - 0.97).abs() < 1e-12, "{ratio:?}");
        assert!((ratio.high - 1.06).abs() < 1e-12, "{ratio:?}");
        assert!(ratio.holds_one());
    }

    #[test]
    fn what_cannot_be_compared_is_not() {
        assert_eq!(paired(&[], &[]), None);
        assert_eq!(paired(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(paired(&[1.0, 1.0], &[1.0, 0.0]), None);
        assert_eq!(paired(&[0.0, 1.0], &[0.0, 1.0]), None);
        assert_eq!(unpaired(&[1.0], &[]), None);
        assert_eq!(unpaired(&[1.0], &[0.0, 1.0]), None);
    }

    #[test]
    fn a_shift_is_found_and_noise_is_not() {
        let before = [100.0, 101.0, 99.0, 100.5, 99.5, 100.2];
        let slower: Vec<f64> = before.iter().map(|value| value * 1.08).collect();
        let other_order: Vec<f64> = before.iter().rev().copied().collect();
        assert!(unpaired(&slower, &before).unwrap().low > 1.05);
        assert!(unpaired(&other_order, &before).unwrap().holds_one());
        assert!(paired(&slower, &before).unwrap().low > 1.07);
    }

    proptest! {
        // Each case draws 10000 times for each of its five ratios.
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// The interval holds the ratio, lies within the rounds, does not depend on the run, and scales with the values.
        #[test]
        fn laws(pairs in prop::collection::vec((1.0..1e9f64, 1.0..1e9f64), 1..12), factor in 0.5..2.0f64) {
            let (values, reference): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let ratio = paired(&values, &reference).unwrap();
            prop_assert_eq!(ratio, paired(&values, &reference).unwrap());
            prop_assert!(ratio.low <= ratio.value && ratio.value <= ratio.high);
            let ratios: Vec<f64> = values.iter().zip(&reference).map(|(a, b)| a / b).collect();
            prop_assert!(ratios.iter().any(|one| *one <= ratio.low));
            prop_assert!(ratios.iter().any(|one| *one >= ratio.high));
            let scaled: Vec<f64> = values.iter().map(|value| value * factor).collect();
            let scaled = paired(&scaled, &reference).unwrap();
            prop_assert!((scaled.low / ratio.low / factor - 1.0).abs() < 1e-9);
            let same = paired(&values, &values).unwrap();
            prop_assert_eq!((same.low, same.value, same.high), (1.0, 1.0, 1.0));
            prop_assert!(unpaired(&values, &values).unwrap().holds_one());
        }
    }
}
