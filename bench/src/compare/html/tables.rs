//! The tables of the page: everything that the plots show, as numbers.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::compare::against::Since;
use crate::compare::result::{ComparedScenario, Comparison, Verdict};
use crate::compare::svg::escape;
use crate::compare::words;

/// The changes since an earlier comparison.
pub(super) fn changes(comparison: &Comparison) -> String {
    let Some(against) = &comparison.against else { return String::new() };
    let mut out = format!(
        "<section>\n<h2>Since {}</h2>\n<p>Beside <code>{}</code>, with a tolerance of {}. The rounds of two comparisons \
         have nothing in common: the ratio is that of two medians.</p>\n<div class=\"wide\"><table>\n<thead><tr>\
         <th>build</th><th class=\"words\">scenario</th><th>before</th><th>now</th><th>ratio</th><th class=\"words\"></th>\
         </tr></thead>\n<tbody>\n",
        escape(&against.started),
        escape(&against.file),
        words::percent(against.tolerance)
    );
    for change in &against.changes {
        let class = match change.verdict {
            Since::Regression => "words bad",
            Since::Better => "words good",
            Since::Worse | Since::NoDifference => "words",
        };
        let _always = writeln!(
            out,
            "<tr><td>{}</td><td class=\"words\">{}</td><td>{}</td><td>{}</td><td>{:.3}<small>{}</small></td>\
             <td class=\"{class}\">{}</td></tr>",
            escape(&change.build),
            escape(&change.scenario),
            words::value(change.before, &change.unit),
            words::value(change.now, &change.unit),
            change.ratio.value,
            words::interval(&change.ratio),
            change.verdict.words()
        );
    }
    out += "</tbody></table></div>\n";
    if !against.not_compared.is_empty() {
        out += &format!("<p>Not in both: {}.</p>\n", escape(&against.not_compared.join("; ")));
    }
    out + "</section>\n"
}

/// Every median.
pub(super) fn numbers(comparison: &Comparison) -> String {
    let mut out = "<section>\n<h2>All numbers</h2>\n<p>The median of the rounds; their spread, which is largest less smallest \
                   over median; the median of each round's own ratio, with its interval.</p>\n<div class=\"wide\"><table>\n\
                   <thead><tr><th>build</th><th>median</th><th>spread</th><th>ratio</th><th class=\"words\"></th></tr>\
                   </thead>\n"
        .to_owned();
    for scenario in &comparison.scenarios {
        let _always = writeln!(
            out,
            "<tbody><tr><th colspan=\"5\" scope=\"rowgroup\">{} <span class=\"soft\">{}, {}</span></th></tr>",
            escape(&scenario.full_name()),
            escape(&scenario.unit),
            scenario.direction()
        );
        for place in 0..comparison.builds.len() {
            out += &row(comparison, scenario, place);
        }
        out += "</tbody>\n";
    }
    out + "</table></div>\n</section>\n"
}

fn row(comparison: &Comparison, scenario: &ComparedScenario, place: usize) -> String {
    let name = escape(&comparison.builds[place].name);
    let Some(result) = &scenario.results[place] else {
        return format!(
            "<tr><td>{name}</td><td>-</td><td>-</td><td>-</td><td class=\"words soft\">does not have it</td></tr>\n"
        );
    };
    let ratio = result.ratio.map_or_else(
        || "-".to_owned(),
        |ratio| format!("{:.3}<small>{}</small>", ratio.value, words::interval(&ratio)),
    );
    let class = match result.verdict {
        Verdict::Better => "words good",
        Verdict::Worse => "words bad",
        _ => "words soft",
    };
    format!(
        "<tr><td>{name}</td><td>{}</td><td>{}</td><td>{ratio}</td><td class=\"{class}\">{}</td></tr>\n",
        words::value(result.median, &scenario.unit),
        words::percent(result.spread),
        result.verdict.words()
    )
}

/// All else that the programs said, folded away.
pub(super) fn details(comparison: &Comparison) -> String {
    let tables: String =
        comparison.scenarios.iter().map(|scenario| detail(comparison, scenario)).collect();
    if tables.is_empty() {
        return String::new();
    }
    format!(
        "<section>\n<h2>Further numbers</h2>\n<p>What the programs say besides; medians of the rounds.</p>\n{tables}</section>\n"
    )
}

fn detail(comparison: &Comparison, scenario: &ComparedScenario) -> String {
    let keys: BTreeSet<&str> = scenario
        .results
        .iter()
        .flatten()
        .flat_map(|result| result.details.keys().map(String::as_str))
        .collect();
    if keys.is_empty() {
        return String::new();
    }
    let mut out = format!(
        "<details>\n<summary>{}</summary>\n<div class=\"wide\"><table>\n<thead><tr><th></th>",
        escape(&scenario.full_name())
    );
    for build in &comparison.builds {
        out += &format!("<th>{}</th>", escape(&build.name));
    }
    out += "</tr></thead>\n<tbody>\n";
    for key in keys {
        out += &format!("<tr><td><code>{}</code></td>", escape(key));
        for result in &scenario.results {
            let value = result.as_ref().and_then(|result| result.details.get(key));
            let value = value.map_or_else(|| "-".to_owned(), |value| words::number(*value));
            out += &format!("<td>{value}</td>");
        }
        out += "</tr>\n";
    }
    out + "</tbody></table></div>\n</details>\n"
}
