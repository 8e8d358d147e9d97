//! IPv4, as tables that know no family see it.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::route::FibControl;
use crate::net::Family;
use crate::wire::EtherType;

/// The family IPv4.
#[derive(Clone, Copy, Debug)]
pub struct Inet;

impl Family for Inet {
    type Addr = Ipv4Addr;
    type Prefix = Ipv4Net;
    type Fib = FibControl;
    const ETHER_TYPE: EtherType = EtherType::IPV4;
}
