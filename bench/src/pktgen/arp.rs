//! ARP (RFC 826) as far as a device under test needs it to find the generator, and the generator the device.

use std::net::Ipv4Addr;

use wire::{ARP_LEN, ArpOperation, ArpPacket, ETHER_HDR_LEN, EtherType, MacAddr, VLAN_TAG_LEN};
use zerocopy::{FromBytes, IntoBytes};

use super::field::Prefix;

/// Two tags at most stand before the message.
const FRAME_MAX: usize = ETHER_HDR_LEN + 2 * VLAN_TAG_LEN + ARP_LEN;

/// An ARP message for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Request or reply.
    pub(crate) operation: ArpOperation,
    /// The sender's MAC address.
    pub(crate) sender_mac: MacAddr,
    /// The sender's address; unspecified in a probe (RFC 5227).
    pub(crate) sender: Ipv4Addr,
    /// The address that is asked for, or that the reply goes to.
    pub(crate) target: Ipv4Addr,
    /// Where the EtherType stands in the frame: behind the tags.
    type_at: usize,
}

impl Message {
    /// Reads a message; `None` if it is no request or reply about IPv4 over Ethernet.
    pub(crate) fn parse(payload: &[u8], type_at: usize) -> Option<Self> {
        let (packet, _padding) = ArpPacket::ref_from_prefix(payload).ok()?;
        Some(Self {
            operation: packet.operation()?,
            sender_mac: packet.sender_mac,
            sender: packet.sender(),
            target: packet.target(),
            type_at,
        })
    }
}

/// A frame with an ARP message, without a heap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    bytes: [u8; FRAME_MAX],
    len: usize,
}

impl Frame {
    /// The frame; padding up to Ethernet's minimum is the device's.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// A frame with these tags: the bytes between the MAC addresses and ARP's EtherType.
    fn new(to: MacAddr, tags: &[u8], message: &ArpPacket) -> Self {
        let mut frame = Self { bytes: [0; FRAME_MAX], len: 0 };
        let ether_type = EtherType::ARP.0.to_be_bytes();
        for part in [&to.0[..], &message.sender_mac.0, tags, &ether_type, message.as_bytes()] {
            frame.bytes[frame.len..frame.len + part.len()].copy_from_slice(part);
            frame.len += part.len();
        }
        frame
    }

    /// Asks who has `target`.
    pub(crate) fn request(
        mac: MacAddr,
        sender: Ipv4Addr,
        target: Ipv4Addr,
        vlan: Option<u16>,
    ) -> Self {
        let [high, low] = vlan.unwrap_or(0).to_be_bytes();
        let tag = [0x81, 0x00, high, low];
        let tags = if vlan.is_some() { &tag[..] } else { &[] };
        let message = ArpPacket::new(ArpOperation::Request, mac, sender, MacAddr::ZERO, target);
        Self::new(MacAddr::BROADCAST, tags, &message)
    }
}

/// Answers ARP requests on one port.
#[derive(Clone, Debug, Default)]
pub(crate) struct Responder {
    /// Given as the MAC address of all these.
    pub(crate) mac: MacAddr,
    /// Addresses that are answered for; none: nothing is.
    pub(crate) addresses: Vec<Prefix>,
}

impl Responder {
    /// The answer to a request in `frame`, with its tags; `None` when there is none to give. Announcements and probes
    /// (RFC 5227) are not answered: their sender would take the answer for a conflict.
    pub(crate) fn answer(&self, frame: &[u8], message: &Message) -> Option<Frame> {
        let announces = message.sender == message.target || message.sender.is_unspecified();
        let ours = self.addresses.iter().any(|prefix| prefix.contains_v4(message.target));
        if message.operation != ArpOperation::Request || announces || !ours {
            return None;
        }
        let tags = frame.get(12..message.type_at)?;
        let Message { sender, sender_mac, target, .. } = *message;
        let reply = ArpPacket::new(ArpOperation::Reply, self.mac, target, sender_mac, sender);
        Some(Frame::new(sender_mac, tags, &reply))
    }
}

#[cfg(test)]
mod tests {
    use super::super::received::{Seen, look};
    use super::*;

    const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

    fn seen(frame: &[u8]) -> Message {
        match look(frame, true) {
            Seen::Arp(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn requests_for_our_addresses_are_answered_with_their_tag() {
        let (router, ours) = (Ipv4Addr::new(172, 16, 0, 1), Ipv4Addr::new(172, 16, 0, 2));
        let addresses = vec![Prefix::parse("172.16.0.2").expect("an address")];
        let responder = Responder { mac: OURS, addresses };
        for vlan in [None, Some(100)] {
            let request = Frame::request(ROUTER, router, ours, vlan);
            let message = seen(request.bytes());
            assert_eq!(
                (message.sender, message.target, message.sender_mac),
                (router, ours, ROUTER)
            );
            let answer = responder.answer(request.bytes(), &message).expect("ours");
            let smoltcp =
                smoltcp::wire::EthernetFrame::new_checked(answer.bytes()).expect("a frame");
            assert_eq!(smoltcp.dst_addr().0, ROUTER.0);
            let arp = &answer.bytes()[if vlan.is_some() { 18 } else { 14 }..];
            let arp = smoltcp::wire::ArpPacket::new_checked(arp).expect("ARP");
            assert_eq!(arp.operation(), smoltcp::wire::ArpOperation::Reply);
            assert_eq!(arp.source_hardware_addr(), OURS.0);
            assert_eq!(arp.source_protocol_addr(), ours.octets());
            assert_eq!(arp.target_hardware_addr(), ROUTER.0);
            assert_eq!(arp.target_protocol_addr(), router.octets());
            if vlan.is_some() {
                assert_eq!(answer.bytes()[12..16], [0x81, 0, 0, 100]);
            }
        }
        let not_ours = Frame::request(ROUTER, router, Ipv4Addr::new(172, 16, 0, 3), None);
        let announcement = Frame::request(ROUTER, ours, ours, None);
        let probe = Frame::request(ROUTER, Ipv4Addr::UNSPECIFIED, ours, None);
        for frame in [not_ours, announcement, probe] {
            assert!(responder.answer(frame.bytes(), &seen(frame.bytes())).is_none());
        }
    }
}
