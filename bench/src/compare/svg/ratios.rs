//! One scenario: a bar from 1 to each build's ratio, and its interval.

use super::scale::Scale;
use super::{Drawing, STYLES, WIDTH};
use crate::compare::result::{ComparedScenario, Comparison, Measured};
use crate::compare::statistics::Ratio;
use crate::compare::words;

/// Height of a build's part: a line of text, and the bar below it.
const ROW: f64 = 42.0;
const AXIS: f64 = 24.0;
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
        drawing.line("grid", (x(value), 0.0), (x(value), bottom));
        drawing.text("tick", "middle", (x(value).clamp(16.0, WIDTH - 16.0), bottom + 16.0), &label);
    }
    for (row, (build, result, ratio)) in rows.iter().enumerate() {
        let top = ROW * row as f64;
        drawing.text("name halo", "start", (2.0, top + 15.0), &comparison.builds[*build].name);
        let text = format!("{:.3} ({})", ratio.value, words::interval(ratio));
        drawing.text("number halo", "end", (WIDTH - 2.0, top + 15.0), &text);
        bar(&mut drawing, *build, ratio, top + 21.0, &x);
        // Beside the bar, on the side where there is room.
        let verdict = result.verdict.words();
        let (left, right) = (ratio.low.min(1.0), ratio.high.max(1.0));
        let (anchor, at) = if x(left) > WIDTH - x(right) {
            ("end", x(left) - 7.0)
        } else {
            ("start", x(right) + 7.0)
        };
        drawing.text("verdict halo", anchor, (at, top + 21.0 + BAR - 2.0), verdict);
    }
    drawing.line("one", (x(1.0), 0.0), (x(1.0), bottom));
    let title = format!("Ratio to {} in {}", comparison.method.reference, scenario.full_name());
    Some(drawing.finish(bottom + AXIS, &title))
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
