//! One worker's way through the stack: from bursts of its receive queues to frames for its transmit queues.

mod cx;
mod datapath;
mod nodes;
mod output;
mod poll;
mod queues;

pub use cx::{ARP_IN_FLIGHT_LIMIT, Cx, IN_FLIGHT_LIMIT};
pub use datapath::{Datapath, DatapathParts, LOOPBACK_PACKETS, PortDrops};
pub use nodes::{Node, NodeCounters, NodeStats, SAMPLE_EVERY};
pub use output::{Output, TxCounters, TxPort};
pub use poll::{Clock, Poll, PollCounters, Queues};
pub use queues::{Inject, Punt, PuntReason, QUEUE_PACKETS, WorkerQueues};
