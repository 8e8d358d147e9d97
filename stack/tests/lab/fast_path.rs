//! The fast path does what the nodes for exceptions do: the same bursts through two crossroads, one with it and one
//! without, end in the same frames, drops and counters.
//!
//! Two things may differ. The fast path's own counter. And in a burst, packets that need no exception overtake those of
//! their flow that do (cut into fragments, with options, in odd pieces); each of the two kinds keeps its order.

use std::collections::BTreeSet;
use std::fmt::{self, Debug};
use std::net::Ipv4Addr;
use std::time::Duration;

use pmd::MAX_BURST;
use proptest::prelude::*;

use crate::common::crossroads::{EM, PORT, RED, TAG, crossroads, host};
use crate::common::frame::{Arp, DF, MF, checksum};
use crate::common::{Lab, Packet};
use crate::outcome::{Outcome, assert_same, outcome};

const SOURCES: [&str; 11] = [
    "169.254.3.4",
    "10.0.0.2",
    "10.0.0.2",
    "10.0.0.3",
    "10.0.1.2",
    "10.0.2.2",
    "198.18.3.3",
    "8.8.8.8",
    "10.0.0.1",
    "10.0.1.255",
    "127.0.0.1",
];

/// First address and how many behind it.
const DESTINATIONS: [(&str, u32); 18] = [
    ("169.254.0.0", 70_000),
    ("198.18.0.0", 1 << 17),
    ("198.18.0.0", 4),
    ("198.51.100.0", 256),
    ("198.51.100.0", 256),
    ("10.0.1.2", 2),
    ("10.0.2.2", 1),
    ("100.64.0.0", 1000),
    ("192.88.99.0", 256),
    ("10.0.0.2", 2),
    ("172.16.0.0", 1000),
    ("10.0.1.60", 3),
    ("203.0.113.0", 256),
    ("192.0.2.0", 256),
    ("9.9.9.9", 100),
    ("10.0.0.0", 1024),
    ("224.0.0.1", 100),
    ("255.255.255.250", 6),
];

const SYSCTLS: [(&str, i32); 7] = [
    ("net.inet.ip.redirect", 0),
    ("net.inet.ip.source_address_validation", 1),
    ("net.inet.ip.rfc1122_strong_es", 1),
    ("net.inet.ip.process_options", 2),
    ("net.inet.ip.process_options", 0),
    ("net.inet.ip.forwarding", 0),
    ("net.inet.icmp.bmcastecho", 1),
];

/// How a packet is damaged.
#[derive(Clone, Debug)]
enum Damage {
    None,
    /// A byte is XORed; the header checksum is mended, or not.
    Byte {
        at: usize,
        with: u8,
        mended: bool,
    },
    Cut(usize),
}

/// A packet in small numbers, which proptest can make smaller.
#[derive(Clone)]
struct Recipe {
    em: usize,
    src: usize,
    dst: (usize, u32),
    flow: u16,
    len: usize,
    ttl: u8,
    fragment: u16,
    has_options: bool,
    trailer: usize,
    pieces: Vec<usize>,
    damage: Damage,
}

/// In one line, of which there may be hundreds.
impl Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { em, src, dst, flow, len, ttl, fragment, has_options, trailer, pieces, damage } =
            self;
        let (src, to) = (SOURCES[*src], (DESTINATIONS[dst.0], dst.1));
        write!(f, "em{em} {src} {to:?} flow {flow} len {len} ttl {ttl} fragment {fragment:#x}")?;
        write!(f, " options {has_options} trailer {trailer} pieces {pieces:?} {damage:?}")
    }
}

impl Recipe {
    fn frame(&self, id: u16) -> Vec<u8> {
        let (first, count) = DESTINATIONS[self.dst.0];
        let first: Ipv4Addr = first.parse().unwrap();
        let dst = Ipv4Addr::from(u32::from(first).saturating_add(self.dst.1 % count));
        let src = SOURCES[self.src].parse().unwrap();
        let em = self.em;
        let mut packet = Packet::udp(src, dst, self.len).link(host(em as u8, 2), EM[em]);
        // Whether a packet in an odd shape is an exception depends on where it is cut: each has a flow of its own.
        let is_odd = !self.pieces.is_empty() || self.trailer > 0;
        // Order is kept inside an interface, so no flow comes in through two.
        let port = if is_odd { 1000 + id } else { self.flow + 8 * em as u16 };
        packet.payload[..2].copy_from_slice(&port.to_be_bytes());
        if self.has_options {
            packet.options = vec![7, 7, 4, 0, 0, 0, 0, 0];
        }
        let (ttl, fragment, tag) = (self.ttl, self.fragment, TAG[em]);
        let trailer = vec![0; self.trailer];
        let mut frame = Packet { id, ttl, fragment, tag, trailer, ..packet }.frame();
        let ip = if tag.is_some() { 18 } else { 14 };
        match self.damage {
            Damage::None => {}
            Damage::Cut(len) => frame.truncate(len),
            Damage::Byte { at, with, mended } => {
                let at = at % frame.len();
                frame[at] ^= with;
                if mended {
                    frame[ip + 10..ip + 12].fill(0);
                    let sum = checksum(&frame[ip..ip + 20]);
                    frame[ip + 10..ip + 12].copy_from_slice(&sum.to_be_bytes());
                }
            }
        }
        frame
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let byte = (0usize..64, any::<u8>(), any::<bool>());
    prop_oneof![
        12 => Just(Damage::None),
        3 => byte.prop_map(|(at, with, mended)| Damage::Byte { at, with, mended }),
        1 => (0usize..80).prop_map(Damage::Cut),
    ]
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let way = (0..EM.len(), 0..SOURCES.len(), (0..DESTINATIONS.len(), any::<u32>()), 0u16..8);
    let len = prop_oneof![8 => 0usize..64, 4 => 0usize..1472, 1 => 540usize..560];
    let ttl = prop_oneof![8 => Just(64u8), 1 => 0u8..4, 1 => Just(255u8)];
    let fragment = prop_oneof![8 => Just(0), 2 => Just(DF), 1 => Just(MF), 1 => Just(MF | 7)];
    let rare = (prop::bool::weighted(0.05), prop_oneof![9 => Just(0usize), 1 => 0usize..40]);
    let pieces = prop_oneof![9 => Just(vec![]), 1 => proptest::collection::vec(0usize..80, 1..4)];
    (way, len, ttl, fragment, rare, pieces, damage()).prop_map(
        |((em, src, dst, flow), len, ttl, fragment, (has_options, trailer), pieces, damage)| {
            Recipe { em, src, dst, flow, len, ttl, fragment, has_options, trailer, pieces, damage }
        },
    )
}

fn bursts() -> impl Strategy<Value = Vec<Vec<Recipe>>> {
    let packets = |count| proptest::collection::vec(recipe(), count);
    let burst = prop_oneof![
        2 => packets(0..4),
        3 => packets(4..130),
        2 => packets(60..70),
        1 => packets(200..MAX_BURST + 1),
    ];
    proptest::collection::vec(burst, 0..4)
}

fn run(bursts: &[Vec<Recipe>], sysctls: &[(&str, i32)], fast_path: bool) -> Outcome {
    let mut lab = crossroads();
    // Beyond its limit a redirect is not even thought of on the fast path.
    lab.sysctl(RED, "net.inet.icmp.icmplim", 0);
    for (name, value) in sysctls {
        lab.sysctl(RED, name, *value);
    }
    if !fast_path {
        lab.datapath().without_fast_path();
    }
    let (mut sent, mut id) = (Vec::new(), 0);
    for burst in bursts {
        // One iteration for each port, with the packets of its interfaces in the order of the burst.
        for port in 0..3 {
            let mut mbufs = Vec::new();
            for recipe in burst.iter().filter(|recipe| PORT[recipe.em] == port) {
                id += 1;
                mbufs.push(lab.segmented(&recipe.frame(id), &recipe.pieces));
            }
            lab.iterate(port, mbufs);
        }
        lab.settle();
        sent.extend(lab.take());
    }
    // The unknown gateway answers, the unknown hosts do not.
    let gateway = Ipv4Addr::new(10, 0, 1, 9);
    let answer = Arp::reply(host(1, 9), gateway, EM[1], Ipv4Addr::new(10, 0, 1, 1));
    sent.extend(lab.send(1, &[answer.frame(EM[1], None)]));
    sent.extend(lab.pass(Duration::from_secs(7)));
    lab.check();
    let outcome = outcome(&mut lab, &[RED], &sent);
    lab.end();
    outcome
}

fn compare(bursts: &[Vec<Recipe>], sysctls: &[(&str, i32)]) -> Outcome {
    let fast = run(bursts, sysctls, true);
    let slow = run(bursts, sysctls, false);
    assert_same(&fast, &slow, &sysctls);
    fast
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn both_paths_do_the_same(bursts in bursts()) {
        let _same = compare(&bursts, &[]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn both_paths_do_the_same_whatever_the_sysctls(
        bursts in bursts(),
        sysctls in proptest::sample::subsequence(SYSCTLS.to_vec(), 1..3),
    ) {
        let _same = compare(&bursts, &sysctls);
    }
}

/// RFC 3021: neither address of a /31 is a broadcast, which would be looked at twice.
#[test]
fn the_peer_of_a_point_to_point_link_takes_the_fast_path() {
    let mut lab = Lab::new();
    let _slot = lab.interface(RED, "em0", PORT[0], TAG[0], EM[0], &["10.0.0.0/31"]);
    let _slot = lab.interface(RED, "em1", PORT[1], TAG[1], EM[1], &["10.0.1.1/24"]);
    lab.sysctl(RED, "net.inet.ip.forwarding", 1);
    lab.neighbor(RED, "em1", "10.0.1.2", host(1, 2));
    let _announced = lab.pass(Duration::from_secs(5));
    let from = |peer| Packet::udp(peer, Ipv4Addr::new(10, 0, 1, 2), 8).link(host(0, 1), EM[0]);
    assert_eq!(lab.send(0, &[from(Ipv4Addr::new(10, 0, 0, 1)).frame()]).len(), 1);
    assert_eq!(lab.stat(RED, "ips_fastforward"), 1);
    assert_eq!(lab.send(0, &[from(Ipv4Addr::new(10, 0, 0, 0)).frame()]), [], "that is us");
    assert_eq!(lab.drops(RED), [("ip_martian_source", 1)].into());
    lab.end();
}

/// The comparison compares something: most kinds of ends are among what random bursts lead to.
#[test]
fn random_bursts_are_of_all_kinds() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let bursts = proptest::collection::vec(proptest::collection::vec(recipe(), MAX_BURST), 8);
    let bursts = bursts.new_tree(&mut runner).unwrap().current();
    let Outcome { frames, drops, counters } = compare(&bursts, &[]);
    let wanted = [
        "ether_not_for_us",
        "ether_unknown_type",
        "ip_bad_checksum",
        "ip_bad_header_length",
        "ip_blackhole",
        "ip_martian_source",
        "ip_martian_destination",
        "ip_needs_fragmentation",
        "ip_no_route",
        "ip_not_member",
        "ip_reject",
        "ip_truncated",
        "ip_ttl_exceeded",
        "arp_unresolved",
        "udp_no_port",
        "vlan_unknown",
    ];
    let missing: Vec<_> = wanted.iter().filter(|reason| !drops.contains_key(**reason)).collect();
    assert!(missing.is_empty(), "{missing:?} of {drops:?}");
    for counter in ["ips_fragmented", "ips_redirectsent", "ips_forward", "timeouts"] {
        assert!(counters[&format!("{RED} {counter}")] > 0, "{counter}");
    }
    let ports: BTreeSet<u16> = frames.keys().map(|(port, _)| *port).collect();
    assert_eq!(ports.len(), 3);
    assert!(frames.len() > 300, "{} flows", frames.len());
}
