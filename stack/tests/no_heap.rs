//! Workers never use the heap: a counting allocator sees none of an iteration, whatever the packets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::net::Ipv4Addr;
use std::time::Duration;

use pmd::test_support::Counting;
use pmd::{Burst, MAX_BURST, Mbuf};

use common::crossroads::{EM, OWN, PEER, PEER_MAC, RED, TAG, host, through, to};
use common::frame::{Arp, BROADCAST, DF, MF, mac};
use common::{Lab, Packet, Random, crossroads};
use stack::net::bpf::{Filter, TapSpec};

#[global_allocator]
static HEAP: Counting = Counting::new();

/// Frames of a kind, the port that receives them, and the lengths of their first segments.
type Kind = (&'static str, u16, Vec<Vec<u8>>, &'static [usize]);

fn kinds() -> Vec<Kind> {
    let echo = Packet::echo(PEER, OWN[0], 300).link(PEER_MAC, EM[0]);
    let vlan = |tag, em: usize| {
        Packet { tag, ..to("10.0.1.2", 40) }.link(host(em as u8, 2), EM[em]).frame()
    };
    let with = |options: &[u8]| Packet { options: options.to_vec(), ..through(40) }.frame();
    let ask = |sender: u8, target| {
        Arp::request(mac(sender), Ipv4Addr::new(10, 0, 0, sender), target).frame(BROADCAST, None)
    };
    let many = |prefix: &str| (0..200).map(|n| to(&format!("{prefix}.{n}"), 20).frame()).collect();
    vec![
        ("fast path", 0, vec![through(40).frame()], &[]),
        ("fast path, several ways", 0, many("198.51.100"), &[]),
        ("in pieces", 0, vec![through(400).frame()], &[10, 7, 100]),
        ("VLANs", 2, vec![vlan(TAG[2], 2), vlan(TAG[3], 3), vlan(Some(9), 2), vlan(None, 2)], &[]),
        ("into a VLAN", 0, vec![to("10.0.2.2", 40).frame()], &[]),
        ("echo", 0, vec![echo.frame()], &[]),
        ("echo in pieces", 0, vec![echo.frame()], &[33, 40, 41]),
        ("out of hops", 0, vec![Packet { ttl: 1, ..through(600) }.frame()], &[]),
        ("nobody listens", 0, vec![to("10.0.0.1", 20).frame()], &[]),
        ("redirect", 0, vec![to("192.88.99.1", 20).frame()], &[]),
        (
            "options",
            0,
            vec![with(&[7, 7, 4, 0, 0, 0, 0, 0]), with(&[68, 8, 5, 0, 0, 0, 0, 0])],
            &[],
        ),
        ("bad options", 0, vec![with(&[7, 0, 0, 0]), with(&[131, 7, 4, 1, 2, 3, 4, 0])], &[]),
        ("to be cut", 0, vec![to("100.64.0.1", 1400).frame()], &[]),
        ("to be cut, in pieces", 0, vec![to("100.64.0.1", 1400).frame()], &[20, 500, 3]),
        ("not to be cut", 0, vec![Packet { fragment: DF, ..to("100.64.0.1", 1400) }.frame()], &[]),
        ("fragment", 0, vec![Packet { fragment: MF, ..to("10.0.0.1", 16) }.frame()], &[]),
        ("ARP", 0, vec![ask(40, OWN[0]), ask(41, OWN[0]), ask(42, PEER), ask(43, OWN[1])], &[]),
        ("unknown gateway", 0, many("172.16.3"), &[]),
        (
            "unknown hosts",
            0,
            (60..200).map(|n| to(&format!("10.0.1.{n}"), 9).frame()).collect(),
            &[],
        ),
        ("nowhere", 0, vec![to("9.9.9.9", 5).frame(), to("192.0.2.1", 5).frame()], &[]),
        ("black hole", 0, vec![to("203.0.113.1", 5).frame()], &[]),
        ("noise", 0, (0..100).map(|n| Random(n).bytes(n as usize)).collect(), &[]),
        ("a port of nobody's", 3, vec![through(40).frame()], &[]),
    ]
}

/// Plays bursts of one kind; allocations between begin and finish of the worker's iterations.
fn play(lab: &mut Lab, (_, port, frames, cuts): &Kind, sizes: &[usize]) -> u64 {
    let mut allocations = 0;
    for &size in sizes {
        let mbufs: Vec<Mbuf> =
            frames.iter().cycle().take(size).map(|frame| lab.segmented(frame, cuts)).collect();
        let mut burst = Burst::new();
        mbufs.into_iter().for_each(|mbuf| burst.push(mbuf).unwrap());
        allocations += counted(lab, *port, &mut burst);
        // The control thread may do as it likes; what it hands to the worker is the worker's again.
        let now = lab.now;
        lab.control(|stack| stack.tick(now));
        while lab.injected() > 0 {
            allocations += counted(lab, 0, &mut Burst::new());
        }
        allocations += counted(lab, 0, &mut Burst::new());
        drop(lab.take());
    }
    allocations
}

fn counted(lab: &mut Lab, port: u16, burst: &mut Burst) -> u64 {
    let before = Counting::allocations_of_this_thread();
    lab.cycle(port, burst);
    Counting::allocations_of_this_thread() - before
}

#[test]
fn an_iteration_never_uses_the_heap() {
    for (fast_path, captured) in [(true, false), (false, false), (true, true)] {
        let mut lab = crossroads();
        if !fast_path {
            lab.datapath().without_fast_path();
        }
        if captured {
            let vnet = lab.vnet(RED);
            let (filter, snaplen) = (Filter::all(), u32::MAX);
            let spec = TapSpec { interface: None, filter, snaplen, drops: true };
            let _full_in_the_end = lab.control(|stack| stack.start_capture(&vnet, spec)).unwrap();
        }
        for kind in &kinds() {
            let _warm = play(&mut lab, kind, &[3]);
            let _limits_begin_anew = lab.pass(Duration::from_secs(1));
            let allocations = play(&mut lab, kind, &[0, 1, 7, 64, 65, MAX_BURST]);
            assert_eq!(allocations, 0, "{} (fast path: {fast_path}, captured: {captured})", kind.0);
        }
        lab.end();
    }
}

#[test]
fn the_counter_counts() {
    let before = Counting::allocations_of_this_thread();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(Counting::allocations_of_this_thread() - before, 1);
}

/// Neighbours and routes that come home through the loopback: packets that wait while their destination becomes ours.
#[test]
fn the_loopback_does_not_use_the_heap() {
    let mut lab = crossroads();
    let dst = Ipv4Addr::new(172, 16, 0, 77);
    let echo = Packet::echo(Ipv4Addr::new(198, 18, 9, 9), dst, 16).link(PEER_MAC, EM[0]);
    let _question = lab.send(0, &vec![echo.frame(); 16]);
    let lo0 = lab.ifnet(RED, "lo0").slot;
    lab.control(|stack| stack.add_address(lo0, "172.16.0.77/32".parse().unwrap())).unwrap();
    let answer = Arp::reply(host(1, 9), Ipv4Addr::new(10, 0, 1, 9), EM[1], OWN[1]);
    let mut burst = Burst::new();
    burst.push(lab.mbuf(&answer.frame(EM[1], None))).unwrap();
    assert_eq!(counted(&mut lab, 1, &mut burst), 0);
    let now = lab.now;
    lab.control(|stack| stack.tick(now));
    assert!(lab.injected() >= 16);
    assert_eq!(counted(&mut lab, 0, &mut Burst::new()), 0);
    assert_eq!(lab.take().len(), 16);
    lab.end();
}
