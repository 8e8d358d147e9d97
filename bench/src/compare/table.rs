//! The comparison as text for a terminal.

use std::fmt::Write as _;

use super::against::Against;
use super::result::{ComparedScenario, Comparison};
use super::words;

/// The whole comparison: summary, a block for each scenario, warnings.
pub(crate) fn render(comparison: &Comparison) -> String {
    let mut out = String::new();
    for line in words::summary(comparison) {
        out.push_str(&line);
        out.push('\n');
    }
    for scenario in &comparison.scenarios {
        out.push('\n');
        out.push_str(&block(comparison, scenario));
    }
    if let Some(against) = &comparison.against {
        out.push('\n');
        out.push_str(&changes(against));
    }
    if !comparison.warnings.is_empty() {
        out.push('\n');
    }
    for warning in &comparison.warnings {
        line(&mut out, format_args!("warning: {warning}"));
    }
    out
}

fn line(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _always = writeln!(out, "{arguments}");
}

fn block(comparison: &Comparison, scenario: &ComparedScenario) -> String {
    let mut out = String::new();
    let name = scenario.full_name();
    line(&mut out, format_args!("{name}: {}, {}", scenario.unit, scenario.direction()));
    let rows = scenario.results.iter().zip(&comparison.builds).map(|(result, build)| {
        let Some(result) = result else {
            return [
                build.name.clone(),
                "-".into(),
                "-".into(),
                "-".into(),
                "-".into(),
                "does not have it".into(),
            ];
        };
        [
            build.name.clone(),
            words::value(result.median, &scenario.unit),
            words::percent(result.spread),
            result.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{:.3}", ratio.value)),
            result.ratio.map_or_else(|| "-".to_owned(), |ratio| words::interval(&ratio)),
            result.verdict.words().to_owned(),
        ]
    });
    out.push_str(&columns(["build", "median", "spread", "ratio", "95 % interval", ""], rows));
    out
}

fn changes(against: &Against) -> String {
    let mut out = String::new();
    line(
        &mut out,
        format_args!(
            "since {} ({}), tolerance {}:",
            against.file,
            against.started,
            words::percent(against.tolerance)
        ),
    );
    let rows = against.changes.iter().map(|change| {
        [
            change.build.clone(),
            change.scenario.clone(),
            words::value(change.before, &change.unit),
            words::value(change.now, &change.unit),
            format!("{:.3}", change.ratio.value),
            words::interval(&change.ratio),
            change.verdict.words().to_owned(),
        ]
    });
    let header = ["build", "scenario", "before", "now", "ratio", "95 % interval", ""];
    out.push_str(&columns(header, rows));
    for name in &against.not_compared {
        line(&mut out, format_args!("  not in both: {name}"));
    }
    out
}

/// Aligned columns: names and words to the left, numbers to the right.
fn columns<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(header.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let is_text = |column: usize| {
        column == N - 1 || header[column] == "build" || header[column] == "scenario"
    };
    let mut out = String::new();
    for row in &rows {
        let mut text = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            text.push_str("  ");
            text.push_str(&if is_text(column) {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            });
        }
        line(&mut out, format_args!("{}", text.trim_end()));
    }
    out
}
