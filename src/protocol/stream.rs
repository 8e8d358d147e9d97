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
    /// Packets, some at a time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) packets: Vec<PacketShown>,
    /// The stream's last line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<Ended>,
}

impl Pushed {
    /// Bytes of its line, roughly; a bound on what waits for a client goes by them.
    pub(crate) fn size(&self) -> usize {
        const LINE: usize = 256;
        const PACKET: usize = 128;
        let prefixes = self.event.as_ref().map_or(0, |event| event.prefixes.len() * 24);
        let packet = |packet: &PacketShown| PACKET + packet.data.len().div_ceil(3) * 4;
        LINE + prefixes + self.packets.iter().map(packet).sum::<usize>()
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

/// A packet that was captured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PacketShown {
    /// Nanoseconds since 1970 (UTC).
    pub(crate) time_ns: u64,
    /// The interface; of a packet that was dropped the one that it, or what it answers, came in through.
    pub(crate) interface: String,
    /// Which way it went.
    pub(crate) direction: DirectionShown,
    /// Why it was dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Its length, bytes, from the Ethernet header on, without a VLAN tag.
    pub(crate) length: u32,
    /// Its first bytes, base64.
    #[serde(with = "base64_text")]
    pub(crate) data: Vec<u8>,
}

/// Which way a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DirectionShown {
    /// It was received.
    In,
    /// It was sent.
    Out,
    /// It was dropped.
    Drop,
}

/// What became of the packets that were looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PacketCounts {
    /// The filter took so many.
    pub(crate) received: u64,
    /// There was no room for so many of them.
    pub(crate) dropped: u64,
}

/// Bytes as text (RFC 4648 4).
mod base64_text {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(data: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(data))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// Why a stream ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// For programs.
    pub(crate) reason: String,
    /// For people.
    pub(crate) message: String,
    /// Of a capture.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) counts: Option<PacketCounts>,
}
