//! The non-drop rate: RFC 2544 section 26.1's throughput, by binary search.

use std::fmt;

use serde::Serialize;

use super::result::Trial;

/// Trials at most: a resolution of 0.01 % takes 14, and each confirmation that fails takes some more.
pub(crate) const TRIALS_MAX: usize = 60;

/// Chooses the rates of trials. It knows nothing of packets, so tests run it against models.
#[derive(Clone, Debug)]
pub(crate) struct Bisection {
    /// Nothing was lost at this rate; 0 before that.
    low: f64,
    /// Something was; above the highest rate before that.
    high: f64,
    min: f64,
    max: f64,
    /// A share of the rate.
    resolution: f64,
    /// How far below a confirmation that failed the next trial is, a share of the rate.
    step: f64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// The first trial is at the highest rate.
    Highest,
    /// Between `low` and `high`.
    Between,
    /// Nothing is below the lowest rate.
    Lowest,
    /// Once more at `low`: a search ends where trials pass by luck.
    Confirm,
    /// The confirmation failed: down in steps that double, until a trial passes.
    Descend,
    /// Known, or known not to be in the range.
    Done(Option<f64>),
}

impl Bisection {
    /// Searches from `min` to `max`, which are above 0 and in this order.
    pub(crate) fn new(min: f64, max: f64, resolution: f64) -> Self {
        Self { low: 0.0, high: max, min, max, resolution, step: resolution, state: State::Highest }
    }

    /// The rate of the next trial; `None` when the search is over.
    pub(crate) fn next(&self) -> Option<f64> {
        match self.state {
            State::Highest => Some(self.max),
            State::Between => Some((self.low.max(self.min) + self.high) / 2.0),
            State::Lowest => Some(self.min),
            State::Confirm => Some(self.low),
            State::Descend => Some((self.high * (1.0 - self.step)).max(self.min)),
            State::Done(_) => None,
        }
    }

    /// Tells what the trial at [`Bisection::next`] gave.
    pub(crate) fn record(&mut self, passed: bool) {
        let Some(rate) = self.next() else { return };
        if passed {
            self.low = rate;
        } else {
            self.high = rate;
        }
        self.state = match (self.state, passed) {
            // Passed twice, or at both ends of what may be searched.
            (State::Highest | State::Confirm, true) => State::Done(Some(rate)),
            (State::Lowest, false) => State::Done(None),
            (State::Confirm, false) => {
                self.low = 0.0;
                self.step = self.resolution;
                State::Descend
            }
            (State::Descend, false) if rate <= self.min => State::Done(None),
            (State::Descend, false) => {
                self.step = (self.step * 2.0).min(0.5);
                State::Descend
            }
            _ => self.narrowed(),
        };
    }

    fn narrowed(&self) -> State {
        let low = self.low.max(self.min);
        if self.high - low > self.resolution * self.high {
            State::Between
        } else if self.low == 0.0 {
            State::Lowest
        } else {
            State::Confirm
        }
    }

    /// The answer, when the search is over.
    pub(crate) fn found(&self) -> Option<f64> {
        if let State::Done(found) = self.state { found } else { None }
    }
}

/// A search and its trials.
#[derive(Debug, Serialize)]
pub(crate) struct Search {
    /// The highest rate, asked, at which a trial passed; `null` if none did.
    pub(crate) pps: Option<f64>,
    /// Bits on the line at this rate.
    pub(crate) line_bit_s: Option<f64>,
    /// This rate as a share of the line's.
    pub(crate) line_share: Option<f64>,
    /// The range of the search.
    pub(crate) min_pps: f64,
    pub(crate) max_pps: f64,
    /// The answer is known to this share of itself.
    pub(crate) resolution: f64,
    /// Loss that counts as none, a share of what was sent.
    pub(crate) loss_tolerance: f64,
    /// Length of a trial.
    pub(crate) trial_s: f64,
    /// In the order in which they ran.
    pub(crate) trials: Vec<Step>,
}

/// A trial of the search.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    pub(crate) verdict: Verdict,
    #[serde(flatten)]
    pub(crate) trial: Trial,
}

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// No more lost than tolerated, at the asked rate.
    Passed,
    /// More was lost.
    Lost,
    /// The rate was not reached: either end is too slow for it.
    RateNotMet,
}

impl Verdict {
    /// Of a trial, with this tolerance.
    pub(crate) fn of(trial: &Trial, tolerance: f64) -> Self {
        let lost = trial.lost.as_ref().map_or(1.0, |lost| lost.share);
        if lost > tolerance || trial.sent.packets == 0 {
            Verdict::Lost
        } else if !trial.sent.rate_met {
            Verdict::RateNotMet
        } else {
            Verdict::Passed
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Passed => "passed",
            Verdict::Lost => "lost",
            Verdict::RateNotMet => "rate not met",
        })
    }
}

/// One line for a trial.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trial { asked, sent, received, lost, latency, .. } = &self.trial;
        let p99 = latency.as_ref().and_then(|latency| {
            latency.points.iter().find(|(at, _)| *at == 99.0).map(|(_, ns)| ns / 1000.0)
        });
        write!(
            f,
            "{:<13} asked {:>11}  sent {:>11} {:>11}  back {:>11}  lost {:>9}  p99 {:>8}",
            self.verdict,
            asked.pps.map_or_else(String::new, |pps| numbers::rate(pps, "pps")),
            numbers::rate(sent.pps, "pps"),
            sent.packets,
            received.as_ref().map_or(0, |received| received.sequence.unique),
            lost.as_ref().map_or(0, |lost| lost.packets),
            p99.map_or_else(|| "-".to_owned(), |us| format!("{us:.1} us")),
        )
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.trials.iter().enumerate() {
            writeln!(f, "trial {:<3} {step}", at + 1)?;
        }
        let Search { resolution, loss_tolerance, trial_s, min_pps, .. } = self;
        let terms = format!(
            "to {} %, {} trials of {trial_s} s, tolerated loss {} %",
            resolution * 100.0,
            self.trials.len(),
            loss_tolerance * 100.0
        );
        match (self.pps, self.line_bit_s, self.line_share) {
            (Some(pps), Some(bits), Some(share)) => writeln!(
                f,
                "non-drop rate: {} ({pps:.0} pps), {}, {:.2} % of the line; {terms}",
                numbers::rate(pps, "pps"),
                numbers::rate(bits, "bit/s"),
                share * 100.0
            ),
            _ => writeln!(
                f,
                "non-drop rate: none from {} on; {terms}",
                numbers::rate(*min_pps, "pps")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn search(bisection: &mut Bisection, mut passes: impl FnMut(f64) -> bool) -> usize {
        let mut trials = 0;
        while let Some(rate) = bisection.next().filter(|_| trials < TRIALS_MAX) {
            bisection.record(passes(rate));
            trials += 1;
        }
        trials
    }

    proptest! {
        #[test]
        fn finds_the_edge_to_the_resolution(
            edge in 0.02..1.5_f64, resolution in 0.001..0.3_f64,
        ) {
            let mut bisection = Bisection::new(1e4, 1e6, resolution);
            let trials = search(&mut bisection, |rate| rate <= edge * 1e6);
            let found = bisection.found().expect("the edge is in the range");
            prop_assert!(found <= edge * 1e6);
            prop_assert!(found >= (edge * 1e6).min(1e6) * (1.0 - resolution) - 1.0, "{found}");
            prop_assert!(trials <= 2 + (1.0 / resolution / 0.01).log2().ceil() as usize);
        }

        #[test]
        fn ends_and_names_only_a_rate_that_passed_last(outcomes in prop::collection::vec(any::<bool>(), TRIALS_MAX)) {
            let mut bisection = Bisection::new(1e4, 1e6, 0.01);
            let mut last = None;
            let mut outcomes = outcomes.into_iter();
            let _trials = search(&mut bisection, |rate| {
                let passed = outcomes.next().unwrap_or(false);
                last = Some((rate, passed));
                passed
            });
            if let Some(found) = bisection.found() {
                prop_assert_eq!(last, Some((found, true)));
            }
        }
    }

    #[test]
    fn one_trial_that_fails_by_chance_does_not_move_the_answer_far() {
        let mut bisection = Bisection::new(1e4, 1e6, 0.01);
        let mut confirmations = 0;
        let trials = search(&mut bisection, |rate| {
            confirmations += usize::from((6.9e5..=7e5).contains(&rate));
            rate <= 7e5 && confirmations != 3
        });
        let found = bisection.found().expect("it is in the range");
        assert!((6.8e5..=7e5).contains(&found), "{found} after {trials} trials");
    }

    #[test]
    fn the_ends_of_the_range() {
        let mut all = Bisection::new(1e4, 1e6, 0.01);
        assert_eq!((search(&mut all, |_| true), all.found()), (1, Some(1e6)));
        let mut none = Bisection::new(1e4, 1e6, 0.01);
        let _trials = search(&mut none, |_| false);
        assert_eq!(none.found(), None);
        // Passes at first and never again.
        let mut lucky = Bisection::new(1e4, 1e6, 0.1);
        let mut trials = 0;
        let _trials = search(&mut lucky, |_| {
            trials += 1;
            trials == 2
        });
        assert_eq!(lucky.found(), None);
    }
}
