//! Which addresses may stand in a packet, and whose they are: RFC 1812 5.2.3, 5.3.4, 5.3.7; RFC 1122 3.2.1.3, 3.3.4.2.

use std::net::Ipv4Addr;

use stack::drops::DropReason as D;

use crate::cases::{Case, case, run};
use crate::common::Packet;
use crate::common::crossroads::{EM, FAR, OWN, PEER, PEER_MAC, host, through, to};
use crate::common::frame::BROADCAST;

fn from(src: &str) -> Packet {
    Packet { src: src.parse().unwrap(), ..through(10) }
}

fn echo(dst: Ipv4Addr) -> Packet {
    Packet::echo(PEER, dst, 12).link(PEER_MAC, EM[0])
}

pub(crate) fn cases() -> Vec<Case> {
    let far = through(10).forwarded(EM[1], host(1, 2), None);
    let mut cases = Vec::new();
    for src in ["0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.0.1", "224.0.0.1", "239.1.2.3"]
        .into_iter()
        .chain(["240.0.0.1", "255.255.255.254", "255.255.255.255"])
    {
        cases.push(case("a source that no host has", &from(src)).drops(D::IpMartianSource));
    }
    for src in ["10.0.0.1", "10.0.1.1", "10.0.0.255", "10.0.0.0", "10.0.1.255", "10.0.3.0"] {
        let case = case("our own or a broadcast as the source", &from(src));
        cases.push(case.drops(D::IpMartianSource).counts("ips_badaddr"));
    }
    for dst in ["0.0.0.0", "0.0.0.9", "127.0.0.1", "127.1.1.1", "240.0.0.1", "255.255.255.254"] {
        cases.push(case("a destination for no wire", &to(dst, 10)).drops(D::IpMartianDestination));
    }
    for dst in ["224.0.0.5", "239.255.255.255"] {
        let group = Packet { to: [1, 0, 0x5e, 0, 0, 5], ..to(dst, 10) };
        let case = case("a group of strangers", &group).drops(D::IpNotMember);
        cases.push(case.counts("ips_notmember"));
    }
    // RFC 3927 2.7: whatever the routes say.
    for dst in ["169.254.0.0", "169.254.169.254", "169.254.255.255"] {
        cases.push(case("to a link-local address", &to(dst, 10)).drops(D::IpLinkLocal));
    }
    let link_local = case("from a link-local address", &from("169.254.1.1")).drops(D::IpLinkLocal);
    cases.push(link_local.counts("ips_cantforward"));
    cases.push(
        case("from the address before", &from("169.253.255.255"))
            .leaves(1, &Packet { src: Ipv4Addr::new(169, 253, 255, 255), ..far.clone() }),
    );
    let validation = "net.inet.ip.source_address_validation";
    let strong = "net.inet.ip.rfc1122_strong_es";
    cases.extend([
        case("a source from elsewhere", &from("198.18.0.9"))
            .leaves(1, &Packet { src: Ipv4Addr::new(198, 18, 0, 9), ..far.clone() }),
        case("a source from elsewhere, validated", &from("198.18.0.9"))
            .with(validation, 1)
            .drops(D::IpSourceValidation),
        case("a source without a route, validated", &from("9.9.9.9"))
            .with(validation, 1)
            .drops(D::IpSourceValidation),
        case("a source from here, validated", &through(10)).with(validation, 1).leaves(1, &far),
        case("behind a gateway on this side, validated", &from("192.88.99.5"))
            .with(validation, 1)
            .leaves(1, &Packet { src: Ipv4Addr::new(192, 88, 99, 5), ..far.clone() }),
        case("one of several ways back, validated", &ecmp_source())
            .with(validation, 1)
            .on_port(2)
            .leaves(1, &ecmp_source().forwarded(EM[1], host(1, 2), None)),
        case("another interface's address", &echo(OWN[1]))
            .answers(&Packet { to: PEER_MAC, ..echo(OWN[1]).echo_reply() }),
        case("another interface's address, strong", &echo(OWN[1]))
            .with(strong, 1)
            .drops(D::IpStrongEs),
        case("this interface's address, strong", &echo(OWN[0]))
            .with(strong, 1)
            .answers(&echo(OWN[0]).echo_reply()),
        case("through us, strong", &through(10)).with(strong, 1).leaves(1, &far),
        case("not forwarding", &through(10))
            .with("net.inet.ip.forwarding", 0)
            .drops(D::IpNotForwarding)
            .counts("ips_cantforward"),
        case("for us, not forwarding", &echo(OWN[0]))
            .with("net.inet.ip.forwarding", 0)
            .answers(&echo(OWN[0]).echo_reply()),
        case("a datagram to one host in a frame to all", &Packet { to: BROADCAST, ..through(10) })
            .drops(D::IpLinkBroadcast),
        case("in a frame to a group", &Packet { to: [1, 0, 0x5e, 0, 0, 1], ..through(10) })
            .drops(D::IpLinkBroadcast),
        case("another network's broadcast", &to("10.0.1.255", 10))
            .drops(D::IpDirectedBroadcast)
            .counts("ips_cantforward"),
        case("another network's old broadcast", &to("10.0.1.0", 10)).drops(D::IpDirectedBroadcast),
        case("this network's broadcast", &Packet { to: BROADCAST, ..to("10.0.0.255", 10) })
            .drops(D::UdpNoPort),
        case("everybody", &Packet { to: BROADCAST, ..to("255.255.255.255", 10) })
            .drops(D::UdpNoPort),
        case("everybody, not forwarding", &Packet { to: BROADCAST, ..to("255.255.255.255", 10) })
            .with("net.inet.ip.forwarding", 0)
            .drops(D::UdpNoPort),
    ]);
    cases
}

/// From a network that three gateways lead back to, through the interface of the last.
fn ecmp_source() -> Packet {
    let packet = Packet::udp(Ipv4Addr::new(198, 51, 100, 7), FAR, 10);
    Packet { tag: Some(100), ..packet }.link(host(2, 2), EM[2])
}

#[test]
fn whose_address_it_is() {
    run(&cases());
}
