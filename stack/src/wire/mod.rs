//! What stands on the wire: header layouts (zerocopy, network byte order) and the Internet checksum.
//!
//! No state, no clock, no IO.

mod arp;
mod checksum;
mod ethernet;
mod icmp;
mod ipv4;

pub use arp::{ARP_LEN, ArpOperation, ArpPacket};
pub use checksum::{
    checksum, checksum_add, checksum_finish, decrement_ttl, is_header_checksum_right,
};
pub use ethernet::{ETHER_HDR_LEN, EtherHeader, EtherType, MacAddr, VLAN_TAG_LEN};
pub use icmp::{ICMP_HDR_LEN, IcmpHeader, icmp_type, unreach_code};
pub use ipv4::{
    IP_HDR_LEN, IpHeader, IpOption, MARTIAN, ip_proto, is_martian_destination, is_martian_source,
    is_multicast,
};
