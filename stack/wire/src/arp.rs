//! ARP for IPv4 over Ethernet (RFC 826).

use std::net::Ipv4Addr;

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::MacAddr;

/// Length of an ARP packet without its Ethernet header, bytes.
pub const ARP_LEN: usize = 28;

/// The purpose of an ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArpOperation {
    /// Asks for the MAC address of the target.
    Request,
    /// Gives the sender's MAC address.
    Reply,
}

impl ArpOperation {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            ArpOperation::Request => 1,
            ArpOperation::Reply => 2,
        }
    }
}

/// An ARP packet: Ethernet (hardware type 1) and IPv4.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct ArpPacket {
    hardware_type: U16,
    protocol_type: U16,
    hardware_len: u8,
    protocol_len: u8,
    operation: U16,
    /// Sender's MAC address.
    pub sender_mac: MacAddr,
    sender: U32,
    /// Target's MAC address, zero in a request.
    pub target_mac: MacAddr,
    target: U32,
}

impl ArpPacket {
    /// A packet with Ethernet's and IPv4's numbers filled in.
    #[must_use]
    pub fn new(
        operation: ArpOperation,
        sender_mac: MacAddr,
        sender: Ipv4Addr,
        target_mac: MacAddr,
        target: Ipv4Addr,
    ) -> Self {
        Self {
            hardware_type: U16::new(1),
            protocol_type: U16::new(0x0800),
            hardware_len: 6,
            protocol_len: 4,
            operation: U16::new(operation.number()),
            sender_mac,
            sender: U32::new(sender.to_bits()),
            target_mac,
            target: U32::new(target.to_bits()),
        }
    }

    /// The operation's number, known or not.
    #[must_use]
    pub fn operation_number(&self) -> u16 {
        self.operation.get()
    }

    /// The operation, when hardware, protocol and lengths are Ethernet's and IPv4's.
    #[must_use]
    pub fn operation(&self) -> Option<ArpOperation> {
        let right = self.hardware_type.get() == 1
            && self.protocol_type.get() == 0x0800
            && self.hardware_len == 6
            && self.protocol_len == 4;
        match self.operation.get() {
            1 if right => Some(ArpOperation::Request),
            2 if right => Some(ArpOperation::Reply),
            _ => None,
        }
    }

    /// Sender's IPv4 address.
    #[must_use]
    pub fn sender(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.sender.get())
    }

    /// Target's IPv4 address.
    #[must_use]
    pub fn target(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.target.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a request as the Linux kernel sends it.
    #[test]
    fn golden_bytes() {
        let bytes: [u8; ARP_LEN] = [
            0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 0x99, 172, 16, 0, 2, 0, 0, 0, 0, 0, 0, 172, 16,
            0, 1,
        ];
        let mac = MacAddr([2, 0, 0, 0, 0, 0x99]);
        let request = ArpPacket::new(
            ArpOperation::Request,
            mac,
            Ipv4Addr::new(172, 16, 0, 2),
            MacAddr::ZERO,
            Ipv4Addr::new(172, 16, 0, 1),
        );
        assert_eq!(request.as_bytes(), bytes);
        let parsed = ArpPacket::read_from_bytes(&bytes).expect("28 bytes");
        assert_eq!(parsed.operation(), Some(ArpOperation::Request));
        assert_eq!(
            (parsed.sender(), parsed.target()),
            (Ipv4Addr::new(172, 16, 0, 2), Ipv4Addr::new(172, 16, 0, 1))
        );
    }
}
