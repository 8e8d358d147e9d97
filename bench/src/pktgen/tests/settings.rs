//! Files and flags that are right, and such that are not.

use clap::Parser;

use super::super::plan::Plan;
use super::super::rate::Rate;
use super::super::settings::{Args, Settings};
use crate::Usage;

#[derive(Parser, Debug)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn plan(flags: &[&str]) -> Result<Plan, Usage> {
    let line = ["pktgen"].into_iter().chain(flags.iter().copied());
    Plan::new(&Settings::read(&Cli::try_parse_from(line).expect("known flags").args)?)
}

#[test]
fn the_command_line_is_consistent() {
    <Cli as clap::CommandFactory>::command().debug_assert();
}

#[test]
fn every_example_is_right() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/pktgen");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("examples") {
        let path = entry.expect("an entry").path();
        let text = path.display().to_string();
        if let Err(Usage(error)) = plan(&[&text]) {
            panic!("{error}");
        }
        count += 1;
    }
    assert!(count >= 3);
}

#[test]
fn defaults_are_those_of_the_rfcs() {
    let plan = plan(&["--tx-device", "net_null0"]).expect("right");
    let traffic = &plan.traffic;
    assert_eq!(
        (traffic.src.to_string(), traffic.dst.to_string()),
        ("198.18.0.0/16".into(), "198.19.0.0/16".into())
    );
    assert_eq!((&traffic.sport, &traffic.dport), (&(1024..=65535), &(1..=49151)));
    assert_eq!((traffic.rate, traffic.sizes.text.as_str()), (Rate::Packets(1000.0), "64"));
    assert_eq!(plan.timing.duration.map(|time| time.as_secs()), Some(10));
    assert!(plan.arp.answer && plan.ndr.is_none() && !plan.json);
}

#[test]
fn flags_are_read() {
    let plan = plan(&[
        "--tx-device",
        "net_null0",
        "--rx-device",
        "net_null1",
        "--src",
        "2001:db8::/64",
        "--proto=icmp",
        "--vlan",
        "7,8",
        "--count",
        "5",
        "--ndr",
        "--ndr-max",
        "2Mpps",
        "--json",
        "--arp=false",
        "--eal-arg",
        "--no-pci",
    ])
    .expect("right");
    assert!(plan.traffic.src.network.is_ipv6() && plan.traffic.dst.network.is_ipv6());
    assert_eq!(plan.traffic.vlans, [7, 8]);
    assert_eq!((plan.timing.duration, plan.timing.count), (None, Some(5)));
    assert_eq!(plan.ndr.map(|ndr| ndr.max), Some(Rate::Packets(2e6)));
    assert!(plan.json && !plan.arp.answer);
    assert_eq!(plan.machine.eal_args, ["--no-pci"]);
    assert_eq!(
        plan.traffic.sizes.shares,
        [(90, 1)],
        "64 bytes do not hold it, and nobody asked for them"
    );
}

#[test]
fn what_is_wrong_is_named_with_its_cure() {
    let null = ["--tx-device", "net_null0"];
    let table: [(&[&str], &str, &str); 14] = [
        (&["--rate", "fast"], "--rate: 'fast' is not a rate", "1Mpps"),
        (&["--size", "64", "--src", "2001:db8::/64"], "64 bytes do not hold", "82 bytes at least"),
        (&["--size", "9000"], "--size", "2022"),
        (&["--src", "10.0.0.0/33"], "--src", "198.18.0.0/16"),
        (&["--src", "10.0.0.0/8", "--dst", "2001:db8::/64"], "two families", "both as IPv4"),
        (&["--rx-cpu", "1"], "--rx-cpu", "--rx-device"),
        (&["--vlan", "4095"], "--vlan", "4094"),
        (&["--vlan", "1,2,3"], "more than two", "100,200"),
        (&["--ndr", "--tx-only"], "--ndr", "--tx-only"),
        (&["--ndr-max", "max"], "--ndr-max", "100%"),
        (&["--gateway", "10.0.0.1"], "--gateway", "--tx-address"),
        (&["--mbufs", "1024"], "--mbufs", "6144"),
        (&["--json=maybe"], "--json", "write one of them"),
        (&["--count", "0"], "--count", "from 1"),
    ];
    for (flags, what, cure) in table {
        let flags: Vec<&str> = null.iter().chain(flags).copied().collect();
        let Usage(text) = plan(&flags).expect_err(what);
        assert!(text.contains(what) && text.contains(cure) && text.contains("help: "), "{text}");
    }
    assert!(plan(&[]).expect_err("no device").0.contains("--tx-device"));
}
