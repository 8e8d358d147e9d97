//! `curvnet-bench vnet`: how long a vnet takes to come and go, and what it costs while nothing happens in it.

use std::time::Instant;

use ::vnet::{Domain, Vnets};
use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use pmd::{Eal, EalConfig, Hugepages, MbufPool, SocketId};
use serde::Serialize;
use stack::control::Stack;
use stack::time::Nanos;
use stack::worker::control_queues;

use crate::machine::resident_bytes;

/// Creates and destroys vnets; prints the time of each and the memory of an idle one.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Vnets to create; the median of their times is printed.
    #[arg(long, default_value_t = 1000)]
    count: usize,
    /// Workers that the vnets keep counters for.
    #[arg(long, default_value_t = 4)]
    workers: usize,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    arm: &'static str,
    vnets: usize,
    workers: usize,
    create_ns: Quantiles,
    destroy_ns: Quantiles,
    /// Bytes of the modules' containers.
    container_bytes: usize,
    /// Growth of the process's resident memory for each vnet; hugepages are not resident memory.
    resident_bytes: u64,
    /// The bytes of one vnet in all.
    idle_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Quantiles {
    median: u64,
    p99: u64,
    max: u64,
}

impl Quantiles {
    fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Self { median: at(0.5), p99: at(0.99), max: histogram.max() }
    }
}

/// Creates `count` vnets with lo0 and the counters of `workers` workers, then destroys them.
pub(crate) fn run(args: &Args) -> Result<()> {
    let Args { count, workers, json } = *args;
    ensure!(
        Vnets::MAX_VNETS > 1,
        "the build {} has one vnet: build with the feature vimage or vimage-section",
        ::vnet::ARM
    );
    let eal = Eal::init(EalConfig {
        hugepages: Hugepages::None,
        memory_mib: Some(1024),
        eal_args: vec!["--no-pci".to_owned()],
        ..EalConfig::default()
    })
    .context("DPDK's EAL")?;
    let pool = MbufPool::create(&eal, "mbufs", 1023, 32, SocketId::ANY)?;
    let control = Domain::new(workers).control()?;
    // The system's allocator, so that the containers are part of the resident memory that is read below.
    let vnets = Vnets::new(Stack::modules()?, &control, &std::alloc::System);
    let mut stack = Stack::new(vnets, control, vec![control_queues().1], pool);
    // vnet0 and what the process allocates once.
    let _warm = stack.create_vnet("warm")?;

    let mut create = Histogram::<u64>::new(3)?;
    let mut destroy = Histogram::<u64>::new(3)?;
    let resident_before = resident_bytes()?;
    let mut container_bytes = 0;
    for n in 0..count {
        let start = Instant::now();
        let vnet = stack.create_vnet(&format!("bench{n}"))?;
        create.record(nanos(start))?;
        container_bytes = vnet.container_bytes();
    }
    stack.tick(Nanos(0));
    let resident = resident_bytes()?.saturating_sub(resident_before) / count.max(1) as u64;
    for n in 0..count {
        let start = Instant::now();
        stack.destroy_vnet(&format!("bench{n}"))?;
        destroy.record(nanos(start))?;
    }
    let report = Report {
        arm: ::vnet::ARM,
        vnets: count,
        workers,
        create_ns: Quantiles::of(&create),
        destroy_ns: Quantiles::of(&destroy),
        container_bytes,
        resident_bytes: resident,
        idle_bytes: resident,
    };
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print_report(&report);
    }
    Ok(())
}

fn nanos(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn print_report(report: &Report) {
    let micros = |ns: u64| ns as f64 / 1000.0;
    println!(
        "{} vnets, build {}, counters for {} workers",
        report.vnets, report.arm, report.workers
    );
    for (what, times) in [("create", &report.create_ns), ("destroy", &report.destroy_ns)] {
        println!(
            "{what:<8} median {:>7.1} us   p99 {:>7.1} us   max {:>8.1} us",
            micros(times.median),
            micros(times.p99),
            micros(times.max),
        );
    }
    println!(
        "idle     {:.1} KiB each, of them {:.1} KiB containers",
        report.idle_bytes as f64 / 1024.0,
        report.container_bytes as f64 / 1024.0,
    );
}
