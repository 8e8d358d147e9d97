//! `curvnet-bench forward`: the real datapath on one worker, between an in-process source and sink or between devices.

mod devices;
pub(crate) mod frames;
pub(crate) mod measure;
mod result;
mod scenario;
pub(crate) mod table;
#[cfg(test)]
mod tests;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use pmd::{CpuId, Eal, MbufPool, PortId, worker};

use self::devices::Bench;
use self::measure::{Job, Parts};
use self::result::Measured;
use self::scenario::{Scenario, Wire};
use self::table::Table;
use self::world::{Place, World};
use crate::host::{Host, Options, check_seconds};
use crate::pattern::{self, Pattern};
use crate::report::Build;

/// Mbufs of the bench: bursts on their way, and what devices hold.
const MBUFS: u32 = 16383;
/// Memory for a million routes' worth of nothing but mbufs and containers.
const MEMORY_MIB: u32 = 512;

/// Measures the datapath on one worker.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A scenario by name or glob; may be given several times. All if there is none.
    #[arg(long, value_name = "NAME", value_parser = known)]
    scenario: Vec<Pattern>,
    /// How long each scenario forwards.
    #[arg(long, default_value_t = 2.0, value_name = "S")]
    seconds: f64,
    #[command(flatten)]
    options: Options,
}

/// A pattern of this command's scenarios.
fn known(text: &str) -> Result<Pattern, String> {
    Pattern::among(text, scenario::all().iter().map(|scenario| scenario.name.as_str()))
}

/// Runs the command.
pub(crate) fn run(args: &Args, build: Build) -> Result<()> {
    let scenarios = pattern::select(&args.scenario, scenario::all(), |scenario| &scenario.name);
    if args.options.list {
        for scenario in scenarios {
            println!("{}", scenario.name);
        }
        return Ok(());
    }
    check_seconds(args.seconds)?;
    let lab = Lab::start(args)?;
    let mut findings = args.options.findings();
    findings.say(Measured::header());
    for scenario in &scenarios {
        if scenario.vnets > vnet::Vnets::MAX_VNETS {
            findings.say(format_args!("{:<44}  -  this build has one vnet", scenario.name));
            continue;
        }
        let measured = lab.run(scenario).with_context(|| scenario.name.clone())?;
        findings.say(measured.line(&scenario.name));
        findings.add([measured.report(scenario)]);
    }
    findings.finish("forward", build)
}

/// DPDK and what all scenarios share.
struct Lab {
    cpu: CpuId,
    pool: MbufPool,
    time: Duration,
    eal: Eal,
}

impl Lab {
    fn start(args: &Args) -> Result<Self> {
        pmd::malloc::use_huge_pages();
        let Host { cpu, pool, eal } = Host::start(&args.options, MBUFS, MEMORY_MIB)?;
        Ok(Self { cpu, pool, time: Duration::from_secs_f64(args.seconds), eal })
    }

    /// Makes the scenario's vnets, forwards, and takes everything down again.
    fn run(&self, scenario: &Scenario) -> Result<Measured> {
        let folder = Folder::new()?;
        let table = Arc::new(Table::new(scenario));
        if scenario.wire == Wire::Pcap {
            let mut feed = measure::feed(scenario, &table);
            devices::write_captures(&mut feed, &self.pool, &folder.0)?;
        }
        let bench = (scenario.wire != Wire::Inside)
            .then(|| Bench::open(scenario, &self.eal, &self.pool, &folder.0))
            .transpose()?;
        let ports = match &bench {
            Some(bench) => vec![bench.inner()?],
            None => inside(scenario),
        };
        let places = |n: usize| {
            let (port, out) = ports[n % ports.len()];
            let vlan = scenario.tagged.then(|| scenario.vlan_of(n));
            (Place { port, vlan }, Place { port: out, vlan })
        };
        let mut world = World::new(scenario, &table, &self.eal, &self.pool, places)?;
        let job = Job {
            scenario: scenario.clone(),
            parts: Parts {
                domain: world.domain.clone(),
                interfaces: world.stack.interfaces(),
                queues: world.queues.take().context("the world has its worker already")?,
                pool: self.pool.clone(),
            },
            table,
            ports: ports.clone(),
            time: self.time,
        };
        let measured = match bench {
            Some(bench) => bench.run(self.cpu, job)?,
            None => {
                let work = move |_: worker::WorkerCtx| measure::measure(job, None);
                let Ok(done) = worker::spawn(self.cpu, "forward", work)?.join() else {
                    bail!("the worker panicked");
                };
                done?.0
            }
        };
        ensure!(world.stack.shutdown() == 0, "a vnet could not be freed: this is a bug");
        let leaked = self.pool.in_use();
        ensure!(leaked == 0, "{leaked} mbufs did not come back to their pool: this is a bug");
        Ok(measured)
    }
}

/// Numbers of ports that no device has: two for each vnet; or, where VLANs tell vnets apart, two pairs for all, because
/// one port has 4094 VLANs. A hairpin has one port.
fn inside(scenario: &Scenario) -> Vec<(PortId, PortId)> {
    if scenario.hairpin {
        return vec![(PortId(0), PortId(0))];
    }
    let pairs = if scenario.tagged { 2 } else { scenario.vnets as u16 };
    (0..pairs).map(|n| (PortId(2 * n), PortId(2 * n + 1))).collect()
}

/// A folder for files of devices, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("curvnet-forward-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}
