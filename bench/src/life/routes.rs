//! Scenario `routes`: a million routes change, one at a time, while packets are forwarded by the same table: none is lost,
//! and bursts take hardly longer than while nothing changes.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ipnet::Ipv4Net;
use serde_json::json;
use stack::net::route::RouteTarget;
use vnet::VnetRef;

use super::Args;
use super::lab::{House, Lab};
use super::outcome::{Outcome, Times};
use super::tenant::{self, gateway};
use super::traffic::{Flow, Plan, Tally, Traffic};
use crate::forward::frames::Feed;
use crate::random::Random;
use crate::report::Percentiles;

/// Times that quiet and changes take turns.
const TURNS: usize = 40;
/// Routes that stay.
const ROUTES: u32 = 10_000;
/// Prefixes that come and go.
const PREFIXES: usize = 8192;
/// Changes between two ticks of the control thread.
const TICK_EVERY: usize = 64;
/// How much longer bursts may take at p99.9 while routes change.
const LIMIT: f64 = 2.0;

/// Phases of the traffic.
const QUIET: usize = 0;
const CHANGING: usize = 1;

/// Gateway `n` of the two.
fn via(n: usize) -> RouteTarget {
    RouteTarget::via([gateway(0, (n % 2) as u8)])
}

/// Prefixes that change: half of them in the way of the packets, of all lengths from /20 to /32.
fn prefixes() -> Vec<Ipv4Net> {
    let mut random = Random::new(0x726f_7574);
    let mut found = HashSet::new();
    let mut list = Vec::with_capacity(PREFIXES);
    while list.len() < PREFIXES {
        let bits = random.next();
        let (address, length) = (bits as u32, 20 + (bits >> 32) as u8 % 13);
        let base =
            if list.len() % 2 == 0 { [198, 18 + (bits >> 63) as u8] } else { [20, address as u8] };
        let address = Ipv4Addr::new(base[0], base[1], (address >> 8) as u8, (address >> 16) as u8);
        let prefix = Ipv4Net::new_assert(address, length).trunc();
        if found.insert(prefix) {
            list.push(prefix);
        }
    }
    list
}

/// The control thread's work: routes that come and go.
struct Changes {
    vnet: VnetRef,
    prefixes: Vec<Ipv4Net>,
    there: Vec<bool>,
    random: Random,
    times: Times,
}

impl Changes {
    /// Adds a route, or deletes it when it is there.
    fn one(&mut self, house: &mut House) -> Result<()> {
        let n = self.random.place(self.prefixes.len());
        let prefix = self.prefixes[n];
        let start = Instant::now();
        if self.there[n] {
            house.stack.delete_routes(&self.vnet, [prefix])?;
        } else {
            house.stack.add_routes(&self.vnet, [(prefix, via(n))])?;
        }
        self.times.record(start);
        self.there[n] = !self.there[n];
        Ok(())
    }
}

/// Runs the scenario.
pub(super) fn run(lab: &Lab, args: &Args) -> Result<Outcome> {
    let mut house = lab.house(1)?;
    let flow = Flow { gateways: 0..2, ..tenant::flow(0) };
    let stack = &mut house.stack;
    let vnet = tenant::vnet(stack, "t0")?;
    let _em0 = tenant::inside(stack, &vnet, "em0", (flow.into, flow.vlan), 0)?;
    let _em1 = tenant::outside(stack, &vnet, "em1", (flow.out, flow.vlan), 0, 2)?;
    // Both gateways are always in use, and every destination always has a way.
    let stay = (0..ROUTES)
        .map(|n| (Ipv4Net::new_assert((0x1600_0000 + (n << 8)).into(), 24), via(n as usize)));
    stack.add_routes(&vnet, stay.chain([(tenant::DESTINATIONS, via(0))]))?;
    let plan = Plan {
        ports: 2,
        flows: vec![flow],
        feeds: vec![Feed::new(&[60], true, tenant::destinations(tenant::DESTINATIONS))],
        phases: vec![0..1, 0..1],
        random: false,
        check_every: 16,
    };
    let traffic = Traffic::start(lab, &mut house, plan)?;

    let prefixes = prefixes();
    let there = vec![false; prefixes.len()];
    let (random, times) = (Random::new(0x6368_616e), Times::new()?);
    let mut changes = Changes { vnet, prefixes, there, random, times };
    let bar = lab.progress("routes", TURNS);
    let mut done = 0;
    for turn in 1..=TURNS {
        traffic.phase(CHANGING)?;
        let start = Instant::now();
        while done < args.changes * turn / TURNS {
            changes.one(&mut house)?;
            done += 1;
            if done % TICK_EVERY == 0 {
                house.tick();
            }
        }
        let took = start.elapsed();
        traffic.phase(QUIET)?;
        rest(&mut house, took);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let tallies = traffic.stop(&mut house)?;
    let Changes { vnet, times, .. } = changes;
    drop(vnet);
    house.end(&lab.pool)?;
    outcome(&tallies[QUIET], &tallies[CHANGING], done, &times)
}

/// Ticks for a time as the control thread does when it has nothing else to do.
fn rest(house: &mut House, time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        house.tick();
        std::thread::sleep(Duration::from_micros(500));
    }
}

fn outcome(quiet: &Tally, changing: &Tally, changes: usize, times: &Times) -> Result<Outcome> {
    let lost = quiet.lost + changing.lost;
    ensure!(lost == 0, "{lost} packets are lost");
    let ratio = changing.burst_ns(0.999) / quiet.burst_ns(0.999).max(1.0);
    let line = |what: &str, tally: &Tally| {
        let [p50, p99, p999, p9999] = [0.5, 0.99, 0.999, 0.9999].map(|at| tally.burst_ns(at));
        let bursts = tally.cycles.len();
        format!(
            "{what:<9} {bursts:>9} bursts of 64: p50 {p50:>6.0} ns   p99 {p99:>6.0}   p99.9 {p999:>6.0}   p99.99 {p9999:>7.0}"
        )
    };
    let lines = vec![
        format!(
            "{changes} changes among {ROUTES} routes that stay, {} packets, none lost",
            quiet.left + changing.left
        ),
        times.line("one change"),
        line("quiet", quiet),
        line("changing", changing),
        format!("p99.9 of a burst: {ratio:.2} of quiet (wanted: at most {LIMIT})"),
    ];
    let percentiles = |tally: &Tally| Percentiles::of(&tally.cycles, "cycles/burst", 1.0);
    let details = json!({
        "changes": changes, "forwarded": quiet.left + changing.left, "lost": lost,
        "p999_ratio": ratio, "quiet": percentiles(quiet),
    });
    let mut outcome = Outcome { lines, ..Outcome::default() };
    outcome.cost("routes-change", times.at(0.5), "us", Some(times.percentiles()), &details);
    let p999 = changing.cycles.value_at_quantile(0.999) as f64;
    outcome.cost("routes-burst", p999, "cycles", Some(percentiles(changing)), &details);
    Ok(outcome)
}
