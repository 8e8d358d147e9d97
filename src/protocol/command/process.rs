//! Commands that concern the process: its vnets as a whole, ports, configuration, statistics, streams.

use config::PortWish;
use serde::{Deserialize, Serialize};

use crate::protocol::Id;

commands! {
    /// A command to the process. The vnet of a request does not matter to it.
    pub(crate) enum ProcessCommand {
        /// All vnets, one page.
        "vnet.list" => VnetList {
            /// The index of the last vnet of the page before.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            after: Option<u64>,
        },
        /// One vnet with its books.
        "vnet.show" => VnetShow { name: String },
        /// Packets that vnets received, sent and dropped, a short page.
        "vnet.traffic" => VnetTraffic {
            /// The index of the last vnet of the page before.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            after: Option<u64>,
            /// Only vnets whose names hold this.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            holds: Option<String>,
            /// At most so many; a page has no more than 64 in any case.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            limit: Option<u64>,
        },
        /// Drops of some vnets, added up.
        "vnet.drops" => VnetDrops {
            /// The index of the last vnet that was added up before.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            after: Option<u64>,
        },
        /// Makes a vnet.
        "vnet.create" => VnetCreate { name: String },
        /// Destroys a vnet with all that is in it.
        "vnet.destroy" => VnetDestroy { name: String },
        /// All ports, one page.
        "port.list" => PortList {
            /// The last port of the page before.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            after: Option<String>,
        },
        /// Opens a device and has the workers poll it; the arguments are the keys of `[[port]]`.
        "port.attach" => PortAttach(PortWish),
        /// Takes a port from the workers and closes it.
        "port.detach" => PortDetach {
            name: String,
            /// Destroys the interfaces that are on it.
            #[serde(default, skip_serializing_if = "std::ops::Not::not")]
            force: bool,
        },
        /// Has the receive queues of a port polled by these workers.
        "port.workers" => PortWorkers { name: String, workers: Vec<i64> },
        /// The running configuration; begins a stream of its text.
        "config.show" => ConfigShow {},
        /// The changes that a configuration would make; begins a stream of changes, once its text is there.
        "config.diff" => ConfigDiff {
            /// Its name in messages.
            file: String,
            /// Whether messages may have ANSI colours.
            #[serde(default, skip_serializing_if = "std::ops::Not::not")]
            color: bool,
        },
        /// Changes what runs to what a configuration says, all or nothing; begins a stream of the changes, once they are made.
        "config.apply" => ConfigApply {
            /// Its name in messages.
            file: String,
            /// Whether messages may have ANSI colours.
            #[serde(default, skip_serializing_if = "std::ops::Not::not")]
            color: bool,
            /// Only checks whether it could be done.
            #[serde(default, skip_serializing_if = "std::ops::Not::not")]
            dry_run: bool,
        },
        /// A part of a configuration's text.
        "config.put" => ConfigPut {
            /// The id of the request that the text belongs to.
            stream: Id,
            text: String,
            /// Whether it is the last part.
            #[serde(default, skip_serializing_if = "std::ops::Not::not")]
            last: bool,
        },
        /// Ports, workers, nodes.
        "stats" => Stats {},
        /// Which worker has which queues.
        "stats.queues" => StatsQueues {},
        /// The instance's version, build and abilities.
        "features" => Features {},
        /// Begins a stream of events.
        "events" => Events {},
        /// Ends a stream of this client's.
        "stop" => Stop {
            /// The id of the request that began it.
            stream: Id,
        },
    }
}

impl ProcessCommand {
    /// Whether it is refused while a configuration is being applied, because it changes what a configuration does.
    pub(crate) fn is_refused_during_apply(&self) -> bool {
        match self {
            Self::VnetCreate { .. }
            | Self::VnetDestroy { .. }
            | Self::PortAttach(_)
            | Self::PortDetach { .. }
            | Self::PortWorkers { .. } => true,
            Self::VnetList { .. }
            | Self::VnetShow { .. }
            | Self::VnetTraffic { .. }
            | Self::VnetDrops { .. }
            | Self::PortList { .. }
            | Self::ConfigShow {}
            | Self::ConfigDiff { .. }
            | Self::ConfigApply { .. }
            | Self::ConfigPut { .. }
            | Self::Stats {}
            | Self::StatsQueues {}
            | Self::Features {}
            | Self::Events {}
            | Self::Stop { .. } => false,
        }
    }
}
