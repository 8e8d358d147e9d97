//! Percentiles of what workers measured of themselves, for the summary.

use std::collections::BTreeMap;
use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;
use stack::worker::{CycleHistogram, Histograms, Node, PROBE_ACCESSES};

/// One worker's distributions.
#[derive(Debug, Serialize)]
pub(crate) struct Distributions {
    /// Cycles of an iteration that received packets.
    burst: Option<Percentiles>,
    /// Cycles of one access to a variable of a vnet.
    accessor: Option<Percentiles>,
    /// Cycles of a call, by node.
    nodes: BTreeMap<&'static str, Percentiles>,
}

/// One distribution, in TSC cycles.
#[derive(Debug, Serialize)]
struct Percentiles {
    count: u64,
    p50: f64,
    p90: f64,
    p99: f64,
    #[serde(rename = "p99.9")]
    p99_9: f64,
    #[serde(rename = "p99.99")]
    p99_99: f64,
    max: f64,
}

impl Distributions {
    pub(crate) fn of(histograms: &Histograms) -> Self {
        let of_node =
            |node: &Node| Some((node.name(), Percentiles::of(histograms.node(*node), 1)?));
        Self {
            burst: Percentiles::of(&histograms.burst, 1),
            accessor: Percentiles::of(&histograms.probe, PROBE_ACCESSES),
            nodes: Node::ALL.iter().filter_map(of_node).collect(),
        }
    }
}

impl Percentiles {
    /// `None` when nothing was recorded. A recorded value is the cycles of `each` things.
    fn of(cycles: &CycleHistogram, each: u32) -> Option<Self> {
        // Three digits are more than the worker's slots have.
        let mut histogram = Histogram::<u64>::new(3).ok()?;
        for (value, count) in cycles.values() {
            histogram.record_n(value, count).ok()?;
        }
        let at = |percentile| histogram.value_at_percentile(percentile) as f64 / f64::from(each);
        (!histogram.is_empty()).then(|| Self {
            count: histogram.len(),
            p50: at(50.0),
            p90: at(90.0),
            p99: at(99.0),
            p99_9: at(99.9),
            p99_99: at(99.99),
            max: histogram.max() as f64 / f64::from(each),
        })
    }
}

impl fmt::Display for Distributions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {:<22}{:>10}{:>10}{:>10}{:>10}{:>10}{:>12}{:>12}",
            "cycles", "p50", "p90", "p99", "p99.9", "p99.99", "max", "samples"
        )?;
        let mut line = |name: &str, percentiles: &Percentiles| {
            let Percentiles { count, p50, p90, p99, p99_9, p99_99, max } = percentiles;
            let digits = usize::from(*p50 < 100.0);
            write!(f, "  {name:<22}")?;
            for value in [p50, p90, p99, p99_9, p99_99] {
                write!(f, "{value:>10.digits$}")?;
            }
            writeln!(f, "{max:>12.digits$}{count:>12}")
        };
        if let Some(burst) = &self.burst {
            line("burst", burst)?;
        }
        for (name, node) in &self.nodes {
            line(&format!("call of {name}"), node)?;
        }
        if let Some(accessor) = &self.accessor {
            line("access to a variable", accessor)?;
        }
        Ok(())
    }
}
