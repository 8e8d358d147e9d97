//! A tap interface: the kernel is the peer. It sends a UDP datagram out of the tap, and gets one in.

mod common;

use std::net::UdpSocket;
use std::process::Command;

use common::{port_config, wait_for};
use pmd::{Burst, Port, test_support};

#[test]
fn the_kernel_is_the_peer() {
    let eal = test_support::eal();
    let pool = test_support::own_pool("tap", 4095);
    let id = std::process::id();
    let interface = format!("cvt{id}");
    let config = port_config("tap", format!("net_tap0,iface={interface}"));
    let mut port = match Port::open(&eal, &config, &pool) {
        Ok(port) => port,
        Err(error) => return common::skip("the_kernel_is_the_peer", &error.to_string()),
    };
    let (mut rx, mut tx) = port.start().expect("started");
    // Addresses for this test alone (RFC 5737), different ones in processes that run side by side.
    let net = format!("203.0.113.{}", id % 60 * 4);
    let (own, peer) = (host(&net, 1), host(&net, 2));
    for arguments in [
        format!("addr add {own}/30 dev {interface}"),
        format!("link set {interface} up"),
        format!("neigh replace {peer} lladdr 02:00:00:00:00:02 dev {interface}"),
    ] {
        let status = Command::new("ip").args(arguments.split(' ')).status().expect("ip runs");
        assert!(status.success(), "ip {arguments}");
    }
    wait_for("the link", || port.link().up);

    let socket = UdpSocket::bind((own.as_str(), 0)).expect("an address of the tap");
    socket.connect((peer.as_str(), 4660)).expect("routed to the tap");
    let (mut burst, mut datagram) = (Burst::new(), None);
    wait_for("the kernel's datagram", || {
        let _ = socket.send(b"from the kernel").expect("sent");
        let _ = rx[0].rx(&mut burst, 32);
        datagram = burst.drain().find(|packet| packet.data().ends_with(b"from the kernel"));
        datagram.is_some()
    });
    let mut packet = datagram.expect("found above");
    assert_eq!(packet.data()[12..14], [8, 0], "IPv4");

    // Turned around, it is an answer: MACs, addresses and ports change places, sums stay.
    let data = packet.data_mut();
    for (first, second, len) in [(0, 6, 6), (26, 30, 4), (34, 36, 2)] {
        for i in 0..len {
            data.swap(first + i, second + i);
        }
    }
    let data_len = data.len();
    data[data_len - 15..].copy_from_slice(b"from the driver");
    assert!(packet.fill_l4_checksum(port.offloads(), 14, 20, pmd::checksum::L4::Udp));
    burst.push(packet).expect("room");
    assert_eq!(tx[0].tx(&mut burst), 1);
    let mut answer = [0; 64];
    socket.set_read_timeout(Some(std::time::Duration::from_secs(10))).expect("set");
    let len = socket.recv(&mut answer).expect("the kernel took it, so its checksum is right");
    assert_eq!(&answer[..len], b"from the driver");

    port.stop(rx, tx).expect("stopped");
    port.close();
    assert_eq!(pool.in_use(), 0);
}

fn host(net: &str, number: u8) -> String {
    let (front, last) = net.rsplit_once('.').expect("an address");
    let last: u8 = last.parse().expect("a number");
    format!("{front}.{}", last + number)
}
