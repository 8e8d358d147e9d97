//! [`Template`]: a test frame that is laid out once; a packet is a copy with its own addresses, ports, number and time.

use wire::{EtherType, MacAddr, Sum, checksum_finish, ip_proto};

use super::signature::{self, Signature};
use super::sizes::FCS;

/// The protocol of a test packet above IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protocol {
    /// UDP datagrams.
    Udp,
    /// TCP segments that open a connection.
    TcpSyn,
    /// ICMP or ICMPv6 echo requests; the source port is the identifier.
    Icmp,
}

impl Protocol {
    /// Protocol number and header length.
    fn header(self, v6: bool) -> (u8, usize) {
        match self {
            Protocol::Udp => (ip_proto::UDP, 8),
            Protocol::TcpSyn => (ip_proto::TCP, 20),
            Protocol::Icmp if v6 => (ip_proto::ICMPV6, 8),
            Protocol::Icmp => (ip_proto::ICMP, 8),
        }
    }
}

/// The headers that all packets of a run have in common.
#[derive(Clone, Debug)]
pub(crate) struct Headers {
    /// Source MAC address.
    pub(crate) src_mac: MacAddr,
    /// Destination MAC address.
    pub(crate) dst_mac: MacAddr,
    /// VLAN identifiers, outermost first.
    pub(crate) vlans: Vec<u16>,
    /// IPv6, else IPv4.
    pub(crate) v6: bool,
    /// Above IP.
    pub(crate) protocol: Protocol,
    /// Time to live or hop limit.
    pub(crate) ttl: u8,
    /// The signature's stream.
    pub(crate) stream: u16,
}

/// The fields that one packet has for itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    /// Source and destination address.
    pub(crate) addresses: Addresses,
    /// Source and destination port; ICMP's identifier is the source port.
    pub(crate) ports: (u16, u16),
    /// The packet's number in the stream.
    pub(crate) sequence: u32,
    /// TSC now.
    pub(crate) stamp: u64,
}

/// Source and destination.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Addresses {
    /// IPv4.
    V4(u32, u32),
    /// IPv6.
    V6(u128, u128),
}

/// A frame in which everything stands but the fields of one packet, which are zero. Its checksums are those of the rest:
/// a packet's fields are added to them (RFC 1071 section 2, RFC 1624), so that their cost does not grow with the frame.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    bytes: Box<[u8]>,
    /// Where the IP header begins.
    ip: usize,
    /// Where the header above IP begins.
    l4: usize,
    /// Where its checksum stands, from there.
    checksum_at: usize,
    protocol: Protocol,
    /// Whether the addresses are part of the checksum above IP: not in ICMP for IPv4.
    pseudo_header: bool,
    /// One's complement sum over the IPv4 header.
    ip_sum: u64,
    /// One's complement sum over everything above IP, and the rest of the pseudo header.
    l4_sum: u64,
}

/// Bytes of the smallest frame that holds the headers and a signature, with its FCS.
pub(crate) fn smallest(headers: &Headers) -> usize {
    let (_, l4_len) = headers.protocol.header(headers.v6);
    let ip_len = if headers.v6 { 40 } else { 20 };
    (14 + 4 * headers.vlans.len() + ip_len + l4_len + signature::LEN + FCS).max(64)
}

impl Template {
    /// A frame of `size` bytes with its FCS, which the buffer does not hold; at least [`smallest`].
    pub(crate) fn new(headers: &Headers, size: usize) -> Self {
        let Headers { src_mac, dst_mac, vlans, v6, protocol, ttl, stream } = headers;
        let (number, l4_len) = protocol.header(*v6);
        let ip_len = if *v6 { 40 } else { 20 };
        let ip = 14 + 4 * vlans.len();
        let l4 = ip + ip_len;
        let len = size - FCS;
        // At most the largest frame, which fits.
        let above_ip = (len - l4) as u16;

        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(&dst_mac.0);
        bytes.extend_from_slice(&src_mac.0);
        for (at, vlan) in vlans.iter().enumerate() {
            // 802.1ad: the outer of two tags is a service tag.
            let service = at == 0 && vlans.len() > 1;
            let tag = if service { EtherType::QINQ } else { EtherType::VLAN };
            bytes.extend_from_slice(&tag.0.to_be_bytes());
            bytes.extend_from_slice(&vlan.to_be_bytes());
        }
        if *v6 {
            bytes.extend_from_slice(&EtherType::IPV6.0.to_be_bytes());
            bytes.extend_from_slice(&[0x60, 0, 0, 0]);
            bytes.extend_from_slice(&above_ip.to_be_bytes());
            bytes.extend_from_slice(&[number, *ttl]);
        } else {
            let total = above_ip + 20;
            bytes.extend_from_slice(&EtherType::IPV4.0.to_be_bytes());
            bytes.extend_from_slice(&[0x45, 0]);
            bytes.extend_from_slice(&total.to_be_bytes());
            bytes.extend_from_slice(&[0, 0, 0, 0, *ttl, number]);
        }
        bytes.resize(l4, 0);
        bytes.extend_from_slice(&above_headers(*protocol, *v6, above_ip)[..l4_len]);
        let mark = Signature { stream: *stream, sequence: 0, stamp: 0 };
        bytes.extend_from_slice(&mark.to_bytes());
        // A pattern rather than zeros, so that a byte that went wrong changes the checksum's sum.
        let from = bytes.len();
        bytes.extend((from..len).map(|at| at as u8));

        let pseudo_header = *v6 || *protocol != Protocol::Icmp;
        let pseudo = if pseudo_header { u64::from(number) + u64::from(above_ip) } else { 0 };
        let ip_sum = if *v6 { 0 } else { sum(&bytes[ip..l4]) };
        let l4_sum = sum(&bytes[l4..]) + pseudo;
        let checksum_at = match protocol {
            Protocol::Udp => 6,
            Protocol::TcpSyn => 16,
            Protocol::Icmp => 2,
        };
        let bytes = bytes.into_boxed_slice();
        Self { bytes, ip, l4, checksum_at, protocol: *protocol, pseudo_header, ip_sum, l4_sum }
    }

    /// Bytes that the buffer of a packet holds.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Writes a packet into a buffer of [`Template::len`] bytes.
    #[inline(always)]
    pub(crate) fn write(&self, frame: &mut [u8], fields: &Fields) {
        copy(frame, &self.bytes);
        let addresses = match fields.addresses {
            Addresses::V4(src, dst) => {
                let addresses = u64::from(src) + u64::from(dst);
                let both = u64::from(src) << 32 | u64::from(dst);
                put(frame, self.ip + 10, &checksum_finish(self.ip_sum + addresses).to_be_bytes());
                put(frame, self.ip + 12, &both.to_be_bytes());
                addresses
            }
            Addresses::V6(src, dst) => {
                put(frame, self.ip + 8, &src.to_be_bytes());
                put(frame, self.ip + 24, &dst.to_be_bytes());
                fold32(src) + fold32(dst)
            }
        };
        // ICMP: identifier and sequence number stand behind the checksum.
        let (ports_at, ports) = if self.protocol == Protocol::Icmp {
            (self.l4 + 4, u32::from(fields.ports.0) << 16 | fields.sequence & 0xffff)
        } else {
            (self.l4, u32::from(fields.ports.0) << 16 | u32::from(fields.ports.1))
        };
        put(frame, ports_at, &ports.to_be_bytes());
        let payload = self.l4 + if self.protocol == Protocol::TcpSyn { 20 } else { 8 };
        let mark = u128::from(fields.sequence) << 64 | u128::from(fields.stamp);
        let mark_at = payload + signature::SEQUENCE_AT;
        // The low 12 of 16 bytes.
        put(frame, mark_at, &mark.to_be_bytes().last_chunk::<12>().copied().unwrap_or_default());

        let own = u64::from(ports)
            + u64::from(fields.sequence)
            + (fields.stamp >> 32)
            + (fields.stamp & 0xffff_ffff)
            + if self.pseudo_header { addresses } else { 0 };
        let mut l4_checksum = checksum_finish(self.l4_sum + own);
        // RFC 768: zero means that there is none.
        if l4_checksum == 0 && self.protocol == Protocol::Udp {
            l4_checksum = 0xffff;
        }
        put(frame, self.l4 + self.checksum_at, &l4_checksum.to_be_bytes());
    }
}

/// The header above IP with its variable fields zero; the protocol's length of it counts.
fn above_headers(protocol: Protocol, v6: bool, above_ip: u16) -> [u8; 20] {
    let mut header = [0; 20];
    match protocol {
        Protocol::Udp => header[4..6].copy_from_slice(&above_ip.to_be_bytes()),
        // Five words of header, SYN, and a window that no option scales.
        Protocol::TcpSyn => header[12..16].copy_from_slice(&[0x50, 0x02, 0xff, 0xff]),
        // Echo request: RFC 792, RFC 4443 section 4.1.
        Protocol::Icmp => header[0] = if v6 { 128 } else { 8 },
    }
    header
}

#[inline(always)]
fn put<const N: usize>(frame: &mut [u8], at: usize, bytes: &[u8; N]) {
    frame[at..at + N].copy_from_slice(bytes);
}

/// Copies a frame; the smallest, which are the ones that must be fast, without a call.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) {
    match (to.first_chunk_mut::<60>(), from.first_chunk::<60>()) {
        (Some(to), Some(from)) if to.len() == from.len() => to.copy_from_slice(from),
        _ => {}
    }
    if from.len() > 60 {
        to[60..].copy_from_slice(&from[60..]);
    }
}

/// Sum of the 16-bit words; frames have at most 2^10 of them.
fn sum(bytes: &[u8]) -> u64 {
    Sum::default().add_bytes(bytes).fold().into()
}

/// The sum of the four 32-bit words, which is that of the eight 16-bit words in one's complement.
#[inline(always)]
fn fold32(value: u128) -> u64 {
    let (high, low) = ((value >> 64) as u64, value as u64);
    (high >> 32) + (high & 0xffff_ffff) + (low >> 32) + (low & 0xffff_ffff)
}
