//! One scenario: a bar from 1 to each build's ratio, and its interval.

use super::scale::Scale;
use super::{Drawing, STYLES, WIDTH};
use crate::compare::result::{ComparedScenario, Comparison, Measured, Verdict};
use crate::compare::statistics::Ratio;
use crate::compare::words;

/// Height of a build's part: a line of text, and the bar below it.
const ROW: f64 = 42.0;
const AXIS: f64 = 20.0;
/// Width of a ratio with its interval.
const NUMBER: f64 = 146.0;
/// Longer names would run into the verdict; the legend and the tables have them in full.
const NAME_MAX: usize = 17;
const BAR: f64 = 12.0;
/// However alike the builds are, the axis shows at least so much to both sides: less is beyond what can be measured.
const LEAST: f64 = 0.02;

/// The plot, or nothing for a scenario without a ratio.
pub(crate) fn ratios(comparison: &Comparison, scenario: &ComparedScenario) -> Option<String> {
    let rows: Vec<(usize, &Measured, Ratio)> = scenario
        .results
        .iter()
        .enumerate()
        .filter_map(|(build, result)| {
            let result = result.as_ref()?;
            Some((build, result, result.ratio?))
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let scale = axis(rows.iter().map(|(.., ratio)| ratio));
    let x = |value: f64| 8.0 + scale.place(value) * (WIDTH - 16.0);
    let bottom = ROW * rows.len() as f64 + 4.0;
    let mut drawing = Drawing::default();
    for (value, label) in scale.ticks() {
        drawing.text("tick", "middle", (x(value).clamp(16.0, WIDTH - 16.0), bottom + 14.0), &label);
    }
    for (row, (build, result, ratio)) in rows.iter().enumerate() {
        let top = ROW * row as f64;
        let name = shortened(&comparison.builds[*build].name);
        drawing.text("name", "start", (2.0, top + 14.0), &name);
        let class = match result.verdict {
            Verdict::Better => "good",
            Verdict::Worse => "bad",
            _ => "verdict",
        };
        let text = format!("{:.3} ({})", ratio.value, words::interval(ratio));
        drawing.text("number", "end", (WIDTH - 2.0, top + 14.0), &text);
        drawing.text(class, "end", (WIDTH - NUMBER, top + 14.0), result.verdict.words());
        // The lines end below the text, which they would cross out.
        let band = (top + 18.0, top + ROW);
        for (value, _) in scale.ticks() {
            drawing.line("grid", (x(value), band.0), (x(value), band.1));
        }
        bar(&mut drawing, *build, ratio, top + 22.0, &x);
        drawing.line("one", (x(1.0), band.0), (x(1.0), band.1));
    }
    let title = format!("Ratio to {} in {}", comparison.method.reference, scenario.full_name());
    Some(drawing.finish(bottom + AXIS, &title))
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_MAX {
        return name.to_owned();
    }
    name.chars().take(NAME_MAX - 1).chain(['\u{2026}']).collect()
}

fn axis<'a>(ratios: impl Iterator<Item = &'a Ratio> + Clone) -> Scale {
    let low = ratios.clone().map(|ratio| ratio.low).fold(1.0 - LEAST, f64::min);
    let high = ratios.map(|ratio| ratio.high).fold(1.0 + LEAST, f64::max);
    let margin = (high - low) * 0.04;
    Scale::linear((low - margin).max(0.0), high + margin)
}

fn bar(drawing: &mut Drawing, build: usize, ratio: &Ratio, top: f64, x: &impl Fn(f64) -> f64) {
    let (from, to) = (x(ratio.value.min(1.0)), x(ratio.value.max(1.0)));
    drawing.put(format_args!(
        "<rect class=\"b{} bar\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAR}\"/>",
        build % STYLES,
        to - from
    ));
    let middle = top + BAR / 2.0;
    drawing.line("whisker", (x(ratio.low), middle), (x(ratio.high), middle));
    for end in [ratio.low, ratio.high] {
        drawing.line("whisker", (x(end), top + 2.0), (x(end), top + BAR - 2.0));
    }
}
