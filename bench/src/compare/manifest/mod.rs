//! The manifest: which builds are compared, in which scenarios. bench/README.md, "compare", documents the keys.

mod decode;
mod problem;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result};

use decode::Table;
use problem::{BadManifest, Problem};

use crate::Usage;

/// A manifest that can be used.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Manifest {
    /// At least one; names differ.
    pub(crate) builds: Vec<BuildSpec>,
    /// The place of the reference in `builds`.
    pub(crate) reference: usize,
    /// What is measured without `--short`.
    pub(crate) full: Plan,
    /// What is measured with `--short`.
    pub(crate) short: Plan,
}

/// A build to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BuildSpec {
    /// Its name, which is that of its target directory as well.
    pub(crate) name: String,
    /// Where its program comes from.
    pub(crate) source: Source,
}

/// Where a build's program comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A program that is there already.
    Program(PathBuf),
    /// Cargo builds it.
    Cargo(CargoBuild),
}

/// What cargo is to build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CargoBuild {
    /// Exactly these features; `None` leaves cargo's default.
    pub(crate) features: Option<Vec<String>>,
    /// The cargo profile.
    pub(crate) profile: String,
    /// RUSTFLAGS; `None` leaves those of the environment and of `.cargo/config.toml`.
    pub(crate) rustflags: Option<String>,
    /// A git revision; `None` is the working tree.
    pub(crate) revision: Option<String>,
}

/// What is measured, and how often.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// In this order.
    pub(crate) scenarios: Vec<ScenarioName>,
    /// Rounds.
    pub(crate) rounds: usize,
    /// Measured time of a run of `forward`, in seconds.
    pub(crate) seconds: f64,
}

/// A scenario of a command: `accessor:read-cur-each`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScenarioName {
    /// Which command measures it.
    pub(crate) command: Measure,
    /// Its name there.
    pub(crate) name: String,
}

/// A command that measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// `curvnet-bench accessor`.
    Accessor,
    /// `curvnet-bench forward`.
    Forward,
}

impl Measure {
    /// The sub-command.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::Accessor => "accessor",
            Self::Forward => "forward",
        }
    }
}

impl FromStr for ScenarioName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "a scenario is accessor:NAME or forward:NAME";
        let (command, name) = text.split_once(':').ok_or(wanted)?;
        let command = match command {
            "accessor" => Measure::Accessor,
            "forward" => Measure::Forward,
            _ => return Err(wanted.to_owned()),
        };
        // A name goes onto a command line: it must not look like an option.
        if name.is_empty() || name.starts_with('-') || name.contains(char::is_whitespace) {
            return Err(wanted.to_owned());
        }
        Ok(Self { command, name: name.to_owned() })
    }
}

impl std::fmt::Display for ScenarioName {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{}:{}", self.command.command(), self.name)
    }
}

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
/// A worker's counters are meant for runs of seconds.
pub(super) const SECONDS_MAX: f64 = 600.0;

const KEYS: [&str; 5] = ["scenarios", "rounds", "seconds", "short", "build"];
const PLAN_KEYS: [&str; 3] = ["scenarios", "rounds", "seconds"];
const BUILD_KEYS: [&str; 7] =
    ["name", "features", "profile", "rustflags", "revision", "program", "reference"];
const CARGO_KEYS: [&str; 4] = ["features", "profile", "rustflags", "revision"];

/// Reads a manifest; programs in it are relative to its folder.
///
/// # Errors
///
/// The file cannot be read, or a [`Usage`] that tells everything that is wrong with it.
pub(crate) fn load(path: &Path) -> Result<Manifest> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the manifest {}", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&path.display().to_string(), &text, folder).map_err(|bad| Usage(bad.to_string()).into())
}

fn parse(file_name: &str, text: &str, folder: &Path) -> Result<Manifest, BadManifest> {
    let bad = |problems| BadManifest::new(file_name, text, problems);
    let parsed = toml::de::DeTable::parse(text)
        .map_err(|error| bad(vec![Problem::syntax(&error, text.len())]))?;
    let mut found = Vec::new();
    let end = text.trim_end().len();
    manifest(parsed.get_ref(), end, folder, &mut found).ok_or_else(|| bad(found))
}

fn manifest(
    root: &toml::de::DeTable<'_>,
    end: usize,
    folder: &Path,
    found: &mut Vec<Problem>,
) -> Option<Manifest> {
    let mut table = Table::new("a manifest", root, 0..0, found);
    table.known(&KEYS);
    let full = plan(&mut table, &Plan { scenarios: vec![], rounds: ROUNDS, seconds: SECONDS });
    let mut short = Plan { rounds: ROUNDS_SHORT, seconds: SECONDS_SHORT, ..full.clone() };
    for place in table.tables("short", false) {
        let mut table = table.inner("[short]", place);
        table.known(&PLAN_KEYS);
        short = plan(&mut table, &short);
    }
    let places = table.tables("build", true);
    if places.is_empty() && table.found.is_empty() {
        table.found.push(Problem::no_build(end));
    }
    let (builds, reference) = builds(&mut table, places, folder);
    Some(Manifest { builds, reference, full, short }).filter(|_| found.is_empty())
}

/// The builds and the place of the reference: the one that is marked, or the first.
fn builds<'a>(
    table: &mut Table<'a, '_>,
    places: Vec<(&'a toml::de::DeTable<'a>, Range<usize>)>,
    folder: &Path,
) -> (Vec<BuildSpec>, usize) {
    let mut builds: Vec<(BuildSpec, Range<usize>)> = Vec::new();
    let mut marked: Option<(usize, Range<usize>)> = None;
    for place in places {
        let mut table = table.inner("[[build]]", place);
        table.known(&BUILD_KEYS);
        if let Some((true, span)) = table.flag("reference") {
            match &marked {
                Some((_, first)) => {
                    table.found.push(Problem::second_reference(span, first.clone()));
                }
                None => marked = Some((builds.len(), span)),
            }
        }
        if let Some((build, span)) = build(&mut table, folder) {
            if let Some((_, first)) = builds.iter().find(|(other, _)| other.name == build.name) {
                table.found.push(Problem::twice(span.clone(), first.clone(), &build.name));
            }
            builds.push((build, span));
        }
    }
    let builds = builds.into_iter().map(|(build, _)| build).collect();
    (builds, marked.map_or(0, |(place, _)| place))
}

fn plan(table: &mut Table<'_, '_>, default: &Plan) -> Plan {
    let scenarios = table.strings("scenarios").map(|names| {
        let example = "write for example scenarios = [\"accessor:read-cur-each\"]";
        let parse = |(name, span): (String, Range<usize>)| match name.parse() {
            Ok(name) => Some(name),
            Err(what) => {
                table.problem(span, format!("`{name}` is no scenario"), what, example.to_owned());
                None
            }
        };
        names.into_iter().filter_map(parse).collect()
    });
    Plan {
        scenarios: scenarios.unwrap_or_else(|| default.scenarios.clone()),
        rounds: table
            .integer("rounds", 1..=ROUNDS_MAX)
            .and_then(|rounds| usize::try_from(rounds).ok())
            .unwrap_or(default.rounds),
        seconds: table.seconds("seconds", SECONDS_MAX).unwrap_or(default.seconds),
    }
}

fn build(table: &mut Table<'_, '_>, folder: &Path) -> Option<(BuildSpec, Range<usize>)> {
    let program = table.string("program");
    let cargo = CargoBuild {
        features: table
            .strings("features")
            .map(|features| features.into_iter().map(|(feature, _)| feature).collect()),
        profile: table
            .string("profile")
            .map_or_else(|| "release".to_owned(), |(profile, _)| profile),
        rustflags: table.string("rustflags").map(|(flags, _)| flags),
        revision: table.string("revision").and_then(|(revision, span)| {
            // It goes onto git's command line.
            if revision.is_empty() || revision.starts_with('-') {
                table.problem(
                    span,
                    format!("`{revision}` is no git revision"),
                    "neither a commit nor a branch nor a tag".to_owned(),
                    "write for example revision = \"main\"".to_owned(),
                );
                return None;
            }
            Some(revision)
        }),
    };
    let source = match program {
        Some((program, _)) => {
            for key in CARGO_KEYS {
                table.useless_beside_program(key);
            }
            Source::Program(folder.join(program))
        }
        None => Source::Cargo(cargo),
    };
    let (name, span) = table.required("name", "name = \"native\"")?;
    if !is_name(&name) {
        table.problem(
            span,
            format!("`{name}` cannot be the name of a build"),
            "it is the name of a directory as well".to_owned(),
            "use letters, digits, `-`, `_` and `.`, beginning with a letter or digit".to_owned(),
        );
        return None;
    }
    Some((BuildSpec { name, source }, span))
}

fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
}

#[cfg(test)]
mod tests;
