//! Every scenario in small form: it does what it says, and loses nothing.

use clap::Parser;
use pmd::{CpuId, test_support};

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn args(line: &[&str]) -> Args {
    Line::parse_from(["life"].iter().chain(line)).args
}

fn lab(name: &str) -> Lab {
    let cpu: CpuId = *pmd::affinity::current().last().expect("a CPU");
    Lab::of(cpu, test_support::eal(), test_support::own_pool(name, 2047))
}

/// Runs one scenario; what it says of `result`, unless the build has too few vnets.
fn run_one(name: &str, line: &[&str]) -> Option<Outcome> {
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name).expect("a scenario");
    if scenario.several_vnets && vnet::Vnets::MAX_VNETS == 1 {
        return None;
    }
    let (_turn, args) = (vnet::testing::turn(), args(line));
    check(&args).expect("numbers in range");
    Some((scenario.run)(&lab(name), &args).unwrap_or_else(|error| panic!("{name}: {error:#}")))
}

fn detail(outcome: &Outcome, name: &str) -> f64 {
    outcome.results[0].details[name].as_f64().expect("a number")
}

#[test]
fn rounds_leave_nothing() {
    let Some(outcome) = run_one("rounds", &["--rounds", "40"]) else { return };
    assert_eq!(detail(&outcome, "rounds"), 40.0);
    assert!(detail(&outcome, "forwarded") >= 40.0 * 256.0);
    assert_eq!(outcome.results[0].details["before"]["mbufs"], 0);
}

#[test]
fn many_forward_in_any_order() {
    let line = ["--vnets", "60", "--workers", "2", "--seconds", "0.2"];
    let Some(outcome) = run_one("many", &line) else { return };
    assert!(detail(&outcome, "forwarded") > 0.0 && detail(&outcome, "ratio_to_one") > 0.0);
}

#[test]
fn routes_change_without_loss() {
    let outcome = run_one("routes", &["--changes", "2000"]).expect("one vnet is enough");
    assert_eq!(detail(&outcome, "lost"), 0.0);
    assert_eq!(outcome.results[0].percentiles.as_ref().expect("times").count, 2000);
}

#[test]
fn moves_lose_no_packet_unnamed() {
    let Some(outcome) = run_one("moves", &["--moves", "200"]) else { return };
    assert_eq!(detail(&outcome, "moves"), 200.0);
    assert_eq!(outcome.results[0].percentiles.as_ref().expect("times").count, 200);
    let vnets = &outcome.results[0].details["vnets"];
    for name in ["red", "blue"] {
        let of = |what: &str| vnets[name][what].as_u64().expect("a number");
        assert!(of("forwarded") >= 100 * 64, "{vnets}");
        let drops = vnets[name]["drops"].as_object().expect("drops by name");
        let dropped: u64 = drops.values().filter_map(serde_json::Value::as_u64).sum();
        assert_eq!(of("received"), of("forwarded") + dropped, "{vnets}");
    }
}

#[test]
fn an_epair_joins_two_vnets() {
    let Some(outcome) = run_one("epair", &["--seconds", "0.2"]) else { return };
    assert!(detail(&outcome, "forwarded") > 0.0 && detail(&outcome, "ratio_to_one") > 0.0);
    assert!(detail(&outcome, "crossed") >= 64.0);
}

#[test]
fn tenants_share_ports_by_their_vlans() {
    let mut seen = std::collections::HashSet::new();
    for n in 0..10_000 {
        let flow = tenant::flow(n);
        assert!(
            flow.vlan.is_some_and(|vlan| (1..=4094).contains(&vlan))
                && flow.out.0 < tenant::ports(10_000)
        );
        assert!(seen.insert((flow.into, flow.vlan)), "tenant {n}");
    }
    assert_eq!((tenant::ports(1), tenant::ports(4094), tenant::ports(4095)), (2, 2, 4));
}
