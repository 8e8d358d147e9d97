//! Addresses and packets as all crates know them: MAC addresses, header layouts (zerocopy, network byte order), the Internet
//! checksum, where routes lead. No state, no clock, no IO.
//!
//! | file | subject |
//! |---|---|
//! | `mac_addr.rs` | [`MacAddr`], its text and what it may stand for |
//! | `ethernet.rs` | Ethernet II, 802.1Q tags |
//! | `arp.rs` | ARP for IPv4 over Ethernet |
//! | `ipv4.rs` | the IPv4 header, its options, martian addresses |
//! | `icmp.rs` | ICMP |
//! | `route_target.rs` | [`RouteTarget`], where a route leads |
//! | `checksum.rs` | the Internet checksum: of a header, of pieces, and its incremental update |

#![forbid(unsafe_code)]

mod arp;
mod checksum;
mod ethernet;
mod icmp;
mod ipv4;
mod mac_addr;
mod route_target;

pub use arp::{ARP_LEN, ArpOperation, ArpPacket};
pub use checksum::{
    Sum, checksum, checksum_add, checksum_finish, decrement_ttl, is_header_checksum_right,
};
pub use ethernet::{ETHER_HDR_LEN, EtherHeader, EtherType, VLAN_TAG_LEN};
pub use icmp::{ICMP_HDR_LEN, IcmpHeader, icmp_type, unreach_code};
pub use ipv4::{
    IP_HDR_LEN, IpHeader, IpOption, MARTIAN, ip_proto, is_link_local, is_martian_destination,
    is_martian_source, is_multicast,
};
pub use mac_addr::{BadMacAddr, MacAddr};
pub use route_target::RouteTarget;
