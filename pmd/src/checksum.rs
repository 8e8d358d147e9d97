//! Checksums of packets that this host originates: by the NIC where it offers that, else right here.
//!
//! For forwarded packets a checksum is updated incrementally (RFC 1624) by whoever changes the header;
//! nothing of this file is on that path.

use dpdk_sys as ffi;
use wire::{Sum, ip_proto};

use crate::{Mbuf, Offloads};

/// A transport protocol with a checksum over a pseudo header (RFC 9293 section 3.1, RFC 768).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum L4 {
    /// Protocol 17.
    Udp,
    /// Protocol 6.
    Tcp,
}

impl L4 {
    const fn protocol(self) -> u8 {
        match self {
            L4::Udp => ip_proto::UDP,
            L4::Tcp => ip_proto::TCP,
        }
    }

    /// Where the checksum stands in the header, in bytes.
    const fn checksum_offset(self) -> usize {
        match self {
            L4::Udp => 6,
            L4::Tcp => 16,
        }
    }

    const fn tx_flag(self) -> u64 {
        match self {
            L4::Udp => ffi::CV_TX_UDP_CKSUM,
            L4::Tcp => ffi::CV_TX_TCP_CKSUM,
        }
    }

    const fn offered(self, offloads: Offloads) -> bool {
        match self {
            L4::Udp => offloads.tx_udp_checksum,
            L4::Tcp => offloads.tx_tcp_checksum,
        }
    }
}

/// The fields of an IP header that the pseudo header needs.
struct Network {
    version6: bool,
    /// Sum over source and destination.
    addresses: Sum,
    /// Bytes of transport header and payload, without Ethernet padding.
    l4_len: u16,
}

impl Network {
    fn parse(header: &[u8], l3_len: u16) -> Option<Network> {
        match header.first()? >> 4 {
            4 if l3_len >= 20 => {
                let total = u16::from_be_bytes(header.get(2..4)?.try_into().ok()?);
                let addresses = Sum::default().add_bytes(header.get(12..20)?);
                Some(Network { version6: false, addresses, l4_len: total.checked_sub(l3_len)? })
            }
            6 if l3_len >= 40 => {
                let payload = u16::from_be_bytes(header.get(4..6)?.try_into().ok()?);
                let addresses = Sum::default().add_bytes(header.get(8..40)?);
                let l4_len = payload.checked_sub(l3_len - 40)?;
                Some(Network { version6: true, addresses, l4_len })
            }
            _ => None,
        }
    }

    /// The pseudo header with the transport length: RFC 9293 section 3.1, RFC 8200 section 8.1.
    fn pseudo_header(&self, l4: L4) -> Sum {
        self.addresses.add_word(l4.protocol().into()).add_word(self.l4_len)
    }
}

impl Mbuf {
    /// Fills in the IPv4 header checksum, or has the NIC do it. The header of `l3_len` bytes begins
    /// `l2_len` bytes into the packet; both lie in the first segment. `false`, and nothing done, if
    /// they do not, or it is not IPv4.
    #[must_use]
    pub fn fill_ip_checksum(&mut self, offloads: Offloads, l2_len: u16, l3_len: u16) -> bool {
        let (begin, end) = (usize::from(l2_len), usize::from(l2_len) + usize::from(l3_len));
        let Some(header) = self.data_mut().get_mut(begin..end) else { return false };
        if header.len() < 20 || header[0] >> 4 != 4 {
            return false;
        }
        header[10..12].fill(0);
        if offloads.tx_ip_checksum && describable(l2_len, l3_len) {
            self.request(ffi::CV_TX_IPV4 | ffi::CV_TX_IP_CKSUM, l2_len, l3_len);
        } else {
            let checksum = Sum::default().add_bytes(header).checksum();
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        true
    }

    /// Fills in the UDP or TCP checksum of an IPv4 or IPv6 packet, or has the NIC do it. `l2_len` and
    /// `l3_len` are the bytes in front of the IP header and of the IP header with its extensions;
    /// they and the transport header lie in the first segment. `false`, and nothing done, if they do
    /// not, or the lengths in the headers do not agree with the packet's.
    #[must_use]
    pub fn fill_l4_checksum(
        &mut self,
        offloads: Offloads,
        l2_len: u16,
        l3_len: u16,
        l4: L4,
    ) -> bool {
        let begin = usize::from(l2_len) + usize::from(l3_len);
        let field = begin + l4.checksum_offset();
        let network = self.data().get(usize::from(l2_len)..begin);
        let Some(network) = network.and_then(|header| Network::parse(header, l3_len)) else {
            return false;
        };
        let fits = self.pkt_len() as usize >= begin + usize::from(network.l4_len)
            && usize::from(network.l4_len) >= l4.checksum_offset() + 2
            && self.data().len() >= field + 2;
        if !fits {
            return false;
        }
        let pseudo_header = network.pseudo_header(l4);
        if l4.offered(offloads) && describable(l2_len, l3_len) {
            let version = if network.version6 { ffi::CV_TX_IPV6 } else { ffi::CV_TX_IPV4 };
            self.write_checksum(field, pseudo_header.fold());
            self.request(version | l4.tx_flag(), l2_len, l3_len);
        } else {
            self.write_checksum(field, 0);
            let sum = self.sum_range(pseudo_header, begin, usize::from(network.l4_len));
            // 0 means "no checksum" in UDP, so it is sent as its other representation (RFC 768).
            let checksum =
                if sum.checksum() == 0 && l4 == L4::Udp { 0xffff } else { sum.checksum() };
            self.write_checksum(field, checksum);
        }
        true
    }

    /// Adds `len` bytes of the packet, from `begin` on, over all segments.
    fn sum_range(&self, mut sum: Sum, begin: usize, len: usize) -> Sum {
        let (mut skip, mut left) = (begin, len);
        for segment in self.segments() {
            let bytes = segment.get(skip..).unwrap_or_default();
            skip -= skip.min(segment.len());
            let bytes = &bytes[..bytes.len().min(left)];
            sum = sum.add_bytes(bytes);
            left -= bytes.len();
        }
        sum
    }

    /// Asks the NIC for what the flags say about headers of these lengths.
    fn request(&mut self, flags: u64, l2_len: u16, l3_len: u16) {
        self.set_ol_flags(self.ol_flags() | flags);
        self.set_tx_offload(
            u64::from(l2_len) << ffi::CV_TX_OFFLOAD_L2_LEN_SHIFT
                | u64::from(l3_len) << ffi::CV_TX_OFFLOAD_L3_LEN_SHIFT,
        );
    }

    fn write_checksum(&mut self, at: usize, checksum: u16) {
        if let Some(field) = self.data_mut().get_mut(at..at + 2) {
            field.copy_from_slice(&checksum.to_be_bytes());
        }
    }
}

/// Whether the header lengths fit into the mbuf's fields for them (7 and 9 bits).
const fn describable(l2_len: u16, l3_len: u16) -> bool {
    l2_len < 1 << 7 && l3_len < 1 << 9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{packet, packet_of_segments};

    // Made with scapy: Ethernet / IP or IPv6 / UDP or TCP / payload.
    const UDP4: &str = "02000000000202000000000108004500002a123400003f117d53c0000201c633640712340035\
                        0016146c637572766e657420636865636b73";
    const TCP6: &str = "02000000000202000000000186dd600000000027064020010db800000000000000000000000120\
                        010db800000000000000000002000300509c40deadbeef01020304501803e871ae00006f6464206c\
                        656e677468207061796c6f61642e";
    const UDP_ZERO: &str = "0200000000020200000000010800450000200001000040118e90c0000201c633640726900035\
                            000cffff7a65726f";

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        (0..hex.len()).step_by(2).map(digit).collect()
    }

    /// The frame with its checksum fields spoilt.
    fn spoilt(frame: &[u8], fields: &[usize]) -> Vec<u8> {
        let mut spoilt = frame.to_vec();
        for &field in fields {
            spoilt[field..field + 2].fill(0xaa);
        }
        spoilt
    }

    #[test]
    fn software_gives_what_scapy_gives() {
        let none = Offloads::default();
        for hex in [UDP4, UDP_ZERO] {
            let frame = bytes(hex);
            let mut mbuf = packet(&spoilt(&frame, &[24, 40]));
            assert!(mbuf.fill_ip_checksum(none, 14, 20));
            assert!(mbuf.fill_l4_checksum(none, 14, 20, L4::Udp));
            assert_eq!(mbuf.data(), frame);
            assert_eq!(mbuf.ol_flags(), 0);
        }
        let frame = bytes(TCP6);
        let mut mbuf = packet(&spoilt(&frame, &[70]));
        assert!(mbuf.fill_l4_checksum(none, 14, 40, L4::Tcp));
        assert_eq!(mbuf.data(), frame);
    }

    #[test]
    fn segments_of_any_length_and_ethernet_padding_change_nothing() {
        let frame = bytes(TCP6);
        let mut padded = spoilt(&frame, &[70]);
        padded.extend([0x55; 7]);
        for cut in 72..frame.len() {
            let (head, tail) = padded.split_at(cut);
            let (middle, tail) = tail.split_at(1);
            let mut mbuf = packet_of_segments(&[head, middle, tail]);
            assert!(mbuf.fill_l4_checksum(Offloads::default(), 14, 40, L4::Tcp));
            assert_eq!(mbuf.data()[70..72], frame[70..72], "cut at {cut}");
        }
    }

    #[test]
    fn the_nic_gets_the_pseudo_header_sum_and_the_lengths() {
        let offloads =
            Offloads { tx_ip_checksum: true, tx_udp_checksum: true, ..Offloads::default() };
        let mut mbuf = packet(&spoilt(&bytes(UDP4), &[24, 40]));
        assert!(mbuf.fill_ip_checksum(offloads, 14, 20));
        assert!(mbuf.fill_l4_checksum(offloads, 14, 20, L4::Udp));
        let flags = ffi::CV_TX_IPV4 | ffi::CV_TX_IP_CKSUM | ffi::CV_TX_UDP_CKSUM;
        assert_eq!(mbuf.ol_flags(), flags);
        assert_eq!(mbuf.data()[24..26], [0, 0]);
        // c000 + 0201 + c633 + 6407 + protocol 17 + length 22, folded.
        assert_eq!(mbuf.data()[40..42], 0xec63_u16.to_be_bytes());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let none = Offloads::default();
        let frame = bytes(UDP4);
        let mut mbuf = packet(&frame);
        assert!(!mbuf.fill_ip_checksum(none, 14, 60), "beyond the segment");
        assert!(!mbuf.fill_l4_checksum(none, 15, 20, L4::Udp), "not an IP header");
        assert!(
            !mbuf.fill_l4_checksum(none, 14, 40, L4::Tcp),
            "the header is longer than total length"
        );
        let mut cut = packet(&frame[..50]);
        assert!(!cut.fill_l4_checksum(none, 14, 20, L4::Udp), "total length exceeds the packet");
        assert!(!packet(&[]).fill_ip_checksum(none, 0, 0));
        assert_eq!(mbuf.data(), frame);
    }
}
