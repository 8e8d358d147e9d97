//! What a client is sent after the answer to a request that began a stream.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::Id;

/// One line of a stream: one of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pushed {
    /// The request's that began the stream.
    pub(crate) id: Option<Id>,
    /// Something happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<EventShown>,
    /// The stream's last line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<Ended>,
}

impl Pushed {
    /// Bytes of its line, roughly; a bound on what waits for a client goes by them.
    pub(crate) fn size(&self) -> usize {
        const LINE: usize = 256;
        LINE + self.event.as_ref().map_or(0, |event| event.prefixes.len() * 24)
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EventShown {
    /// Counts the events of the instance since it was asked for any.
    pub(crate) sequence: u64,
    /// Nanoseconds since 1970 (UTC).
    pub(crate) time_ns: u64,
    /// What it was; docs/protocol.md lists the kinds.
    pub(crate) kind: String,
    /// In which vnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vnet: Option<String>,
    /// To which interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) interface: Option<String>,
    /// To which port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<String>,
    /// The vnet that an interface came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    /// The address, of an interface with the length of its network's prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// The neighbour's MAC address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mac: Option<String>,
    /// How many routes, or lost events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
    /// The first few of the routes' prefixes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) prefixes: Vec<Ipv4Net>,
}

/// Why a stream ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// For programs.
    pub(crate) reason: String,
    /// For people.
    pub(crate) message: String,
}
