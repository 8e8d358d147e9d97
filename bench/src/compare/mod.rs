//! `curvnet-bench compare`: builds against each other, in turn, round by round.
//!
//! [`manifest`] says what is compared, [`builds`] makes the programs, [`rounds`] runs them, [`analysis`] turns what they said
//! into a [`result::Comparison`], which [`table`], [`html`] and its own JSON show. Nothing is written before all is measured.

mod against;
mod analysis;
mod builds;
mod html;
mod manifest;
mod process;
mod result;
mod rounds;
mod statistics;
mod svg;
mod table;
#[cfg(test)]
mod tests;
mod time;
mod words;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use against::{Against, Tolerance};
use builds::Workspace;
use manifest::{Manifest, Plan, ScenarioName, Source};
use result::Comparison;
use rounds::Ready;

use crate::Usage;
use crate::report::Build;

/// Builds and runs several builds in turn and compares them.
///
/// A manifest lists the builds: features, RUSTFLAGS, profile, git revision, or a program that is there. Every round runs
/// every build; the ratios to the reference build come with an interval that holds them with 95 % confidence.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The builds to compare [default: bench/builds.toml of these sources]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Only these builds of the manifest
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    builds: Vec<String>,
    /// Instead of the manifest's: accessor:NAME or forward:NAME
    #[arg(long, value_name = "COMMAND:NAME", value_delimiter = ',')]
    scenarios: Vec<ScenarioName>,
    /// Few scenarios and few rounds: the manifest's table `short`
    #[arg(long)]
    short: bool,
    /// How often each build runs each scenario
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: Option<u16>,
    /// Measured time of a run of forward
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    seconds: Option<f64>,
    /// Run what an earlier --build-only or comparison has built
    #[arg(long)]
    no_build: bool,
    /// Build, and do not measure
    #[arg(long, conflicts_with = "no_build")]
    build_only: bool,
    /// Where to build, in a folder for each build [default: target/compare]
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
    /// Write everything as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Tell what is worse than in an earlier --json; exit code 1 if something is
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// With --against: how much worse is accepted
    #[arg(long, value_name = "PERCENT", default_value = "5%", requires = "against")]
    tolerance: Tolerance,
}

fn seconds(text: &str) -> Result<f64, String> {
    let range = manifest::SECONDS_RANGE;
    match text.parse() {
        Ok(seconds) if range.contains(&seconds) => Ok(seconds),
        _ => Err(format!("a time in seconds, {} to {}", range.start(), range.end())),
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args, _build: Build) -> Result<()> {
    process::catch_interrupts()?;
    let Some(comparison) = compare(args, &std::env::current_dir()?)? else { return Ok(()) };
    write_files(args, &comparison)?;
    std::io::stdout()
        .write_all(table::render(&comparison).as_bytes())
        .context("standard output")?;
    let against = comparison.against.as_ref();
    match against.map_or(0, |against| against.regressions().count()) {
        0 => Ok(()),
        1 => bail!("one regression beyond {}", words::percent(args.tolerance.0)),
        count => bail!("{count} regressions beyond {}", words::percent(args.tolerance.0)),
    }
}

/// Builds and measures; nothing for `--build-only`. Relative paths are from `here`.
fn compare(args: &Args, here: &Path) -> Result<Option<Comparison>> {
    let workspace = Workspace::find(here, args.target_dir.as_deref());
    let (manifest, plan) = chosen(args, &workspace)?;
    let earlier = earlier(args, &plan)?;
    let ready = ready(args, &manifest, workspace)?;
    if args.build_only {
        return Ok(None);
    }
    let started = time::now();
    let measurements = rounds::measure(&ready, &plan)?;
    let mut comparison = analysis::compare(&manifest, &plan, &ready, measurements, started)?;
    if let Some((file, earlier)) = &earlier {
        comparison.against = Some(Against::new(&comparison, earlier, file, args.tolerance));
    }
    Ok(Some(comparison))
}

/// The manifest with only the builds that are wanted, and what to measure: the command line's word before the manifest's.
fn chosen(args: &Args, workspace: &Result<Workspace>) -> Result<(Manifest, Plan)> {
    let path = match (&args.manifest, workspace) {
        (Some(path), _) => path.clone(),
        (None, Ok(workspace)) => workspace.root.join("bench/builds.toml"),
        (None, Err(error)) => return Err(Usage(format!("{error:#}, or name a --manifest")).into()),
    };
    let mut manifest = manifest::load(&path)?;
    keep(&mut manifest, &args.builds)?;
    let mut plan = if args.short { manifest.short.clone() } else { manifest.full.clone() };
    if !args.scenarios.is_empty() {
        plan.scenarios.clone_from(&args.scenarios);
    }
    plan.rounds = args.rounds.map_or(plan.rounds, usize::from);
    plan.seconds = args.seconds.unwrap_or(plan.seconds);
    if plan.scenarios.is_empty() && !args.build_only {
        let path = path.display();
        let text = format!("neither {path} nor --scenarios says what to measure");
        return Err(Usage(text).into());
    }
    Ok((manifest, plan))
}

fn keep(manifest: &mut Manifest, wanted: &[String]) -> Result<()> {
    let names: Vec<String> = manifest.builds.iter().map(|build| build.name.clone()).collect();
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(name)) {
        let text = format!("the manifest has no build {unknown}; it has {}", names.join(", "));
        return Err(Usage(text).into());
    }
    if !wanted.is_empty() {
        let reference = names[manifest.reference].clone();
        manifest.builds.retain(|build| wanted.contains(&build.name));
        let place = manifest.builds.iter().position(|build| build.name == reference);
        manifest.reference = place.unwrap_or(0);
    }
    Ok(())
}

fn earlier(args: &Args, plan: &Plan) -> Result<Option<(String, Comparison)>> {
    let Some(path) = &args.against else { return Ok(None) };
    let earlier = Comparison::read(path)?;
    if let Some(why) = against::too_few_rounds(plan.rounds, &earlier) {
        return Err(Usage(why).into());
    }
    Ok(Some((path.display().to_string(), earlier)))
}

/// Builds what has to be built; afterwards every program is there.
fn ready(args: &Args, manifest: &Manifest, workspace: Result<Workspace>) -> Result<Vec<Ready>> {
    let uses_cargo = manifest.builds.iter().any(|build| matches!(build.source, Source::Cargo(_)));
    let workspace = match workspace {
        Err(error) if uses_cargo => return Err(error),
        workspace => workspace.ok(),
    };
    let count = manifest.builds.len();
    let mut ready = Vec::new();
    for (number, spec) in manifest.builds.iter().enumerate() {
        let (program, features) = match (&spec.source, &workspace) {
            (Source::Cargo(cargo), Some(workspace)) => {
                if !args.no_build {
                    say(&format!("build {} of {count}: {}", number + 1, spec.name));
                    workspace.build(spec)?;
                }
                (workspace.program(spec), cargo.features.clone())
            }
            (Source::Program(program), _) => (program.clone(), None),
            (Source::Cargo(_), None) => continue,
        };
        if !program.is_file() {
            let cure = if args.no_build { ": run without --no-build" } else { "" };
            bail!("build {}: {} is not there{cure}", spec.name, program.display());
        }
        // A bare file name would be looked for in PATH.
        let program = std::path::absolute(program)?;
        ready.push(Ready { name: spec.name.clone(), program, features });
    }
    Ok(ready)
}

/// A line about what is going on; standard output is for the result.
fn say(text: &str) {
    let _nobody_listens = writeln!(std::io::stderr(), "-- {text}");
}

fn write_files(args: &Args, comparison: &Comparison) -> Result<()> {
    if let Some(path) = &args.json {
        write_file(path, &comparison.json()?)?;
    }
    if let Some(path) = &args.html {
        write_file(path, &html::page(comparison))?;
    }
    Ok(())
}

/// Writes all or nothing: a reader never sees half a file.
fn write_file(path: &Path, text: &str) -> Result<()> {
    let context = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(context)?;
    }
    let mut half = path.as_os_str().to_owned();
    half.push(".part");
    std::fs::write(&half, text).with_context(context)?;
    std::fs::rename(&half, path).with_context(context)
}
