//! Bursts that cross epairs from one fast path to the next: what leaves is what leaves when every vnet looks at every packet.

use std::net::Ipv4Addr;
use std::time::Duration;

use pmd::{MAX_BURST, Mbuf};
use proptest::prelude::*;
use stack::control::{ProbeSpec, ProbeState};
use stack::drops::DropReason;
use stack::inet::ProbeKind;
use stack::net::bpf::{Filter, TapSpec};
use stack::net::route::RouteTarget;

use crate::common::crossroads::{EM, host};
use crate::common::frame::{DF, mac};
use crate::common::{Lab, Packet, Sent, has_many_vnets};
use crate::outcome::{Outcome, assert_same, outcome};

const VNETS: [&str; 3] = ["red", "blue", "green"];

/// Both ends of both epairs: vnet, name, address.
const ENDS: [[(&str, &str, &str); 2]; 2] = [
    [("red", "epair0a", "10.9.0.1"), ("blue", "epair0b", "10.9.0.2")],
    [("blue", "epair1a", "10.9.1.1"), ("green", "epair1b", "10.9.1.2")],
];

/// ```text
/// port 0 em0 10.0.0.1 |red|  epair0a == epair0b |blue| epair1a == epair1b |green| em1 10.0.1.1 port 1
///                                               |blue| em2 10.0.2.1 port 2
/// ```
fn chain(setting: Setting) -> Lab {
    let mut lab = Lab::new();
    for (n, vnet) in [(0, "red"), (1, "green"), (2, "blue")] {
        let (name, address) = (format!("em{n}"), format!("10.0.{n}.1/24"));
        let _slot = lab.interface(vnet, &name, n, None, EM[usize::from(n)], &[&address]);
        lab.neighbor(vnet, &name, &format!("10.0.{n}.2"), host(n as u8, 2));
    }
    for pair in ENDS {
        let [a, b] = pair.map(|(vnet, name, address)| (vnet, name, format!("{address}/24")));
        let _slots = lab.epair([(a.0, a.1, &[&a.2]), (b.0, b.1, &[&b.2])]);
        for ((vnet, name, _), (far, far_name, address)) in [(pair[0], pair[1]), (pair[1], pair[0])]
        {
            let known = if setting == Setting::WrongNeighbor && far == "green" {
                mac(0x77)
            } else {
                lab.ifnet(far, far_name).mac.0
            };
            lab.neighbor(vnet, name, address, known);
        }
    }
    for vnet in VNETS {
        lab.sysctl(vnet, "net.inet.ip.forwarding", 1);
        lab.sysctl(vnet, "net.inet.icmp.icmplim", 0);
        let vnet = lab.vnet(vnet);
        let key = 0x5eed_0123_4567_89ab;
        let _set = lab.control(|stack| stack.with_inet(&vnet, |inet| inet.set_flow_key(key)));
    }
    lab.via("red", "0.0.0.0/0", &["10.9.0.2"]);
    for (prefix, gateways) in [
        ("198.18.0.0/15", &["10.9.1.2"][..]),
        ("10.0.1.0/24", &["10.9.1.2"]),
        ("100.64.0.0/10", &["10.0.2.2"]),
        ("10.0.0.0/24", &["10.9.0.1"]),
        ("203.0.113.0/24", &["10.9.0.1"]),
        ("198.51.100.0/24", &["10.0.2.2", "10.9.1.2"]),
    ] {
        lab.via("blue", prefix, gateways);
    }
    lab.route("blue", "172.16.0.0/12", RouteTarget::Blackhole);
    lab.via("green", "0.0.0.0/0", &["10.9.1.1"]);
    lab.via("green", "198.18.0.0/15", &["10.0.1.2"]);
    setting.apply(&mut lab);
    let _announced = lab.pass(Duration::from_secs(5));
    lab
}

/// Settings of a vnet on the way that are out of the ordinary.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Setting {
    Nothing,
    Sysctl(&'static str, &'static str, i32),
    Mtu(&'static str, &'static str, u16),
    Down(&'static str, &'static str),
    /// Frames for green have an address that is not green's.
    WrongNeighbor,
    Captured(&'static str),
}

const SETTINGS: [Setting; 14] = [
    Setting::Nothing,
    Setting::Sysctl("red", "net.inet.ip.redirect", 0),
    Setting::Sysctl("blue", "net.inet.ip.redirect", 0),
    Setting::Sysctl("blue", "net.inet.ip.forwarding", 0),
    Setting::Sysctl("blue", "net.inet.ip.source_address_validation", 1),
    Setting::Sysctl("green", "net.inet.ip.source_address_validation", 1),
    Setting::Mtu("red", "epair0a", 600),
    Setting::Mtu("blue", "epair0b", 600),
    Setting::Mtu("blue", "epair1a", 600),
    Setting::Mtu("green", "em1", 600),
    Setting::Down("green", "epair1b"),
    Setting::WrongNeighbor,
    Setting::Captured("blue"),
    Setting::Captured("green"),
];

impl Setting {
    fn apply(self, lab: &mut Lab) {
        match self {
            Self::Nothing | Self::WrongNeighbor => {}
            Self::Sysctl(vnet, name, value) => lab.sysctl(vnet, name, value),
            Self::Mtu(vnet, interface, mtu) => lab.set_mtu(vnet, interface, mtu),
            Self::Down(vnet, interface) => lab.set_up(vnet, interface, false),
            Self::Captured(vnet) => {
                let vnet = lab.vnet(vnet);
                let (filter, snaplen) = (Filter::all(), u32::MAX);
                let spec = TapSpec { interface: None, filter, snaplen, drops: true };
                // It goes on when nobody reads it any more: until the vnet ends.
                let tap = lab.control(|stack| stack.start_capture(&vnet, spec)).unwrap();
                std::mem::forget(tap);
            }
        }
    }
}

const SOURCES: [Ipv4Addr; 6] = [
    Ipv4Addr::new(10, 0, 0, 2),
    Ipv4Addr::new(10, 0, 0, 3),
    Ipv4Addr::new(8, 8, 8, 8),
    Ipv4Addr::new(10, 9, 0, 2),
    Ipv4Addr::new(10, 9, 1, 2),
    Ipv4Addr::new(10, 0, 1, 255),
];

const DESTINATIONS: [Ipv4Addr; 10] = [
    Ipv4Addr::new(198, 18, 0, 0),
    Ipv4Addr::new(10, 0, 1, 2),
    Ipv4Addr::new(100, 64, 0, 0),
    Ipv4Addr::new(198, 51, 100, 0),
    Ipv4Addr::new(203, 0, 113, 0),
    Ipv4Addr::new(172, 16, 0, 0),
    Ipv4Addr::new(9, 9, 9, 9),
    Ipv4Addr::new(10, 9, 1, 2),
    Ipv4Addr::new(10, 0, 0, 2),
    Ipv4Addr::new(10, 0, 0, 1),
];

/// Most packets of a burst are alike: then it crosses as a whole.
#[derive(Clone, Debug)]
struct Recipe {
    src: usize,
    dst: usize,
    ttl: u8,
    len: usize,
    fragment: u16,
    /// Where among these it differs.
    odd: bool,
}

impl Recipe {
    fn frame(&self, like: &Self, id: u16) -> Vec<u8> {
        let Self { src, dst, ttl, len, fragment, .. } = *(if self.odd { self } else { like });
        let dst =
            Ipv4Addr::from(u32::from(DESTINATIONS[dst]) + u32::from(dst == 0) * u32::from(id));
        let packet = Packet::udp(SOURCES[src], dst, len).link(host(0, 2), EM[0]);
        Packet { id, ttl, fragment, ..packet }.frame()
    }
}

fn recipe(odd: f64) -> impl Strategy<Value = Recipe> {
    let src = prop_oneof![6 => 0..3usize, 1 => 3..SOURCES.len()];
    let dst = prop_oneof![2 => 0..3usize, 1 => 0..DESTINATIONS.len()];
    let ttl = prop_oneof![4 => Just(64u8), 1 => 0u8..6, 1 => Just(255u8)];
    let len = prop_oneof![4 => 0usize..64, 1 => 540usize..620];
    let fragment = prop_oneof![Just(0), Just(DF)];
    (src, dst, ttl, len, fragment, prop::bool::weighted(odd)).prop_map(
        |(src, dst, ttl, len, fragment, odd)| Recipe { src, dst, ttl, len, fragment, odd },
    )
}

/// The recipe of all, and what others would be.
type Group = (Recipe, Vec<Recipe>);

/// A group is what one iteration receives; the next one comes while packets may still go round in circles.
fn groups() -> impl Strategy<Value = Vec<Group>> {
    let group = |count| {
        prop_oneof![
            3 => proptest::collection::vec(recipe(0.0), count),
            1 => proptest::collection::vec(recipe(0.02), 1..MAX_BURST + 1),
        ]
    };
    let sizes = prop_oneof![Just(1..9usize), Just(60..70), Just(100..MAX_BURST + 1)];
    let group = (recipe(0.0), sizes.prop_flat_map(group));
    proptest::collection::vec(group, 1..5)
}

fn run(groups: &[Group], setting: Setting, fast_path: bool) -> Outcome {
    let mut lab = chain(setting);
    if !fast_path {
        lab.datapath().without_fast_path();
    }
    let (mut sent, mut id) = (Vec::new(), 0);
    for (like, recipes) in groups {
        let frames = recipes.iter().map(|recipe| {
            id += 1;
            lab.mbuf(&recipe.frame(like, id))
        });
        let mbufs: Vec<_> = frames.collect();
        lab.iterate(0, mbufs);
        sent.extend(lab.take());
    }
    lab.settle();
    sent.extend(lab.take());
    sent.extend(lab.pass(Duration::from_secs(7)));
    lab.check();
    let outcome = outcome(&mut lab, &VNETS, &sent);
    lab.end();
    outcome
}

/// A burst of packets with `len` bytes of data that are all alike, from the host behind red to one behind green.
fn across(lab: &Lab, count: u16, len: usize) -> Vec<Mbuf> {
    (0..count).map(|id| lab.mbuf(&Packet { id, ..from_red(len) }.frame())).collect()
}

fn from_red(len: usize) -> Packet {
    Packet::udp(SOURCES[0], DESTINATIONS[0], len).link(host(0, 2), EM[0])
}

/// Asserts that green sent a burst of [`across`], and nobody anything else: with the headers that three vnets give it.
#[track_caller]
fn assert_across(sent: &[Sent], count: u16, len: usize) {
    let there = Packet { ttl: 61, ..from_red(len).link(EM[1], host(1, 2)) };
    let sent: Vec<_> = sent.iter().map(|sent| (sent.port, Packet::read(&sent.frame))).collect();
    let expected: Vec<_> = (0..count).map(|id| (1, Packet { id, ..there.clone() })).collect();
    assert_eq!(sent, expected);
}

/// While a burst waits at green's end, blue sends green a packet of its own, which nobody's fast path has read: green takes
/// neither this for a part of the burst, nor the burst for frames with headers.
#[test]
fn a_packet_that_follows_a_crossing_is_none_of_it() {
    if !has_many_vnets("crossing::a_packet_that_follows_a_crossing_is_none_of_it") {
        return;
    }
    let mut lab = chain(Setting::Nothing);
    // One packet more than the next burst has: what was read of it stays behind that of the others.
    let first = across(&lab, 11, 20);
    assert_across(&lab.send_mbufs(0, first), 11, 20);
    let (blue, now) = (lab.vnet("blue"), lab.now);
    let spec = ProbeSpec {
        address: Ipv4Addr::new(10, 9, 1, 2),
        kind: ProbeKind::Echo,
        ttl: None,
        size: 56,
        source: None,
        dont_fragment: false,
        wait: Duration::from_secs(3),
    };
    let probe = lab.control(|stack| {
        stack.tick(now);
        stack.send_probe(&blue, spec).unwrap()
    });
    // The worker takes the probe at the end of the iteration, when the burst has passed blue.
    let second = across(&lab, 10, 20);
    assert_across(&lab.send_mbufs(0, second), 10, 20);
    let answer = lab.stack().probe(&blue, probe.number);
    assert!(matches!(answer, Some(ProbeState::Answered(_))), "{answer:?}");
    drop(blue);
    lab.end();
}

/// Blue's end takes what red's sends, whatever its own MTU.
#[test]
fn the_receiving_end_takes_what_is_longer_than_its_mtu() {
    if !has_many_vnets("crossing::the_receiving_end_takes_what_is_longer_than_its_mtu") {
        return;
    }
    let mut lab = chain(Setting::Mtu("blue", "epair0b", 600));
    let longest = 600 - 20 - 8;
    for len in [longest, longest + 1] {
        let packets = across(&lab, 10, len);
        assert_across(&lab.send_mbufs(0, packets), 10, len);
    }
    assert_eq!(lab.drops("blue"), [].into());
    lab.end();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_crosses_is_what_was_looked_at(
        groups in groups(),
        setting in proptest::sample::select(SETTINGS.to_vec()),
    ) {
        if has_many_vnets("crossing::what_crosses_is_what_was_looked_at") {
            let [fast, slow] = [true, false].map(|fast_path| run(&groups, setting, fast_path));
            // Which frames an end has no room for depends on their order, and the fast path lets some overtake others.
            if !slow.drops.contains_key(DropReason::EpairFull.name()) {
                assert_same(&fast, &slow, &setting);
            }
        }
    }
}
