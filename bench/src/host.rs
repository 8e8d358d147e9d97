//! The beginning of a bench with a worker of its own: a CPU for the worker, DPDK, and mbufs; and its end.

use std::fmt::Display;

use anyhow::{Context, Result, bail, ensure};
use pmd::{CpuId, Eal, EalConfig, Hugepages, MbufPool, SocketId};

use crate::machine::{self, Ticks};
use crate::report::{Build, Machine, Report, SCHEMA, Scenario};

/// The options of such a bench.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Prints the names of the scenarios and ends.
    #[arg(long)]
    pub(crate) list: bool,
    /// The CPU of the worker; the last one if not given. The control thread has another.
    #[arg(long, value_name = "N")]
    pub(crate) cpu: Option<usize>,
    /// Ordinary pages instead of hugepages.
    #[arg(long)]
    pub(crate) no_huge: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Options {
    /// Begins to collect what the bench finds.
    pub(crate) fn findings(&self) -> Findings {
        let (before, warnings) = (Ticks::now(), machine::warnings());
        Findings { json: self.json, before, warnings, scenarios: Vec::new() }
    }
}

/// The findings of such a bench: lines as they come, or one JSON object at the end.
#[derive(Debug)]
pub(crate) struct Findings {
    json: bool,
    before: Ticks,
    warnings: Vec<String>,
    scenarios: Vec<Scenario>,
}

impl Findings {
    /// Prints a line for people.
    pub(crate) fn say(&self, line: impl Display) {
        if !self.json {
            println!("{line}");
        }
    }

    /// Adds results.
    pub(crate) fn add(&mut self, results: impl IntoIterator<Item = Scenario>) {
        self.scenarios.extend(results);
    }

    /// Prints what `command` found as one JSON object if that was asked for; otherwise, behind what was said, the warnings.
    pub(crate) fn finish(self, command: &str, build: Build) -> Result<()> {
        let Self { json, before, mut warnings, scenarios } = self;
        warnings.extend(Ticks::now().steal_since(before));
        if !json {
            warnings.iter().for_each(|warning| println!("warning: {warning}"));
            return Ok(());
        }
        let machine = Machine { warnings, ..machine::describe(pmd::tsc::hz()) };
        let command = command.to_owned();
        let report = Report { schema: SCHEMA, command, build, machine, scenarios };
        println!("{}", serde_json::to_string(&report)?);
        Ok(())
    }
}

/// Refuses a time that no scenario runs for.
pub(crate) fn check_seconds(seconds: f64) -> Result<()> {
    ensure!((0.01..=3600.0).contains(&seconds), "--seconds {seconds}: give 0.01 to 3600");
    Ok(())
}

/// The worker's CPU, DPDK, and a pool.
#[derive(Debug)]
pub(crate) struct Host {
    /// Where the worker runs.
    pub(crate) cpu: CpuId,
    /// Mbufs of the bench: bursts on their way, and what devices hold.
    pub(crate) pool: MbufPool,
    /// DPDK.
    pub(crate) eal: Eal,
}

impl Host {
    /// Starts DPDK with the calling thread on another CPU than the worker's, which is the last one unless the
    /// options name it.
    pub(crate) fn start(options: &Options, mbufs: u32, memory_mib: u32) -> Result<Self> {
        let cpus = pmd::affinity::current();
        let cpu = match options.cpu {
            Some(n) if cpus.contains(&CpuId(n)) => CpuId(n),
            Some(n) => bail!("--cpu {n}: this process may not run there; it may on {cpus:?}"),
            None => *cpus.last().context("no CPU")?,
        };
        let eal = Eal::init(EalConfig {
            hugepages: if options.no_huge { Hugepages::None } else { Hugepages::Auto },
            memory_mib: Some(memory_mib),
            main_cpu: cpus.into_iter().find(|other| *other != cpu),
            eal_args: vec!["--no-pci".to_owned()],
            ..EalConfig::default()
        })
        .context("DPDK's EAL")?;
        let pool = MbufPool::create(&eal, "mbufs", mbufs, 256, SocketId::ANY)?;
        Ok(Self { cpu, pool, eal })
    }
}
