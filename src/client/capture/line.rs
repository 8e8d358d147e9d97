//! A packet as a line of text, much as `tcpdump -n` shows it: enough to see who talks to whom. A file shows the rest.

use std::fmt::Write as _;

use wire::{ArpOperation, ArpPacket, EtherHeader, EtherType, IpHeader, icmp_type, ip_proto};
use zerocopy::FromBytes;

use crate::client::when::clock_time;
use crate::protocol::{DirectionShown, PacketShown};

/// The packet's line, without a newline.
pub(super) fn show(packet: &PacketShown) -> String {
    let PacketShown { time_ns, interface, direction, reason, length, data } = packet;
    let direction = match direction {
        DirectionShown::In => "In",
        DirectionShown::Out => "Out",
        DirectionShown::Drop => "Drop",
    };
    let what = frame(data).unwrap_or_else(|| "[|ether]".to_owned());
    let mut text =
        format!("{} {interface} {direction:<4} {what}, frame {length}", clock_time(*time_ns));
    if let Some(reason) = reason {
        let _infallible = write!(text, ": {reason}");
    }
    text
}

fn frame(data: &[u8]) -> Option<String> {
    let (header, payload) = EtherHeader::ref_from_prefix(data).ok()?;
    match header.ether_type() {
        EtherType::IPV4 => Some(ipv4(payload).unwrap_or_else(|| "IP [|ip]".to_owned())),
        EtherType::ARP => Some(arp(payload).unwrap_or_else(|| "ARP [|arp]".to_owned())),
        EtherType(other) => {
            Some(format!("{} > {}, ethertype {other:#06x}", header.src, header.dst))
        }
    }
}

fn ipv4(packet: &[u8]) -> Option<String> {
    let (header, _) = IpHeader::ref_from_prefix(packet).ok()?;
    let (from, to) = (header.src(), header.dst());
    let above = packet.get(header.header_len()..)?;
    let length = usize::from(header.total_len.get()).saturating_sub(header.header_len());
    if header.fragment_offset() != 0 {
        let offset = u32::from(header.fragment_offset()) * 8;
        return Some(format!("IP {from} > {to}: ip-proto-{}, offset {offset}", header.protocol));
    }
    let with_ports = |name: &str| {
        let (source, destination) = (half(above, 0)?, half(above, 2)?);
        Some(format!("IP {from}.{source} > {to}.{destination}: {name}, length {length}"))
    };
    match header.protocol {
        ip_proto::ICMP => {
            let what = icmp(*above.first()?, *above.get(1)?);
            Some(format!("IP {from} > {to}: ICMP {what}, length {length}"))
        }
        ip_proto::TCP => with_ports("TCP"),
        ip_proto::UDP => with_ports("UDP"),
        other => Some(format!("IP {from} > {to}: ip-proto-{other}, length {length}")),
    }
}

fn icmp(kind: u8, code: u8) -> String {
    match kind {
        icmp_type::ECHO_REPLY => "echo reply".to_owned(),
        icmp_type::UNREACH => format!("unreachable, code {code}"),
        icmp_type::REDIRECT => "redirect".to_owned(),
        icmp_type::ECHO => "echo request".to_owned(),
        icmp_type::TIME_EXCEEDED => "time exceeded".to_owned(),
        icmp_type::PARAMETER_PROBLEM => "parameter problem".to_owned(),
        _ => format!("type {kind} code {code}"),
    }
}

fn arp(packet: &[u8]) -> Option<String> {
    let (arp, _padding) = ArpPacket::ref_from_prefix(packet).ok()?;
    let (sender, target) = (arp.sender(), arp.target());
    Some(match arp.operation() {
        Some(ArpOperation::Request) => format!("ARP, Request who-has {target} tell {sender}"),
        Some(ArpOperation::Reply) => format!("ARP, Reply {sender} is-at {}", arp.sender_mac),
        None => format!("ARP, operation {}", arp.operation_number()),
    })
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|half| u16::from_be_bytes(*half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_talks_to_whom() {
        let mut data = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        data.extend([0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0, 10, 1, 0, 2, 10, 2, 0, 3]);
        data.extend([0x10, 0, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4]);
        let mut packet = PacketShown {
            time_ns: 1_000_001_000,
            interface: "em0".to_owned(),
            direction: DirectionShown::Drop,
            reason: Some("ip_no_route".to_owned()),
            length: 46,
            data,
        };
        let line = "00:00:01.000001 em0 Drop IP 10.1.0.2.4096 > 10.2.0.3.53: UDP, length 12, frame 46: ip_no_route";
        assert_eq!(show(&packet), line);
        // However short: no line is like another's, and none is missing.
        for length in (0..packet.data.len()).rev() {
            packet.data.truncate(length);
            assert!(show(&packet).starts_with("00:00:01.000001 em0 Drop "));
        }
    }
}
