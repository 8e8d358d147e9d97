//! Which address the vnet speaks with: RFC 1812 4.3.2.4, RFC 1122 3.2.2.2 and 3.2.2.6; FreeBSD's `icmp_reflect`.

use std::net::Ipv4Addr;
use std::time::Duration;

use stack::control::ProbeSpec;
use stack::inet::ProbeKind;
use stack::net::route::RouteTarget;
use vnet::Value;

use crate::common::crossroads::{EM, FAR, OWN, PEER, PEER_MAC, RED, crossroads, host};
use crate::common::frame::{Arp, BROADCAST, mac};
use crate::common::{Lab, Packet, Sent};

/// em0's second address, and a host on its network.
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const GUEST: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 3);
const GUEST_MAC: [u8; 6] = mac(0x93);
const BMCASTECHO: &str = "net.inet.icmp.bmcastecho";

/// The crossroads with a second network on em0.
fn scene() -> Lab {
    let mut lab = crossroads();
    let slot = lab.ifnet(RED, "em0").slot;
    lab.control(|stack| stack.add_address(slot, "10.9.0.1/24".parse().unwrap())).unwrap();
    lab.neighbor(RED, "em0", "10.9.0.3", GUEST_MAC);
    let _announced = lab.pass(Duration::from_secs(5));
    lab
}

fn from_guest(dst: Ipv4Addr) -> Packet {
    Packet::udp(GUEST, dst, 8).link(GUEST_MAC, EM[0])
}

fn ping_guest(dst: &str) -> Packet {
    Packet::echo(GUEST, dst.parse().unwrap(), 8).link(GUEST_MAC, BROADCAST)
}

/// The packets of the vnet's own among those that left.
fn own(sent: &[Sent]) -> Vec<(u16, Packet)> {
    let read = sent.iter().map(|sent| (sent.port, Packet::read(&sent.frame)));
    read.filter(|(_, packet)| packet.protocol == 1).collect()
}

/// The address that the only packet of the vnet's own left with.
#[track_caller]
fn source(sent: &[Sent]) -> Ipv4Addr {
    let own = own(sent);
    let [(_, one)] = own.as_slice() else { panic!("{sent:?}") };
    one.src
}

#[test]
fn a_host_behind_a_second_address_sees_that_one() {
    let mut lab = scene();
    let expiring = Packet { ttl: 1, ..from_guest(FAR) };
    assert_eq!(source(&lab.send(0, &[expiring.frame()])), SECOND, "a hop of traceroute");
    lab.neighbor(RED, "em0", "10.9.0.4", mac(0x94));
    lab.via(RED, "192.0.3.0/24", &["10.9.0.4"]);
    // RFC 1122 3.2.2.2: a redirect from another gateway than the one in use is discarded.
    let sent = lab.send(0, &[from_guest(Ipv4Addr::new(192, 0, 3, 1)).frame()]);
    assert_eq!(source(&sent), SECOND, "a redirect");
    lab.sysctl(RED, BMCASTECHO, 1);
    for all in ["10.9.0.255", "255.255.255.255"] {
        assert_eq!(source(&lab.send(0, &[ping_guest(all).frame()])), SECOND, "{all}");
    }
    assert_eq!(source(&lab.send(0, &[ping_guest("10.0.0.255").frame()])), OWN[0]);
    let direct = Packet { to: EM[0], ..ping_guest("10.0.0.1") };
    assert_eq!(source(&lab.send(0, &[direct.frame()])), OWN[0], "the address that was asked");
    lab.end();
}

#[test]
fn record_route_names_the_address_on_the_next_network() {
    let mut lab = scene();
    let record = vec![7, 7, 4, 0, 0, 0, 0, 0];
    let to_guest = Packet { options: record, ..Packet::udp(PEER, GUEST, 8) };
    let sent = lab.send(0, &[to_guest.link(PEER_MAC, EM[0]).frame()]);
    let forwarded =
        sent.iter().map(|sent| Packet::read(&sent.frame)).find(|sent| sent.dst == GUEST);
    assert_eq!(forwarded.unwrap().options, [&[7, 7, 8][..], &SECOND.octets(), &[0]].concat());
    lab.end();
}

#[test]
fn probes_and_requests_leave_with_it_too() {
    let mut lab = scene();
    let vnet = lab.vnet(RED);
    for (address, from) in [("10.9.0.3", SECOND), ("10.0.0.2", OWN[0]), ("198.18.5.7", OWN[1])] {
        let spec = ProbeSpec {
            address: address.parse().unwrap(),
            kind: ProbeKind::Echo,
            ttl: None,
            size: 8,
            source: None,
            dont_fragment: false,
            wait: Duration::from_secs(1),
        };
        let sent = lab.control(|stack| stack.send_probe(&vnet, spec)).unwrap();
        assert_eq!(sent.source, from, "{address}");
    }
    drop(vnet);
    lab.settle();
    assert_eq!(own(&lab.take()).len(), 3);
    let stranger = Packet { dst: Ipv4Addr::new(10, 9, 0, 77), ..from_guest(FAR) };
    let sent = lab.send(0, &[stranger.frame()]);
    let asked: Vec<Arp> =
        sent.iter().filter_map(|s| Arp::read(&s.frame)).map(|(_, arp)| arp).collect();
    assert_eq!(asked, [Arp::request(EM[0], SECOND, stranger.dst)]);
    let _unanswered = lab.pass(Duration::from_secs(10));
    lab.end();
}

/// RFC 1812 5.2.5: an interface without an address is one of a router that has some.
#[test]
fn an_interface_without_an_address_forwards_and_its_errors_come_from_another() {
    let mut lab = crossroads();
    let bare = lab.interface(RED, "em9", 3, None, mac(0xa9), &[]);
    lab.route(RED, "10.77.0.0/24", RouteTarget::Interface(bare));
    lab.neighbor(RED, "em9", "10.77.0.2", mac(0x72));
    let from = |dst, ttl| Packet { ttl, ..Packet::udp(Ipv4Addr::new(10, 77, 0, 2), dst, 8) };
    let frame = |dst, ttl| from(dst, ttl).link(mac(0x72), mac(0xa9)).frame();
    let sent = lab.send(3, &[frame(FAR, 64)]);
    assert_eq!((sent.len(), sent[0].port), (1, 1));
    assert_eq!(source(&lab.send(3, &[frame(FAR, 1)])), OWN[0]);
    lab.sysctl(RED, "net.inet.icmp.reply_from_interface", 1);
    assert_eq!(source(&lab.send(3, &[frame(FAR, 1)])), OWN[0], "it has none to reply from");
    lab.end();
}

#[test]
fn sysctls_choose_the_interface_that_replies() {
    let mut lab = scene();
    let set = |lab: &mut Lab, value: &str| {
        let vnet = lab.vnet(RED);
        let value = Value::Str(value.to_owned());
        let name = "net.inet.icmp.reply_src";
        let _old = lab.control(|stack| stack.write_sysctl(&vnet, name, value)).unwrap();
    };
    let far_away = Packet { ttl: 1, ..Packet::udp(FAR, PEER, 8) };
    let expiring = far_away.link(host(0, 2), EM[0]).frame();
    assert_eq!(source(&lab.send(0, std::slice::from_ref(&expiring))), OWN[1], "of the way back");
    set(&mut lab, "em2");
    assert_eq!(source(&lab.send(0, std::slice::from_ref(&expiring))), OWN[2]);
    lab.sysctl(RED, "net.inet.icmp.reply_from_interface", 1);
    assert_eq!(source(&lab.send(0, std::slice::from_ref(&expiring))), OWN[0], "where it came in");
    lab.sysctl(RED, "net.inet.icmp.reply_from_interface", 0);
    set(&mut lab, "nothing");
    assert_eq!(source(&lab.send(0, &[expiring])), OWN[1]);
    lab.end();
}
