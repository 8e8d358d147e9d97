//! Arguments of commands that have a type of their own.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::protocol::prefix;

/// A route to add.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRoute {
    /// Its prefix.
    #[serde(deserialize_with = "prefix::one")]
    pub(crate) prefix: IpNet,
    /// Where it leads.
    pub(crate) target: Target,
}

/// Where a route leads; interfaces have names.
pub(crate) type Target = wire::RouteTarget<IpAddr, String>;

/// The value that a sysctl gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSysctl {
    pub(crate) name: String,
    /// A number or a text.
    pub(crate) value: Value,
}

/// The arguments of `interface.set`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InterfaceChanges {
    pub(crate) interface: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) up: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mtu: Option<u16>,
    /// Addresses that it gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "prefix::all")]
    pub(crate) add: Vec<IpNet>,
    /// Addresses that it loses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) delete: Vec<IpAddr>,
}

/// The arguments of `probe.send`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProbeRequest {
    /// The host that it goes to.
    pub(crate) address: IpAddr,
    /// The kind of packet that is sent.
    #[serde(default)]
    pub(crate) kind: Probe,
    /// Its time to live; the vnet's own without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<std::num::NonZeroU8>,
    /// Bytes of data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u16>,
    /// The address that it is sent from; chosen as for any packet without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<IpAddr>,
    /// Whether it may not be fragmented.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) dont_fragment: bool,
    /// How long the answer is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wait_ms: Option<u32>,
}

/// The kinds of probes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Probe {
    /// An ICMP echo request.
    #[default]
    Echo,
    /// A UDP datagram to a port on which no host should listen.
    Udp,
}
