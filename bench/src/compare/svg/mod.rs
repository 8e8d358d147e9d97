//! Plots as inline SVG. Colours, fonts and widths are the page's CSS; the class `b0`, `b1` ... of a build is all that is said
//! here, so that a plot follows light, dark and print.
//!
//! Every plot is 400 units wide: that is a column of the page, and a small screen, so text is as large as around it.

mod curve;
mod percentiles;
mod ratios;
mod scale;

use std::fmt::{Arguments, Write as _};

pub(crate) use curve::curve;
pub(crate) use percentiles::percentiles;
pub(crate) use ratios::ratios;

/// Builds that have a colour and a mark of their own; more than so many begin again.
pub(crate) const STYLES: usize = 8;

/// Width of every plot.
const WIDTH: f64 = 400.0;

/// A line of a plot: one build's points.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// The build's place in the comparison, which decides on colour and mark.
    pub(crate) build: usize,
    /// x ascending.
    pub(crate) points: Vec<SeriesPoint>,
}

/// A point of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeriesPoint {
    /// Where it is: a percentile, or a number of vnets.
    pub(crate) x: f64,
    /// Its median.
    pub(crate) y: f64,
    /// From the smallest to the largest round, where that is known.
    pub(crate) range: Option<(f64, f64)>,
}

/// Text that is no markup.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The mark of a build, for a legend.
pub(crate) fn legend_mark(build: usize) -> String {
    let mut drawing = Drawing::default();
    drawing.mark(build, 10.0, 8.0);
    format!(
        "<svg class=\"key\" viewBox=\"0 0 20 16\" aria-hidden=\"true\"><line class=\"b{} curve\" x1=\"0\" y1=\"8\" \
         x2=\"20\" y2=\"8\"/>{}</svg>",
        build % STYLES,
        drawing.0
    )
}

/// Elements so far.
#[derive(Debug, Default)]
struct Drawing(String);

impl Drawing {
    fn put(&mut self, element: Arguments<'_>) {
        // Writing to a String cannot fail.
        let _always = writeln!(self.0, "{element}");
    }

    fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.put(format_args!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    /// `anchor`: start, middle or end.
    fn text(&mut self, class: &str, anchor: &str, (x, y): (f64, f64), text: &str) {
        let text = escape(text);
        self.put(format_args!(
            "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"
        ));
    }

    fn polyline(&mut self, class: &str, points: &[(f64, f64)]) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.put(format_args!("<polyline class=\"{class}\" points=\"{}\"/>", points.join(" ")));
    }

    /// Shapes differ as colours do, for print in black and for eyes that do not tell these colours.
    fn mark(&mut self, build: usize, x: f64, y: f64) {
        let class = format!("b{} mark", build % STYLES);
        match build % 4 {
            0 => self.put(format_args!(
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"
            )),
            1 => self.put(format_args!(
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"7\" height=\"7\"/>",
                x - 3.5,
                y - 3.5
            )),
            2 => self.polygon(&class, x, y, &[(0.0, -4.8), (4.6, 3.6), (-4.6, 3.6)]),
            _ => self.polygon(&class, x, y, &[(0.0, -5.2), (5.2, 0.0), (0.0, 5.2), (-5.2, 0.0)]),
        }
    }

    fn polygon(&mut self, class: &str, x: f64, y: f64, corners: &[(f64, f64)]) {
        let corners: Vec<String> =
            corners.iter().map(|(dx, dy)| format!("{:.1},{:.1}", x + dx, y + dy)).collect();
        self.put(format_args!("<polygon class=\"{class}\" points=\"{}\"/>", corners.join(" ")));
    }

    /// The whole picture; `title` is what a screen reader says.
    fn finish(self, height: f64, title: &str) -> String {
        format!(
            "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\"><title>{}</title>\n{}</svg>\n",
            escape(title),
            self.0
        )
    }
}

/// Where values are drawn: a rectangle with a scale for each axis.
#[derive(Debug)]
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Frame {
    /// Labelled horizontal lines for the y axis.
    fn y_axis(&self, drawing: &mut Drawing, scale: &scale::Scale) {
        for (value, label) in scale.ticks() {
            let y = self.y(scale, value);
            drawing.line("grid", (self.left, y), (self.right, y));
            drawing.text("tick", "end", (self.left - 6.0, y + 4.0), &label);
        }
    }

    fn y(&self, scale: &scale::Scale, value: f64) -> f64 {
        self.bottom - scale.place(value) * (self.bottom - self.top)
    }
}
