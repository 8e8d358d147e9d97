//! The page's end: how it was measured, what was built, and where it ran.

use crate::compare::result::{ComparedBuild, Comparison};
use crate::compare::svg::escape;
use crate::compare::words;

/// Method, builds and machine.
pub(super) fn section(comparison: &Comparison) -> String {
    let method = &comparison.method;
    let order = method.orders.iter().take(3).map(|order| {
        let names = order.iter().filter_map(|place| comparison.builds.get(*place));
        names.map(|build| build.name.as_str()).collect::<Vec<_>>().join(" ")
    });
    let order = order.collect::<Vec<_>>().join("; ");
    let machine = &comparison.machine;
    format!(
        "<section>\n<h2>Method</h2>\n\
         <p>{} rounds. In each, every build runs every scenario once, all builds one scenario before the next, so that whatever \
         the machine does meanwhile meets all of them. The order changes from round to round: {}; and so on. A run of \
         <code>forward</code> measures {} s.</p>\n\
         <p>A ratio is the median over the rounds of a build's value over the value of <code>{}</code> in the same round. Its \
         interval is the percentile bootstrap: the rounds are drawn again {} times with replacement (seed {}), and the interval \
         holds the middle {:.0} % of the medians. Rates are compared as rates and costs as costs: what is better is said at each \
         scenario. Every run also checked that its results were right; one that was wrong would have ended the comparison.</p>\n\
         <h2>Builds</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>build</th><th class=\"words\">features</th>\
         <th class=\"words\">git</th><th class=\"words\">profile</th><th class=\"words\">target CPU, RUSTFLAGS</th>\
         <th class=\"words\">DPDK</th></tr></thead>\n<tbody>\n{}</tbody></table></div>\n\
         <h2>Machine</h2>\n<p>{}, {} CPUs, time stamp counter {} GHz, {}.</p>\n</section>\n",
        method.rounds,
        escape(&order),
        method.seconds,
        escape(&method.reference),
        method.resamples,
        method.seed,
        method.confidence * 100.0,
        comparison.builds.iter().map(build).collect::<String>(),
        escape(&machine.cpu),
        machine.cpus,
        words::digits(machine.tsc_hz as f64 / 1e9),
        escape(&machine.kernel)
    )
}

fn build(build: &ComparedBuild) -> String {
    let reported = &build.reported;
    let git = match &build.revision {
        Some(revision) => format!("{} ({revision})", reported.git),
        None => reported.git.clone(),
    };
    let flags = build.rustflags.as_deref().unwrap_or_default();
    let profile = build.profile.as_deref().unwrap_or(&reported.profile);
    let target = format!("{} {flags}", reported.target_cpu);
    let cells = [&reported.features.join(", "), &git, profile, target.trim(), &reported.dpdk];
    let cells: String =
        cells.iter().map(|cell| format!("<td class=\"words\">{}</td>", escape(cell))).collect();
    format!("<tr><td>{}</td>{cells}</tr>\n", escape(&build.name))
}
