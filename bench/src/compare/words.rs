//! Numbers and findings in words, the same on the terminal and on the page.

use super::result::{ComparedScenario, Comparison, Measured, Verdict};
use super::statistics::Ratio;

/// A value with its unit's scale: `92.31 M` of `pps`, `1.234` of `cycles`.
pub(crate) fn value(value: f64, unit: &str) -> String {
    let is_rate = matches!(unit, "pps" | "bps" | "Hz") || unit.ends_with("/s");
    match numbers::prefixed(value) {
        (scaled, prefix @ ("G" | "M" | "k")) if is_rate => format!("{} {prefix}", digits(scaled)),
        _ => digits(value),
    }
}

/// Four digits, without pretending that there are more.
pub(crate) fn digits(value: f64) -> String {
    numbers::digits(value, 4)
}

/// A share as a percentage: `2.1 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// `0.981 .. 1.012`.
pub(crate) fn interval(ratio: &Ratio) -> String {
    format!("{:.3} .. {:.3}", ratio.low, ratio.high)
}

/// The findings, in sentences, the most important first.
pub(crate) fn summary(comparison: &Comparison) -> Vec<String> {
    let reference = &comparison.method.reference;
    let mut lines = Vec::new();
    if let Some(against) = &comparison.against {
        let count = against.regressions().count();
        lines.push(match count {
            0 => format!("No regression is shown since {}.", against.started),
            1 => format!("One regression is shown since {}.", against.started),
            _ => format!("{count} regressions are shown since {}.", against.started),
        });
    }
    if comparison.builds.len() < 2 {
        lines.push(format!("One build, {reference}: there is nothing to compare it with."));
    }
    for (place, build) in comparison.builds.iter().enumerate() {
        if place != comparison.reference() {
            lines.push(format!("{}, {}", build.name, finding(comparison, place)));
        }
    }
    lines
}

/// One build beside the reference.
fn finding(comparison: &Comparison, place: usize) -> String {
    let reference = &comparison.method.reference;
    let all: Vec<(&ComparedScenario, &Measured)> = comparison
        .scenarios
        .iter()
        .filter_map(|scenario| Some((scenario, scenario.results[place].as_ref()?)))
        .collect();
    let of = |verdict| move |(_, one): &&(&ComparedScenario, &Measured)| one.verdict == verdict;
    let count = |verdict| all.iter().filter(of(verdict)).count();
    let (better, worse) = (count(Verdict::Better), count(Verdict::Worse));
    let (same, few) = (count(Verdict::NoDifference), count(Verdict::TooFewRounds));
    let compared = better + worse + same + few;
    if compared == 0 {
        return format!("shares no scenario with {reference}.");
    }
    let scenarios = if compared == 1 { "scenario" } else { "scenarios" };
    let mut parts = Vec::new();
    for (count, what) in [
        (better, Verdict::Better),
        (worse, Verdict::Worse),
        (same, Verdict::NoDifference),
        (few, Verdict::TooFewRounds),
    ] {
        match count {
            0 => (),
            _ if count == compared => parts.push(what.words().to_owned()),
            _ => parts.push(format!("{} in {count}", what.words())),
        }
    }
    let parts = parts.join(", ");
    let mut text = format!("compared with {reference} in {compared} {scenarios}: {parts}.");
    for verdict in [Verdict::Worse, Verdict::Better] {
        let largest = all
            .iter()
            .filter(of(verdict))
            .max_by(|(_, one), (_, other)| distance(one).total_cmp(&distance(other)));
        if let Some((scenario, measured)) = largest {
            text += &largest_sentence(scenario, measured, count(verdict));
        }
    }
    text
}

/// ` Worse by at most 3.2 %: less pps in forward:64b (ratio 0.968, 95 % interval 0.961 .. 0.975).`
fn largest_sentence(scenario: &ComparedScenario, measured: &Measured, of: usize) -> String {
    let Some(ratio) = measured.ratio else { return String::new() };
    let word = if measured.verdict == Verdict::Worse { "Worse" } else { "Better" };
    format!(
        " {word} by {}{}: {} {} in {} (ratio {:.3}, 95 % interval {}).",
        if of > 1 { "at most " } else { "" },
        percent((ratio.value - 1.0).abs()),
        if ratio.value >= 1.0 { "more" } else { "less" },
        scenario.unit,
        scenario.full_name(),
        ratio.value,
        interval(&ratio),
    )
}

fn distance(measured: &Measured) -> f64 {
    measured.ratio.map_or(0.0, |ratio| ratio.value.ln().abs())
}

/// A number of unknown meaning: whole numbers as they are, others with four digits.
pub(crate) fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { digits(value) }
}
