//! `curvnet-bench accessor`: what one access to a variable of a vnet costs, in cycles and instructions.
//!
//! `scenarios.rs` is what is measured; `measure.rs` is how; bench/README.md tells why and how far to trust it.

mod catalogue;
mod instructions;
mod lab;
mod lab_module;
mod measure;
mod run;
mod scenarios;
mod select;
mod table;
#[cfg(test)]
mod tests;

use std::io::Write;

use anyhow::{Context, Result};
use pmd::{CpuId, affinity, tsc};
use serde_json::{Map, Value};

use crate::machine::{self, Disturbance};
use crate::pattern::Pattern;
use crate::report::{Better, Build, Percentiles, Point, Report, SCHEMA, Scenario};
use catalogue::Scenario as Subject;
use lab::Lab;
use measure::Cost;
use select::{known, select};

/// Measures what one access to a variable of a vnet costs.
///
/// Cycles are those of the time stamp counter; each sample is the mean of a block of accesses. bench/README.md says
/// how it is measured.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Scenarios to run, by name or glob ('read-*'); may be given several times. All without it.
    #[arg(long, value_name = "NAME", value_parser = known)]
    scenario: Vec<Pattern>,
    /// List the scenarios that would run and measure nothing.
    #[arg(long)]
    list: bool,
    /// Print one JSON report.
    #[arg(long)]
    json: bool,
    /// Blocks to time for each scenario; a fiftieth of them for cold ones.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(10..=100_000_000))]
    samples: u32,
    /// A tenth of the samples.
    #[arg(long)]
    quick: bool,
    /// Count instructions as well, under valgrind.
    #[arg(long)]
    instructions: bool,
    /// CPU to run on; the last that this process may use without it.
    #[arg(long, value_name = "N")]
    cpu: Option<usize>,
    /// Run a few blocks of one scenario for callgrind.
    #[arg(long, hide = true)]
    count: Option<instructions::Part>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, build: Build) -> Result<()> {
    let scenarios = select(&args.scenario);
    if args.list {
        return list(&scenarios);
    }
    if let Some(part) = args.count {
        return scenarios.iter().try_for_each(|one| instructions::run_counted(one, part));
    }
    if args.instructions {
        instructions::check()?;
    }
    let tsc_hz = tsc::hz();
    // A pinned thread would count one CPU.
    let mut machine = machine::describe(tsc_hz);
    let cpu = pin(args.cpu)?;
    let quiet = Disturbance::now(cpu.0);
    let clock = measure::clock();
    print(args, || format!("{} build, CPU {}, TSC {} MHz", vnet::ARM, cpu.0, tsc_hz / 1_000_000))?;
    let results = measure_all(args, &scenarios, tsc_hz)?;

    machine.warnings.extend(drift(clock, measure::clock()));
    machine.warnings.extend(Disturbance::now(cpu.0).since(&quiet));
    if build.profile == "debug" {
        machine.warnings.push("a debug build: measure with --release".to_owned());
    }
    for warning in &machine.warnings {
        print(args, || format!("warning: {warning}"))?;
    }
    if args.json {
        let command = "accessor".to_owned();
        let report = Report { schema: SCHEMA, command, build, machine, scenarios: results };
        writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
    }
    Ok(())
}

/// Measures the scenarios that this build has, and prints each one as soon as it is known.
fn measure_all(args: &Args, scenarios: &[Subject], tsc_hz: u64) -> Result<Vec<Scenario>> {
    let samples = if args.quick { args.samples.div_ceil(10) } else { args.samples } as usize;
    let mut lab = Lab::new()?;
    let mut results = Vec::new();
    print(args, table::header)?;
    for scenario in scenarios {
        if let Some(why) = scenario.skipped() {
            print(args, || format!("{:<22}   skipped: {why}", scenario.name))?;
            continue;
        }
        let cost = run::measure(&mut lab, scenario, samples)?;
        let instructions = args.instructions.then(|| instructions::count(scenario)).transpose()?;
        let result = result(scenario, &cost, instructions, tsc_hz);
        print(args, || table::row(&result))?;
        results.push(result);
    }
    Ok(results)
}

/// A line for people, unless the output is for a program.
fn print(args: &Args, line: impl FnOnce() -> String) -> Result<()> {
    if !args.json {
        writeln!(std::io::stdout(), "{}", line())?;
    }
    Ok(())
}

fn list(scenarios: &[Subject]) -> Result<()> {
    for scenario in scenarios {
        let about = scenario.skipped().map_or_else(
            || scenario.about.to_owned(),
            |why| format!("{} (skipped: {why})", scenario.about),
        );
        writeln!(std::io::stdout(), "{:<22}  {about}", scenario.name)?;
    }
    Ok(())
}

/// Pins this thread to `cpu`, or to the last CPU that it may use: CPU 0 has most of the interrupts.
fn pin(cpu: Option<usize>) -> Result<CpuId> {
    let cpu = match cpu {
        Some(cpu) => CpuId(cpu),
        None => affinity::current().into_iter().max().context("the CPUs of this process")?,
    };
    affinity::pin(cpu).context("--cpu")?;
    Ok(cpu)
}

/// A warning when the same chain of instructions took another time after the measurement than before.
fn drift(before: u64, after: u64) -> Option<String> {
    const LIMIT: f64 = 0.03;
    let change = after as f64 / before.max(1) as f64 - 1.0;
    (change.abs() > LIMIT).then(|| {
        format!(
            "the core's clock changed by {:.0} % meanwhile: cycles are of the TSC",
            change * 100.0
        )
    })
}

fn result(scenario: &Subject, cost: &Cost, instructions: Option<f64>, tsc_hz: u64) -> Scenario {
    let cycles = cost.median();
    let mut details = Map::new();
    let mut detail = |name: &str, value: Value| drop(details.insert(name.to_owned(), value));
    detail("ns", (cycles * 1e9 / tsc_hz as f64).into());
    detail("mean", cost.mean().into());
    detail("accesses_per_block", scenario.accesses().into());
    detail("baseline_cycles_per_block", cost.baseline.into());
    if let Some(instructions) = instructions {
        detail("instructions", instructions.into());
    }
    Scenario {
        name: scenario.name.clone(),
        value: cycles,
        unit: "cycles".to_owned(),
        better: Better::Lower,
        percentiles: Some(Percentiles::of(&cost.histogram, "cycles", measure::PER_CYCLE)),
        point: scenario.series().map(|series| Point {
            series: series.to_owned(),
            axis: "vnets".to_owned(),
            x: scenario.vnets() as f64,
        }),
        details,
    }
}
