//! Vnets beside each other, and after each other: nothing of one gets into another.

use std::net::Ipv4Addr;
use std::time::Duration;

use stack::control::DestroyVnetError;
use stack::drops::DropReason;
use stack::net::vnet_net;

use crate::common::crossroads::{EM, RED, crossroads, host, through, to};
use crate::common::frame::{Arp, BROADCAST, mac};
use crate::common::{Lab, Packet, has_many_vnets};

/// A router between two VLANs, with the same addresses and the same MACs as all others of its kind.
fn tenant(lab: &mut Lab, name: &str, inside: u16, outside: u16) {
    let _slot = lab.interface(name, "in", 0, Some(inside), EM[0], &["10.0.0.1/24"]);
    let _slot = lab.interface(name, "out", 1, Some(outside), EM[1], &["10.0.1.1/24"]);
    lab.sysctl(name, "net.inet.ip.forwarding", 1);
    lab.via(name, "198.18.0.0/15", &["10.0.1.2"]);
}

fn inside(vlan: u16, id: u16) -> Packet {
    Packet { tag: Some(vlan), id, ..through(10) }
}

#[test]
fn the_same_addresses_in_two_vnets() {
    if !has_many_vnets("vnets::the_same_addresses_in_two_vnets") {
        return;
    }
    let mut lab = Lab::new();
    tenant(&mut lab, "red", 100, 101);
    tenant(&mut lab, "blue", 200, 201);
    let _announced = lab.pass(Duration::from_secs(5));
    // Only red knows the gateway.
    lab.neighbor("red", "out", "10.0.1.2", host(1, 2));
    let burst: Vec<Vec<u8>> =
        (0..100).map(|n| inside(if n % 2 == 0 { 100 } else { 200 }, n).frame()).collect();
    let sent = lab.send(0, &burst);
    let (arps, packets): (Vec<_>, Vec<_>) =
        sent.iter().partition(|sent| Arp::read(&sent.frame).is_some());
    assert_eq!(arps.len(), 1, "blue asks for its gateway");
    assert_eq!(arps[0].frame[14..16], 201u16.to_be_bytes());
    assert_eq!(packets.len(), 50);
    for sent in &packets {
        let packet = Packet::read(&sent.frame);
        assert_eq!((sent.port, packet.tag, packet.to), (1, Some(101), host(1, 2)));
        assert_eq!(packet.id % 2, 0, "a packet of blue's left through red");
    }
    assert_eq!(lab.drops("red"), [].into());
    assert_eq!(lab.drops("blue"), [("arp_hold_full", 50 - 16)].into());

    // An answer in red's VLAN is not blue's.
    let gateway = Ipv4Addr::new(10, 0, 1, 2);
    let answer = |mac, vlan| {
        Arp::reply(mac, gateway, EM[1], Ipv4Addr::new(10, 0, 1, 1)).frame(EM[1], Some(vlan))
    };
    let _static_is_static = lab.send(1, &[answer(mac(0x66), 101)]);
    assert_eq!(lab.stack().books().iter().map(|(_, books)| books.in_flight).sum::<u64>(), 16);
    let released = lab.send(1, &[answer(mac(0x77), 201)]);
    assert_eq!(released.len(), 16);
    assert!(released.iter().all(|sent| Packet::read(&sent.frame).to == mac(0x77)));
    lab.end();
}

/// One vnet floods, with packets that need the control thread; another does not notice.
#[test]
fn a_flood_in_one_vnet_is_no_affair_of_another() {
    if !has_many_vnets("vnets::a_flood_in_one_vnet_is_no_affair_of_another") {
        return;
    }
    let mut lab = Lab::new();
    tenant(&mut lab, "red", 100, 101);
    tenant(&mut lab, "blue", 200, 201);
    lab.neighbor("blue", "out", "10.0.1.2", host(1, 2));
    let _announced = lab.pass(Duration::from_secs(5));
    let expired = |vlan| Packet { ttl: 1, ..inside(vlan, 7) }.frame();
    lab.neighbor("red", "in", "10.0.0.2", host(0, 2));
    lab.neighbor("blue", "in", "10.0.0.2", host(0, 2));
    let mut flood = vec![inside(100, 1).frame(); 2000];
    flood.extend(vec![expired(100); 2000]);
    let _questions = lab.send(0, &flood);
    assert!(lab.drops("red")["punt_limit"] > 0);
    assert_eq!(lab.send(0, &[inside(200, 2).frame(), expired(200)]).len(), 2);
    let asks = Arp::request(mac(9), Ipv4Addr::new(10, 0, 0, 9), Ipv4Addr::new(10, 0, 0, 1));
    assert_eq!(lab.send(0, &[asks.frame(BROADCAST, Some(200))]).len(), 1);
    assert_eq!(lab.drops("blue"), [("ip_ttl_exceeded", 1)].into());
    lab.end();
}

/// Packets that a dead vnet left in the queues do not reach the one that has its interfaces' places now.
#[test]
fn packets_of_a_dead_vnet_die_with_it() {
    if !has_many_vnets("vnets::packets_of_a_dead_vnet_die_with_it") {
        return;
    }
    let mut lab = Lab::new();
    let _base = lab.vnet("vnet0");
    for round in 0..4 {
        tenant(&mut lab, "old", 100, 101);
        lab.settle();
        // Held by the old vnet, and on the way to it, and on the way from it.
        let mbufs: Vec<_> = (0..5).map(|n| lab.mbuf(&inside(100, n).frame())).collect();
        lab.iterate(0, mbufs);
        let now = lab.now;
        if round > 0 {
            lab.control(|stack| stack.tick(now));
        }
        if round > 1 {
            lab.settle();
        }
        let mbufs: Vec<_> = (0..5).map(|n| lab.mbuf(&inside(100, n).frame())).collect();
        let asks = Arp::request(mac(9), Ipv4Addr::new(10, 0, 0, 9), Ipv4Addr::new(10, 0, 0, 1));
        let asks = lab.mbuf(&asks.frame(BROADCAST, Some(100)));
        lab.iterate(0, mbufs.into_iter().chain([asks]));
        if round > 2 {
            lab.control(|stack| stack.tick(now));
        }
        let before = lab.take();
        lab.control(|stack| stack.destroy_vnet("old")).unwrap();
        tenant(&mut lab, "new", 300, 301);
        let new = lab.vnet("new");
        lab.settle();
        let sent = lab.take();
        let announced = sent.iter().filter(|sent| {
            let (_, arp) = Arp::read(&sent.frame).expect("only ARP");
            let vlan = u16::from_be_bytes([sent.frame[14], sent.frame[15]]);
            assert!([300, 301].contains(&vlan), "round {round}: a frame in VLAN {vlan}");
            arp.sender == arp.target
        });
        assert_eq!(
            announced.count(),
            sent.len(),
            "round {round}: new's announcements: {sent:02x?}"
        );
        assert_eq!(vnet_net::init(&new).in_flight().get(), 0, "round {round}");
        assert!(before.len() <= 2);
        lab.check();
        drop(new);
        let _questions = lab.send(0, &[inside(300, 1).frame()]);
        lab.control(|stack| stack.destroy_vnet("new")).unwrap();
        lab.settle();
    }
    lab.settle();
    drop(lab.take());
    lab.check();
    assert!(lab.port_drops(DropReason::InterfaceGone) > 0, "what came back too late has a name");
    assert_eq!(lab.stack().vnets().dying(), 0);
    assert_eq!(lab.pool.in_use(), 0, "what waited is free");
}

/// The base vnet cannot go, and is not touched by the attempt.
#[test]
fn the_base_vnet_stays() {
    let mut lab = if vnet::Vnets::MAX_VNETS == 1 { crossroads() } else { Lab::new() };
    let base = if vnet::Vnets::MAX_VNETS == 1 { RED } else { "vnet0" };
    if base == "vnet0" {
        let _slot = lab.interface(base, "em0", 0, None, EM[0], &["10.0.0.1/24"]);
    }
    let refused = lab.control(|stack| stack.destroy_vnet(base));
    assert!(matches!(refused, Err(DestroyVnetError::Refused(_))), "{refused:?}");
    let unknown = lab.control(|stack| stack.destroy_vnet("nobody"));
    assert!(matches!(unknown, Err(DestroyVnetError::Unknown(_))), "{unknown:?}");
    let echo = Packet::echo(Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 1), 5);
    lab.neighbor(base, "em0", "10.0.0.2", host(0, 2));
    let sent = lab.send(0, &[echo.link(host(0, 2), EM[0]).frame()]);
    assert!(sent.iter().any(|sent| Arp::read(&sent.frame).is_none()), "it answers as before");
    lab.end();
}

/// Interfaces of a vnet that is gone receive nothing any more.
#[test]
fn the_port_of_a_dead_vnet_is_nobodys() {
    if !has_many_vnets("vnets::the_port_of_a_dead_vnet_is_nobodys") {
        return;
    }
    let mut lab = Lab::new();
    tenant(&mut lab, "red", 100, 101);
    let _slot = lab.interface("blue", "em0", 0, None, EM[3], &["10.0.0.1/24"]);
    lab.control(|stack| stack.destroy_vnet("red")).unwrap();
    lab.settle();
    let _announced = lab.take();
    assert_eq!(lab.send(0, &[inside(100, 1).frame()]), []);
    // Blue is alone on the port now, where tags are nobody's.
    assert_eq!(lab.drops("blue"), [("vlan_unknown", 1)].into());
    assert_eq!(lab.send(2, &[to("10.0.0.1", 3).frame()]), []);
    assert_eq!(lab.port_drops(DropReason::NoInterface), 1);
    lab.control(|stack| stack.destroy_vnet("blue")).unwrap();
    lab.settle();
    assert_eq!(lab.send(0, &[inside(100, 1).frame()]), []);
    assert_eq!(lab.port_drops(DropReason::NoInterface), 2);
    assert_eq!(lab.stack().vnets().dying(), 0);
}

/// More announcements at a time than the queue to the worker has places: each leaves, twice (RFC 5227 2.3), and none is
/// dropped. Vnets that died before their second announcement keep nothing.
#[test]
fn thousands_of_vnets_announce_their_addresses() {
    if !has_many_vnets("vnets::thousands_of_vnets_announce_their_addresses") {
        return;
    }
    const VNETS: u16 = 1200;
    let mut lab = Lab::new();
    for n in 1..=VNETS {
        let address = format!("10.0.{}.{}/8", n / 250, 1 + n % 250);
        let _slot = lab.interface(&format!("t{n}"), "em0", 0, Some(n), EM[0], &[&address]);
    }
    let first = lab.pass(Duration::from_millis(500));
    assert_eq!(first.len(), usize::from(VNETS));
    let dead = 100;
    for n in 1..=dead {
        lab.control(|stack| stack.destroy_vnet(&format!("t{n}"))).unwrap();
    }
    let second = lab.pass(Duration::from_secs(3));
    assert_eq!(second.len(), usize::from(VNETS - dead));
    assert!(second.iter().all(|sent| Arp::read(&sent.frame).is_some()));
    for n in [dead + 1, VNETS / 2, VNETS] {
        assert_eq!(lab.drops(&format!("t{n}")), [].into());
    }
    lab.end();
}
