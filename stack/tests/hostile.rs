//! Strangers who want to do harm, and operators' requests that fail half way: neither leaves anything behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::net::Ipv4Addr;
use std::time::Duration;

use stack::control::DestroyVnetError;
use stack::net::route::RouteTarget;

use common::crossroads::{EM, OWN, RED, to};
use common::frame::{Arp, DF, mac};
use common::{Lab, Packet, Sent, crossroads, has_many_vnets};

/// Packets to hosts that do not exist wait for seconds. The answers of those that do exist get through all the same.
#[test]
fn a_scan_does_not_keep_out_arp() {
    let mut lab = crossroads();
    let scan: Vec<Vec<u8>> =
        (0..256).map(|n| to(&format!("10.0.1.{}", 100 + n % 16), 8).frame()).collect();
    assert_eq!(lab.send(0, &scan).len(), 16, "questions");
    assert_eq!(lab.drops(RED), [].into(), "all wait");
    let answer = Arp::reply(mac(0x66), Ipv4Addr::new(10, 0, 1, 100), EM[1], OWN[1]);
    assert_eq!(lab.send(1, &[answer.frame(EM[1], None)]).len(), 16);
    lab.end();
}

/// Who provokes other errors does not blind path MTU discovery.
#[test]
fn fragmentation_needed_has_a_budget_of_its_own() {
    let mut lab = crossroads();
    let closed = vec![to("10.0.0.1", 8).frame(); 256];
    assert_eq!(lab.send(0, &closed).len(), 200);
    let long = Packet { fragment: DF, ..to("100.64.0.1", 1400) };
    assert_eq!(lab.send(0, &[long.frame()]).len(), 1);
    lab.end();
}

/// Cut, it would have pieces whose offsets begin again at 0.
#[test]
fn a_fragment_that_ends_behind_the_longest_datagram_is_not_cut() {
    let mut lab = crossroads();
    let fragment = Packet { fragment: 8190, ..to("100.64.0.1", 1400) };
    assert_eq!(lab.send(0, &[fragment.frame()]), []);
    assert_eq!(lab.drops(RED), [("ip_bad_length", 1)].into());
    lab.end();
}

#[test]
fn datagrams_of_many_buffers_are_cut() {
    let mut lab = crossroads();
    lab.set_mtu(RED, "em0", 9000);
    let whole = to("100.64.0.1", 8900);
    let sent: Vec<Sent> = lab.send(0, &[whole.frame()]);
    // 8908 bytes of data, 552 in each fragment.
    assert_eq!(sent.len(), 17);
    let pieces = sent.iter().flat_map(|sent| Packet::read(&sent.frame).payload);
    assert!(pieces.eq(whole.payload.iter().copied()));
    lab.end();
}

#[test]
fn the_base_vnet_stays_as_it_was() {
    let mut lab = Lab::new();
    let name = if vnet::Vnets::MAX_VNETS > 1 { "vnet0" } else { RED };
    let _slot = lab.interface(name, "em0", 0, None, EM[0], &["10.0.0.1/24"]);
    let _announced = lab.pass(Duration::from_secs(5));
    let refused = lab.control(|stack| stack.destroy_vnet(name));
    assert!(matches!(refused, Err(DestroyVnetError::Refused(_))), "{refused:?}");
    let base = lab.vnet(name);
    assert_eq!(lab.stack().interfaces_of(&base).len(), 2);
    assert_eq!(lab.send(0, &[to("10.0.0.1", 8).frame()]).len(), 1, "it still asks who that is");
    drop(base);
    lab.end();
}

#[test]
fn a_vnet_without_ports_is_freed() {
    if !has_many_vnets("a_vnet_without_ports_is_freed") {
        return;
    }
    let mut lab = Lab::new();
    drop(lab.vnet("idle"));
    lab.control(|stack| stack.destroy_vnet("idle")).unwrap();
    for _round in 0..4 {
        lab.settle();
    }
    assert_eq!(lab.stack().vnets().dying(), 0);
    lab.end();
}

#[test]
fn an_address_that_is_refused_leaves_nothing() {
    let mut lab = Lab::new();
    let slot = lab.interface(RED, "em0", 0, None, EM[0], &[]);
    lab.route(RED, "10.9.0.0/24", RouteTarget::Blackhole);
    let refused = lab.control(|stack| stack.add_address(slot, "10.9.0.1/24".parse().unwrap()));
    assert!(refused.is_err(), "the network has a route already");
    let vnet = lab.vnet(RED);
    assert_eq!(lab.stack().with_inet(&vnet, |inet| inet.addresses().len()), Some(0));
    drop(vnet);
    lab.end();
}
