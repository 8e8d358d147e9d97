//! The findings of a comparison: the JSON object of `compare --json`, which `compare --against` and the HTML page read.
//!
//! bench/README.md, "compare", documents it field by field.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::against::Against;
use super::statistics::{PAIRED_ROUNDS_MIN, Ratio, median, paired, spread};
use crate::report::{Better, Build, Machine, Percentiles, Point};

/// The version of this schema; counts up when a field changes its meaning.
pub(crate) const SCHEMA: u32 = 1;
/// The value of `kind`, so that another program's JSON is told apart.
const KIND: &str = "curvnet-bench compare";

/// A whole comparison.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Comparison {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// [`KIND`].
    pub(crate) kind: String,
    /// When it began, UTC, RFC 3339.
    pub(crate) started: String,
    /// How it was measured.
    pub(crate) method: Method,
    /// Where it was measured.
    pub(crate) machine: Machine,
    /// The reasons to doubt the numbers, of the machine and of the method, one line each.
    pub(crate) warnings: Vec<String>,
    /// The builds in the order of the manifest.
    pub(crate) builds: Vec<ComparedBuild>,
    /// The scenarios in the order in which they were chosen.
    pub(crate) scenarios: Vec<ComparedScenario>,
    /// The findings of `--against`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) against: Option<Against>,
}

/// How it was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Method {
    /// Rounds; each build runs each scenario once in each.
    pub(crate) rounds: usize,
    /// Measured time of a run of `forward`, in seconds.
    pub(crate) seconds: f64,
    /// The build that ratios are to.
    pub(crate) reference: String,
    /// The orders in which the builds ran, round by round, by their place in `builds`.
    pub(crate) orders: Vec<Vec<usize>>,
    /// Share that intervals hold.
    pub(crate) confidence: f64,
    /// Resamples of the bootstrap.
    pub(crate) resamples: usize,
    /// Seed of the bootstrap.
    pub(crate) seed: u64,
}

/// A build as the manifest has it and as its program describes itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ComparedBuild {
    /// Its name in the manifest.
    pub(crate) name: String,
    /// The cargo profile; null for a program that was there.
    pub(crate) profile: Option<String>,
    /// RUSTFLAGS, where the manifest sets them.
    pub(crate) rustflags: Option<String>,
    /// The git revision, where the manifest names one.
    pub(crate) revision: Option<String>,
    /// The program that ran.
    pub(crate) program: String,
    /// The program's own word on its build.
    pub(crate) reported: Build,
}

/// One scenario in all builds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ComparedScenario {
    /// The command that measures it: `accessor` or `forward`.
    pub(crate) command: String,
    /// Its name.
    pub(crate) name: String,
    /// Of all values: `pps`, `cycles`.
    pub(crate) unit: String,
    /// Which way is up.
    pub(crate) better: Better,
    /// Its place in a curve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) point: Option<Point>,
    /// One entry for each build, in the order of `builds`; null for a build that does not have the scenario.
    pub(crate) results: Vec<Option<Measured>>,
}

/// One scenario in one build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// The values, round by round.
    pub(crate) values: Vec<f64>,
    /// Their median.
    pub(crate) median: f64,
    /// (largest - smallest) / median.
    pub(crate) spread: f64,
    /// To the reference build; null for the reference itself, and where there is nothing to divide by.
    pub(crate) ratio: Option<Ratio>,
    /// The verdict on the ratio.
    pub(crate) verdict: Verdict,
    /// Of each percentile, the median of the rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) percentiles: Option<Percentiles>,
    /// Of each number that the command says besides, by its path, the median of the rounds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) details: BTreeMap<String, f64>,
}

/// The verdict on a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// This is what the others are compared with.
    Reference,
    /// The whole interval is on the good side of 1.
    Better,
    /// The whole interval is on the bad side of 1.
    Worse,
    /// The interval holds 1.
    NoDifference,
    /// With so few rounds, chance alone could have done it.
    TooFewRounds,
    /// The reference build does not have the scenario, or is 0 in it.
    NoReference,
}

impl Verdict {
    /// Of a ratio between two samples of which the smaller has `rounds`, where `rounds_min` are needed.
    pub(crate) fn of(
        ratio: Option<Ratio>,
        better: Better,
        rounds: usize,
        rounds_min: usize,
    ) -> Self {
        let Some(ratio) = ratio else { return Self::NoReference };
        if ratio.holds_one() {
            Self::NoDifference
        } else if rounds < rounds_min {
            Self::TooFewRounds
        } else if (ratio.low > 1.0) == (better == Better::Higher) {
            Self::Better
        } else {
            Self::Worse
        }
    }

    /// For people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Better => "better",
            Self::Worse => "worse",
            Self::NoDifference => "no difference shown",
            Self::TooFewRounds => "too few rounds to say",
            Self::NoReference => "nothing to compare with",
        }
    }
}

impl Measured {
    /// From the values of the rounds and those of the reference, which is `None` for the reference itself.
    pub(crate) fn new(values: Vec<f64>, better: Better, reference: Reference<'_>) -> Self {
        let (ratio, verdict) = match reference {
            Reference::Itself => (None, Verdict::Reference),
            Reference::Missing => (None, Verdict::NoReference),
            Reference::Values(reference) => {
                let ratio = paired(&values, reference);
                (ratio, Verdict::of(ratio, better, values.len(), PAIRED_ROUNDS_MIN))
            }
        };
        let (median, spread) = (median(&values), spread(&values));
        Self { values, median, spread, ratio, verdict, percentiles: None, details: BTreeMap::new() }
    }
}

/// The reference that a build's values are compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reference<'a> {
    /// It is the reference.
    Itself,
    /// The reference does not have the scenario.
    Missing,
    /// The reference's values, round by round.
    Values(&'a [f64]),
}

impl ComparedScenario {
    /// `forward:64b-1t1c-ethip4-ip4base`.
    pub(crate) fn full_name(&self) -> String {
        format!("{}:{}", self.command, self.name)
    }

    /// `more is better` or `less is better`.
    pub(crate) fn direction(&self) -> &'static str {
        match self.better {
            Better::Higher => "more is better",
            Better::Lower => "less is better",
        }
    }
}

impl Comparison {
    /// The fixed fields.
    pub(crate) fn kind() -> String {
        KIND.to_owned()
    }

    /// Reads what an earlier comparison wrote.
    ///
    /// # Errors
    ///
    /// Names the file and what it is instead.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            schema: u32,
            kind: String,
        }
        let name = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        let head: Head =
            serde_json::from_str(&text).ok().filter(|head: &Head| head.kind == KIND).with_context(
                || format!("{name} is not a file of `curvnet-bench compare --json`"),
            )?;
        if head.schema != SCHEMA {
            bail!(
                "{name} has schema {}, this program reads {SCHEMA}: measure it again",
                head.schema
            );
        }
        serde_json::from_str(&text).with_context(|| format!("{name} is damaged"))
    }

    /// The JSON text, with a newline at its end.
    pub(crate) fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// The place of the reference build.
    pub(crate) fn reference(&self) -> usize {
        self.builds.iter().position(|build| build.name == self.method.reference).unwrap_or(0)
    }
}
