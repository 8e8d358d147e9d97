//! The comparison as one page that needs nothing else: no script, no font, no network.

mod method;
mod tables;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::result::{ComparedScenario, Comparison};
use super::svg::{self, Series, SeriesPoint, escape};
use super::words;

const STYLE: &str = include_str!("style.css");

/// The page.
pub(crate) fn page(comparison: &Comparison) -> String {
    let title = title(comparison);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<header>\n<h1>{title}</h1>\n<p class=\"soft\">{}</p>\n</header>\n<main>\n",
        escape(&format!(
            "curvnet-bench compare, {}, {}, {} rounds",
            comparison.started, comparison.machine.cpu, comparison.method.rounds
        ))
    );
    out += &summary(comparison);
    out += &tables::changes(comparison);
    out += &ratios(comparison);
    out += &curves(comparison);
    out += &percentiles(comparison);
    out += &tables::numbers(comparison);
    out += &tables::details(comparison);
    out += &method::section(comparison);
    out + "</main>\n</body>\n</html>\n"
}

fn title(comparison: &Comparison) -> String {
    let names: Vec<&str> = comparison.builds.iter().map(|build| build.name.as_str()).collect();
    let title = match names.split_last() {
        Some((last, first @ [_, ..])) => format!("{} and {last} compared", first.join(", ")),
        _ => format!("{} measured", names.join("")),
    };
    escape(&title)
}

fn summary(comparison: &Comparison) -> String {
    let list = |lines: &[String]| -> String {
        lines.iter().fold(String::new(), |mut out, line| {
            let _always = writeln!(out, "<li>{}</li>", escape(line));
            out
        })
    };
    let mut out = format!("<ul class=\"summary\">\n{}</ul>\n", list(&words::summary(comparison)));
    if !comparison.warnings.is_empty() {
        out += &format!(
            "<div class=\"warnings\">\n<p><strong>These numbers need care:</strong></p>\n<ul>\n{}</ul>\n</div>\n",
            list(&comparison.warnings)
        );
    }
    out
}

/// A section of plots, or nothing if there are none.
fn section(heading: &str, about: &str, figures: &str) -> String {
    if figures.is_empty() {
        return String::new();
    }
    format!(
        "<section>\n<h2>{}</h2>\n<p>{}</p>\n<div class=\"plots\">\n{figures}</div>\n</section>\n",
        escape(heading),
        escape(about)
    )
}

fn figure(title: &str, about: &str, legend: &str, plot: &str) -> String {
    format!(
        "<figure>\n<figcaption>{} <small>{}</small>{legend}</figcaption>\n{plot}</figure>\n",
        escape(title),
        escape(about)
    )
}

fn legend(comparison: &Comparison, series: &[Series]) -> String {
    let keys = series.iter().map(|one| {
        let name = escape(&comparison.builds[one.build].name);
        format!("<span>{}{name}</span>", svg::legend_mark(one.build))
    });
    format!("<div class=\"legend\">{}</div>", keys.collect::<Vec<_>>().join("\n"))
}

fn ratios(comparison: &Comparison) -> String {
    let figures = comparison.scenarios.iter().filter_map(|scenario| {
        let plot = svg::ratios(comparison, scenario)?;
        let about = format!("{}, {}", scenario.unit, scenario.direction());
        Some(figure(&scenario.full_name(), &about, "", &plot))
    });
    let about = "The bar ends at the ratio; the black line is the interval that holds it with 95 % confidence. Where it \
                 crosses 1, no difference is shown. Every plot has its own axis.";
    let heading = format!("Ratio to {}", comparison.method.reference);
    section(&heading, about, &figures.collect::<String>())
}

fn curves(comparison: &Comparison) -> String {
    let name = |scenario: &ComparedScenario| {
        let point = scenario.point.as_ref()?;
        Some((scenario.command.clone(), point.series.clone()))
    };
    let all: BTreeSet<(String, String)> = comparison.scenarios.iter().filter_map(name).collect();
    let figures = all.iter().map(|wanted| {
        let points: Vec<&ComparedScenario> =
            comparison.scenarios.iter().filter(|one| name(one).as_ref() == Some(wanted)).collect();
        let series = series_over_points(comparison, &points);
        let axis = points.first().and_then(|one| one.point.as_ref());
        let axis = axis.map_or("", |point| point.axis.as_str());
        let title = format!("{}:{}", wanted.0, wanted.1);
        let about = points
            .first()
            .map_or_else(String::new, |one| format!("{}, {}", one.unit, one.direction()));
        let plot = svg::curve(&series, axis, &format!("{title} against {axis}"));
        figure(&title, &about, &legend(comparison, &series), &plot)
    });
    let about = "Medians; the thin bar at a point goes from the smallest to the largest round. A build that has a single \
                 point has a dashed line, to compare the others with.";
    section("By the number of vnets", about, &figures.collect::<String>())
}

fn series_over_points(comparison: &Comparison, scenarios: &[&ComparedScenario]) -> Vec<Series> {
    let of_build = |build: usize| {
        let mut points: Vec<_> = scenarios
            .iter()
            .filter_map(|scenario| {
                let result = scenario.results[build].as_ref()?;
                let low = result.values.iter().copied().fold(f64::INFINITY, f64::min);
                let high = result.values.iter().copied().fold(0.0, f64::max);
                Some(SeriesPoint {
                    x: scenario.point.as_ref()?.x,
                    y: result.median,
                    range: Some((low, high)),
                })
            })
            .collect();
        points.sort_unstable_by(|one, other| one.x.total_cmp(&other.x));
        Series { build, points }
    };
    (0..comparison.builds.len()).map(of_build).filter(|one| !one.points.is_empty()).collect()
}

fn percentiles(comparison: &Comparison) -> String {
    let figures = comparison.scenarios.iter().filter_map(|scenario| {
        let of_build = |(build, result): (usize, &Option<super::result::Measured>)| {
            let percentiles = result.as_ref()?.percentiles.as_ref()?;
            let points =
                percentiles.points.iter().map(|(x, y)| SeriesPoint { x: *x, y: *y, range: None });
            Some(Series { build, points: points.collect() })
        };
        let series: Vec<Series> =
            scenario.results.iter().enumerate().filter_map(of_build).collect();
        let mut measured = scenario.results.iter().flatten();
        let unit = measured.find_map(|result| Some(result.percentiles.as_ref()?.unit.clone()))?;
        let title = scenario.full_name();
        let plot = svg::percentiles(&series, &format!("Percentiles of {title} in {unit}"));
        Some(figure(&title, &unit, &legend(comparison, &series), &plot))
    });
    let about = "What stands behind the medians: the part of all values, in percent, that is not above the curve. Each \
                 point is the median of the rounds.";
    section("Percentiles", about, &figures.collect::<String>())
}
