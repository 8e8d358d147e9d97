//! The IPv4 header: RFC 1812 5.2.2 (1) to (5).

use stack::drops::DropReason as D;

use crate::cases::{Case, case, raw, run};
use crate::common::crossroads::{EM, OWN, PEER, PEER_MAC, host, through};
use crate::common::{Packet, frame};

pub(crate) fn cases() -> Vec<Case> {
    let good = through(30);
    let far = |packet: &Packet| packet.forwarded(EM[1], host(1, 2), None);
    let echo = Packet::echo(PEER, OWN[0], 5).link(PEER_MAC, EM[0]);
    let long_header = Packet { ihl: Some(15), ..through(0) };
    vec![
        raw("19 bytes of header", good.frame()[..33].to_vec())
            .drops(D::IpTooShort)
            .counts("ips_toosmall"),
        case("version 6", &Packet { version: 6, ..good.clone() })
            .drops(D::IpBadVersion)
            .counts("ips_badvers"),
        case("version 0", &Packet { version: 0, ..good.clone() }).drops(D::IpBadVersion),
        case("four words of header", &Packet { ihl: Some(4), ..good.clone() })
            .drops(D::IpBadHeaderLength)
            .counts("ips_badhlen"),
        case("no header", &Packet { ihl: Some(0), ..good.clone() }).drops(D::IpBadHeaderLength),
        case("a header beyond the packet", &long_header).drops(D::IpBadHeaderLength),
        case("a wrong checksum", &Packet { checksum: Some(0x1234), ..good.clone() })
            .drops(D::IpBadChecksum)
            .counts("ips_badsum"),
        case("no checksum", &Packet { checksum: Some(0), ..good.clone() }).drops(D::IpBadChecksum),
        case("shorter than its header", &Packet { total_len: Some(19), ..good.clone() })
            .drops(D::IpBadLength)
            .counts("ips_badlen"),
        case("of no length", &Packet { total_len: Some(0), ..good.clone() }).drops(D::IpBadLength),
        case("longer than the frame", &Packet { total_len: Some(59), ..good.clone() })
            .drops(D::IpTruncated)
            .counts("ips_tooshort"),
        case("much longer", &Packet { total_len: Some(65535), ..good.clone() })
            .drops(D::IpTruncated),
        case("a header and nothing else", &Packet { payload: vec![], ..good.clone() })
            .leaves(1, &far(&Packet { payload: vec![], ..good.clone() })),
        case("padding stays on its link", &Packet { trailer: vec![9; 9], ..good.clone() })
            .leaves(1, &far(&good)),
        case("padding is not echoed", &Packet { trailer: vec![9; 13], ..echo.clone() })
            .answers(&echo.echo_reply()),
        case("both zeros of ones' complement", &negative_zero())
            .leaves(1, &far(&Packet { checksum: None, ..negative_zero() })),
    ]
}

/// A header whose checksum is 0, written as 0xffff: the other zero is as good (RFC 1624 3).
fn negative_zero() -> Packet {
    let packet = Packet { id: 0, checksum: Some(0), ..through(30) };
    // As identification it makes up what the other words lack.
    let id = frame::checksum(&packet.ip()[..20]);
    let packet = Packet { id, ..packet };
    assert_eq!(frame::checksum(&packet.ip()[..20]), 0);
    Packet { checksum: Some(0xffff), ..packet }
}

#[test]
fn what_a_header_must_be() {
    run(&cases());
}

/// The tests' own checksum against the example that everybody knows.
#[test]
fn the_tests_checksum() {
    let header = [
        0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0x00, 0x00, 0xc0, 0xa8, 0x00,
        0x01, 0xc0, 0xa8, 0x00, 0xc7,
    ];
    assert_eq!(frame::checksum(&header), 0xb861);
}

/// A frame with two bytes missing anywhere at its end, in one segment or several: dropped by name or passed, never
/// misread.
#[test]
fn every_length_of_a_frame() {
    let whole = Packet { options: vec![1, 1, 1, 0], ..through(40) }.frame();
    for split in [0, 1, 13, 14, 15, 33, 34, 37] {
        let mut lab = crate::common::crossroads();
        let mut left = 0;
        for len in 0..=whole.len() {
            let mbuf = lab.segmented(&whole[..len], &[split.min(len)]);
            left += lab.send_mbufs(0, vec![mbuf]).len();
            lab.check();
        }
        assert_eq!(left, 1, "only the whole frame goes on");
        let drops: u64 = lab.drops(crate::common::crossroads::RED).values().sum();
        assert_eq!(drops, whole.len() as u64);
        lab.end();
    }
}
