//! Which flow a packet belongs to, for ECMP.

use pmd::Mbuf;

use crate::wire::{ETHER_HDR_LEN, IP_HDR_LEN, ip_proto};

/// A word that is equal for all packets of a flow: addresses, protocol, and the ports where there are any. Fragments
/// (of which only the first has ports) and packets with options go by addresses and protocol alone, so that all parts
/// of a datagram take one path.
#[inline]
pub(super) fn flow_of(mbuf: &Mbuf) -> u64 {
    flow_behind(mbuf, ETHER_HDR_LEN)
}

/// The same for a frame whose link header has `link_len` bytes.
#[inline]
pub(super) fn flow_behind(mbuf: &Mbuf, link_len: usize) -> u64 {
    let frame = mbuf.data();
    let Some(header) = frame.get(link_len..).and_then(|ip| ip.first_chunk::<IP_HDR_LEN>()) else {
        return 0;
    };
    let (src, dst) = ([header[12], header[13], header[14], header[15]], &header[16..]);
    let dst = dst.first_chunk().map_or(0, |dst| u32::from_ne_bytes(*dst));
    let has_ports = header[0] == 0x45 && may_have_ports(header[9], [header[6], header[7]]);
    let ports = match ports_at(frame, link_len) {
        _ if !has_ports => 0,
        Some(ports) => ports,
        None => u32::from_ne_bytes(split_ports(mbuf, link_len + IP_HDR_LEN)),
    };
    mix(u32::from_ne_bytes(src), dst, ports, header[9])
}

/// The same for a packet whose header has no options and is at hand: its addresses as in the header, and its protocol.
#[inline(always)]
pub(super) fn flow_with(mbuf: &Mbuf, link_len: usize, src: u32, dst: u32, protocol: u8) -> u64 {
    let frame = mbuf.data();
    let fragment = frame.get(link_len + 6..).and_then(|rest| rest.first_chunk());
    match (fragment, ports_at(frame, link_len)) {
        (Some(fragment), Some(ports)) => {
            let ports = if may_have_ports(protocol, *fragment) { ports } else { 0 };
            mix(src, dst, ports, protocol)
        }
        _ => flow_behind(mbuf, link_len),
    }
}

/// Whether ports stand behind the header of a packet, by its protocol and its fragment's flags and offset.
#[inline(always)]
fn may_have_ports(protocol: u8, fragment: [u8; 2]) -> bool {
    let is_fragment = u16::from_be_bytes(fragment) & 0x3fff != 0;
    !is_fragment & ((protocol == ip_proto::TCP) | (protocol == ip_proto::UDP))
}

/// The ports behind a header without options, as they stand there, if the first segment has them.
#[inline(always)]
fn ports_at(frame: &[u8], link_len: usize) -> Option<u32> {
    let ports = frame.get(link_len + IP_HDR_LEN..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*ports))
}

/// The word of a flow.
#[inline(always)]
fn mix(src: u32, dst: u32, ports: u32, protocol: u8) -> u64 {
    let addresses = u64::from(src) | (u64::from(dst) << 32);
    addresses.wrapping_mul(0xff51_afd7_ed55_8ccd)
        ^ u64::from(ports).wrapping_mul(0xc4ce_b9fe_1a85_ec53)
        ^ u64::from(protocol)
}

/// The ports, `at` in the frame, of a packet whose first segment ends before them; zeros for what the packet does not have.
#[cold]
fn split_ports(mbuf: &Mbuf, at: usize) -> [u8; 4] {
    let mut ports = [0; 4];
    let bytes = mbuf.segments().flatten().skip(at);
    for (port, byte) in ports.iter_mut().zip(bytes) {
        *port = *byte;
    }
    ports
}

#[cfg(test)]
mod tests {
    use pmd::test_support;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The fast path and the other one send a flow the same way.
        #[test]
        fn a_flow_is_the_same_from_a_header_at_hand(
            protocol in prop::sample::select(vec![ip_proto::TCP, ip_proto::UDP, 1, 47]),
            fragment in prop::sample::select(vec![0_u16, 0x4000, 0x8000, 0x2000, 1, 0x2001, 0x1fff]),
            (src, dst) in any::<([u8; 4], [u8; 4])>(),
            behind in prop::collection::vec(any::<u8>(), 0..8),
            link_len in prop::sample::select(vec![14_usize, 18]),
        ) {
            let mut frame = vec![0; link_len];
            frame.extend([0x45, 0, 0, 40, 0, 0]);
            frame.extend(fragment.to_be_bytes());
            frame.extend([64, protocol, 0, 0]);
            frame.extend(src.into_iter().chain(dst).chain(behind));
            let mbuf = test_support::pool().from_bytes(&frame).expect("an mbuf");
            let (src, dst) = (u32::from_ne_bytes(src), u32::from_ne_bytes(dst));
            let at_hand = flow_with(&mbuf, link_len, src, dst, protocol);
            prop_assert_eq!(at_hand, flow_behind(&mbuf, link_len));
        }
    }
}
