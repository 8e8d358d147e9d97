//! A cost against a number of things: vnets.

use super::scale::{Scale, short};
use super::{Drawing, Frame, STYLES, Series, WIDTH};

const HEIGHT: f64 = 270.0;
/// Labels closer than this run into each other.
const LABEL_WIDTH: f64 = 36.0;

/// Values over a logarithmic x axis; a bar at each point is the range of the rounds. A build with a single point, such as
/// one that has only one vnet, gets a dashed line to compare the others with.
pub(crate) fn curve(series: &[Series], axis: &str, title: &str) -> String {
    let mut xs: Vec<f64> = series.iter().flat_map(|one| one.points.iter().map(|p| p.x)).collect();
    xs.sort_unstable_by(f64::total_cmp);
    xs.dedup();
    let frame = Frame { left: 52.0, right: WIDTH - 14.0, top: 10.0, bottom: HEIGHT - 46.0 };
    let values = series.iter().flat_map(|one| one.points.iter().map(|point| point.y));
    let scale = Scale::of_costs(values);
    let (first, last) = (xs.first().copied().unwrap_or(1.0), xs.last().copied().unwrap_or(1.0));
    let decades = (last / first).ln();
    let x = |value: f64| {
        // One point stands in the middle; so does what has no logarithm.
        let place = (value / first).ln() / decades;
        let place = if place.is_finite() { place } else { 0.5 };
        frame.left + 10.0 + place * (frame.right - frame.left - 20.0)
    };
    let mut drawing = Drawing::default();
    frame.y_axis(&mut drawing, &scale);
    let mut labelled = f64::NEG_INFINITY;
    for value in &xs {
        let at = x(*value);
        drawing.line("grid", (at, frame.top), (at, frame.bottom));
        if at - labelled >= LABEL_WIDTH {
            drawing.text("tick", "middle", (at, frame.bottom + 17.0), &short(*value));
            labelled = at;
        }
    }
    let middle = f64::midpoint(frame.left, frame.right);
    drawing.text("axis", "middle", (middle, HEIGHT - 8.0), axis);
    for one in series {
        draw(&mut drawing, one, &frame, &scale, &x);
    }
    drawing.finish(HEIGHT, title)
}

fn draw(
    drawing: &mut Drawing,
    one: &Series,
    frame: &Frame,
    scale: &Scale,
    x: &impl Fn(f64) -> f64,
) {
    let class = format!("b{}", one.build % STYLES);
    let points: Vec<(f64, f64)> =
        one.points.iter().map(|point| (x(point.x), frame.y(scale, point.y))).collect();
    if let [(at, y)] = points[..] {
        drawing.line(&format!("{class} curve dashed"), (at, y), (frame.right, y));
    }
    drawing.polyline(&format!("{class} curve"), &points);
    for ((x, y), point) in points.iter().zip(&one.points) {
        if let Some((low, high)) = point.range {
            let (low, high) = (frame.y(scale, low), frame.y(scale, high));
            drawing.line(&format!("{class} range"), (*x, low), (*x, high));
        }
        drawing.mark(one.build, *x, *y);
    }
}
