//! One worker's way through the stack: from bursts of its receive queues to frames for its transmit queues.

mod columns;
mod cpu_share;
mod cx;
mod datapath;
mod epair_input;
mod epair_queue;
mod epairs;
mod histogram;
mod inject_input;
mod loopback_input;
mod nodes;
mod orders;
mod output;
mod poll;
mod queues;
mod receive;
mod runs;
mod tx_port;

pub use crate::drops::PortDrops;
pub(crate) use columns::Columns;
pub use cpu_share::{CpuShares, Entitlement, Iteration};
pub use cx::Cx;
pub use datapath::{Datapath, DatapathParts, LOOPBACK_PACKETS};
pub(crate) use epair_queue::{HEADERS, Received, Unwritten, write_headers};
pub use epairs::EPAIR_QUEUES;
pub use histogram::CycleHistogram;
pub use nodes::{Histograms, Node, NodeCounters, NodeStats, PROBE_ACCESSES, SAMPLE_EVERY};
pub use orders::{Orders, PortChange};
pub use output::Output;
pub use poll::{Clock, Poll, PollCounters, Queues};
pub(crate) use queues::push_fairly;
pub use queues::{
    ControlQueues, Inject, InjectWork, Punt, PuntReason, QUEUE_PACKETS, WorkerQueues,
    control_queues,
};
pub use tx_port::{TxCounters, TxPort};
