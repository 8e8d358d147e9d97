//! Scenario `epair`: two vnets on one worker, joined by an epair. What crosses both is as fast as it is, beside what one
//! vnet forwards from port to port on the same worker, in turns.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipnet::Ipv4Net;
use pmd::{PortId, tsc};
use serde_json::json;
use stack::control::{EPAIR_MTU, EpairSpec, Stack};
use stack::net::route::RouteTarget;
use vnet::VnetRef;

use super::Args;
use super::lab::{ANNOUNCED, Lab};
use super::outcome::Outcome;
use super::tenant::{self, DESTINATIONS, gateway};
use super::traffic::{Flow, Plan, Tally, Traffic};
use crate::forward::frames::Feed;

/// Times that one vnet and two take turns.
const TURNS: usize = 20;
/// How much of one vnet's rate two should have.
const WANTED: f64 = 0.6;

/// Addresses of the epair.
const ENDS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 9, 0, 1), Ipv4Addr::new(10, 9, 0, 2)];

/// From port to port of a pair, through one vnet or two.
fn flow(n: u16) -> Flow {
    let (into, out) = (PortId(2 * n), PortId(2 * n + 1));
    Flow { into, out, vlan: None, feed: usize::from(n), gateways: 0..1, may_drop: false }
}

/// Two vnets: what comes in to the first leaves through the second.
fn joined(stack: &mut Stack, flow: &Flow) -> Result<()> {
    let (red, blue) = (tenant::vnet(stack, "red")?, tenant::vnet(stack, "blue")?);
    let end = |vnet: &VnetRef, name: &str| {
        let (vnet, name) = (vnet.clone(), name.to_owned());
        EpairSpec { vnet, name, mac: None, mtu: EPAIR_MTU }
    };
    let (a, b) = stack.create_epair(end(&red, "epair0a"), end(&blue, "epair0b"))?;
    for (slot, address) in [a, b].into_iter().zip(ENDS) {
        stack.add_address(slot, Ipv4Net::new(address, 24)?)?;
    }
    let far_end = stack.interface(b).context("the epair's far end")?.mac;
    stack.add_neighbor(&red, a, ENDS[1], far_end)?;
    let _em0 = tenant::inside(stack, &red, "em0", (flow.into, flow.vlan), 0)?;
    let _em1 = tenant::outside(stack, &blue, "em1", (flow.out, flow.vlan), 0, 1)?;
    stack.add_routes(&red, [(DESTINATIONS, RouteTarget::via([ENDS[1]]))])?;
    stack.add_routes(&blue, [(DESTINATIONS, RouteTarget::via([gateway(0, 0)]))])?;
    Ok(())
}

/// Runs the scenario.
pub(super) fn run(lab: &Lab, args: &Args) -> Result<Outcome> {
    let mut house = lab.house(1)?;
    let flows = vec![flow(0), flow(1)];
    drop(tenant::router(&mut house.stack, "alone", &flows[0])?);
    joined(&mut house.stack, &flows[1])?;
    let feed =
        |routers| Feed::new(&[60], false, tenant::destinations(DESTINATIONS)).through(routers);
    // A phase of its own for each turn: without packets first, then of one vnet and two in turn.
    let turns = (0..2 * TURNS).map(|turn| turn % 2..turn % 2 + 1);
    let plan = Plan {
        ports: 4,
        flows,
        feeds: vec![feed(1), feed(2)],
        phases: std::iter::once(0..0).chain(turns).collect(),
        random: false,
        check_every: 1,
    };
    let traffic = Traffic::start(lab, &mut house, plan)?;
    house.pass(ANNOUNCED)?;
    traffic.bursts(2)?;
    let before = house.stack.epair_totals();

    let turn = Duration::from_secs_f64(args.seconds) / (2 * TURNS as u32);
    let bar = lab.progress("forward", 2 * TURNS);
    for phase in 1..=2 * TURNS {
        traffic.phase(phase)?;
        std::thread::sleep(turn);
        house.tick();
        bar.inc(1);
    }
    bar.finish_and_clear();
    let tallies = traffic.stop(&mut house)?;
    let after = house.stack.epair_totals();
    house.end(&lab.pool)?;

    let lost: u64 = tallies.iter().map(|tally| tally.lost).sum();
    ensure!(lost == 0, "{lost} frames are lost");
    let of_two: u64 = tallies.iter().map(|tally| tally.left_of[1]).sum();
    let crossed = (after.sent - before.sent, after.received - before.received);
    ensure!(
        crossed == (of_two, of_two),
        "{of_two} packets left behind the epair, but its ends sent and received {crossed:?}"
    );
    Ok(outcome(&tallies[1..], of_two))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn outcome(turns: &[Tally], crossed: u64) -> Outcome {
    let costs = |at: usize| -> Vec<f64> {
        turns.iter().skip(at).step_by(2).map(Tally::cycles_per_packet).collect()
    };
    let (one, two) = (costs(0), costs(1));
    let ratio = median(one.iter().zip(&two).map(|(one, two)| one / two).collect());
    let (one, two) = (median(one), median(two));
    let rate = |cycles_per_packet: f64| tsc::hz() as f64 / cycles_per_packet / 1e6;
    let forwarded: u64 = turns.iter().map(|tally| tally.left).sum();
    let lines = vec![
        format!("{forwarded} packets, {crossed} of them through both vnets, all right, none lost"),
        format!("one vnet, port to port:      {one:>6.1} cycles a packet, {:>6.1} Mpps", rate(one)),
        format!("two vnets, joined by epair:  {two:>6.1} cycles a packet, {:>6.1} Mpps", rate(two)),
        format!("ratio {ratio:.2}, median of {TURNS} turns (wanted: at least {WANTED})"),
    ];
    let details = json!({
        "forwarded": forwarded, "crossed": crossed, "ratio_to_one": ratio,
        "cycles_per_packet_one": one, "mpps": rate(two), "mpps_one": rate(one),
    });
    let mut outcome = Outcome { lines, ..Outcome::default() };
    outcome.cost("epair-forward", two, "cycles/packet", None, &details);
    outcome
}
