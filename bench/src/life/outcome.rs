//! The outcome of a scenario: lines for people, results for programs.

use std::time::Instant;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde_json::Value;

use crate::report::{Better, Percentiles, Scenario};

/// The outcome of a scenario.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) lines: Vec<String>,
    pub(super) results: Vec<Scenario>,
}

impl Outcome {
    /// Adds a cost.
    pub(super) fn cost(
        &mut self,
        name: &str,
        value: f64,
        unit: &str,
        percentiles: Option<Percentiles>,
        details: &Value,
    ) {
        self.results.push(Scenario {
            name: name.to_owned(),
            value,
            unit: unit.to_owned(),
            better: Better::Lower,
            percentiles,
            point: None,
            details: details.as_object().cloned().unwrap_or_default(),
        });
    }
}

/// The time that longer ones are taken for.
const LONGEST_NS: u64 = 1 << 40;

/// How long something took, each time.
#[derive(Debug)]
pub(super) struct Times(Histogram<u64>);

impl Times {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, LONGEST_NS, 3)?))
    }

    /// From `start` to now.
    pub(super) fn record(&mut self, start: Instant) {
        let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(nanos);
    }

    /// In microseconds.
    pub(super) fn at(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e3
    }

    pub(super) fn percentiles(&self) -> Percentiles {
        Percentiles::of(&self.0, "us", 1e3)
    }

    /// For people.
    pub(super) fn line(&self, what: &str) -> String {
        let [p50, p99, p999, max] = [0.5, 0.99, 0.999, 1.0].map(|quantile| self.at(quantile));
        format!(
            "{what:<34} p50 {p50:>7.1} us   p99 {p99:>7.1}   p99.9 {p999:>7.1}   max {max:>8.1}"
        )
    }
}
