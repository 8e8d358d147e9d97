//! Two vnets joined by an epair: what one sends the other receives, as if there were a cable between them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use pmd::MAX_BURST;
use stack::control::{EPAIR_MTU, EpairSpec, InterfaceError};
use stack::drops::DropReason;
use stack::worker::EPAIR_QUEUES;

use crate::common::crossroads::{EM, host};
use crate::common::frame::{Arp, DF};
use crate::common::{Lab, Packet, has_many_vnets};

/// ```text
/// port 0 em0 10.0.0.1 |red|  epair0a 10.9.0.1 == epair0b 10.9.0.2 |blue| em1 10.0.1.1 port 1
/// ```
fn joined() -> Lab {
    let mut lab = Lab::new();
    let _em0 = lab.interface("red", "em0", 0, None, EM[0], &["10.0.0.1/24"]);
    let _em1 = lab.interface("blue", "em1", 1, None, EM[1], &["10.0.1.1/24"]);
    let ends: [(&str, &str, &[&str]); 2] =
        [("red", "epair0a", &["10.9.0.1/24"]), ("blue", "epair0b", &["10.9.0.2/24"])];
    let _slots = lab.epair(ends);
    for vnet in ["red", "blue"] {
        lab.sysctl(vnet, "net.inet.ip.forwarding", 1);
    }
    lab.neighbor("red", "em0", "10.0.0.2", host(0, 2));
    lab.neighbor("blue", "em1", "10.0.1.2", host(1, 2));
    lab.via("red", "10.0.1.0/24", &["10.9.0.2"]);
    lab.via("blue", "10.0.0.0/24", &["10.9.0.1"]);
    let announced = lab.pass(Duration::from_secs(5));
    assert_eq!(announced.len(), 4, "two for each address of a port, none of an epair's left");
    lab
}

/// Without the announcements of the other end's address.
fn drops(lab: &mut Lab, vnet: &str) -> BTreeMap<&'static str, u64> {
    let mut drops = lab.drops(vnet);
    assert_eq!(drops.remove("arp_not_for_us"), Some(2));
    drops
}

const LEFT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);

/// From the host behind red to the one behind blue.
fn across(id: u16) -> Packet {
    Packet { id, ..Packet::udp(LEFT, RIGHT, 20) }.link(host(0, 2), EM[0])
}

fn frames(packets: impl IntoIterator<Item = Packet>) -> Vec<Vec<u8>> {
    packets.into_iter().map(|packet| packet.frame()).collect()
}

/// By way of ARP over the epair, and then by the fast path of both.
#[test]
fn packets_cross_two_vnets() {
    if !has_many_vnets("epair::packets_cross_two_vnets") {
        return;
    }
    let mut lab = joined();
    for round in 0..3 {
        let sent = lab.send(0, &frames((0..100).map(across)));
        // The first ones wait for an address, and there they find a limit.
        let expected = if round == 0 { 16 } else { 100 };
        assert_eq!(sent.len(), expected);
        for (sent, id) in sent.iter().rev().zip((0..100).rev()) {
            let there = Packet { ttl: 62, ..across(id).link(EM[1], host(1, 2)) };
            let id = if round == 0 { Packet::read(&sent.frame).id } else { id };
            assert_eq!((sent.port, Packet::read(&sent.frame)), (1, Packet { id, ..there }));
        }
    }
    // The first ones cross in a burst, too.
    assert_eq!(lab.stat("blue", "ips_fastforward"), 216);
    assert_eq!(lab.stat("red", "ips_fastforward"), 200);
    assert_eq!(drops(&mut lab, "red"), [("arp_hold_full", 84)].into());
    assert_eq!(drops(&mut lab, "blue"), [].into());
    // Each end counts: ARP's question, its answer and the announcements of each are four more.
    let count = |lab: &mut Lab, vnet: &str, name: &str, counter: &str| {
        let all = lab.ifnet(vnet, name).total();
        all.iter().find(|(known, _)| *known == counter).unwrap().1
    };
    let out = count(&mut lab, "red", "epair0a", "opackets");
    assert_eq!(out, count(&mut lab, "blue", "epair0b", "ipackets"));
    assert_eq!(out, 216 + 3);
    let bytes = count(&mut lab, "red", "epair0a", "obytes");
    assert_eq!(bytes, count(&mut lab, "blue", "epair0b", "ibytes"));
    assert_eq!(bytes, 216 * (14 + 20 + 8 + 20) + 3 * 60);
    let back = count(&mut lab, "blue", "epair0b", "opackets");
    assert_eq!((back, count(&mut lab, "red", "epair0a", "ipackets")), (3, 3));
    lab.end();
}

/// Ends have addresses of their own: locally administered, and different.
#[test]
fn ends_have_mac_addresses() {
    let mut lab = Lab::new();
    let mut seen = std::collections::BTreeSet::new();
    for pair in 0..200 {
        let (a, b) = (format!("epair{pair}a"), format!("epair{pair}b"));
        let _slots = lab.epair([("red", &a, &[]), ("red", &b, &[])]);
        for name in [a, b] {
            let mac = lab.ifnet("red", &name).mac;
            assert_eq!(mac.0[0], 0x02);
            assert!(seen.insert(mac), "{mac} twice");
        }
    }
    lab.end();
}

/// TTL and path MTU as on any other link; the second vnet answers through the first.
#[test]
fn errors_come_back_through_the_epair() {
    if !has_many_vnets("epair::errors_come_back_through_the_epair") {
        return;
    }
    let mut lab = joined();
    let _learnt = lab.send(0, &frames([across(1)]));
    for (ttl, from) in [(1, Ipv4Addr::new(10, 0, 0, 1)), (2, Ipv4Addr::new(10, 9, 0, 2))] {
        let sent = lab.send(0, &frames([Packet { ttl, ..across(7) }]));
        assert_eq!(sent.len(), 1);
        let error = Packet::read(&sent[0].frame);
        assert_eq!((sent[0].port, error.src, error.dst, error.payload[0]), (0, from, LEFT, 11));
    }
    assert_eq!(drops(&mut lab, "blue"), [("ip_ttl_exceeded", 1)].into());
    lab.set_mtu("red", "epair0a", 1000);
    let long = Packet { fragment: DF, ..Packet::udp(LEFT, RIGHT, 1200) }.link(host(0, 2), EM[0]);
    let sent = lab.send(0, &frames([long.clone()]));
    let error = Packet::read(&sent[0].frame);
    assert_eq!((error.payload[..2].to_vec(), &error.payload[6..8]), (vec![3, 4], &[3u8, 0xe8][..]));
    let sent = lab.send(0, &frames([Packet { fragment: 0, ..long }]));
    assert_eq!(sent.len(), 2, "in fragments");
    assert!(sent.iter().all(|sent| sent.port == 1));
    lab.end();
}

/// A port's word on a frame is not believed behind an epair, and a request to a port is not lost: headers that
/// leave are whole (`Packet::read` sums them).
#[test]
fn offloads_end_at_an_epair() {
    if !has_many_vnets("epair::offloads_end_at_an_epair") {
        return;
    }
    let mut lab = joined();
    let _learnt = lab.send(0, &frames([across(1)]));
    // A checksum that a port called good, one that it was asked to fill in.
    for flags in [1 << 7, 1 << 54 | 1 << 55] {
        let mut mbuf = lab.mbuf(&across(5).frame());
        mbuf.set_ol_flags(flags);
        let sent = lab.send_mbufs(0, vec![mbuf]);
        assert_eq!(sent.len(), 1, "flags {flags:#x}");
        let _whole = Packet::read(&sent[0].frame);
    }
    // A VLAN that a port took off: to blue the frame has none, whether blue forwards it or answers.
    let _em2 = lab.interface("red", "em2", 2, Some(100), EM[2], &["10.0.2.1/24"]);
    lab.neighbor("red", "em2", "10.0.2.2", host(2, 2));
    lab.via("blue", "10.0.2.0/24", &["10.9.0.1"]);
    let _announced = lab.pass(Duration::from_secs(5));
    let from = Ipv4Addr::new(10, 0, 2, 2);
    let through = Packet { src: from, ..across(6) };
    let ping = Packet::echo(from, Ipv4Addr::new(10, 9, 0, 2), 30);
    for (packet, port) in [(through, 1), (ping, 2)] {
        let mut mbuf = lab.mbuf(&packet.link(host(2, 2), EM[2]).frame());
        pmd::test_support::strip_vlan(&mut mbuf, 100);
        let sent = lab.send_mbufs(2, vec![mbuf]);
        assert_eq!(sent.iter().map(|sent| sent.port).collect::<Vec<_>>(), [port]);
    }
    lab.ifnet("red", "em0").set_offloads(pmd::Offloads {
        rx_ip_checksum: true,
        tx_ip_checksum: true,
        ..pmd::Offloads::default()
    });
    // An answer of blue's, from the checksum's beginning to its end in software: epairs fill in nothing.
    let ping = Packet::echo(LEFT, Ipv4Addr::new(10, 9, 0, 2), 30).link(host(0, 2), EM[0]);
    let sent = lab.send(0, &frames([ping.clone()]));
    let expected = Packet { id: 0, ttl: 63, ..ping.echo_reply() };
    assert_eq!(Packet { id: 0, ..Packet::read(&sent[0].frame) }, expected);
    lab.end();
}

#[test]
fn an_end_that_is_down_takes_nothing() {
    if !has_many_vnets("epair::an_end_that_is_down_takes_nothing") {
        return;
    }
    let mut lab = joined();
    let _learnt = lab.send(0, &frames([across(1)]));
    lab.set_up("blue", "epair0b", false);
    assert_eq!(lab.send(0, &frames((0..10).map(across))), []);
    assert_eq!(drops(&mut lab, "blue"), [("interface_down", 10)].into());
    lab.set_up("blue", "epair0b", true);
    assert_eq!(lab.send(0, &frames((0..10).map(across))).len(), 10);
    lab.end();
}

/// A burst that one datagram after the other is cut into more fragments than the other end has room for.
#[test]
fn more_than_an_end_has_room_for() {
    if !has_many_vnets("epair::more_than_an_end_has_room_for") {
        return;
    }
    let mut lab = joined();
    let _learnt = lab.send(0, &frames([across(1)]));
    lab.set_mtu("red", "epair0a", 600);
    let long = Packet::udp(LEFT, RIGHT, 1400).link(host(0, 2), EM[0]).frame();
    let sent = lab.send(0, &vec![long; MAX_BURST]);
    assert_eq!(sent.len(), MAX_BURST);
    let refused = 3 * MAX_BURST - MAX_BURST;
    assert_eq!(drops(&mut lab, "blue"), [("epair_full", refused as u64)].into());
    lab.end();
}

/// More ends than a worker has queues for: by name again, of no vnet.
#[test]
fn more_ends_than_queues() {
    let mut lab = Lab::new();
    let _em0 = lab.interface("red", "em0", 0, None, EM[0], &["10.0.0.1/24"]);
    lab.sysctl("red", "net.inet.ip.forwarding", 1);
    let ends = EPAIR_QUEUES + 2;
    for n in 0..ends {
        let (a, b) = (format!("epair{n}a"), format!("epair{n}b"));
        let address = format!("10.{}.{}.1/24", 1 + n / 256, n % 256);
        let _slots = lab.epair([("red", &a, &[&address]), ("red", &b, &[])]);
        lab.neighbor("red", &a, &address.replace(".1/24", ".2"), host(1, 1));
    }
    let _announced = lab.pass(Duration::from_secs(5));
    let announced = lab.port_drops(DropReason::EpairFull);
    let to = |n: usize| {
        let dst = Ipv4Addr::new(10, (1 + n / 256) as u8, (n % 256) as u8, 2);
        Packet::udp(LEFT, dst, 5).link(host(0, 2), EM[0])
    };
    // Through the control thread's hands in one iteration no more than 64: a burst to each end is a burst's length.
    let sent = lab.send(0, &frames((0..MAX_BURST).map(to)));
    assert_eq!(sent, []);
    assert_eq!(lab.port_drops(DropReason::EpairFull) - announced, 0);
    assert_eq!(lab.drops("red")["ether_not_for_us"], MAX_BURST as u64);
    lab.end();
}

/// A route that leads in circles through an epair takes its time to live, in rounds, and then ends.
#[test]
fn a_loop_ends() {
    if !has_many_vnets("epair::a_loop_ends") {
        return;
    }
    let mut lab = joined();
    let _learnt = lab.send(0, &frames([across(1)]));
    lab.via("red", "172.16.0.0/12", &["10.9.0.2"]);
    lab.via("blue", "172.16.0.0/12", &["10.9.0.1"]);
    for vnet in ["red", "blue"] {
        lab.sysctl(vnet, "net.inet.ip.redirect", 0);
        lab.sysctl(vnet, "net.inet.icmp.icmplim", 0);
    }
    let dst = Ipv4Addr::new(172, 16, 0, 1);
    let sent = lab.send(0, &frames((0..50).map(|id| Packet { dst, ttl: 255, ..across(id) })));
    assert_eq!(sent.len(), 50, "time exceeded");
    let exceeded = |drops: BTreeMap<&str, u64>| drops.get("ip_ttl_exceeded").copied().unwrap_or(0);
    assert_eq!(exceeded(lab.drops("red")) + exceeded(lab.drops("blue")), 50);
    lab.end();
}

#[test]
fn epairs_come_and_go_with_both_ends() {
    if !has_many_vnets("epair::epairs_come_and_go_with_both_ends") {
        return;
    }
    let mut lab = joined();
    let red = lab.vnet("red");
    assert_eq!(lab.stack().unused_epair_name(&red), "epair1");
    let spec = |name: &str| EpairSpec {
        vnet: red.clone(),
        name: name.to_owned(),
        mac: None,
        mtu: EPAIR_MTU,
    };
    for (a, b, taken) in [("x", "em0", "em0"), ("em0", "x", "em0"), ("x", "x", "x")] {
        let (a, b) = (spec(a), spec(b));
        let refused = lab.control(|stack| stack.create_epair(a, b));
        assert_eq!(refused, Err(InterfaceError::NameTaken(taken.to_owned())));
    }
    let slot = lab.ifnet("blue", "epair0b").slot;
    lab.control(|stack| stack.destroy_interface(slot)).unwrap();
    assert!(lab.stack().find(&red, "epair0a").is_none());
    assert_eq!(lab.stack().unused_epair_name(&red), "epair0");
    let sent = lab.send(0, &frames([across(1)]));
    assert_eq!(sent.len(), 1, "no route");
    // A vnet that goes takes its end along, and that the other.
    let _slots = lab.epair([("red", "epair0a", &["10.9.0.1/24"]), ("blue", "epair0b", &[])]);
    lab.control(|stack| stack.destroy_vnet("blue")).unwrap();
    assert!(lab.stack().find(&red, "epair0a").is_none());
    drop(red);
    assert_eq!(Arp::read(&lab.send(0, &frames([across(1)]))[0].frame), None);
    lab.end();
}
