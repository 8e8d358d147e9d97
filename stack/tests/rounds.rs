//! Hundreds of vnets that come and go, with interfaces, addresses, routes, neighbours and packets that wait: nothing
//! stays behind. One test alone in its process, because it looks at the whole heap.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::net::Ipv4Addr;

use pmd::test_support::Counting;
use stack::net::route::RouteTarget;

use common::crossroads::{EM, host, through};
use common::frame::{Arp, BROADCAST, mac};
use common::{Lab, Packet, Random, has_many_vnets};

#[global_allocator]
static HEAP: Counting = Counting::new();
/// Where vnets have their variables.
static CONTAINERS: Counting = Counting::new();

const ROUNDS: u64 = 300;

/// A vnet with two interfaces in VLANs of its own, some routes, and packets at all stages of their way.
fn live(lab: &mut Lab, name: &str, random: &mut Random) {
    let vlan = |n: u16| Some(10 + n);
    let _slot = lab.interface(name, "em0", 0, vlan(0), EM[0], &["10.0.0.1/24"]);
    let _slot = lab.interface(name, "em1", 1, vlan(1), EM[1], &["10.0.1.1/24"]);
    lab.sysctl(name, "net.inet.ip.forwarding", 1);
    lab.via(name, "198.18.0.0/15", &["10.0.1.2", "10.0.1.3"]);
    let vnet = lab.vnet(name);
    let routes: Vec<_> = (0..random.below(200) as u32)
        .map(|n| (format!("172.16.{n}.0/24").parse().unwrap(), RouteTarget::Blackhole))
        .collect();
    lab.control(|stack| stack.add_routes(&vnet, routes)).unwrap();
    drop(vnet);
    lab.neighbor(name, "em0", "10.0.0.2", host(0, 2));
    let mut packet = |dst: &str, ttl| {
        let dst = dst.parse().unwrap();
        Packet { tag: vlan(0), dst, ttl, ..through(random.below(200)) }.frame()
    };
    let ask = Arp::request(mac(7), Ipv4Addr::new(10, 0, 0, 7), Ipv4Addr::new(10, 0, 0, 1));
    let frames = [
        packet("198.18.0.1", 64),
        packet("198.18.0.2", 64),
        packet("10.0.1.99", 64),
        packet("172.16.0.1", 64),
        packet("172.16.0.1", 1),
        packet("10.0.0.1", 64),
        ask.frame(BROADCAST, vlan(0)),
    ];
    // Known hosts, held packets; then packets that the control thread has not seen; then some on their way back.
    for stage in 0..random.below(3) {
        if stage == 0 {
            let _sent = lab.send(0, &frames);
        } else {
            let mbufs: Vec<_> = frames.iter().map(|frame| lab.mbuf(frame)).collect();
            lab.iterate(0, mbufs);
        }
    }
    if random.once_in(2) {
        let now = lab.now;
        lab.control(|stack| stack.tick(now));
    }
}

#[test]
fn nothing_stays_behind() {
    if !has_many_vnets("rounds::nothing_stays_behind") {
        return;
    }
    let mut lab = Lab::with_containers_from(&CONTAINERS);
    drop(lab.vnet("vnet0"));
    let empty = CONTAINERS.live_bytes();
    assert!(empty > 0, "vnet0 has variables");
    let mut random = Random(1);
    let mut after_some = None;
    for round in 0..ROUNDS {
        let name = format!("tenant{round}");
        live(&mut lab, &name, &mut random);
        assert!(CONTAINERS.live_bytes() > empty);
        lab.control(|stack| stack.destroy_vnet(&name)).unwrap();
        lab.settle();
        drop(lab.take());
        assert_eq!(CONTAINERS.live_bytes(), empty, "variables, round {round}");
        assert_eq!(lab.stack().vnets().dying(), 0, "round {round}");
        assert_eq!(lab.pool.in_use(), 0, "buffers, round {round}");
        if round == ROUNDS / 3 {
            after_some = Some(HEAP.live_bytes());
        }
    }
    // Tables that grew for what there was at most may keep their room: a third of the rounds has made all of that.
    let (before, after) = (after_some.unwrap(), HEAP.live_bytes());
    assert!(after <= before + 4096, "{before} bytes after {} rounds, {after} at last", ROUNDS / 3);
    lab.end();
    assert_eq!(CONTAINERS.live_bytes(), 0);
}
