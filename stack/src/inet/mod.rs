//! Module `inet`: IPv4, ICMP and ARP.

mod address_filter;
mod arp_limit;
mod family;
mod forwarding;
mod icmp_limit;
mod in_ifinfo;
mod module;
mod on_link;
mod probes;
mod rate_window;
mod sources;
mod stat;

pub mod control;
pub mod datapath;
pub mod route;

pub use crate::net::graph::ProbeNumber;
pub use address_filter::AddressFilter;
pub(crate) use arp_limit::ArpLimit;
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
use rate_window::RateWindow;
pub use sources::{Address, Sources};
pub use stat::{ArpStat, IcmpStat, IpStat};
