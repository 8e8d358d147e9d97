//! Forwarding: TTL, routes, MTU and redirects. RFC 1812 5.2.4 to 5.2.7, 5.3.1.

use std::net::Ipv4Addr;

use stack::drops::DropReason as D;

use crate::cases::{Case, anonymous, case, run};
use crate::common::crossroads::{
    EM, OWN, PEER, PEER_MAC, PORT, RED, TAG, crossroads, host, through, to,
};
use crate::common::frame::{DF, MF};
use crate::common::{Packet, frame};

const TIME_EXCEEDED: u8 = 11;
const UNREACHABLE: u8 = 3;
const REDIRECT: u8 = 5;

pub(crate) fn cases() -> Vec<Case> {
    let far = |packet: &Packet| packet.forwarded(EM[1], host(1, 2), None);
    let with_ttl = |ttl| Packet { ttl, ..through(40) };
    let expired =
        |ttl| {
            case("out of hops", &with_ttl(ttl))
                .drops(D::IpTtlExceeded)
                .answers(&with_ttl(ttl).error(OWN[0], TIME_EXCEEDED, 0, 0))
        };
    let mut cases = vec![
        expired(0),
        expired(1).counts("icps_out_timxceed"),
        case("the last hop but one", &with_ttl(2)).leaves(1, &far(&with_ttl(2))),
        case("the most hops", &with_ttl(255)).leaves(1, &far(&with_ttl(255))),
        case("without a route", &to("9.9.9.9", 10))
            .drops(D::IpNoRoute)
            .answers(&to("9.9.9.9", 10).error(OWN[0], UNREACHABLE, 0, 0))
            .counts("ips_noroute"),
        case("a black hole", &to("203.0.113.9", 10)).drops(D::IpBlackhole),
        case("a reject route", &to("192.0.2.9", 10))
            .drops(D::IpReject)
            .answers(&to("192.0.2.9", 10).error(OWN[0], UNREACHABLE, 1, 0)),
        case("out of hops and without a route", &Packet { ttl: 1, ..to("9.9.9.9", 10) })
            .drops(D::IpTtlExceeded)
            .answers(&Packet { ttl: 1, ..to("9.9.9.9", 10) }.error(OWN[0], TIME_EXCEEDED, 0, 0)),
        case("a host of a connected network", &to("10.0.1.3", 10))
            .leaves(1, &to("10.0.1.3", 10).forwarded(EM[1], host(1, 3), None)),
        case("type of service goes along", &Packet { tos: 0xb9, ..through(10) })
            .leaves(1, &far(&Packet { tos: 0xb9, ..through(10) })),
        case("a fragment goes along", &Packet { fragment: MF | 77, ..through(10) })
            .leaves(1, &far(&Packet { fragment: MF | 77, ..through(10) })),
        case("any protocol goes along", &Packet { protocol: 200, ..through(10) })
            .leaves(1, &far(&Packet { protocol: 200, ..through(10) })),
    ];
    cases.extend(mtu_cases());
    cases.extend(redirect_cases());
    cases
}

/// Through em3, whose MTU is 576.
fn mtu_cases() -> Vec<Case> {
    let narrow = |len| Packet { fragment: DF, ..to("100.64.1.2", len) };
    let out = |packet: Packet| packet.forwarded(EM[3], host(3, 2), TAG[3]);
    // RFC 1812 4.3.2.3 allows the quote to show the TTL as it would have left.
    let too_long = Packet { ttl: 63, ..narrow(549) };
    let padded = Packet { trailer: vec![0; 900], ..to("100.64.1.2", 20) };
    vec![
        case("just fits", &narrow(548)).leaves(3, &out(narrow(548))),
        case("must not be cut", &narrow(549))
            .drops(D::IpNeedsFragmentation)
            .answers(&too_long.error(OWN[0], UNREACHABLE, 4, 576))
            .counts("ips_cantfrag"),
        // Padding behind a short datagram must not make a frame that the next link does not take.
        case("padding beyond the MTU is cut off", &padded)
            .leaves(3, &out(Packet { trailer: vec![], ..padded.clone() })),
    ]
}

/// Back out through em0: RFC 1812 5.2.7.2.
fn redirect_cases() -> Vec<Case> {
    let back = |packet: &Packet| packet.forwarded(EM[0], host(0, 3), None);
    let there = to("192.88.99.9", 10);
    let gateway = u32::from(Ipv4Addr::new(10, 0, 0, 3));
    let beside = to("10.0.0.3", 10);
    let stranger = Packet { src: Ipv4Addr::new(10, 0, 9, 2), ..there.clone() };
    let with_options = Packet { options: vec![1, 1, 1, 0], ..there.clone() };
    vec![
        case("a better first hop", &there)
            .leaves(0, &back(&there))
            .answers(&there.error(OWN[0], REDIRECT, 1, gateway))
            .counts("ips_redirectsent"),
        case("a neighbour of the sender", &beside)
            .leaves(0, &back(&beside))
            .answers(&beside.error(OWN[0], REDIRECT, 1, gateway)),
        case("redirects are off", &there).with("net.inet.ip.redirect", 0).leaves(0, &back(&there)),
        case("a sender from another network", &stranger).leaves(0, &back(&stranger)),
        case("options", &with_options).leaves(0, &back(&with_options)),
        case("never about an ICMP error", &icmp_error_to("192.88.99.9"))
            .leaves(0, &back(&icmp_error_to("192.88.99.9"))),
    ]
}

fn icmp_error_to(dst: &str) -> Packet {
    let quote = through(8).ip();
    Packet::icmp(PEER, dst.parse().unwrap(), UNREACHABLE, 1, 0, &quote).link(PEER_MAC, EM[0])
}

#[test]
fn where_packets_go() {
    run(&cases());
}

/// All packets of a flow take one path, all paths are taken, and fragments of a datagram stay together.
#[test]
fn flows_keep_to_one_of_several_paths() {
    let mut lab = crossroads();
    let flow = |port: u16, fragment| {
        let mut packet = Packet { fragment, ..to("198.51.100.9", 20) };
        packet.payload[..2].copy_from_slice(&port.to_be_bytes());
        packet.frame()
    };
    let mut paths = std::collections::BTreeMap::<_, u32>::new();
    for port in 0..300 {
        let sent = lab.send(0, &vec![flow(port, 0); 5]);
        let path = (sent[0].port, sent[0].frame[..6].to_vec());
        assert_eq!(sent.len(), 5);
        assert!(sent.iter().all(|sent| (sent.port, sent.frame[..6].to_vec()) == path));
        *paths.entry(path).or_default() += 1;
    }
    assert_eq!(paths.len(), 3);
    assert!(paths.values().all(|flows| *flows > 50), "shares far from a third: {paths:?}");

    // Of the fragments only the first shows ports, so none may count.
    let fragments = [flow(1, MF), flow(2, MF | 10), flow(3, 20)];
    let sent = lab.send(0, &fragments);
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|one| one.frame[..6] == sent[0].frame[..6]));
    lab.end();
}

/// A redirect, like every error, is limited; the packets go on all the same.
#[test]
fn redirects_are_limited() {
    for fast_path in [true, false] {
        let mut lab = crossroads();
        if !fast_path {
            lab.datapath().without_fast_path();
        }
        lab.sysctl(RED, "net.inet.icmp.icmplim", 10);
        let mut sent = lab.send(0, &vec![to("192.88.99.9", 10).frame(); 100]);
        sent.extend(lab.send(0, &vec![to("192.88.99.9", 10).frame(); 100]));
        assert_eq!(sent.len(), 210);
        assert_eq!(lab.stat(RED, "icps_out_redirect"), 10);
        let _second = lab.pass(std::time::Duration::from_secs(1));
        assert_eq!(lab.send(0, &vec![to("192.88.99.9", 10).frame(); 100]).len(), 110);
        lab.end();
    }
}

/// A way to a port that this worker has no queue for.
#[test]
fn a_port_without_a_queue() {
    for fast_path in [true, false] {
        let mut lab = crossroads();
        if !fast_path {
            lab.datapath().without_fast_path();
        }
        let _slot = lab.interface(RED, "em9", 9, None, frame::mac(0xa9), &["10.0.9.1/24"]);
        let _announced = lab.pass(std::time::Duration::from_secs(3));
        let before = lab.drops(RED);
        assert_eq!(before, [("interface_gone", 2)].into(), "its announcements go nowhere");
        lab.neighbor(RED, "em9", "10.0.9.2", host(9, 2));
        let mixed: Vec<Vec<u8>> = (0..6)
            .map(|n| if n % 2 == 0 { to("10.0.9.2", 10).frame() } else { through(10).frame() })
            .collect();
        assert_eq!(lab.send(0, &mixed).len(), 3);
        assert_eq!(lab.send(0, &vec![to("10.0.9.2", 10).frame(); 4]).len(), 0);
        assert_eq!(lab.drops(RED), [("interface_gone", 2 + 3 + 4)].into());
        lab.end();
    }
}

/// No room in front of the packet for the tag of the VLAN it leaves through: dropped by name and otherwise untouched.
#[test]
fn no_headroom_for_a_tag() {
    let mut lab = crossroads();
    let frame = to("10.0.2.2", 10).frame();
    let room = lab.pool.alloc().unwrap().headroom();
    for (missing, leaves) in [(4, 1), (3, 0), (1, 0), (0, 0)] {
        // The data begins `missing` bytes behind the buffer's start.
        let mut mbuf = lab.pool.alloc().unwrap();
        let front = mbuf.prepend(room - missing).unwrap().len();
        let _room = mbuf.append(frame.len() as u16).unwrap();
        let bytes = [frame.clone(), vec![0; front]].concat();
        mbuf.data_mut().copy_from_slice(&bytes);
        assert!(mbuf.trim(front as u16) && mbuf.headroom() == missing);
        let sent = lab.send_mbufs(0, vec![mbuf]);
        assert_eq!(sent.len(), leaves, "{missing} bytes of room");
    }
    assert_eq!(lab.drops(RED), [("mbuf_layout", 3)].into());
    lab.end();
}

/// Headers in any number of pieces; what goes on is what came.
#[test]
fn packets_in_pieces() {
    let mut lab = crossroads();
    let packet = through(200);
    let frame = packet.frame();
    let expected = packet.forwarded(EM[1], host(1, 2), None).frame();
    for lengths in [vec![], vec![1], vec![14, 20], vec![33, 1], vec![34], vec![0, 34, 0, 100, 0]] {
        for mirror in [false, true] {
            let (frame, expected, port) = if mirror {
                let packet = Packet { tag: TAG[2], ..packet.clone() }.link(host(2, 2), EM[2]);
                (packet.frame(), expected.clone(), PORT[2])
            } else {
                (frame.clone(), expected.clone(), 0)
            };
            let sent = lab.send_mbufs(port, vec![lab.segmented(&frame, &lengths)]);
            assert_eq!(anonymous(&sent), [(1, expected)], "pieces of {lengths:?}");
        }
    }
    lab.end();
}
