//! The scene of most tests: one vnet with four interfaces on three ports, and a route of every kind.
//!
//! ```text
//! port 0            em0 10.0.0.1/24   hosts .2 (known), .3 (known), .9 (nobody)
//! port 1            em1 10.0.1.1/24   hosts .2, .3 (known), .9 (nobody)
//! port 2 VLAN 100   em2 10.0.2.1/24   host .2 (known)
//! port 2 VLAN 200   em3 10.0.3.1/24   host .2 (known), MTU 576
//!
//! 198.18.0.0/15     via 10.0.1.2              100.64.0.0/10   via 10.0.3.2 (MTU 576)
//! 198.51.100.0/24   via 10.0.1.2 10.0.1.3 10.0.2.2 (ECMP)
//! 172.16.0.0/12     via 10.0.1.9 (nobody)     172.31.0.0/16   via 10.0.0.9 (nobody)
//! 192.88.99.0/24    via 10.0.0.3              203.0.113.0/24  blackhole
//! 192.0.2.0/24      reject
//! ```

use std::net::Ipv4Addr;

use stack::net::route::RouteTarget;

use super::frame::{Mac, Packet, mac};
use super::lab::Lab;

/// The vnet's name.
pub const RED: &str = "red";
/// MAC addresses of em0 to em3.
pub const EM: [Mac; 4] = [mac(0xa0), mac(0xa1), mac(0xa2), mac(0xa3)];
/// Their addresses.
pub const OWN: [Ipv4Addr; 4] = [
    Ipv4Addr::new(10, 0, 0, 1),
    Ipv4Addr::new(10, 0, 1, 1),
    Ipv4Addr::new(10, 0, 2, 1),
    Ipv4Addr::new(10, 0, 3, 1),
];
/// The VLANs that they leave with.
pub const TAG: [Option<u16>; 4] = [None, None, Some(100), Some(200)];
/// The ports that they are on.
pub const PORT: [u16; 4] = [0, 1, 2, 2];
/// The sender of most packets.
pub const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Its MAC address.
pub const PEER_MAC: Mac = mac(2);
/// Behind 10.0.1.2.
pub const FAR: Ipv4Addr = Ipv4Addr::new(198, 18, 5, 7);

/// The MAC address of host `host` on interface `em`.
pub const fn host(em: u8, host: u8) -> Mac {
    mac(em * 16 + host)
}

/// Builds the scene, with forwarding on. New addresses are announced within the first seconds: those are over.
pub fn crossroads() -> Lab {
    let mut lab = Lab::new();
    for (n, own) in OWN.iter().enumerate() {
        let name = format!("em{n}");
        let _slot = lab.interface(RED, &name, PORT[n], TAG[n], EM[n], &[&format!("{own}/24")]);
    }
    lab.set_mtu(RED, "em3", 576);
    lab.sysctl(RED, "net.inet.ip.forwarding", 1);
    // Two crossroads choose the same ways.
    let vnet = lab.vnet(RED);
    let _set = lab
        .control(|stack| stack.with_inet(&vnet, |inet| inet.set_flow_key(0x5eed_0123_4567_89ab)));
    drop(vnet);
    let hosts = [(0, 2), (0, 3), (1, 2), (1, 3), (2, 2), (3, 2)];
    for (em, n) in hosts {
        lab.neighbor(RED, &format!("em{em}"), &format!("10.0.{em}.{n}"), host(em, n));
    }
    lab.via(RED, "198.18.0.0/15", &["10.0.1.2"]);
    lab.via(RED, "198.51.100.0/24", &["10.0.1.2", "10.0.1.3", "10.0.2.2"]);
    lab.via(RED, "100.64.0.0/10", &["10.0.3.2"]);
    lab.via(RED, "172.16.0.0/12", &["10.0.1.9"]);
    lab.via(RED, "172.31.0.0/16", &["10.0.0.9"]);
    lab.via(RED, "192.88.99.0/24", &["10.0.0.3"]);
    lab.route(RED, "203.0.113.0/24", RouteTarget::Blackhole);
    lab.route(RED, "192.0.2.0/24", RouteTarget::Reject);
    let announcements = lab.pass(std::time::Duration::from_secs(5));
    assert_eq!(announcements.len(), 2 * OWN.len(), "RFC 5227 2.3: two for each address");
    lab
}

/// From [`PEER`] through the vnet to [`FAR`], with `len` bytes of UDP data.
pub fn through(len: usize) -> Packet {
    Packet::udp(PEER, FAR, len).link(PEER_MAC, EM[0])
}

/// From [`PEER`] to somewhere, with `len` bytes of UDP data.
pub fn to(dst: &str, len: usize) -> Packet {
    Packet { dst: dst.parse().unwrap(), ..through(len) }
}
