//! One scenario: what is behind the medians, from the middle to the worst.

use super::scale::Scale;
use super::{Drawing, Frame, STYLES, Series, WIDTH};

const HEIGHT: f64 = 250.0;

/// Percentiles over their rank, which is evenly spaced by nines: 50, 90, 99, 99.9 ... and the largest value.
pub(crate) fn percentiles(series: &[Series], title: &str) -> String {
    let mut ranks: Vec<f64> =
        series.iter().flat_map(|one| one.points.iter().map(|point| point.x)).collect();
    ranks.sort_unstable_by(f64::total_cmp);
    ranks.dedup();
    let frame = Frame { left: 52.0, right: WIDTH - 14.0, top: 10.0, bottom: HEIGHT - 28.0 };
    let values = series.iter().flat_map(|one| one.points.iter().map(|point| point.y));
    let scale = Scale::of_costs(values);
    let x = |rank: f64| {
        let place = ranks.iter().position(|one| *one == rank).unwrap_or(0);
        let last = ranks.len().saturating_sub(1).max(1);
        frame.left + 8.0 + place as f64 / last as f64 * (frame.right - frame.left - 16.0)
    };
    let mut drawing = Drawing::default();
    frame.y_axis(&mut drawing, &scale);
    for rank in &ranks {
        let label = if *rank == 100.0 { "max".to_owned() } else { format!("{rank}") };
        drawing.line("grid", (x(*rank), frame.top), (x(*rank), frame.bottom));
        drawing.text("tick", "middle", (x(*rank), frame.bottom + 17.0), &label);
    }
    for one in series {
        let points: Vec<(f64, f64)> =
            one.points.iter().map(|point| (x(point.x), frame.y(&scale, point.y))).collect();
        drawing.polyline(&format!("b{} curve", one.build % STYLES), &points);
        for (x, y) in points {
            drawing.mark(one.build, x, y);
        }
    }
    drawing.finish(HEIGHT, title)
}
