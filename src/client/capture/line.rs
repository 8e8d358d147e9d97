//! A packet as a line of text, much as `tcpdump -n` shows it: enough to see who talks to whom. A file shows the rest.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::client::when::clock_time;
use crate::protocol::{DirectionShown, PacketShown};

const ETHER_HDR_LEN: usize = 14;

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
    let payload = data.get(ETHER_HDR_LEN..)?;
    match half(data, 12)? {
        0x0800 => Some(ipv4(payload).unwrap_or_else(|| "IP [|ip]".to_owned())),
        0x0806 => Some(arp(payload).unwrap_or_else(|| "ARP [|arp]".to_owned())),
        other => {
            let (to, from) = (mac(data)?, mac(data.get(6..)?)?);
            Some(format!("{from} > {to}, ethertype {other:#06x}"))
        }
    }
}

fn ipv4(ip: &[u8]) -> Option<String> {
    let (from, to) = (address(ip, 12)?, address(ip, 16)?);
    let (header_len, total_len) = (usize::from(ip.first()? & 0xf) * 4, usize::from(half(ip, 2)?));
    let (fragment, protocol) = (half(ip, 6)?, *ip.get(9)?);
    let above = ip.get(header_len..)?;
    let length = total_len.saturating_sub(header_len);
    if fragment & 0x1fff != 0 {
        let offset = u32::from(fragment & 0x1fff) * 8;
        return Some(format!("IP {from} > {to}: ip-proto-{protocol}, offset {offset}"));
    }
    let with_ports = |name: &str| {
        let (source, destination) = (half(above, 0)?, half(above, 2)?);
        Some(format!("IP {from}.{source} > {to}.{destination}: {name}, length {length}"))
    };
    match protocol {
        1 => {
            let what = icmp(*above.first()?, *above.get(1)?);
            Some(format!("IP {from} > {to}: ICMP {what}, length {length}"))
        }
        6 => with_ports("TCP"),
        17 => with_ports("UDP"),
        other => Some(format!("IP {from} > {to}: ip-proto-{other}, length {length}")),
    }
}

fn icmp(kind: u8, code: u8) -> String {
    match kind {
        0 => "echo reply".to_owned(),
        3 => format!("unreachable, code {code}"),
        5 => "redirect".to_owned(),
        8 => "echo request".to_owned(),
        11 => "time exceeded".to_owned(),
        12 => "parameter problem".to_owned(),
        _ => format!("type {kind} code {code}"),
    }
}

fn arp(arp: &[u8]) -> Option<String> {
    let (sender, target) = (address(arp, 14)?, address(arp, 24)?);
    match half(arp, 6)? {
        1 => Some(format!("ARP, Request who-has {target} tell {sender}")),
        2 => Some(format!("ARP, Reply {sender} is-at {}", mac(arp.get(8..)?)?)),
        other => Some(format!("ARP, operation {other}")),
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|half| u16::from_be_bytes(*half))
}

fn address(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    bytes.get(at..)?.first_chunk().map(|address| Ipv4Addr::from(*address))
}

fn mac(bytes: &[u8]) -> Option<String> {
    bytes.first_chunk().map(|mac| stack::wire::MacAddr(*mac).to_string())
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
