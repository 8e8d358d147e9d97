//! `compare --against FILE`: what has become worse since an earlier comparison.
//!
//! The rounds of two comparisons have nothing in common, so the interval is that of the ratio of two medians. A regression
//! is shown when the whole interval lies on the bad side of 1, further away than the tolerance.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::result::{Comparison, Measured};
use super::statistics::{Ratio, UNPAIRED_ROUNDS_MIN, unpaired};
use crate::report::Better;

/// A share by which a result may be worse, given in percent: `5%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tolerance(pub(crate) f64);

impl FromStr for Tolerance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let percent = text.trim().strip_suffix('%').and_then(|number| number.trim().parse().ok());
        match percent {
            Some(percent) if (0.0..100.0).contains(&percent) => Ok(Self(percent / 100.0)),
            _ => Err("a tolerance is a percentage such as 5%".to_owned()),
        }
    }
}

/// The changes since an earlier comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Against {
    /// The earlier comparison's file.
    pub(crate) file: String,
    /// When it began.
    pub(crate) started: String,
    /// How much worse is accepted, as a share of 1.
    pub(crate) tolerance: f64,
    /// Every scenario of every build that both comparisons have.
    pub(crate) changes: Vec<Change>,
    /// `BUILD, COMMAND:NAME` of what only one of the two has.
    pub(crate) not_compared: Vec<String>,
}

/// One scenario of one build, now and before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// The build's name.
    pub(crate) build: String,
    /// `COMMAND:NAME`.
    pub(crate) scenario: String,
    /// The earlier median.
    pub(crate) before: f64,
    /// The median of today.
    pub(crate) now: f64,
    /// Of both.
    pub(crate) unit: String,
    /// Which way is up.
    pub(crate) better: Better,
    /// Median by median.
    pub(crate) ratio: Ratio,
    /// The verdict.
    pub(crate) verdict: Since,
}

/// The verdict on a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Since {
    /// Worse by more than the tolerance.
    Regression,
    /// Worse, but perhaps within the tolerance.
    Worse,
    /// Better.
    Better,
    /// The interval holds 1.
    NoDifference,
}

impl Since {
    fn of(ratio: Ratio, better: Better, tolerance: f64) -> Self {
        let (worse, regression) = match better {
            Better::Lower => (ratio.low > 1.0, ratio.low > 1.0 + tolerance),
            Better::Higher => (ratio.high < 1.0, ratio.high < 1.0 - tolerance),
        };
        match () {
            () if regression => Self::Regression,
            () if worse => Self::Worse,
            () if ratio.holds_one() => Self::NoDifference,
            () => Self::Better,
        }
    }

    /// For people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Regression => "REGRESSION",
            Self::Worse => "worse, within tolerance",
            Self::Better => "better",
            Self::NoDifference => "no difference shown",
        }
    }
}

impl Against {
    /// Compares `now` with `before`, which was read from `file`.
    pub(crate) fn new(
        now: &Comparison,
        before: &Comparison,
        file: &str,
        tolerance: Tolerance,
    ) -> Self {
        let mut against = Self {
            file: file.to_owned(),
            started: before.started.clone(),
            tolerance: tolerance.0,
            changes: Vec::new(),
            not_compared: Vec::new(),
        };
        for (name, unit, better, measured) in results(now) {
            let earlier = results(before)
                .find(|(other, other_unit, ..)| *other == name && *other_unit == unit)
                .map(|(.., measured)| measured);
            let ratio = earlier.and_then(|earlier| unpaired(&measured.values, &earlier.values));
            match earlier.zip(ratio) {
                Some((earlier, ratio)) => against.changes.push(Change {
                    build: name.0.to_owned(),
                    scenario: name.1,
                    before: earlier.median,
                    now: measured.median,
                    unit: unit.to_owned(),
                    better,
                    ratio,
                    verdict: Since::of(ratio, better, tolerance.0),
                }),
                None => against.not_compared.push(format!("{}, {}", name.0, name.1)),
            }
        }
        for (name, ..) in results(before) {
            if !results(now).any(|(other, ..)| other == name) {
                against.not_compared.push(format!("{}, {}", name.0, name.1));
            }
        }
        against
    }

    /// The regressions.
    pub(crate) fn regressions(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.verdict == Since::Regression)
    }
}

/// Why two comparisons cannot be compared, or what has to be kept in mind.
pub(crate) fn too_few_rounds(now: usize, before: &Comparison) -> Option<String> {
    let min = UNPAIRED_ROUNDS_MIN;
    if now < min {
        return Some(format!(
            "--against needs {min} rounds at least, or chance alone shows regressions: --rounds {min}"
        ));
    }
    (before.method.rounds < min).then(|| {
        format!("the earlier comparison has {} rounds, and {min} are needed", before.method.rounds)
    })
}

/// Everything that was measured: build and scenario, unit, direction, values.
fn results(
    comparison: &Comparison,
) -> impl Iterator<Item = ((&str, String), &str, Better, &Measured)> {
    comparison.scenarios.iter().flat_map(|scenario| {
        scenario.results.iter().zip(&comparison.builds).filter_map(|(measured, build)| {
            let name = (build.name.as_str(), scenario.full_name());
            Some((name, scenario.unit.as_str(), scenario.better, measured.as_ref()?))
        })
    })
}
