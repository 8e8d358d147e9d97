//! ARP (RFC 826) as far as a device under test needs it to find the generator, and the generator the device.

use std::net::Ipv4Addr;

use super::field::Prefix;
use super::received::Kind;

/// Bytes of an ARP message for IPv4 over Ethernet.
const LEN: usize = 28;
/// Hardware Ethernet, protocol IPv4, their lengths.
const START: [u8; 6] = [0, 1, 8, 0, 6, 4];
/// Two tags at most stand before the message.
const FRAME_MAX: usize = 14 + 8 + LEN;

/// An ARP message for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// 1 request, 2 reply.
    pub(crate) operation: u16,
    /// Who says so.
    pub(crate) sender_mac: [u8; 6],
    /// Its address; unspecified in a probe (RFC 5227).
    pub(crate) sender: Ipv4Addr,
    /// Whom it is about.
    pub(crate) target: Ipv4Addr,
    /// Where the EtherType stands in the frame: behind the tags.
    type_at: usize,
}

impl Message {
    /// Reads a message; `None` if it is not about IPv4 over Ethernet.
    pub(crate) fn parse(payload: &[u8], type_at: usize) -> Option<Self> {
        let message = payload.first_chunk::<LEN>()?;
        if message[..6] != START {
            return None;
        }
        Some(Self {
            operation: u16::from_be_bytes([message[6], message[7]]),
            sender_mac: *message[8..].first_chunk()?,
            sender: Ipv4Addr::from(*message[14..].first_chunk::<4>()?),
            target: Ipv4Addr::from(*message[24..].first_chunk::<4>()?),
            type_at,
        })
    }

    /// What it is counted as.
    pub(crate) fn kind(&self) -> Kind {
        match self.operation {
            1 => Kind::ArpRequest,
            2 => Kind::ArpReply,
            _ => Kind::ArpOther,
        }
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

    /// A frame with these tags; `tags` are the bytes between the MAC addresses and ARP's EtherType.
    fn new(to: [u8; 6], from: [u8; 6], tags: &[u8], operation: u8, parts: [&[u8]; 4]) -> Self {
        let mut frame = Self { bytes: [0; FRAME_MAX], len: 0 };
        let operation = [0, operation];
        let message = [&[8, 6][..], &START, &operation].into_iter().chain(parts);
        for part in [&to[..], &from, tags].into_iter().chain(message) {
            frame.bytes[frame.len..frame.len + part.len()].copy_from_slice(part);
            frame.len += part.len();
        }
        frame
    }

    /// Asks who has `target`.
    pub(crate) fn request(
        mac: [u8; 6],
        sender: Ipv4Addr,
        target: Ipv4Addr,
        vlan: Option<u16>,
    ) -> Self {
        let [high, low] = vlan.unwrap_or(0).to_be_bytes();
        let tag = [0x81, 0x00, high, low];
        let tags = if vlan.is_some() { &tag[..] } else { &[] };
        let parts: [&[u8]; 4] = [&mac, &sender.octets(), &[0; 6], &target.octets()];
        Self::new([0xff; 6], mac, tags, 1, parts)
    }
}

/// Answers ARP requests on one port.
#[derive(Clone, Debug, Default)]
pub(crate) struct Responder {
    /// Given as the MAC address of all these.
    pub(crate) mac: [u8; 6],
    /// Addresses that are answered for; none: nothing is.
    pub(crate) addresses: Vec<Prefix>,
}

impl Responder {
    /// The answer to a request in `frame`, with its tags; `None` when there is none to give. Announcements and probes
    /// (RFC 5227) are not answered: their sender would take the answer for a conflict.
    pub(crate) fn answer(&self, frame: &[u8], message: &Message) -> Option<Frame> {
        let announces = message.sender == message.target || message.sender.is_unspecified();
        let ours = self.addresses.iter().any(|prefix| prefix.contains_v4(message.target));
        if message.operation != 1 || announces || !ours {
            return None;
        }
        let tags = frame.get(12..message.type_at)?;
        let parts: [&[u8]; 4] =
            [&self.mac, &message.target.octets(), &message.sender_mac, &message.sender.octets()];
        Some(Frame::new(message.sender_mac, self.mac, tags, 2, parts))
    }
}

#[cfg(test)]
mod tests {
    use super::super::received::{Seen, look};
    use super::*;

    const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const OURS: [u8; 6] = [2, 0, 0, 0, 0, 2];

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
            assert_eq!(smoltcp.dst_addr().0, ROUTER);
            let arp = &answer.bytes()[if vlan.is_some() { 18 } else { 14 }..];
            let arp = smoltcp::wire::ArpPacket::new_checked(arp).expect("ARP");
            assert_eq!(arp.operation(), smoltcp::wire::ArpOperation::Reply);
            assert_eq!(arp.source_hardware_addr(), OURS);
            assert_eq!(arp.source_protocol_addr(), ours.octets());
            assert_eq!(arp.target_hardware_addr(), ROUTER);
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
