//! A start can make all that `curvnet check` accepts.

use std::fmt::Write as _;

use pmd::numa::Pools;
use pmd::test_support;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use stack::control::Stack;
use stack::time::Nanos;
use vnet::Vnets;
use vnet::sysctl::Value;

use crate::configuration;
use crate::host;
use crate::ports::Ports;
use crate::testing;

/// The numbers that a file of a vnet is made of: close together, so that most files have something in common with
/// themselves, and about half of them are refused.
#[derive(Clone, Debug)]
struct Wish {
    /// By interface: em0 and em1, lo0, and the ends of an epair.
    addresses: [Vec<Net>; 5],
    /// Interface, and the address.
    neighbors: Vec<(u8, Net)>,
    routes: Vec<(Net, Target)>,
    limits: Option<(u8, u8, u8)>,
}

/// 10.1.A.B/LENGTH
type Net = (u8, u8, u8);

#[derive(Clone, Debug)]
enum Target {
    Blackhole,
    Reject,
    Via(Vec<Hop>),
}

#[derive(Clone, Debug)]
enum Hop {
    Gateway(Net),
    Interface(u8),
}

const NAMES: [&str; 5] = ["em0", "em1", "lo0", "epair0a", "epair0b"];

fn wishes() -> impl Strategy<Value = Wish> {
    let last = prop::sample::select(vec![0_u8, 1, 2, 3, 5, 9, 127, 128, 130, 255]);
    let length = prop::sample::select(vec![16_u8, 24, 25, 30, 31, 32, 32]);
    let net = (0_u8..5, last, length);
    let addresses = || prop::collection::vec(net.clone(), 0..2);
    let hop = prop_oneof![
        4 => net.clone().prop_map(Hop::Gateway),
        1 => (0_u8..5).prop_map(Hop::Interface),
    ];
    let target = prop_oneof![
        1 => Just(Target::Blackhole),
        1 => Just(Target::Reject),
        3 => prop::collection::vec(hop, 1..3).prop_map(Target::Via),
    ];
    let neighbors = prop::collection::vec((0_u8..5, net.clone()), 0..2);
    let routes = prop::collection::vec((net.clone(), target), 0..3);
    let limits = prop::option::of((4_u8..7, 0_u8..20, 1_u8..3));
    (std::array::from_fn(|_| addresses()), neighbors, routes, limits).prop_map(
        |(addresses, neighbors, routes, limits)| Wish { addresses, neighbors, routes, limits },
    )
}

fn ports() -> String {
    "[dpdk]\nhugepages = 'none'\n[[port]]\nname = 'p0'\ndevice = 'net_null78'\nrx_descriptors = 64\n\
     tx_descriptors = 64\n"
        .to_owned()
}

/// The file.
fn text(wish: &Wish) -> String {
    let mut text = format!("{}[[vnet]]\nname = 'red'\n", ports());
    let address = |(third, last, _): Net| format!("10.1.{third}.{last}");
    if let Some((interfaces, routes, neighbors)) = wish.limits {
        let _infallible = write!(
            text,
            "[vnet.limits]\ninterfaces = {interfaces}\nroutes = {routes}\nneighbors = {neighbors}\n"
        );
    }
    let carriers = [
        "port = 'p0'",
        "port = 'p0'\nvlan = 1",
        "kind = 'loopback'",
        "epair = 'epair0'",
        "epair = 'epair0'",
    ];
    for ((name, carrier), addresses) in NAMES.iter().zip(carriers).zip(&wish.addresses) {
        let addresses: Vec<String> =
            addresses.iter().map(|net| format!("'{}/{}'", address(*net), net.2)).collect();
        let list = addresses.join(", ");
        let _infallible =
            write!(text, "[[vnet.interface]]\nname = '{name}'\n{carrier}\naddresses = [{list}]\n");
    }
    for (at, (interface, net)) in wish.neighbors.iter().enumerate() {
        let (name, address) = (NAMES[usize::from(*interface)], address(*net));
        let _infallible = write!(
            text,
            "[[vnet.neighbor]]\ninterface = '{name}'\naddress = '{address}'\nmac = '02:00:00:00:00:{at:02x}'\n"
        );
    }
    for (net, target) in &wish.routes {
        let prefix: ipnet::Ipv4Net =
            format!("{}/{}", address(*net), net.2).parse().expect("a prefix");
        let _infallible = write!(text, "[[vnet.route]]\nprefix = '{}'\n", prefix.trunc());
        let _infallible = match target {
            Target::Blackhole => writeln!(text, "type = 'blackhole'"),
            Target::Reject => writeln!(text, "type = 'reject'"),
            Target::Via(hops) => {
                let hops: Vec<String> = hops
                    .iter()
                    .map(|hop| match hop {
                        Hop::Gateway(net) => format!("'{}'", address(*net)),
                        Hop::Interface(at) => format!("'{}'", NAMES[usize::from(*at)]),
                    })
                    .collect();
                writeln!(text, "via = [{}]", hops.join(", "))
            }
        };
    }
    text
}

/// A stack, and a port for the interfaces.
fn instance() -> (Stack, Ports, config::Host) {
    let eal = test_support::eal();
    let pools = Pools::create(&eal, &[], 2047, 64).expect("a pool");
    let stack = testing::stack(&pools);
    let online_cpus = [config::CpuId(0)].into();
    let host = config::Host { online_cpus, ..host::facts().expect("facts") };
    let config = config::parse("ports.toml", &ports(), &host).expect("a configuration");
    let ports = Ports::open(&config, &eal, &pools).expect("a port");
    (stack, ports, host)
}

#[test]
fn what_is_accepted_can_be_started() {
    if Vnets::MAX_VNETS == 1 {
        println!("skipped: what_is_accepted_can_be_started: the build {} has one vnet", vnet::ARM);
        return;
    }
    let (mut stack, mut ports, host) = instance();
    let (mut accepted, mut now) = (0, Nanos(0));
    let cases = 2000;
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let strategy = wishes();
    for _ in 0..cases {
        let wish = strategy.new_tree(&mut runner).expect("a wish").current();
        let text = text(&wish);
        let Ok(config) = config::parse("test.toml", &text, &host) else { continue };
        accepted += 1;
        let started = configuration::start(&config, &mut stack, &mut ports);
        assert!(started.is_ok(), "{:#}\n{text}", started.expect_err("an error"));
        stack.destroy_vnet("red").expect("it goes");
        now.0 += 1;
        stack.tick(now);
    }
    assert!(accepted > cases / 20, "only {accepted} of {cases} files are accepted");
    assert_eq!(stack.shutdown(), 0, "a vnet that could not be freed");
}

/// The crate `config` cannot ask the stack.
#[test]
fn defaults_of_limits_are_those_of_the_stack() {
    let (mut stack, _ports, _) = instance();
    let _vnet = stack.create_vnet("red").expect("a vnet");
    for (sysctl, default) in [
        ("net.vnet.maxinterfaces", config::VNET_INTERFACES_DEFAULT),
        ("net.vnet.maxroutes", config::VNET_ROUTES_DEFAULT),
        ("net.link.ether.inet.maxneighbors", config::VNET_NEIGHBORS_DEFAULT),
    ] {
        let actual = stack.sysctl_defaults().get(sysctl).and_then(Value::as_number);
        assert_eq!(actual, Some(default.into()), "{sysctl}");
    }
}
