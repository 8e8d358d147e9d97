//! Frames, byte by byte: RFC 791 3.1, RFC 792, RFC 826, IEEE 802.3 and 802.1Q, written out without `stack::wire`.

use std::net::Ipv4Addr;

pub type Mac = [u8; 6];

/// A MAC address of the tests' own.
pub const fn mac(n: u8) -> Mac {
    [2, 0, 0, 0, 0, n]
}

pub const BROADCAST: Mac = [0xff; 6];
pub const ICMP: u8 = 1;
pub const UDP: u8 = 17;
/// Flags of the fragment field.
pub const DF: u16 = 0x4000;
pub const MF: u16 = 0x2000;

/// The sum of RFC 1071, sixteen bits at a time.
pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An IPv4 datagram in an Ethernet frame. A field that is `None` is what it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    pub to: Mac,
    pub from: Mac,
    /// TCI of an 802.1Q tag.
    pub tag: Option<u16>,
    pub ether_type: u16,
    pub version: u8,
    /// Header length in words.
    pub ihl: Option<u8>,
    pub tos: u8,
    pub total_len: Option<u16>,
    pub id: u16,
    /// Flags and offset.
    pub fragment: u16,
    pub ttl: u8,
    pub protocol: u8,
    pub checksum: Option<u16>,
    pub src: Ipv4Addr,
    pub dst: Ipv4Addr,
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
    /// Bytes behind the datagram.
    pub trailer: Vec<u8>,
}

impl Packet {
    pub fn new(protocol: u8, src: Ipv4Addr, dst: Ipv4Addr, payload: Vec<u8>) -> Self {
        Self {
            to: [0; 6],
            from: [0; 6],
            tag: None,
            ether_type: 0x0800,
            version: 4,
            ihl: None,
            tos: 0,
            total_len: None,
            id: 0x1234,
            fragment: 0,
            ttl: 64,
            protocol,
            checksum: None,
            src,
            dst,
            options: Vec::new(),
            payload,
            trailer: Vec::new(),
        }
    }

    /// A UDP datagram with `len` bytes of data, without a checksum (RFC 768 allows it).
    pub fn udp(src: Ipv4Addr, dst: Ipv4Addr, len: usize) -> Self {
        let mut payload = Vec::new();
        for word in [4000, 5000, u16::try_from(8 + len).unwrap(), 0] {
            payload.extend(word.to_be_bytes());
        }
        payload.extend((0..len).map(|at| (at * 7) as u8));
        Self::new(UDP, src, dst, payload)
    }

    /// An ICMP message with a good checksum.
    pub fn icmp(src: Ipv4Addr, dst: Ipv4Addr, kind: u8, code: u8, rest: u32, body: &[u8]) -> Self {
        let mut payload = vec![kind, code, 0, 0];
        payload.extend(rest.to_be_bytes());
        payload.extend(body);
        let sum = checksum(&payload);
        payload[2..4].copy_from_slice(&sum.to_be_bytes());
        Self::new(ICMP, src, dst, payload)
    }

    /// An echo request with `len` bytes of data.
    pub fn echo(src: Ipv4Addr, dst: Ipv4Addr, len: usize) -> Self {
        let data: Vec<u8> = (0..len).map(|at| (at * 3 + 1) as u8).collect();
        Self::icmp(src, dst, 8, 0, 0x0042_0007, &data)
    }

    /// On the link from `from` to `to`.
    pub fn link(self, from: Mac, to: Mac) -> Self {
        Self { from, to, ..self }
    }

    pub fn header_len(&self) -> usize {
        20 + self.options.len().next_multiple_of(4)
    }

    /// The datagram.
    pub fn ip(&self) -> Vec<u8> {
        let header_len = self.header_len();
        let ihl = self.ihl.unwrap_or((header_len / 4) as u8);
        let total_len = self.total_len.unwrap_or((header_len + self.payload.len()) as u16);
        let mut ip = vec![self.version << 4 | ihl, self.tos];
        for word in [total_len, self.id, self.fragment] {
            ip.extend(word.to_be_bytes());
        }
        ip.extend([self.ttl, self.protocol, 0, 0]);
        ip.extend(self.src.octets());
        ip.extend(self.dst.octets());
        ip.extend(&self.options);
        ip.resize(header_len, 0);
        let sum = self.checksum.unwrap_or_else(|| checksum(&ip));
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        ip.extend(&self.payload);
        ip
    }

    /// The frame.
    pub fn frame(&self) -> Vec<u8> {
        let mut frame = ethernet(self.to, self.from, self.tag, self.ether_type, &self.ip());
        frame.extend(&self.trailer);
        frame
    }

    /// Reads a frame in which everything must be as it should be.
    pub fn read(frame: &[u8]) -> Self {
        let word = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
        let (tag, at) = if word(12) == 0x8100 { (Some(word(14)), 18) } else { (None, 14) };
        assert_eq!(word(at - 2), 0x0800, "not IPv4: {frame:02x?}");
        let ip = &frame[at..];
        let addr = |at: usize| Ipv4Addr::new(ip[at], ip[at + 1], ip[at + 2], ip[at + 3]);
        let header_len = usize::from(ip[0] & 15) * 4;
        let total_len = usize::from(word(at + 2));
        assert!(ip[0] >> 4 == 4 && header_len >= 20 && total_len >= header_len, "{ip:02x?}");
        assert_eq!(checksum(&ip[..header_len]), 0, "header checksum of {ip:02x?}");
        Self {
            to: frame[..6].try_into().unwrap(),
            from: frame[6..12].try_into().unwrap(),
            tag,
            ether_type: 0x0800,
            version: 4,
            ihl: None,
            tos: ip[1],
            total_len: None,
            id: word(at + 4),
            fragment: word(at + 6),
            ttl: ip[8],
            protocol: ip[9],
            checksum: None,
            src: addr(12),
            dst: addr(16),
            options: ip[20..header_len].to_vec(),
            payload: ip[header_len..total_len].to_vec(),
            trailer: ip[total_len..].to_vec(),
        }
    }

    /// As it leaves one hop further on.
    pub fn forwarded(&self, from: Mac, to: Mac, tag: Option<u16>) -> Self {
        Self { from, to, tag, ttl: self.ttl - 1, ..self.clone() }
    }

    /// The ICMP error about this packet: RFC 792, with as much of it as RFC 1812 4.3.2.3 wants. `id` is 0.
    pub fn error(&self, from: Ipv4Addr, kind: u8, code: u8, rest: u32) -> Self {
        let ip = self.ip();
        let quote = &ip[..ip.len().min(548)];
        let error = Self::icmp(from, self.src, kind, code, rest, quote);
        Self { id: 0, tos: self.tos & 0x1e | 0xc0, ..error }.link(self.to, self.from)
    }

    /// The answer to this echo request. `id` is 0.
    pub fn echo_reply(&self) -> Self {
        let mut payload = self.payload.clone();
        payload[0] = 0;
        payload[2..4].fill(0);
        let sum = checksum(&payload);
        payload[2..4].copy_from_slice(&sum.to_be_bytes());
        let reply = Self::new(ICMP, self.dst, self.src, payload);
        Self { id: 0, tos: self.tos, ..reply }.link(self.to, self.from)
    }
}

/// An Ethernet frame.
pub fn ethernet(to: Mac, from: Mac, tag: Option<u16>, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = [to, from].concat();
    if let Some(tci) = tag {
        frame.extend([0x81, 0x00]);
        frame.extend(tci.to_be_bytes());
    }
    frame.extend(ether_type.to_be_bytes());
    frame.extend(payload);
    frame
}

/// An ARP packet (RFC 826) without its link header.
#[derive(Clone, Debug, PartialEq)]
pub struct Arp {
    pub operation: u16,
    pub sender_mac: Mac,
    pub sender: Ipv4Addr,
    pub target_mac: Mac,
    pub target: Ipv4Addr,
}

impl Arp {
    pub fn request(sender_mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Self {
        Self { operation: 1, sender_mac, sender, target_mac: [0; 6], target }
    }

    pub fn reply(sender_mac: Mac, sender: Ipv4Addr, target_mac: Mac, target: Ipv4Addr) -> Self {
        Self { operation: 2, sender_mac, sender, target_mac, target }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0, 1, 8, 0, 6, 4];
        bytes.extend(self.operation.to_be_bytes());
        bytes.extend(self.sender_mac);
        bytes.extend(self.sender.octets());
        bytes.extend(self.target_mac);
        bytes.extend(self.target.octets());
        bytes
    }

    /// The frame from the sender to `to`, padded to the shortest Ethernet frame.
    pub fn frame(&self, to: Mac, tag: Option<u16>) -> Vec<u8> {
        let mut frame = ethernet(to, self.sender_mac, tag, 0x0806, &self.bytes());
        frame.resize(frame.len().max(60), 0);
        frame
    }

    /// Reads a frame; `None` when it is something else.
    pub fn read(frame: &[u8]) -> Option<(Mac, Self)> {
        let at = if frame[12..14] == [0x81, 0x00] { 18 } else { 14 };
        let arp = frame[at - 2..].strip_prefix(&[0x08, 0x06, 0, 1, 8, 0, 6, 4])?;
        let addr = |at: usize| Ipv4Addr::new(arp[at], arp[at + 1], arp[at + 2], arp[at + 3]);
        let mac = |at: usize| -> Mac { arp[at..at + 6].try_into().unwrap() };
        let read = Self {
            operation: u16::from_be_bytes([arp[0], arp[1]]),
            sender_mac: mac(2),
            sender: addr(8),
            target_mac: mac(12),
            target: addr(18),
        };
        Some((frame[..6].try_into().unwrap(), read))
    }
}
