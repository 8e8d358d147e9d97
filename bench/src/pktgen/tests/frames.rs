//! Frames as smoltcp reads them: it shares no code with the templates.

use proptest::prelude::*;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, Icmpv4Packet, Icmpv4Repr, Icmpv6Message, Icmpv6Packet,
    IpAddress, Ipv4Packet, Ipv6Packet, TcpPacket, UdpPacket,
};
use wire::MacAddr;

use super::super::received::{Kind, Seen, look};
use super::super::signature::{LEN, Signature};
use super::super::sizes::FCS;
use super::super::template::{Addresses, Fields, Headers, Protocol, Template, smallest};

const SRC_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const DST_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const STREAM: u16 = 0xbeef;

/// One packet and what it is made from.
#[derive(Clone, Debug)]
struct Case {
    headers: Headers,
    size: usize,
    fields: Fields,
}

impl Case {
    fn frame(&self) -> Vec<u8> {
        let template = Template::new(&self.headers, self.size);
        let mut frame = vec![0xa5; template.len()];
        template.write(&mut frame, &self.fields);
        frame
    }
}

prop_compose! {
    fn case()(
        protocol in prop::sample::select(vec![Protocol::Udp, Protocol::TcpSyn, Protocol::Icmp]),
        v6 in any::<bool>(),
        vlans in prop::collection::vec(1..4095_u16, 0..3),
        ttl in 1..=255_u8,
        larger in 0..1400_usize,
        (src, dst) in any::<(u128, u128)>(),
        ports in any::<(u16, u16)>(),
        (sequence, stamp) in any::<(u32, u64)>(),
    ) -> Case {
        let headers = Headers { src_mac: SRC_MAC, dst_mac: DST_MAC, vlans, v6, protocol, ttl, stream: STREAM };
        let size = smallest(&headers) + larger;
        let addresses = if v6 { Addresses::V6(src, dst) } else { Addresses::V4(src as u32, dst as u32) };
        Case { headers, size, fields: Fields { addresses, ports, sequence, stamp } }
    }
}

/// Goes through the tags; what is behind them.
fn untagged<'a>(case: &Case, frame: &'a [u8]) -> (EthernetProtocol, &'a [u8]) {
    let ethernet = EthernetFrame::new_checked(frame).expect("a frame");
    assert_eq!((ethernet.src_addr().0, ethernet.dst_addr().0), (SRC_MAC.0, DST_MAC.0));
    let mut rest = &frame[12..];
    for (at, vlan) in case.headers.vlans.iter().enumerate() {
        let kind = if at + 1 < case.headers.vlans.len() { [0x88, 0xa8] } else { [0x81, 0] };
        assert_eq!(rest[..2], kind);
        assert_eq!(rest[2..4], vlan.to_be_bytes());
        rest = &rest[4..];
    }
    (EthernetProtocol::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..])
}

/// Checks all that is above IP; the payload.
fn above(case: &Case, segment: &[u8], src: IpAddress, dst: IpAddress) -> Vec<u8> {
    let Fields { ports, sequence, .. } = case.fields;
    match case.headers.protocol {
        Protocol::Udp => {
            let udp = UdpPacket::new_checked(segment).expect("UDP");
            assert!(udp.checksum() != 0 && udp.verify_checksum(&src, &dst));
            assert_eq!((udp.src_port(), udp.dst_port()), ports);
            assert_eq!(usize::from(udp.len()), segment.len());
            udp.payload().to_vec()
        }
        Protocol::TcpSyn => {
            let tcp = TcpPacket::new_checked(segment).expect("TCP");
            assert!(tcp.verify_checksum(&src, &dst));
            assert_eq!((tcp.src_port(), tcp.dst_port()), ports);
            assert!(tcp.syn() && !tcp.ack() && !tcp.rst() && !tcp.fin());
            tcp.payload().to_vec()
        }
        Protocol::Icmp if case.headers.v6 => {
            let icmp = Icmpv6Packet::new_checked(segment).expect("ICMPv6");
            assert_eq!(icmp.msg_type(), Icmpv6Message::EchoRequest);
            let (IpAddress::Ipv6(src), IpAddress::Ipv6(dst)) = (src, dst) else { panic!("IPv6") };
            assert!(icmp.verify_checksum(&src, &dst));
            assert_eq!((icmp.echo_ident(), icmp.echo_seq_no()), (ports.0, sequence as u16));
            segment[8..].to_vec()
        }
        Protocol::Icmp => {
            let icmp = Icmpv4Packet::new_checked(segment).expect("ICMP");
            let repr = Icmpv4Repr::parse(&icmp, &ChecksumCapabilities::default()).expect("right");
            let Icmpv4Repr::EchoRequest { ident, seq_no, data } = repr else { panic!("{repr:?}") };
            assert_eq!((ident, seq_no), (ports.0, sequence as u16));
            data.to_vec()
        }
    }
}

proptest! {
    #[test]
    fn smoltcp_reads_what_was_meant(case in case()) {
        let frame = case.frame();
        prop_assert_eq!(frame.len() + FCS, case.size);
        let (kind, packet) = untagged(&case, &frame);
        let payload = match case.fields.addresses {
            Addresses::V4(src, dst) => {
                prop_assert_eq!(kind, EthernetProtocol::Ipv4);
                let ip = Ipv4Packet::new_checked(packet).expect("IPv4");
                prop_assert!(ip.verify_checksum());
                prop_assert_eq!((ip.src_addr().to_bits(), ip.dst_addr().to_bits()), (src, dst));
                prop_assert_eq!((usize::from(ip.total_len()), ip.hop_limit()), (packet.len(), case.headers.ttl));
                above(&case, ip.payload(), ip.src_addr().into(), ip.dst_addr().into())
            }
            Addresses::V6(src, dst) => {
                prop_assert_eq!(kind, EthernetProtocol::Ipv6);
                let ip = Ipv6Packet::new_checked(packet).expect("IPv6");
                prop_assert_eq!((ip.src_addr().to_bits(), ip.dst_addr().to_bits()), (src, dst));
                prop_assert_eq!((ip.total_len(), ip.hop_limit()), (packet.len(), case.headers.ttl));
                above(&case, ip.payload(), ip.src_addr().into(), ip.dst_addr().into())
            }
        };
        let Fields { sequence, stamp, .. } = case.fields;
        let mut mark = vec![0xc4, 0x7e, 0xbe, 0xef];
        mark.extend_from_slice(&sequence.to_be_bytes());
        mark.extend_from_slice(&stamp.to_be_bytes());
        prop_assert_eq!(&payload[..LEN], &mark);
    }

    #[test]
    fn the_sink_knows_its_own_and_sees_every_turned_bit_above_ip(case in case(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let mut frame = case.frame();
        let Fields { sequence, stamp, .. } = case.fields;
        match look(&frame, true) {
            Seen::Test { signature, ttl } => {
                prop_assert_eq!(signature, Signature { stream: STREAM, sequence, stamp });
                prop_assert_eq!(ttl, case.headers.ttl);
            }
            other => panic!("{other:?}"),
        }
        // From the signature's stream on: what is before it makes the packet another's.
        let payload = frame.windows(4).position(|bytes| bytes == [0xc4, 0x7e, 0xbe, 0xef]).expect("ours") + 2;
        let at = payload + at.index(frame.len() - payload);
        frame[at] ^= 1_u8 << bit;
        let corrupted = matches!(look(&frame, true), Seen::Other(Kind::Corrupted));
        prop_assert!(corrupted);
        let still_ours = matches!(look(&frame, false), Seen::Test { .. });
        prop_assert!(still_ours);
    }
}

#[test]
fn the_smallest_frames() {
    let headers = |v6, protocol, vlans| Headers {
        src_mac: SRC_MAC,
        dst_mac: DST_MAC,
        vlans,
        v6,
        protocol,
        ttl: 64,
        stream: 0,
    };
    assert_eq!(smallest(&headers(false, Protocol::Udp, vec![])), 64);
    assert_eq!(smallest(&headers(false, Protocol::Udp, vec![1])), 66);
    assert_eq!(smallest(&headers(false, Protocol::TcpSyn, vec![])), 74);
    assert_eq!(smallest(&headers(true, Protocol::Udp, vec![])), 82);
    assert_eq!(smallest(&headers(true, Protocol::TcpSyn, vec![1, 2])), 102);
}
