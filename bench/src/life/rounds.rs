//! Scenario `rounds`: vnets come and go, each with four interfaces, a hundred routes and traffic of its own, while others
//! forward and lose nothing. At the end all memory is where it began.

use std::net::Ipv4Addr;
use std::time::Instant;

use anyhow::{Result, ensure};
use ipnet::Ipv4Net;
use pmd::PortId;
use serde_json::json;
use stack::control::Stack;
use stack::net::route::RouteTarget;

use super::Args;
use super::lab::{House, Lab};
use super::memory::Memory;
use super::outcome::{Outcome, Times};
use super::tenant::{self, HALVES, gateway};
use super::traffic::{Flow, Plan, Traffic};
use crate::forward::frames::Feed;

/// Vnets that forward all the time.
const RESIDENTS: usize = 8;
/// Rounds before memory is looked at: allocators keep some of what they got from the system.
const WARM_UP: usize = 100;
/// Frames of each round's vnet that must have left before it goes.
const FRAMES: u64 = 256;
const ROUTES: usize = 100;
/// Growth of the resident memory that is none: what an allocator keeps differs from moment to moment.
const SLACK_BYTES: u64 = 1 << 20;

/// Phases of the traffic.
const REST: usize = 0;
const ALL: usize = 1;

/// The flows through the vnet that comes and goes: from its first interface to its second, from its third to its fourth.
fn guest_flows() -> [Flow; 2] {
    let flow = |n: usize| {
        let pair = 1 + n as u16;
        let (into, out) = (PortId(2 * pair), PortId(2 * pair + 1));
        Flow { into, out, vlan: Some(1), feed: 1 + n, gateways: 0..1, may_drop: true }
    };
    [flow(0), flow(1)]
}

/// The vnet that comes and goes.
fn guest(stack: &mut Stack, name: &str, flows: &[Flow; 2]) -> Result<()> {
    let vnet = tenant::vnet(stack, name)?;
    for (flow, link) in flows.iter().zip([0, 1]) {
        let (first, second) = (format!("em{}", 2 * link), format!("em{}", 2 * link + 1));
        let _in = tenant::inside(stack, &vnet, &first, (flow.into, flow.vlan), link)?;
        let _out = tenant::outside(stack, &vnet, &second, (flow.out, flow.vlan), link, 2)?;
    }
    let halves = HALVES.into_iter().zip([0, 1]);
    let main = halves.map(|(half, link)| (half, RouteTarget::via([gateway(link, 0)])));
    let others = (2..ROUTES).map(|n| {
        let prefix = Ipv4Net::new_assert(Ipv4Addr::new(20, n as u8, 0, 0), 16);
        let both = vec![gateway(0, 1), gateway(1, 0)];
        let ways = [vec![gateway(0, 1)], vec![gateway(1, 1)], both];
        (prefix, RouteTarget::via(ways[n % ways.len()].clone()))
    });
    stack.add_routes(&vnet, main.chain(others))?;
    Ok(())
}

/// Everything that is timed.
struct Clocks {
    create: Times,
    destroy: Times,
}

/// One vnet's life.
fn round(
    house: &mut House,
    traffic: &Traffic,
    flows: &[Flow; 2],
    name: &str,
    clocks: &mut Clocks,
) -> Result<()> {
    let start = Instant::now();
    guest(&mut house.stack, name, flows)?;
    clocks.create.record(start);
    house.tick();
    traffic.guests(FRAMES)?;
    house.tick();
    let start = Instant::now();
    house.stack.destroy_vnet(name)?;
    clocks.destroy.record(start);
    house.tick();
    Ok(())
}

/// Memory while the worker has no packets and nothing is dying.
fn memory(lab: &Lab, house: &mut House, traffic: &Traffic) -> Result<Memory> {
    traffic.phase(REST)?;
    house.bury()?;
    house.pass(std::time::Duration::from_millis(200))?;
    traffic.bursts(2)?;
    let memory = Memory::now(lab)?;
    traffic.phase(ALL)?;
    Ok(memory)
}

/// Runs the scenario.
pub(super) fn run(lab: &Lab, args: &Args) -> Result<Outcome> {
    let mut house = lab.house(1)?;
    let guests = guest_flows();
    let mut flows: Vec<Flow> = (0..RESIDENTS).map(tenant::flow).collect();
    for (n, flow) in flows.iter().enumerate() {
        drop(tenant::router(&mut house.stack, &format!("resident{n}"), flow)?);
    }
    flows.extend(guests.clone());
    let prefixes = [tenant::DESTINATIONS, HALVES[0], HALVES[1]];
    let feeds = prefixes.map(|prefix| Feed::new(&[60], true, tenant::destinations(prefix))).into();
    let phases = vec![0..0, 0..flows.len()];
    let plan = Plan { ports: 6, flows, feeds, phases, random: false, check_every: 1 };
    let traffic = Traffic::start(lab, &mut house, plan)?;
    traffic.phase(ALL)?;

    let mut clocks = Clocks { create: Times::new()?, destroy: Times::new()? };
    for n in 0..WARM_UP.min(args.rounds) {
        round(&mut house, &traffic, &guests, &format!("warm{n}"), &mut clocks)?;
    }
    let before = memory(lab, &mut house, &traffic)?;
    clocks = Clocks { create: Times::new()?, destroy: Times::new()? };
    let bar = lab.progress("rounds", args.rounds);
    for n in 0..args.rounds {
        round(&mut house, &traffic, &guests, &format!("guest{n}"), &mut clocks)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let after = memory(lab, &mut house, &traffic)?;
    let tallies = traffic.stop(&mut house)?;
    let tally = &tallies[ALL];
    house.end(&lab.pool)?;

    ensure!(tally.lost == 0, "{} frames of vnets that stayed are lost", tally.lost);
    let same = (before.mbufs, before.heap_bytes) == (after.mbufs, after.heap_bytes);
    ensure!(same, "something is left: {before} before, {after} after");
    let grown = after.resident_bytes.saturating_sub(before.resident_bytes);
    ensure!(grown <= SLACK_BYTES, "the process has grown: {before} before, {after} after");

    let Clocks { create, destroy } = clocks;
    let lines = vec![
        format!(
            "{} vnets came and went, 4 interfaces and {ROUTES} routes each, beside {RESIDENTS} others",
            args.rounds
        ),
        format!(
            "{} packets forwarded, {} lost of vnets that stayed, {} dropped where a vnet was not there",
            tally.left, tally.lost, tally.dropped
        ),
        format!("before: {before}"),
        format!("after:  {after}"),
        create.line("vnet, interfaces and routes made"),
        destroy.line("vnet destroyed"),
    ];
    let details = json!({
        "rounds": args.rounds, "forwarded": tally.left, "lost": tally.lost,
        "dropped": tally.dropped, "before": before, "after": after,
    });
    let mut outcome = Outcome { lines, ..Outcome::default() };
    for (name, times) in [("rounds-create", create), ("rounds-destroy", destroy)] {
        outcome.cost(name, times.at(0.5), "us", Some(times.percentiles()), &details);
    }
    Ok(outcome)
}
