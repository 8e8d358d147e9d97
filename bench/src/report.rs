//! The report of a measurement: the JSON object that `accessor --json` and `forward --json` print and `compare` reads.
//!
//! One schema for all commands, so that whatever measures can be compared. [`SCHEMA`] counts up when a field changes its
//! meaning; a new field alone does not change it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The version of this schema.
pub const SCHEMA: u32 = 1;

/// The measurements of one run of one command of one build.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The command: `accessor` or `forward`.
    pub command: String,
    /// The build that was measured.
    pub build: Build,
    /// Where.
    pub machine: Machine,
    /// The results, in the order in which they ran.
    pub scenarios: Vec<Scenario>,
}

/// A build of the programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The package's version.
    pub version: String,
    /// `git describe` of the sources.
    pub git: String,
    /// Cargo features: the accessor arm.
    pub features: Vec<String>,
    /// `-C target-cpu`.
    #[serde(rename = "target-cpu")]
    pub target_cpu: String,
    /// `release` or `debug`.
    pub profile: String,
    /// The version of the DPDK libraries in use.
    pub dpdk: String,
}

/// A machine, as far as it says something about numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The CPU's model name.
    pub cpu: String,
    /// CPUs that are online.
    pub cpus: usize,
    /// Frequency of the time stamp counter.
    pub tsc_hz: u64,
    /// `uname -sr`.
    pub kernel: String,
    /// Why numbers from here need care: steal time, no invariant TSC, other load. Empty on a quiet machine.
    pub warnings: Vec<String>,
}

/// One scenario's result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scenario {
    /// Its name, the same in every build: `64b-1t1c-ethip4-ip4base`, `read-cur-each`.
    pub name: String,
    /// The value that is compared.
    pub value: f64,
    /// Of `value`: `pps`, `cycles`.
    pub unit: String,
    /// Which way is up.
    pub better: Better,
    /// The distribution behind the value, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percentiles: Option<Percentiles>,
    /// The scenario's place in a curve, where it is one point of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<Point>,
    /// All else that the command has to say: cycles per packet, nodes, instruction counts.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

/// Whether more is better or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// A rate.
    Higher,
    /// A cost.
    Lower,
}

/// A distribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Of the values.
    pub unit: String,
    /// How many values were recorded.
    pub count: u64,
    /// Percentile and value, ascending: 50, 90, 99, 99.9, 99.99, 100 at least.
    pub points: Vec<(f64, f64)>,
}

/// A point of a curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The curve's name.
    pub series: String,
    /// The x axis: `vnets`.
    pub axis: String,
    /// Where on it.
    pub x: f64,
}

/// The percentiles that every distribution is given with.
pub const PERCENTILES: [f64; 6] = [50.0, 90.0, 99.0, 99.9, 99.99, 100.0];

impl Percentiles {
    /// Of a histogram whose values count `per_unit` to the unit (a histogram of tenths of a cycle has 10).
    #[must_use]
    pub fn of(histogram: &hdrhistogram::Histogram<u64>, unit: &str, per_unit: f64) -> Self {
        let point = |percentile: f64| {
            (percentile, histogram.value_at_percentile(percentile) as f64 / per_unit)
        };
        Self {
            unit: unit.to_owned(),
            count: histogram.len(),
            points: PERCENTILES.iter().map(|percentile| point(*percentile)).collect(),
        }
    }
}
