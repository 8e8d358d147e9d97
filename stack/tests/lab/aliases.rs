//! Several addresses in one network of one interface, and the routes that they share (FreeBSD: `in_addprefix`,
//! `in_scrubprefix`).

use std::net::Ipv4Addr;

use stack::control::InterfaceError;
use stack::inet::control::AddressError;
use stack::net::route::{RouteError, RouteTarget};

use crate::common::crossroads::{EM, PEER, PEER_MAC, RED};
use crate::common::{Lab, Packet};

/// The prefixes of the vnet's routes, in their order.
fn prefixes(lab: &mut Lab) -> Vec<String> {
    let vnet = lab.vnet(RED);
    let routes = lab.control(|stack| stack.routes_after(&vnet, None, 64));
    routes.iter().map(|route| route.prefix.to_string()).collect()
}

fn add(lab: &mut Lab, interface: &str, address: &str) -> Result<(), InterfaceError> {
    let slot = lab.ifnet(RED, interface).slot;
    lab.control(|stack| stack.add_address(slot, address.parse().unwrap()))
}

fn remove(lab: &mut Lab, interface: &str, address: &str) {
    let slot = lab.ifnet(RED, interface).slot;
    lab.control(|stack| stack.remove_address(slot, address.parse().unwrap())).unwrap();
}

/// How many echo requests to `dst` are answered from there.
fn answers(lab: &mut Lab, dst: &str) -> usize {
    let dst: Ipv4Addr = dst.parse().unwrap();
    let sent = lab.send(0, &[Packet::echo(PEER, dst, 12).link(PEER_MAC, EM[0]).frame()]);
    sent.iter().filter(|sent| Packet::read(&sent.frame).src == dst).count()
}

#[test]
fn addresses_of_one_network_share_its_routes() {
    let mut lab = Lab::new();
    let _slot = lab.interface(RED, "em0", 0, None, EM[0], &["10.0.0.1/24"]);
    lab.neighbor(RED, "em0", &PEER.to_string(), PEER_MAC);
    let alone = ["10.0.0.0/24", "10.0.0.0/32", "10.0.0.1/32", "10.0.0.255/32"];
    assert_eq!(prefixes(&mut lab), alone);
    add(&mut lab, "em0", "10.0.0.9/24").unwrap();
    add(&mut lab, "em0", "10.0.0.20/32").unwrap();
    let _announced = lab.pass(std::time::Duration::from_secs(5));
    let three = [
        "10.0.0.0/24",
        "10.0.0.0/32",
        "10.0.0.1/32",
        "10.0.0.9/32",
        "10.0.0.20/32",
        "10.0.0.255/32",
    ];
    assert_eq!(prefixes(&mut lab), three);
    for own in ["10.0.0.1", "10.0.0.9", "10.0.0.20"] {
        assert_eq!(answers(&mut lab, own), 1, "answers of {own}");
    }
    // The one that came with the network's routes leaves them, and the neighbours, to the others.
    remove(&mut lab, "em0", "10.0.0.1");
    assert_eq!(answers(&mut lab, "10.0.0.1"), 0);
    assert_eq!(answers(&mut lab, "10.0.0.9"), 1);
    remove(&mut lab, "em0", "10.0.0.9");
    assert_eq!(prefixes(&mut lab), ["10.0.0.20/32"]);
    remove(&mut lab, "em0", "10.0.0.20");
    assert_eq!(prefixes(&mut lab), [""; 0]);
    lab.end();
}

#[test]
fn addresses_that_cannot_be_beside_each_other() {
    let mut lab = Lab::new();
    let _slot = lab.interface(RED, "em0", 0, None, EM[0], &["10.0.0.1/24", "10.0.0.129/25"]);
    let _slot = lab.interface(RED, "em1", 1, None, EM[1], &["10.0.1.1/24"]);
    let before = prefixes(&mut lab);
    let net = |text: &str| text.parse().unwrap();
    let overlap = |new, old| AddressError::Overlap { new: net(new), old: net(old) };
    for (interface, address, error) in [
        ("em0", "10.0.0.1/24", AddressError::Taken("10.0.0.1".parse().unwrap())),
        ("em1", "10.0.0.1/32", AddressError::Taken("10.0.0.1".parse().unwrap())),
        ("em1", "172.16.0.1/0", AddressError::NotHost(net("172.16.0.1/0"))),
        ("em1", "10.0.0.9/32", overlap("10.0.0.9/32", "10.0.0.1/24")),
        ("em0", "10.0.0.255/16", overlap("10.0.0.255/16", "10.0.1.1/24")),
        ("em0", "10.0.0.255/23", overlap("10.0.0.255/23", "10.0.1.1/24")),
        ("em0", "10.0.0.255/32", overlap("10.0.0.255/32", "10.0.0.1/24")),
        ("em0", "10.0.0.128/32", overlap("10.0.0.128/32", "10.0.0.129/25")),
    ] {
        assert_eq!(add(&mut lab, interface, address), Err(error.into()), "{address}");
    }
    assert_eq!(prefixes(&mut lab), before);
    // Both have the broadcast address 10.0.0.255.
    remove(&mut lab, "em0", "10.0.0.1");
    assert!(prefixes(&mut lab).contains(&"10.0.0.255/32".to_owned()));
    lab.end();
}

#[test]
fn gateways_are_hosts_on_a_link() {
    let mut lab = Lab::new();
    let _slot = lab.interface(RED, "em0", 0, None, EM[0], &["10.0.0.1/24", "10.0.0.9/24"]);
    let vnet = lab.vnet(RED);
    let lo0 = lab.ifnet(RED, "lo0").slot;
    lab.control(|stack| stack.add_address(lo0, "10.60.0.1/24".parse().unwrap())).unwrap();
    let addr = |text: &str| text.parse::<Ipv4Addr>().unwrap();
    let via = |text: &str| RouteTarget::via([addr(text)]);
    let not_host = |text| RouteError::GatewayNotHost {
        gateway: addr(text).into(),
        net: "10.0.0.0/24".parse().unwrap(),
    };
    for (target, error) in [
        (via("10.0.0.9"), RouteError::GatewayIsOurs { gateway: addr("10.0.0.9").into() }),
        (via("10.0.0.255"), not_host("10.0.0.255")),
        (via("10.0.0.0"), not_host("10.0.0.0")),
        (via("10.60.0.2"), RouteError::GatewayUnreachable { gateway: addr("10.60.0.2").into() }),
        (RouteTarget::Interface(lo0), RouteError::Loopback),
    ] {
        let route = ("198.18.0.0/15".parse().unwrap(), target);
        let refused = lab.control(|stack| stack.add_routes(&vnet, [route]));
        assert_eq!(refused, Err(error));
    }
    drop(vnet);
    lab.end();
}

#[test]
fn an_interface_goes_although_another_gateway_has_lost_its_network() {
    let mut lab = Lab::new();
    let _slot = lab.interface(RED, "em0", 0, None, EM[0], &["10.0.0.1/24"]);
    let gone = lab.interface(RED, "em1", 1, None, EM[1], &["10.0.1.1/24"]);
    lab.via(RED, "198.18.0.0/15", &["10.0.0.2", "10.0.1.2"]);
    remove(&mut lab, "em0", "10.0.0.1");
    lab.control(|stack| stack.destroy_interface(gone)).unwrap();
    assert_eq!(prefixes(&mut lab), ["198.18.0.0/15"]);
    lab.end();
}
