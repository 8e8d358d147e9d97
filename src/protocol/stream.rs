//! The lines that a client is sent after the answer to a request that began a stream.

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Id, Refusal};

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
    /// A part of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// Parts of a configuration that have no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) warnings: Option<String>,
    /// A change of the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) change: Option<ChangeShown>,
    /// Why what the stream was begun for was not done; in its last line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Refusal>,
    /// The stream's last line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<Ended>,
}

impl Pushed {
    /// Bytes of its line, roughly; a bound on what waits for a client goes by them.
    pub(crate) fn size(&self) -> usize {
        const LINE: usize = 256;
        const PACKET: usize = 128;
        let packet = |packet: &PacketShown| PACKET + packet.data.len().div_ceil(3) * 4;
        let packets: usize = self.packets.iter().map(packet).sum();
        let events = self.event.as_ref().map_or(0, |event| event.prefixes.len() * 24);
        let texts = [&self.text, &self.warnings].into_iter().flatten().map(String::len);
        let of_change = |change: &ChangeShown| {
            [&change.from, &change.to].into_iter().flatten().map(String::len).sum::<usize>()
        };
        LINE + events + packets + texts.sum::<usize>() + self.change.as_ref().map_or(0, of_change)
    }
}

/// A change of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChangeShown {
    /// Of which vnet; none for the whole process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vnet: Option<String>,
    /// The change.
    pub(crate) action: Action,
    /// The kind of thing: route, interface, `[workers]` and so on.
    pub(crate) object: String,
    /// Its name or key.
    pub(crate) name: String,
    /// The present value, for things that go or change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    /// The new value, for things that come or change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<String>,
}

/// The change of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    /// It comes.
    Add,
    /// It goes.
    Remove,
    /// It becomes another.
    Change,
}

impl ChangeShown {
    pub(crate) fn of(change: &config::Change) -> Self {
        let config::Described { action, object, name, from, to } = change.describe();
        let action = match action {
            config::Action::Add => Action::Add,
            config::Action::Remove => Action::Remove,
            config::Action::Change => Action::Change,
        };
        let vnet = change.vnet().map(ToString::to_string);
        Self { vnet, action, object, name, from, to }
    }

    /// In one line, without its vnet.
    pub(crate) fn line(&self) -> String {
        let Self { vnet: _, action, object, name, from, to } = self;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let line = match action {
            Action::Add => format!("+ {object} {name} {}", text(to)),
            Action::Remove => format!("- {object} {name} {}", text(from)),
            Action::Change => format!("~ {object} {name}: {} -> {}", text(from), text(to)),
        };
        line.trim_end().to_owned()
    }
}

impl fmt::Display for ChangeShown {
    /// In one line, with its vnet.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.vnet {
            Some(vnet) => write!(f, "vnet {vnet}: {}", self.line()),
            None => f.write_str(&self.line()),
        }
    }
}

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EventShown {
    /// Counts the events of the instance since it was asked for any.
    pub(crate) sequence: u64,
    /// Nanoseconds since 1970 (UTC).
    pub(crate) time_ns: u64,
    /// The kind of event; docs/protocol.md lists the kinds.
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
    pub(crate) prefixes: Vec<IpNet>,
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

/// The fate of the packets that were looked at.
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
