//! The result as a table for people.

use std::fmt::{self, Write};

use crate::report::{PERCENTILES, Scenario};

/// Headings, as wide as the lines of [`row`].
pub(super) fn header() -> String {
    let mut line = format!("{:<22}", "cycles of one access");
    for percentile in PERCENTILES {
        let name = if percentile == 100.0 { "max".to_owned() } else { format!("p{percentile}") };
        let _fits: fmt::Result = write!(line, "{name:>10}");
    }
    line + &format!("{:>10}{:>9}", "ns", "instr")
}

/// A scenario's line.
pub(super) fn row(scenario: &Scenario) -> String {
    let mut line = format!("{:<22}", scenario.name);
    let points = scenario.percentiles.iter().flat_map(|percentiles| &percentiles.points);
    for (_percentile, cycles) in points {
        let _fits: fmt::Result = write!(line, "{:>10}", number(Some(*cycles)));
    }
    let detail = |name: &str| scenario.details.get(name).and_then(serde_json::Value::as_f64);
    line + &format!("{:>10}{:>9}", number(detail("ns")), number(detail("instructions")))
}

/// With as many digits as say something.
fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value < 100.0 => format!("{value:.2}"),
        Some(value) if value < 10_000.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Better, Percentiles};

    #[test]
    fn columns_stand_below_their_headings() {
        let percentiles = Percentiles {
            unit: "cycles".to_owned(),
            count: 1,
            points: PERCENTILES.map(|percentile| (percentile, 1234.5)).to_vec(),
        };
        let scenario = Scenario {
            name: "round-robin-cold-16384".to_owned(),
            value: 1234.5,
            unit: "cycles".to_owned(),
            better: Better::Lower,
            percentiles: Some(percentiles),
            point: None,
            details: [("ns".to_owned(), 0.25.into())].into_iter().collect(),
        };
        let (header, row) = (header(), row(&scenario));
        assert_eq!(header.len(), row.len());
        assert!(header.ends_with("       max        ns    instr"), "{header}");
        assert!(row.ends_with("    1234.5      0.25        -"), "{row}");
    }
}
