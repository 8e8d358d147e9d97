//! Runs the builds in turn and collects what they say.
//!
//! A step is one run of one command: `accessor` with all its scenarios, or `forward` with one of them. In each round every
//! step is done by all builds before the next step begins, so that the runs that are compared follow each other at once.
//! The builds' order changes from round to round: A B C D, D C B A, B C D A, A D C B ... A round and its mirror image cancel
//! a drift of the machine, and the rotation gives every build every place.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use super::manifest::{Measure, Plan, ScenarioName};
use super::process;
use crate::report::{Report, SCHEMA, Scenario};

/// A run that takes longer hangs: even a glob of many scenarios of `forward` is done by then.
const RUN_LIMIT: Duration = Duration::from_secs(3600);
/// How much of what a failed run said is repeated.
const COMPLAINT_LINES: usize = 20;
/// A load above this has something else running.
const LOAD_LIMIT: f64 = 0.5;

/// A build that is ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    /// Its name in the manifest.
    pub(crate) name: String,
    /// Its program.
    pub(crate) program: PathBuf,
    /// The features it must say it has; `None` where the manifest does not say.
    pub(crate) features: Option<Vec<String>>,
}

/// The reports of one build.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    /// Its first report, which describes build and machine.
    pub(crate) first: Option<Report>,
    /// Its scenarios, in the order in which it reported them first.
    pub(crate) scenarios: Vec<Collected>,
}

/// The values of one build in one scenario.
#[derive(Clone, Debug)]
pub(crate) struct Collected {
    /// The command.
    pub(crate) command: &'static str,
    /// Round by round; never empty.
    pub(crate) rounds: Vec<Scenario>,
}

impl Collected {
    /// The scenario's name.
    pub(crate) fn name(&self) -> &str {
        &self.rounds[0].name
    }
}

impl Samples {
    /// The results of a scenario, if the build has it.
    pub(crate) fn find(&self, command: &str, name: &str) -> Option<&[Scenario]> {
        let found = self.scenarios.iter().find(|one| one.command == command && one.name() == name);
        found.map(|one| one.rounds.as_slice())
    }

    /// Takes a report of this round.
    fn add(&mut self, command: &'static str, report: Report, round: usize) -> Result<()> {
        for scenario in &report.scenarios {
            let known = self
                .scenarios
                .iter_mut()
                .find(|one| one.command == command && one.name() == scenario.name);
            match known {
                None if round > 0 => bail!("{} was not in the first round", scenario.name),
                None => {
                    self.scenarios.push(Collected { command, rounds: vec![scenario.clone()] });
                }
                Some(known) if known.rounds.len() == round => known.rounds.push(scenario.clone()),
                Some(_) => bail!("{} is there twice, or was not in every round", scenario.name),
            }
        }
        if self.first.is_none() {
            self.first = Some(report);
        }
        Ok(())
    }

    fn complete(&self, rounds: usize) -> Result<()> {
        match self.scenarios.iter().find(|one| one.rounds.len() != rounds) {
            Some(one) => bail!("{}:{} was not in every round", one.command, one.name()),
            None => Ok(()),
        }
    }
}

/// Everything that was measured.
#[derive(Clone, Debug)]
pub(crate) struct Measurements {
    /// In the order of the builds.
    pub(crate) builds: Vec<Samples>,
    /// Command and name of every scenario that a build had, in the order in which they were chosen.
    pub(crate) scenarios: Vec<(&'static str, String)>,
    /// The warnings of the runs and the machine.
    pub(crate) warnings: Vec<String>,
    /// The orders in which the builds ran.
    pub(crate) orders: Vec<Vec<usize>>,
}

/// One run of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    command: Measure,
    scenarios: Vec<String>,
}

/// Measures all rounds.
///
/// # Errors
///
/// A run fails or says something that cannot be: names round, build and command. A scenario that no build has.
pub(crate) fn measure(builds: &[Ready], plan: &Plan) -> Result<Measurements> {
    let steps = steps(&plan.scenarios);
    let progress = progress(plan.rounds * steps.len() * builds.len())?;
    let mut samples = vec![Samples::default(); builds.len()];
    let mut scenarios = Vec::new();
    let mut warnings = Warnings::default();
    warnings.of_load();
    let orders: Vec<Vec<usize>> =
        (0..plan.rounds).map(|round| order(round, builds.len())).collect();
    for (round, order) in orders.iter().enumerate() {
        for step in &steps {
            for &place in order {
                let build = &builds[place];
                let command = step.command.command();
                progress.set_message(format!("round {}: {command}, {}", round + 1, build.name));
                let context = || format!("round {}, build {}, {command}", round + 1, build.name);
                let report = run(build, step, plan.seconds).with_context(context)?;
                for warning in &report.machine.warnings {
                    warnings.add(warning, &format!("round {}, {}", round + 1, build.name));
                }
                samples[place].add(command, report, round).with_context(context)?;
                progress.inc(1);
            }
            if round == 0 {
                collect(step, &samples, &mut scenarios)
                    .inspect_err(|_| progress.finish_and_clear())?;
            }
        }
    }
    progress.finish_and_clear();
    for (sample, build) in samples.iter().zip(builds) {
        sample.complete(plan.rounds).with_context(|| format!("build {}", build.name))?;
    }
    Ok(Measurements { builds: samples, scenarios, warnings: warnings.lines(), orders })
}

/// One step for all scenarios of `accessor`, whose start is not worth repeating; one for each of `forward`.
fn steps(scenarios: &[ScenarioName]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for ScenarioName { command, name } in scenarios {
        let together = steps
            .iter_mut()
            .find(|step| *command == Measure::Accessor && step.command == Measure::Accessor);
        match together {
            Some(step) if step.scenarios.contains(name) => (),
            Some(step) => step.scenarios.push(name.clone()),
            None => {
                let step = Step { command: *command, scenarios: vec![name.clone()] };
                if !steps.contains(&step) {
                    steps.push(step);
                }
            }
        }
    }
    steps
}

/// The order of a round; see the top of this file.
pub(crate) fn order(round: usize, builds: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..builds).collect();
    order.rotate_left((round / 2) % builds.max(1));
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

/// Done, all, time left; on standard error, and only on a terminal.
fn progress(runs: usize) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} runs, {eta} left  {msg}")?;
    Ok(ProgressBar::new(runs as u64).with_style(style))
}

fn run(build: &Ready, step: &Step, seconds: f64) -> Result<Report> {
    let mut command = Command::new(&build.program);
    let _: &mut Command = command.args([step.command.command(), "--json"]);
    let _: &mut Command = match step.command {
        Measure::Accessor => command.arg("--quick"),
        Measure::Forward => command.args(["--seconds", &seconds.to_string()]),
    };
    for scenario in &step.scenarios {
        let _: &mut Command = command.args(["--scenario", scenario]);
    }
    let done = process::run(command.stdout(Stdio::piped()).stderr(Stdio::piped()), RUN_LIMIT)?;
    if !done.status.success() {
        let lines: Vec<&str> = done.stderr.trim().lines().collect();
        let last = lines[lines.len().saturating_sub(COMPLAINT_LINES)..].join("\n");
        bail!("{} {} failed ({}):\n{last}", build.program.display(), arguments(step), done.status);
    }
    let report: Report = serde_json::from_str(&done.stdout)
        .with_context(|| format!("{} does not print a report", build.program.display()))?;
    check(report, build, step)
}

fn arguments(step: &Step) -> String {
    format!("{} --scenario {}", step.command.command(), step.scenarios.join(" --scenario "))
}

fn check(report: Report, build: &Ready, step: &Step) -> Result<Report> {
    if report.schema != SCHEMA || report.command != step.command.command() {
        bail!("the report is one of {}, schema {}", report.command, report.schema);
    }
    if let Some(features) = build.features.as_ref().filter(|all| !all.is_empty()) {
        let missing = features.iter().find(|feature| !report.build.features.contains(feature));
        if let Some(missing) = missing {
            let has = report.build.features.join(", ");
            bail!("the program has the features {has}, not {missing}: run without --no-build");
        }
    }
    for scenario in &report.scenarios {
        if !scenario.value.is_finite() || scenario.value < 0.0 {
            bail!("{} is {}, which no measurement can be", scenario.name, scenario.value);
        }
    }
    Ok(report)
}

/// Notes the scenarios of a step after all builds have run it once.
///
/// # Errors
///
/// A scenario that no build has; names those that there are.
fn collect(
    step: &Step,
    samples: &[Samples],
    scenarios: &mut Vec<(&'static str, String)>,
) -> Result<()> {
    let command = step.command.command();
    let mut measured: Vec<&Scenario> = Vec::new();
    for one in samples.iter().flat_map(|sample| &sample.scenarios) {
        if one.command == command && !measured.iter().any(|other| other.name == one.name()) {
            measured.push(&one.rounds[0]);
        }
    }
    for wanted in &step.scenarios {
        if !measured.iter().any(|scenario| meets(wanted, scenario)) {
            let mut known: Vec<&str> = measured.iter().map(|one| one.name.as_str()).collect();
            if known.is_empty() {
                known.push("none of those asked for");
            }
            bail!("no build has the scenario {command}:{wanted}; they have {}", known.join(", "));
        }
    }
    for scenario in measured {
        let name = (command, scenario.name.clone());
        if !scenarios.contains(&name) {
            scenarios.push(name);
        }
    }
    Ok(())
}

/// Whether this is the scenario that was asked for, or one of those. The commands refuse a glob that nothing matches.
fn meets(wanted: &str, scenario: &Scenario) -> bool {
    wanted.contains(['*', '?']) || scenario.name == wanted
}

/// The warnings, each once, however often it was given and whatever numbers were in it.
#[derive(Debug, Default)]
struct Warnings(Vec<Warning>);

#[derive(Debug)]
struct Warning {
    text: String,
    place: String,
    times: usize,
}

impl Warnings {
    fn add(&mut self, text: &str, place: &str) {
        let words = |text: &str| text.replace(|letter: char| letter.is_ascii_digit(), "");
        match self.0.iter_mut().find(|known| words(&known.text) == words(text)) {
            Some(known) => known.times += 1,
            None => {
                self.0.push(Warning { text: text.to_owned(), place: place.to_owned(), times: 1 })
            }
        }
    }

    fn of_load(&mut self) {
        let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = text.split_whitespace().next().and_then(|load| load.parse::<f64>().ok());
        if let Some(load) = load.filter(|load| *load > LOAD_LIMIT) {
            self.add(&format!("something else was running (load {load:.1})"), "before round 1");
        }
    }

    fn lines(self) -> Vec<String> {
        let line = |Warning { text, place, times }| match times {
            1 => format!("{text} ({place})"),
            _ => format!("{text} ({place}, and {} runs more like it)", times - 1),
        };
        self.0.into_iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_and_its_mirror_then_the_next_place() {
        let orders: Vec<_> = (0..6).map(|round| order(round, 3)).collect();
        let expected = [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1], [2, 0, 1], [1, 0, 2]];
        assert_eq!(orders, expected);
    }

    /// Over twice as many rounds as builds, every build is as often in every place as any other.
    #[test]
    fn every_build_has_every_place_equally_often() {
        for builds in 1..8 {
            for build in 0..builds {
                let mut places = vec![0; builds];
                for round in 0..2 * builds {
                    places[order(round, builds).iter().position(|one| *one == build).unwrap()] += 1;
                }
                assert_eq!(places, vec![2; builds], "{builds} builds, build {build}");
            }
        }
    }

    #[test]
    fn accessor_runs_once_and_forward_once_for_each_scenario() {
        let names =
            ["accessor:a", "forward:x", "accessor:b", "forward:y", "forward:x", "accessor:a"];
        let names: Vec<ScenarioName> = names.iter().map(|name| name.parse().unwrap()).collect();
        let steps: Vec<String> = steps(&names).iter().map(arguments).collect();
        let expected =
            ["accessor --scenario a --scenario b", "forward --scenario x", "forward --scenario y"];
        assert_eq!(steps, expected);
    }

    #[test]
    fn a_warning_is_said_once() {
        let mut warnings = Warnings::default();
        warnings.add("the hypervisor took 3.1 % of the CPU time", "round 1, none");
        warnings.add("the hypervisor took 12.4 % of the CPU time", "round 2, none");
        warnings.add("something else", "round 2, none");
        let expected = [
            "the hypervisor took 3.1 % of the CPU time (round 1, none, and 1 runs more like it)",
            "something else (round 2, none)",
        ];
        assert_eq!(warnings.lines(), expected);
    }
}
