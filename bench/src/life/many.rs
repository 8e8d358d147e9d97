//! Scenario `many`: ten thousand vnets alive, each with two interfaces and a route. What one costs in time and memory, made
//! while others forward; and the rate at which bursts pass through all of them in random order, beside that of one.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use super::Args;
use super::lab::{ANNOUNCED, Lab};
use super::memory::Memory;
use super::outcome::{Outcome, Times};
use super::tenant;
use super::traffic::{Flow, Plan, Traffic};
use crate::forward::frames::Feed;

/// Times that one vnet and all of them take turns.
const TURNS: u32 = 20;
/// A vnet may take so much (DESIGN: an idle vnet).
const LIMIT_BYTES: u64 = 64 << 10;

/// Phases of the traffic.
const ONE: usize = 0;
const ALL: usize = 1;

/// Runs the scenario.
pub(super) fn run(lab: &Lab, args: &Args) -> Result<Outcome> {
    let mut house = lab.house(args.workers)?;
    let flows: Vec<Flow> = (0..args.vnets).map(tenant::flow).collect();
    drop(tenant::router(&mut house.stack, "t0", &flows[0])?);
    let feeds = vec![Feed::new(&[60], true, tenant::destinations(tenant::DESTINATIONS))];
    let ports = tenant::ports(args.vnets);
    let phases = vec![0..1, 0..args.vnets];
    let plan = Plan { ports, flows: flows.clone(), feeds, phases, random: true, check_every: 1 };
    let traffic = Traffic::start(lab, &mut house, plan)?;

    let (mut create, mut furnish) = (Times::new()?, Times::new()?);
    let before = Memory::now(lab)?;
    let bar = lab.progress("create", args.vnets);
    for (n, flow) in flows.iter().enumerate().skip(1) {
        let start = Instant::now();
        let vnet = tenant::vnet(&mut house.stack, &format!("t{n}"))?;
        create.record(start);
        let start = Instant::now();
        tenant::furnish(&mut house.stack, &vnet, flow)?;
        furnish.record(start);
        house.tick();
        bar.inc(1);
    }
    bar.finish_and_clear();
    house.pass(ANNOUNCED)?;
    let after = Memory::now(lab)?;

    let turn = Duration::from_secs_f64(args.seconds) / (2 * TURNS);
    let bar = lab.progress("forward", 2 * TURNS as usize);
    for turns in 0..2 * TURNS {
        traffic.phase([ONE, ALL][turns as usize % 2])?;
        std::thread::sleep(turn);
        house.tick();
        bar.inc(1);
    }
    bar.finish_and_clear();
    let tallies = traffic.stop(&mut house)?;
    let start = Instant::now();
    house.end(&lab.pool)?;
    let end = start.elapsed();

    let (one, all) = (&tallies[ONE], &tallies[ALL]);
    ensure!(one.lost + all.lost == 0, "{} frames are lost", one.lost + all.lost);
    ensure!(all.left > 0, "nothing was forwarded through all of them");
    let others = args.vnets.saturating_sub(1).max(1) as u64;
    let grown = |before: u64, after: u64| after.saturating_sub(before) / others;
    let (heap, resident) = (
        grown(before.heap_bytes, after.heap_bytes),
        grown(before.resident_bytes, after.resident_bytes),
    );
    ensure!(
        heap + resident <= LIMIT_BYTES || args.vnets < 100,
        "a vnet takes {heap} bytes of DPDK's heap and {resident} of the rest"
    );
    let ratio = one.cycles_per_packet() / all.cycles_per_packet();
    let rate = |cycles_per_packet: f64| pmd::tsc::hz() as f64 / cycles_per_packet / 1e6;
    let lines = vec![
        format!(
            "{} vnets alive, counters for {} workers, two interfaces and a route each",
            args.vnets, args.workers
        ),
        create.line("a vnet made"),
        furnish.line("its interfaces, addresses and route"),
        format!(
            "a vnet takes {:.1} KiB: {:.1} of DPDK's heap, {:.1} of the process's memory",
            (heap + resident) as f64 / 1024.0,
            heap as f64 / 1024.0,
            resident as f64 / 1024.0,
        ),
        format!(
            "{} bursts through all of them in random order, every frame right, none lost",
            all.cycles.len()
        ),
        format!(
            "cycles a packet: one vnet {:.1} ({:.1} Mpps), all {:.1} ({:.1} Mpps): ratio {ratio:.2}",
            one.cycles_per_packet(),
            rate(one.cycles_per_packet()),
            all.cycles_per_packet(),
            rate(all.cycles_per_packet()),
        ),
        format!("all destroyed in {:.0} ms", end.as_secs_f64() * 1e3),
    ];
    let details = json!({
        "vnets": args.vnets, "workers": args.workers, "bytes_of_heap": heap,
        "bytes_resident": resident, "forwarded": one.left + all.left, "ratio_to_one": ratio,
        "cycles_per_packet_one": one.cycles_per_packet(), "destroy_all_s": end.as_secs_f64(),
    });
    let mut outcome = Outcome { lines, ..Outcome::default() };
    for (name, times) in [("many-create", create), ("many-furnish", furnish)] {
        outcome.cost(name, times.at(0.5), "us", Some(times.percentiles()), &details);
    }
    outcome.cost("many-bytes", (heap + resident) as f64, "bytes/vnet", None, &details);
    outcome.cost("many-forward", all.cycles_per_packet(), "cycles/packet", None, &details);
    Ok(outcome)
}
