//! The recognition of received frames.

use wire::{ArpOperation, EtherType, Sum, icmp_type, ip_proto};

use super::arp;
use super::signature::Signature;

/// The finding of [`look`].
#[derive(Debug)]
pub(crate) enum Seen {
    /// A test packet, of whatever stream.
    Test {
        /// Which one.
        signature: Signature,
        /// Time to live or hop limit.
        ttl: u8,
    },
    /// An ARP message for IPv4 over Ethernet.
    Arp(arp::Message),
    /// Anything else.
    Other(Kind),
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident $text:literal,)+) => {
        /// The kind of a frame that is no test packet of the stream.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Kind {
            /// All kinds, and their names in reports.
            pub(crate) const ALL: [(Kind, &'static str); [$($text),+].len()] =
                [$((Kind::$name, $text),)+];
        }
    };
}

kinds! {
    /// A test packet whose bytes do not fit its checksum.
    Corrupted "corrupted",
    /// An IP header that is wrong: version, length, or IPv4's checksum.
    BadHeader "bad_header",
    /// A frame that ends before its headers do.
    Short "short",
    /// A frame larger than a buffer.
    Oversized "oversized",
    /// A test packet of another run, trial or generator.
    OtherStream "other_stream",
    /// An ARP request.
    ArpRequest "arp_request",
    /// An ARP reply.
    ArpReply "arp_reply",
    /// ARP of another kind.
    ArpOther "arp_other",
    /// ICMP: destination unreachable.
    Unreachable "icmp_unreachable",
    /// ICMP: time exceeded.
    TimeExceeded "icmp_time_exceeded",
    /// ICMP: redirect.
    Redirect "icmp_redirect",
    /// Any other ICMP without a signature.
    Icmp "icmp_other",
    /// ICMPv6: destination unreachable, too big, time exceeded.
    Icmp6Error "icmp6_error",
    /// ICMPv6: neighbour and router discovery.
    Discovery "icmp6_neighbor_discovery",
    /// Any other ICMPv6 without a signature.
    Icmp6 "icmp6_other",
    /// A fragment of an IPv4 packet.
    Fragment "ipv4_fragment",
    /// Any other TCP without a signature.
    Tcp "tcp",
    /// Any other UDP without a signature.
    Udp "udp",
    /// Another protocol over IP.
    Ip "ip_other",
    /// Neither ARP nor IP.
    Ethernet "ethernet_other",
}

impl Kind {
    /// The kind of an ARP message.
    pub(crate) fn of_arp(message: &arp::Message) -> Self {
        match message.operation {
            ArpOperation::Request => Kind::ArpRequest,
            ArpOperation::Reply => Kind::ArpReply,
        }
    }

    /// Whether its bytes are wrong.
    pub(crate) fn is_broken(self) -> bool {
        matches!(self, Kind::Corrupted | Kind::BadHeader | Kind::Short | Kind::Oversized)
    }
}

/// Looks at a frame. `verify`: a test packet is one only if the checksum above IP is right.
#[inline(always)]
pub(crate) fn look(frame: &[u8], verify: bool) -> Seen {
    let mut at = 12;
    // The frame's own type, and up to two behind tags.
    for _ in 0..3 {
        let Some(rest) = frame.get(at..) else { break };
        let Some(kind) = rest.first_chunk::<2>() else { break };
        let payload = &rest[2..];
        match EtherType(u16::from_be_bytes(*kind)) {
            EtherType::IPV4 => return ipv4(payload, verify),
            EtherType::IPV6 => return ipv6(payload, verify),
            EtherType::ARP => {
                return arp::Message::parse(payload, at)
                    .map_or(Seen::Other(Kind::ArpOther), Seen::Arp);
            }
            EtherType::VLAN | EtherType::QINQ => at += 4,
            _ => return Seen::Other(Kind::Ethernet),
        }
    }
    Seen::Other(if frame.len() < at + 2 { Kind::Short } else { Kind::Ethernet })
}

#[inline(always)]
fn ipv4(packet: &[u8], verify: bool) -> Seen {
    let Some(header) = packet.first_chunk::<20>() else { return Seen::Other(Kind::Short) };
    let header_len = usize::from(header[0] & 15) * 4;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0] >> 4 != 4 || header_len < 20 || total < header_len || total > packet.len() {
        return Seen::Other(Kind::BadHeader);
    }
    if Sum::default().add_bytes(&packet[..header_len]).checksum() != 0 {
        return Seen::Other(Kind::BadHeader);
    }
    // More fragments, or not the first.
    if u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0 {
        return Seen::Other(Kind::Fragment);
    }
    let protocol = header[9];
    let pseudo = if protocol == ip_proto::ICMP {
        Sum::default()
    } else {
        Sum::default().add_bytes(&header[12..])
    };
    above(protocol, &packet[header_len..total], pseudo, header[8], verify)
}

/// Extension headers make a packet `ip_other`: the generator sends none.
#[inline(always)]
fn ipv6(packet: &[u8], verify: bool) -> Seen {
    let Some(header) = packet.first_chunk::<40>() else { return Seen::Other(Kind::Short) };
    let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
    if header[0] >> 4 != 6 || 40 + len > packet.len() {
        return Seen::Other(Kind::BadHeader);
    }
    let pseudo = Sum::default().add_bytes(&header[8..]);
    above(header[6], &packet[40..40 + len], pseudo, header[7], verify)
}

/// `pseudo`: sum of the addresses, where they are part of the checksum.
#[inline(always)]
fn above(protocol: u8, segment: &[u8], pseudo: Sum, ttl: u8, verify: bool) -> Seen {
    let header_len = match protocol {
        ip_proto::TCP => 4 * usize::from(segment.get(12).copied().unwrap_or(0) >> 4),
        _ => 8,
    };
    let signature = segment.get(header_len..).and_then(Signature::parse);
    match (protocol, signature) {
        (ip_proto::ICMP | ip_proto::TCP | ip_proto::UDP | ip_proto::ICMPV6, Some(signature)) => {
            if verify && !checksum_is_right(protocol, segment, pseudo) {
                return Seen::Other(Kind::Corrupted);
            }
            Seen::Test { signature, ttl }
        }
        _ => Seen::Other(foreign(protocol, segment.first().copied())),
    }
}

fn checksum_is_right(protocol: u8, segment: &[u8], pseudo: Sum) -> bool {
    // RFC 768: a checksum of zero is none.
    if protocol == ip_proto::UDP && segment.get(6..8) == Some(&[0, 0]) {
        return true;
    }
    let sum = match protocol {
        ip_proto::ICMP => Sum::default(),
        // A segment of an IP packet is shorter than 2^16.
        _ => pseudo.add_word(u16::from(protocol)).add_word(segment.len() as u16),
    };
    sum.add_bytes(segment).checksum() == 0
}

#[cold]
fn foreign(protocol: u8, kind: Option<u8>) -> Kind {
    match (protocol, kind) {
        (_, None) => Kind::Short,
        (ip_proto::ICMP, Some(icmp_type::UNREACH)) => Kind::Unreachable,
        (ip_proto::ICMP, Some(icmp_type::REDIRECT)) => Kind::Redirect,
        (ip_proto::ICMP, Some(icmp_type::TIME_EXCEEDED)) => Kind::TimeExceeded,
        (ip_proto::ICMP, _) => Kind::Icmp,
        (ip_proto::ICMPV6, Some(1..=4)) => Kind::Icmp6Error,
        (ip_proto::ICMPV6, Some(133..=137)) => Kind::Discovery,
        (ip_proto::ICMPV6, _) => Kind::Icmp6,
        (ip_proto::TCP, _) => Kind::Tcp,
        (ip_proto::UDP, _) => Kind::Udp,
        _ => Kind::Ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(frame: &[u8]) -> Kind {
        match look(frame, true) {
            Seen::Other(kind) => kind,
            Seen::Arp(message) => Kind::of_arp(&message),
            Seen::Test { .. } => panic!("a test packet"),
        }
    }

    #[test]
    fn kinds_stand_where_their_number_says() {
        for (at, (kind, _)) in Kind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, at);
        }
    }

    #[test]
    fn frames_of_others_have_names() {
        let ethernet = |kind: [u8; 2], rest: &[u8]| {
            let mut frame = vec![2; 12];
            frame.extend_from_slice(&kind);
            frame.extend_from_slice(rest);
            frame
        };
        assert_eq!(kind(&[]), Kind::Short);
        assert_eq!(kind(&[0; 13]), Kind::Short);
        assert_eq!(kind(&ethernet([0x88, 0xcc], &[0; 50])), Kind::Ethernet);
        assert_eq!(kind(&ethernet([0x08, 0], &[0x45; 19])), Kind::Short);
        assert_eq!(kind(&ethernet([0x08, 0], &[0x45; 40])), Kind::BadHeader);
        assert_eq!(kind(&ethernet([0x81, 0], &[0, 1, 0x88, 0xa8, 0, 1, 0x08])), Kind::Short);
        assert_eq!(kind(&ethernet([0x08, 0x06], &[0; 10])), Kind::ArpOther);
        // Wireshark's sample of an echo request (its checksum is right), once whole and once with a bit turned.
        let mut ping = ethernet(
            [0x08, 0],
            &[
                0x45, 0, 0, 0x1c, 0, 0, 0, 0, 0x40, 1, 0xf6, 0xff, 0xc0, 0, 2, 1, 0xc0, 0, 2, 2, 3,
                0, 0xfc, 0xff, 0, 0, 0, 0,
            ],
        );
        let sum = Sum::default().add_bytes(&ping[14..24]).add_bytes(&ping[26..34]).checksum();
        ping[24..26].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(kind(&ping), Kind::Unreachable);
        ping[14 + 8] ^= 1;
        assert_eq!(kind(&ping), Kind::BadHeader);
    }
}
