//! One worker's way through the stack: from bursts of its receive queues to frames for its transmit queues.

mod cpu_share;
mod datapath;
mod epair_input;
mod inject_input;
mod loopback_input;
mod orders;
mod poll;
mod protocols;
mod receive;
mod runs;

pub use crate::drops::PortDrops;
pub(crate) use crate::net::graph::push_fairly;
pub use crate::net::graph::{
    ControlQueues, Cx, CycleHistogram, EPAIR_QUEUES, Histograms, Inject, InjectWork,
    LOOPBACK_PACKETS, Node, NodeCounters, NodeStats, Output, PROBE_ACCESSES, Punt, PuntReason,
    QUEUE_PACKETS, SAMPLE_EVERY, TxCounters, TxPort, WorkerQueues, control_queues,
};
pub use cpu_share::{CpuShares, Entitlement, Iteration};
pub use datapath::{Datapath, DatapathParts};
pub use orders::{Orders, PortChange};
pub use poll::{Clock, Poll, PollCounters, Queues};
