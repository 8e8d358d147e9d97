//! Ethernet II (IEEE 802.3 3.1) and 802.1Q tags.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::MacAddr;

/// Length of an untagged Ethernet header, bytes.
pub const ETHER_HDR_LEN: usize = 14;
/// Length of an 802.1Q tag, bytes.
pub const VLAN_TAG_LEN: usize = 4;

/// The protocol that an Ethernet frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4 (RFC 894).
    pub const IPV4: EtherType = EtherType(0x0800);
    /// ARP (RFC 826).
    pub const ARP: EtherType = EtherType(0x0806);
    /// 802.1Q customer tag.
    pub const VLAN: EtherType = EtherType(0x8100);
    /// IPv6 (RFC 2464).
    pub const IPV6: EtherType = EtherType(0x86dd);
    /// 802.1ad service tag.
    pub const QINQ: EtherType = EtherType(0x88a8);
}

/// An Ethernet II header.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct EtherHeader {
    /// Destination.
    pub dst: MacAddr,
    /// Source.
    pub src: MacAddr,
    /// The protocol that follows; below 1536 it is an 802.3 length, which the stack does not take.
    pub ether_type: U16,
}

impl EtherHeader {
    /// The protocol that follows the header.
    #[must_use]
    pub fn ether_type(&self) -> EtherType {
        EtherType(self.ether_type.get())
    }
}
