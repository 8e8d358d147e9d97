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
    // Where the ports of a header without options are.
    let at = link_len + IP_HDR_LEN;
    let src = u64::from(u32::from_ne_bytes([header[12], header[13], header[14], header[15]]));
    let dst = u64::from(u32::from_ne_bytes([header[16], header[17], header[18], header[19]]));
    let protocol = header[9];
    let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff;
    let has_ports =
        header[0] == 0x45 && fragment == 0 && matches!(protocol, ip_proto::TCP | ip_proto::UDP);
    let ports = match frame.get(at..).and_then(|l4| l4.first_chunk::<4>()) {
        _ if !has_ports => 0,
        Some(ports) => u64::from(u32::from_ne_bytes(*ports)),
        None => u64::from(u32::from_ne_bytes(split_ports(mbuf, at))),
    };
    let addresses = src | (dst << 32);
    addresses.wrapping_mul(0xff51_afd7_ed55_8ccd)
        ^ ports.wrapping_mul(0xc4ce_b9fe_1a85_ec53)
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
