//! Packets of many interfaces in one burst: those of one flow leave in the order in which they came in, and the fast path
//! does what the nodes for exceptions do. As in `fast_path`, packets that need no exception overtake those of their flow
//! that do.
//!
//! ```text
//! port 0            em0 red       port 1            em5 green
//! port 0 VLAN 10    em1 red       port 1 VLAN 10    em6 red
//! port 0 VLAN 11    em2 blue      port 1 VLAN 20    em7 blue
//! port 0 VLAN 12    em3 green
//! port 0 VLAN 13    em4 blue
//! ```
//!
//! Interface N has 10.0.N.1/24 with the hosts .2 and .3 (known) and .9 (nobody). The vnet of group G has a route of each
//! kind, 20.G.0.0/16 to 25.G.0.0/16. A build with one vnet has all interfaces in that one.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::net::Ipv4Addr;
use std::time::Duration;

use pmd::MAX_BURST;
use proptest::prelude::*;
use stack::net::route::RouteTarget;

use crate::common::frame::{Arp, Mac, UDP, mac};
use crate::common::{Lab, Packet};
use crate::outcome::{Outcome, assert_same, outcome};

/// An interface: its group, its port, its VLAN.
const EM: [(usize, u16, Option<u16>); 8] = [
    (0, 0, None),
    (0, 0, Some(10)),
    (1, 0, Some(11)),
    (2, 0, Some(12)),
    (1, 0, Some(13)),
    (2, 1, None),
    (0, 1, Some(10)),
    (1, 1, Some(20)),
];
/// The groups' vnets, and the interfaces that their routes leave by.
const GROUPS: [(&str, [usize; 2]); 3] = [("red", [0, 6]), ("blue", [2, 7]), ("green", [3, 5])];
/// The kinds of destinations that the first byte of an address tells apart.
const KINDS: u8 = 6;

fn vnet_of(group: usize) -> &'static str {
    if vnet::Vnets::MAX_VNETS > 1 { GROUPS[group].0 } else { GROUPS[0].0 }
}

fn vnets() -> Vec<&'static str> {
    (0..GROUPS.len()).map(vnet_of).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The MAC address of a host, and with 0 of the interface itself.
fn mac_of(em: usize, host: u8) -> Mac {
    mac(em as u8 * 16 + host)
}

fn address(em: usize, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, em as u8, host)
}

/// Interfaces, hosts and routes, with all announcements made.
fn scene(redirects: bool) -> Lab {
    let mut lab = Lab::new();
    for (em, (group, port, vlan)) in EM.into_iter().enumerate() {
        let (vnet, name) = (vnet_of(group), format!("em{em}"));
        let own = format!("{}/24", address(em, 1));
        let _slot = lab.interface(vnet, &name, port, vlan, mac_of(em, 0), &[&own]);
        for host in [2, 3] {
            lab.neighbor(vnet, &name, &address(em, host).to_string(), mac_of(em, host));
        }
    }
    for vnet in vnets() {
        lab.sysctl(vnet, "net.inet.ip.forwarding", 1);
        lab.sysctl(vnet, "net.inet.ip.redirect", i32::from(redirects));
        // Beyond their limit, redirects and errors depend on which packet asked first.
        lab.sysctl(vnet, "net.inet.icmp.icmplim", 0);
        let vnet = lab.vnet(vnet);
        let key = |stack: &mut stack::control::Stack| {
            stack.with_inet(&vnet, |inet| inet.set_flow_key(0x5eed_0123_4567_89ab))
        };
        let _set = lab.control(key);
    }
    for (group, (_, [a, b])) in GROUPS.into_iter().enumerate() {
        let vnet = vnet_of(group);
        let mut route =
            |kind: u8, target| lab.route(vnet, &format!("{kind}.{group}.0.0/16"), target);
        let via = |hosts: &[(usize, u8)]| {
            RouteTarget::via(hosts.iter().map(|(em, host)| address(*em, *host)))
        };
        route(20, via(&[(a, 2)]));
        route(21, via(&[(b, 2)]));
        route(22, via(&[(a, 3), (b, 3)]));
        route(23, via(&[(b, 9)]));
        route(24, RouteTarget::Blackhole);
        route(25, RouteTarget::Reject);
    }
    let _announcements = lab.pass(Duration::from_secs(5));
    lab
}

/// How a frame is tagged.
#[derive(Clone, Copy, Debug)]
enum Tag {
    /// As its interface is.
    Own,
    /// The interface's VLAN with a priority; VID 0 where it has none (IEEE 802.1Q-2022 9.6).
    Priority,
    /// A VLAN that the port does not have.
    Unknown,
    /// The interface's VLAN as customer tag behind a service tag (IEEE 802.1ad).
    Service,
    /// Behind another customer tag.
    Double,
}

impl Tag {
    /// The bytes between the addresses and IPv4's EtherType.
    fn bytes(self, vlan: Option<u16>) -> Vec<u8> {
        let tag = |tpid: u16, tci: u16| [tpid.to_be_bytes(), tci.to_be_bytes()].concat();
        let own = vlan.unwrap_or(0);
        match self {
            Self::Own => vlan.map(|vlan| tag(0x8100, vlan)).unwrap_or_default(),
            Self::Priority => tag(0x8100, 5 << 13 | own),
            Self::Unknown => tag(0x8100, 99),
            Self::Service => [tag(0x88a8, own), tag(0x8100, own)].concat(),
            Self::Double => [tag(0x8100, own), tag(0x8100, own)].concat(),
        }
    }
}

/// The feature of a packet that is not ordinary.
#[derive(Clone, Copy, Debug)]
enum Oddity {
    None,
    Ttl(u8),
    Options,
    BadChecksum,
    ForAnotherHost,
    ToUs,
    ToAnotherOfUs,
    Cut(usize),
    ArpRequest,
}

/// A packet in small numbers, which proptest can make smaller.
#[derive(Clone, Debug)]
struct Recipe {
    em: usize,
    tag: Tag,
    source: u8,
    /// First byte, group and last byte of the destination.
    to: (u8, u8, u8),
    flow: u16,
    len: usize,
    oddity: Oddity,
}

impl Recipe {
    /// The frame, whose IPv4 identification says which it is.
    fn frame(&self, id: u16) -> Vec<u8> {
        let Self { em, tag, source, to, flow, len, oddity } = *self;
        let (from, own) = (mac_of(em, source), mac_of(em, 0));
        let dst = match oddity {
            Oddity::ToUs => address(em, 1),
            Oddity::ToAnotherOfUs => address((em + 1) % EM.len(), 1),
            _ => Ipv4Addr::new(20 + to.0, to.1, 0, to.2),
        };
        let mut packet = Packet::udp(address(em, source), dst, len).link(from, own);
        // Two priority tags are an exception, which others of its flow overtake, and leave no trace: a flow of its own.
        let port = if matches!(tag, Tag::Service | Tag::Double) { 1000 + id } else { flow };
        packet.payload[..2].copy_from_slice(&port.to_be_bytes());
        packet.id = id;
        match oddity {
            Oddity::Ttl(ttl) => packet.ttl = ttl,
            Oddity::Options => packet.options = vec![7, 7, 4, 0, 0, 0, 0, 0],
            Oddity::BadChecksum => packet.checksum = Some(0x1234),
            Oddity::ForAnotherHost => packet.to = mac(0xee),
            _ => {}
        }
        let mut frame = packet.frame();
        if matches!(oddity, Oddity::ArpRequest) {
            frame = Arp::request(from, address(em, source), address(em, 1)).frame(own, None);
        }
        drop(frame.splice(12..12, tag.bytes(EM[em].2)));
        if let Oddity::Cut(len) = oddity {
            frame.truncate(len);
        }
        frame
    }
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let tag = prop_oneof![
        12 => Just(Tag::Own),
        2 => Just(Tag::Priority),
        1 => Just(Tag::Unknown),
        1 => Just(Tag::Service),
        1 => Just(Tag::Double),
    ];
    let oddity = prop_oneof![
        16 => Just(Oddity::None),
        1 => (0u8..3).prop_map(Oddity::Ttl),
        1 => Just(Oddity::Options),
        1 => Just(Oddity::BadChecksum),
        1 => Just(Oddity::ForAnotherHost),
        1 => Just(Oddity::ToUs),
        1 => Just(Oddity::ToAnotherOfUs),
        1 => (0usize..50).prop_map(Oddity::Cut),
        1 => Just(Oddity::ArpRequest),
    ];
    // Few flows, so that each has several packets in a burst; now and then another vnet's destination.
    let to = (0..KINDS, prop_oneof![6 => Just(None), 1 => (0..4u8).prop_map(Some)], 0u8..2);
    (0..EM.len(), tag, 2u8..4, to, 0u16..2, 0usize..64, oddity).prop_map(
        |(em, tag, source, (kind, group, last), flow, len, oddity)| {
            let group = group.unwrap_or(EM[em].0 as u8);
            Recipe { em, tag, source, to: (kind, group, last), flow, len, oddity }
        },
    )
}

/// Bursts, each of one port.
fn bursts() -> impl Strategy<Value = Vec<Vec<Recipe>>> {
    let packets = |count| proptest::collection::vec(recipe(), count);
    let burst = prop_oneof![
        1 => packets(0..4),
        3 => packets(4..130),
        3 => packets(120..130),
        1 => packets(200..MAX_BURST + 1),
    ];
    proptest::collection::vec(burst, 0..4)
}

fn run(bursts: &[Vec<Recipe>], redirects: bool, fast_path: bool) -> Outcome {
    let mut lab = scene(redirects);
    if !fast_path {
        lab.datapath().without_fast_path();
    }
    let (mut sent, mut id) = (Vec::new(), 0);
    for burst in bursts {
        for port in 0..2 {
            let of_port: Vec<_> = burst.iter().filter(|recipe| EM[recipe.em].1 == port).collect();
            let mbufs: Vec<_> = of_port
                .into_iter()
                .map(|recipe| {
                    id += 1;
                    lab.mbuf(&recipe.frame(id))
                })
                .collect();
            lab.iterate(port, mbufs);
        }
        lab.settle();
        sent.extend(lab.take());
    }
    // Hosts that do not answer.
    sent.extend(lab.pass(Duration::from_secs(7)));
    lab.check();
    let outcome = outcome(&mut lab, &vnets(), &sent);
    lab.end();
    outcome
}

/// Both paths do the same, and neither turns the packets of a flow round.
fn compare(bursts: &[Vec<Recipe>], redirects: bool) -> Outcome {
    let fast = run(bursts, redirects, true);
    let plain = run(bursts, redirects, false);
    assert_same(&fast, &plain, &("redirects", redirects));
    for ((port, _), frames) in &fast.frames {
        let is_udp = |frame: &&Vec<u8>| Arp::read(frame).is_none();
        let packets = frames.iter().filter(is_udp).map(|frame| Packet::read(frame));
        let ids: Vec<u16> = packets.filter(|p| p.protocol == UDP).map(|p| p.id).collect();
        assert!(ids.is_sorted(), "a flow's packets left port {port} in this order: {ids:?}");
    }
    fast
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn interleaved_packets_of_a_flow_keep_their_order(bursts in bursts(), redirects: bool) {
        let _same = compare(&bursts, redirects);
    }
}

/// The comparison compares something: flows of several packets, and most kinds of ends.
#[test]
fn interleaved_bursts_are_of_all_kinds() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let bursts = proptest::collection::vec(proptest::collection::vec(recipe(), MAX_BURST), 6);
    let bursts = bursts.new_tree(&mut runner).unwrap().current();
    let Outcome { frames, drops, .. } = compare(&bursts, true);
    let wanted = [
        "arp_unresolved",
        "ether_not_for_us",
        "ether_unknown_type",
        "ip_bad_checksum",
        "ip_blackhole",
        "ip_no_route",
        "ip_reject",
        "ip_truncated",
        "ip_ttl_exceeded",
        "udp_no_port",
        "vlan_unknown",
    ];
    let missing: Vec<_> = wanted.iter().filter(|reason| !drops.contains_key(**reason)).collect();
    assert!(missing.is_empty(), "{missing:?} of {drops:?}");
    let places: BTreeSet<(u16, Option<u16>)> = frames
        .iter()
        .flat_map(|((port, _), frames)| frames.iter().map(move |frame| (*port, frame)))
        .filter(|(_, frame)| Arp::read(frame).is_none())
        .map(|(port, frame)| (port, Packet::read(frame).tag))
        .collect();
    assert!(places.len() >= 6, "packets leave by {places:?}");
    let long = frames.values().filter(|frames| frames.len() > 3).count();
    assert!(long > 50, "{long} flows of more than three packets");
}
