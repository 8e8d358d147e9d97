//! Scenario `moves`: an interface goes to and fro between two vnets while a worker polls it. What it receives is of two
//! kinds, each of which one of the vnets only has a way for: every packet was received, and forwarded or dropped by name,
//! in the vnet that had the interface when it was polled.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ipnet::Ipv4Net;
use pmd::PortId;
use serde_json::{Value, json};
use stack::control::VnetBooks;
use stack::net::IfSlot;
use stack::net::route::RouteTarget;
use vnet::VnetRef;

use super::Args;
use super::lab::{ANNOUNCED, House, Lab};
use super::outcome::{Outcome, Times};
use super::tenant::{self, HALVES, gateway};
use super::traffic::{Flow, Plan, Tally, Traffic};
use crate::forward::frames::{Feed, IN_MAC};
use crate::forward::measure::BURST;

const NAMES: [&str; 2] = ["red", "blue"];
/// The port that the interface that moves receives from.
const INGRESS: PortId = PortId(0);
/// Drops that a packet may end in: nobody receives for the moment; of the other vnet's kind.
const DROPS: [&str; 2] = ["interface_moving", "ip_no_route"];

/// Phases of the traffic.
const REST: usize = 0;
const ALL: usize = 1;

/// Packets of the kind that vnet `n` alone forwards: through a port and to a gateway of its own.
fn flow(n: usize) -> Flow {
    let out = PortId(1 + n as u16);
    Flow { into: INGRESS, out, vlan: None, feed: n, gateways: n..n + 1, may_drop: true }
}

/// Vnet `n`: a way out for its kind, and nothing to receive from.
fn one_way(house: &mut House, n: usize) -> Result<VnetRef> {
    let (stack, gateway_n) = (&mut house.stack, n as u8);
    let vnet = tenant::vnet(stack, NAMES[n])?;
    let _out = tenant::outside(stack, &vnet, "out", (flow(n).out, None), 0, 2)?;
    stack.add_routes(&vnet, [(HALVES[n], RouteTarget::via([gateway(0, gateway_n)]))])?;
    Ok(vnet)
}

/// Moves the interface from red to blue and back, so many times. After each move packets leave.
fn moves(
    house: &mut House,
    traffic: &Traffic,
    vnets: &[VnetRef],
    mut slot: IfSlot,
    count: usize,
) -> Result<Times> {
    let mut times = Times::new()?;
    for target in vnets.iter().cycle().skip(1).take(count) {
        let start = Instant::now();
        slot = house.stack.move_interface(slot, target)?;
        times.record(start);
        // More than the burst that the worker may not have counted yet.
        traffic.guests(BURST as u64 + 1)?;
        house.tick();
    }
    Ok(times)
}

/// Runs the scenario.
pub(super) fn run(lab: &Lab, args: &Args) -> Result<Outcome> {
    let mut house = lab.house(1)?;
    let vnets: Vec<VnetRef> = (0..2).map(|n| one_way(&mut house, n)).collect::<Result<_>>()?;
    let slot = tenant::bare(&mut house.stack, &vnets[0], "em0", (INGRESS, None), IN_MAC)?;
    let feed = |half: Ipv4Net| Feed::new(&[60], false, tenant::destinations(half));
    let plan = Plan {
        ports: 3,
        flows: vec![flow(0), flow(1)],
        feeds: HALVES.map(feed).into(),
        phases: vec![0..0, 0..2],
        random: false,
        check_every: 1,
    };
    let traffic = Traffic::start(lab, &mut house, plan)?;
    house.pass(ANNOUNCED)?;
    traffic.bursts(2)?;
    let before: Vec<VnetBooks> = vnets.iter().map(|vnet| house.stack.books_of(vnet)).collect();

    traffic.phase(ALL)?;
    let start = Instant::now();
    let times = moves(&mut house, &traffic, &vnets, slot, args.moves);
    let took = start.elapsed().as_secs_f64();
    traffic.phase(REST)?;
    // Why the worker ended, if it did, says more than that nothing came through.
    let tallies = traffic.stop(&mut house)?;
    let times = times?;
    let pages =
        vnets.iter().zip(&before).zip(&tallies[ALL].left_of).map(|((vnet, before), left)| {
            Page::between(before, &house.stack.books_of(vnet), *left)
                .with_context(|| format!("the books of {}", vnet.name()))
        });
    let pages: Vec<Page> = pages.collect::<Result<_>>()?;
    drop(vnets);
    house.end(&lab.pool)?;
    outcome(&tallies[ALL], &pages, &times, args.moves as f64 / took)
}

/// The fate of the packets that one vnet received.
struct Page {
    received: u64,
    forwarded: u64,
    drops: BTreeMap<&'static str, u64>,
}

impl Page {
    /// From the books of before and after, and what the worker saw leave of the vnet's own kind.
    fn between(before: &VnetBooks, after: &VnetBooks, left: u64) -> Result<Self> {
        let received = after.received - before.received;
        let forwarded = after.sent - before.sent;
        let known: BTreeMap<_, _> = before.drops.iter().copied().collect();
        let since = |(name, count): &(&'static str, u64)| {
            (*name, count - known.get(name).copied().unwrap_or(0))
        };
        let drops: BTreeMap<_, _> =
            after.drops.iter().map(since).filter(|(_, count)| *count > 0).collect();
        ensure!(after.balance(), "they do not balance: {after:?}");
        ensure!(forwarded == left, "{forwarded} packets sent, but {left} of its kind left");
        ensure!(
            received == forwarded + drops.values().sum::<u64>(),
            "{received} packets received, {forwarded} forwarded, dropped {drops:?}"
        );
        ensure!(drops.keys().all(|name| DROPS.contains(name)), "other drops: {drops:?}");
        Ok(Self { received, forwarded, drops })
    }

    fn details(&self) -> Value {
        let Self { received, forwarded, drops } = self;
        json!({ "received": received, "forwarded": forwarded, "drops": drops })
    }
}

fn outcome(tally: &Tally, pages: &[Page], times: &Times, per_second: f64) -> Result<Outcome> {
    let offered = tally.left + tally.dropped;
    let received: u64 = pages.iter().map(|page| page.received).sum();
    ensure!(received == offered, "{offered} packets were polled, but {received} received");
    let moves = times.percentiles().count;
    let mut lines = vec![
        format!("{moves} moves, {per_second:.0} a second; packets left after each of them"),
        times.line("one move"),
        format!("{offered} packets, each in one place:"),
    ];
    lines.extend(NAMES.iter().zip(pages).map(|(name, Page { received, forwarded, drops })| {
        let drops: Vec<String> =
            drops.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        format!("  {name:<4} received {received}, forwarded {forwarded}, {}", drops.join(", "))
    }));
    let details = json!({
        "moves": moves, "moves_per_s": per_second, "packets": offered,
        "vnets": { NAMES[0]: pages[0].details(), NAMES[1]: pages[1].details() },
    });
    let mut outcome = Outcome { lines, ..Outcome::default() };
    outcome.cost("moves-move", times.at(0.5), "us", Some(times.percentiles()), &details);
    Ok(outcome)
}
