//! Module `inet`: IPv4, ICMP and ARP.

mod address_filter;
mod family;
mod forwarding;
mod icmp_limit;
mod in_ifinfo;
mod module;
mod on_link;
mod probes;
mod stat;

pub mod control;
pub mod datapath;
pub mod route;

pub use crate::net::graph::ProbeNumber;
pub use address_filter::AddressFilter;
pub use family::Inet;
pub use forwarding::{
    FORWARDING_FIRST, FORWARDING_MORE, Forwarding, ForwardingParts, LinkNetwork, Resolved,
};
pub use icmp_limit::{IcmpClass, IcmpLimit};
pub use in_ifinfo::INET_DOMAIN;
pub use module::inet as vnet_inet;
pub use probes::{
    Heard, PROBE_PORT, PROBES, ProbeAnswer, ProbeKind, ProbeName, Probes, answers_probes,
};
pub use stat::{ArpStat, IcmpStat, IpStat};
