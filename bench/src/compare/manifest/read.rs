//! From the text of a manifest to one that can be used, or to everything that is wrong with it.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;

use config::{ConfigErrors, Diagnostic, Rule, Span, decode};
use toml::Spanned;

use super::{BuildSpec, CargoBuild, Manifest, Plan, SECONDS_RANGE, ScenarioName, Source, raw};

/// Rounds where neither manifest nor command line say how many.
const ROUNDS: usize = 11;
/// The same with `--short`.
const ROUNDS_SHORT: usize = 6;
/// Seconds of a run where nothing says how many.
const SECONDS: f64 = 2.0;
/// The same with `--short`.
const SECONDS_SHORT: f64 = 1.0;
/// More rounds help nobody: the interval shrinks with their square root.
const ROUNDS_MAX: i64 = 1000;
/// Reads a text; programs in it are relative to `folder`.
pub(super) fn parse(file_name: &str, text: &str, folder: &Path) -> Result<Manifest, ConfigErrors> {
    let document = config::toml(file_name, text)?;
    let mut found = Vec::new();
    let raw: raw::Document = decode::document(&document, &mut found);
    let full = Plan { scenarios: vec![], rounds: ROUNDS, seconds: SECONDS };
    let full = plan(raw.scenarios, &raw.rounds, &raw.seconds, full, &mut found);
    let mut short = Plan { rounds: ROUNDS_SHORT, seconds: SECONDS_SHORT, ..full.clone() };
    if let Some(raw::Short { scenarios, rounds, seconds }) = raw.short {
        short = plan(scenarios, &rounds, &seconds, short, &mut found);
    }
    let all = raw.build.unwrap_or_default();
    if all.is_empty() && found.is_empty() {
        found.push(no_build(text.trim_end().len()));
    }
    let (builds, reference) = builds(all, folder, &mut found);
    if found.is_empty() {
        return Ok(Manifest { builds, reference, full, short });
    }
    Err(ConfigErrors::new(file_name, text, found))
}

fn no_build(end: usize) -> Diagnostic {
    Diagnostic::at(
        Rule::Empty,
        end..end,
        "the manifest has no build",
        "nothing to compare",
        "add a table such as [[build]] with name = \"native\" and rustflags = \"-C target-cpu=native\"",
    )
}

/// The builds and the place of the reference: the one that is marked, or the first.
fn builds(
    all: Vec<raw::Build>,
    folder: &Path,
    found: &mut Vec<Diagnostic>,
) -> (Vec<BuildSpec>, usize) {
    let mut builds: Vec<(BuildSpec, Span)> = Vec::new();
    let mut marked: Option<(usize, Span)> = None;
    for raw in all {
        if let Some(mark) = raw.reference.as_ref().filter(|mark| *mark.get_ref()) {
            match &marked {
                Some((_, first)) => found.push(second_reference(mark.span(), first.clone())),
                None => marked = Some((builds.len(), mark.span())),
            }
        }
        if let Some((build, span)) = build(raw, folder, found) {
            if let Some((_, first)) = builds.iter().find(|(other, _)| other.name == build.name) {
                found.push(twice(span.clone(), first.clone(), &build.name));
            }
            builds.push((build, span));
        }
    }
    let builds = builds.into_iter().map(|(build, _)| build).collect();
    (builds, marked.map_or(0, |(place, _)| place))
}

fn twice(span: Span, first: Span, name: &str) -> Diagnostic {
    Diagnostic::at(
        Rule::DuplicateName,
        span,
        format!("two builds are called `{name}`"),
        "used again",
        "give each build its own name: results are told apart by it",
    )
    .also(first, "first used here")
}

fn second_reference(span: Span, first: Span) -> Diagnostic {
    Diagnostic::at(
        Rule::DuplicateName,
        span,
        "two builds are marked as the reference",
        "marked again",
        "remove one of the two lines",
    )
    .also(first, "the reference is chosen here")
}

/// The plan that a table describes; the rest as in `default`.
fn plan(
    scenarios: Option<raw::Texts>,
    rounds: &Option<Spanned<i64>>,
    seconds: &Option<Spanned<f64>>,
    mut default: Plan,
    found: &mut Vec<Diagnostic>,
) -> Plan {
    if let Some(names) = scenarios {
        let names = names.into_inner().0;
        default.scenarios = names.iter().filter_map(|name| scenario(name, found)).collect();
    }
    let rounds = in_range("rounds", rounds, 1..=ROUNDS_MAX, found);
    let seconds = in_range("seconds", seconds, SECONDS_RANGE, found);
    Plan {
        rounds: rounds.and_then(|rounds| rounds.try_into().ok()).unwrap_or(default.rounds),
        seconds: seconds.unwrap_or(default.seconds),
        ..default
    }
}

fn scenario(name: &Spanned<String>, found: &mut Vec<Diagnostic>) -> Option<ScenarioName> {
    let wrong = |what: String| {
        found.push(Diagnostic::at(
            Rule::UnknownChoice,
            name.span(),
            format!("`{}` is no scenario", name.get_ref()),
            what,
            "write for example scenarios = [\"accessor:read-cur-each\"]",
        ));
    };
    name.get_ref().parse().map_err(wrong).ok()
}

fn in_range<T: Copy + PartialOrd + Display>(
    key: &str,
    given: &Option<Spanned<T>>,
    range: RangeInclusive<T>,
    found: &mut Vec<Diagnostic>,
) -> Option<T> {
    let given = given.as_ref()?;
    let number = *given.get_ref();
    if range.contains(&number) {
        return Some(number);
    }
    found.push(Diagnostic::at(
        Rule::OutOfRange,
        given.span(),
        format!("`{key}` is out of range"),
        format!("must be {} to {}", range.start(), range.end()),
        format!("leave {key} out for what is usual"),
    ));
    None
}

fn build(raw: raw::Build, folder: &Path, found: &mut Vec<Diagnostic>) -> Option<(BuildSpec, Span)> {
    if raw.program.is_some() {
        beside_program("features", &raw.features, found);
        beside_program("profile", &raw.profile, found);
        beside_program("rustflags", &raw.rustflags, found);
        beside_program("revision", &raw.revision, found);
    }
    let revision = raw.revision.and_then(|revision| git_revision(revision, found));
    let text = Spanned::<String>::into_inner;
    let source = match raw.program {
        Some(program) => Source::Program(folder.join(program.into_inner())),
        None => Source::Cargo(CargoBuild {
            features: raw
                .features
                .map(|features| features.into_inner().0.into_iter().map(text).collect()),
            profile: raw.profile.map_or_else(|| "release".to_owned(), text),
            rustflags: raw.rustflags.map(text),
            revision,
        }),
    };
    let name = build_name(raw.name?, found)?;
    let span = name.span();
    Some((BuildSpec { name: name.into_inner(), source }, span))
}

/// A key that says how to build, in a table that names a program.
fn beside_program<T>(key: &str, value: &Option<Spanned<T>>, found: &mut Vec<Diagnostic>) {
    if let Some(value) = value {
        found.push(Diagnostic::at(
            Rule::UnknownKey,
            value.span(),
            format!("`{key}` beside `program`"),
            "nothing is built here",
            format!("remove `{key}`, or `program` to build from the sources"),
        ));
    }
}

fn git_revision(revision: Spanned<String>, found: &mut Vec<Diagnostic>) -> Option<String> {
    let text = revision.get_ref();
    // It goes onto git's command line.
    if text.is_empty() || text.starts_with('-') {
        found.push(Diagnostic::at(
            Rule::BadText,
            revision.span(),
            format!("`{text}` is no git revision"),
            "neither a commit nor a branch nor a tag",
            "write for example revision = \"main\"",
        ));
        return None;
    }
    Some(revision.into_inner())
}

fn build_name(name: Spanned<String>, found: &mut Vec<Diagnostic>) -> Option<Spanned<String>> {
    if is_name(name.get_ref()) {
        return Some(name);
    }
    found.push(Diagnostic::at(
        Rule::BadName,
        name.span(),
        format!("`{}` cannot be the name of a build", name.get_ref()),
        "it is the name of a directory as well",
        "use letters, digits, `-`, `_` and `.`, beginning with a letter or digit",
    ));
    None
}

fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
}
