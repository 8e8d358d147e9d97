//! The IPv4 header (RFC 791 3.1) and which addresses may stand in it (RFC 1122 3.2.1.3, RFC 1812 5.3.7).

use std::net::Ipv4Addr;

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Length of a header without options, bytes.
pub const IP_HDR_LEN: usize = 20;

/// Protocol numbers.
pub mod ip_proto {
    /// RFC 792.
    pub const ICMP: u8 = 1;
    /// RFC 9293.
    pub const TCP: u8 = 6;
    /// RFC 768.
    pub const UDP: u8 = 17;
    /// RFC 4443.
    pub const ICMPV6: u8 = 58;
}

/// An IPv4 header without its options.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct IpHeader {
    /// Version (4 bits) and header length in 32-bit words (4 bits).
    pub version_ihl: u8,
    /// Type of service.
    pub tos: u8,
    /// Length of header and data, bytes.
    pub total_len: U16,
    /// Identification.
    pub id: U16,
    /// Reserved, DF, MF (3 bits) and the fragment offset in units of 8 bytes (13 bits).
    pub fragment: U16,
    /// Time to live, hops.
    pub ttl: u8,
    /// Protocol of the data.
    pub protocol: u8,
    /// Header checksum, as stored (see [`crate::checksum()`]).
    pub checksum: [u8; 2],
    /// Source.
    pub src: U32,
    /// Destination.
    pub dst: U32,
}

impl IpHeader {
    /// Don't fragment.
    pub const DF: u16 = 0x4000;
    /// More fragments.
    pub const MF: u16 = 0x2000;
    /// Mask of the fragment offset.
    pub const OFFSET: u16 = 0x1fff;

    /// Version, must be 4.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.version_ihl >> 4
    }

    /// Length of the header with its options, bytes; not checked here.
    #[must_use]
    pub fn header_len(&self) -> usize {
        usize::from(self.version_ihl & 0x0f) * 4
    }

    /// Whether this is a fragment of a larger datagram.
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.fragment.get() & (Self::MF | Self::OFFSET) != 0
    }

    /// Offset of this fragment, in units of 8 bytes.
    #[must_use]
    pub fn fragment_offset(&self) -> u16 {
        self.fragment.get() & Self::OFFSET
    }

    /// Source address.
    #[must_use]
    pub fn src(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.src.get())
    }

    /// Destination address.
    #[must_use]
    pub fn dst(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.dst.get())
    }
}

/// Option types (RFC 791 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpOption(pub u8);

impl IpOption {
    /// End of the list.
    pub const EOL: IpOption = IpOption(0);
    /// No operation.
    pub const NOP: IpOption = IpOption(1);
    /// Record route.
    pub const RR: IpOption = IpOption(7);
    /// Time stamp.
    pub const TS: IpOption = IpOption(68);
    /// Loose source and record route.
    pub const LSRR: IpOption = IpOption(131);
    /// Strict source and record route.
    pub const SSRR: IpOption = IpOption(137);
}

/// Whether `addr` is in 224.0.0.0/4.
#[must_use]
#[inline(always)]
pub const fn is_multicast(addr: u32) -> bool {
    addr >> 28 == 0xe
}

/// By the first byte of an address: whether no packet on a wire may come from there, nor be forwarded to there: 0/8,
/// 127/8, multicast, class E and the limited broadcast.
pub const MARTIAN: [bool; 256] = {
    let mut martian = [false; 256];
    martian[0] = true;
    martian[127] = true;
    let mut top = 224;
    while top < 256 {
        martian[top] = true;
        top += 1;
    }
    martian
};

/// Whether an address means something on its link only: 169.254/16, which no router forwards from or to (RFC 3927 2.7).
#[must_use]
#[inline(always)]
pub const fn is_link_local(addr: u32) -> bool {
    addr >> 16 == 0xa9fe
}

/// Whether no packet on a wire may have this source. Broadcasts of connected networks need the routing table;
/// `ip_input` looks at them.
#[must_use]
#[inline(always)]
pub const fn is_martian_source(addr: u32) -> bool {
    MARTIAN[(addr >> 24) as usize]
}

/// Whether no packet on a wire may have this destination: 0/8, 127/8 and class E without the limited broadcast.
#[must_use]
#[inline(always)]
pub const fn is_martian_destination(addr: u32) -> bool {
    let top = addr >> 24;
    (top == 0) | (top == 127) | ((top >= 240) & (addr != u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(text: &str) -> u32 {
        text.parse::<Ipv4Addr>().expect("an address").to_bits()
    }

    #[test]
    fn martians() {
        for (addr, source, destination) in [
            ("0.0.0.0", true, true),
            ("0.255.255.255", true, true),
            ("1.0.0.0", false, false),
            ("126.255.255.255", false, false),
            ("127.0.0.1", true, true),
            ("128.0.0.1", false, false),
            ("223.255.255.255", false, false),
            ("224.0.0.1", true, false),
            ("239.255.255.255", true, false),
            ("240.0.0.1", true, true),
            ("255.255.255.254", true, true),
            ("255.255.255.255", true, false),
        ] {
            assert_eq!(is_martian_source(bits(addr)), source, "source {addr}");
            assert_eq!(is_martian_destination(bits(addr)), destination, "destination {addr}");
        }
    }
}
