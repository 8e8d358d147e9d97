//! `curvnet-bench life`: what a vnet's life costs, its neighbours above all. Each scenario changes vnets while a worker
//! forwards: in the process, through the real datapath, every frame checked or counted.
//!
//! | file | subject |
//! |---|---|
//! | `lab.rs` | DPDK, a control thread, a worker's CPU |
//! | `tenant.rs` | the vnets, all alike |
//! | `traffic.rs` | the worker: what it is fed, and whether what left is right |
//! | `memory.rs` | what memory is taken |
//! | `outcome.rs` | what a scenario says |
//! | all others | one scenario each |

mod epair;
pub(crate) mod lab;
mod many;
mod memory;
mod moves;
mod outcome;
mod rounds;
mod routes;
mod tenant;
#[cfg(test)]
mod tests;
mod traffic;

use anyhow::{Context, Result, ensure};

use self::lab::Lab;
use self::outcome::Outcome;
use crate::host::{Options, check_seconds};
use crate::pattern::{self, Pattern};
use crate::report::Build;

/// Creates, changes and destroys vnets under traffic.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// A scenario by name or glob; may be given several times. All if there is none.
    #[arg(long, value_name = "NAME", value_parser = known)]
    scenario: Vec<Pattern>,
    /// Scenario `rounds`: how many vnets come and go.
    #[arg(long, default_value_t = 3000, value_name = "N")]
    rounds: usize,
    /// Scenario `many`: how many vnets there are at a time.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    vnets: usize,
    /// Scenario `many`: how many workers the vnets keep counters for; one of them works.
    #[arg(long, default_value_t = 4, value_name = "N")]
    workers: usize,
    /// Scenario `routes`: how many changes.
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    changes: usize,
    /// Scenario `moves`: how often an interface moves.
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    moves: usize,
    /// How long a scenario forwards that measures a rate.
    #[arg(long, default_value_t = 4.0, value_name = "S")]
    seconds: f64,
    #[command(flatten)]
    options: Options,
}

/// One scenario.
struct Scenario {
    name: &'static str,
    /// Whether it needs a second vnet, which the static builds do not have.
    several_vnets: bool,
    run: fn(&Lab, &Args) -> Result<Outcome>,
}

/// All scenarios, in the order in which they run.
const SCENARIOS: &[Scenario] = &[
    Scenario { name: "rounds", several_vnets: true, run: rounds::run },
    Scenario { name: "many", several_vnets: true, run: many::run },
    Scenario { name: "routes", several_vnets: false, run: routes::run },
    Scenario { name: "moves", several_vnets: true, run: moves::run },
    Scenario { name: "epair", several_vnets: true, run: epair::run },
];

/// A pattern of this command's scenarios.
fn known(text: &str) -> Result<Pattern, String> {
    Pattern::among(text, SCENARIOS.iter().map(|scenario| scenario.name))
}

/// Runs the command.
pub(crate) fn run(args: &Args, build: Build) -> Result<()> {
    let all = SCENARIOS.iter().collect();
    let scenarios = pattern::select(&args.scenario, all, |scenario| scenario.name);
    if args.options.list {
        for scenario in scenarios {
            println!("{}", scenario.name);
        }
        return Ok(());
    }
    check(args)?;
    let lab = Lab::start(args)?;
    let mut findings = args.options.findings();
    for Scenario { name, several_vnets, run } in scenarios {
        if *several_vnets && vnet::Vnets::MAX_VNETS == 1 {
            findings.say(format_args!("{name}: not run: this build has one vnet"));
            continue;
        }
        let outcome = run(&lab, args).with_context(|| (*name).to_owned())?;
        findings.say(format_args!("{name}:"));
        outcome.lines.iter().for_each(|line| findings.say(format_args!("  {line}")));
        findings.add(outcome.results);
    }
    findings.finish("life", build)
}

/// Numbers that a scenario can do something with.
fn check(args: &Args) -> Result<()> {
    let Args { rounds, vnets, workers, changes, moves, seconds, .. } = args;
    ensure!((1..=10_000_000).contains(rounds), "--rounds {rounds}: give 1 to 10000000");
    ensure!((1..=60_000).contains(vnets), "--vnets {vnets}: give 1 to 60000");
    ensure!((1..=64).contains(workers), "--workers {workers}: give 1 to 64");
    ensure!(*changes >= 100, "--changes {changes}: give 100 at least");
    ensure!((1..=10_000_000).contains(moves), "--moves {moves}: give 1 to 10000000");
    check_seconds(*seconds)
}
