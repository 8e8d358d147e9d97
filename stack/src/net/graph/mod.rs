//! The graph: what every node uses, from the context of a run and the ways out to the queues to the control thread and the
//! nodes' counters. It knows interfaces, and no family.

mod columns;
mod cx;
mod epair_queue;
mod epairs;
mod histogram;
mod nodes;
mod output;
mod queues;
mod tx_port;

pub(crate) use columns::Columns;
pub use cx::{Cx, LOOPBACK_PACKETS};
pub(crate) use epair_queue::{EpairQueue, HEADERS, Received, Unwritten, write_headers};
pub use epairs::EPAIR_QUEUES;
pub use histogram::CycleHistogram;
pub use nodes::{Histograms, Node, NodeCounters, NodeStats, PROBE_ACCESSES, SAMPLE_EVERY};
pub use output::Output;
pub(crate) use queues::push_fairly;
pub use queues::{
    ControlQueues, Inject, InjectWork, ProbeNumber, Punt, PuntReason, QUEUE_PACKETS, WorkerQueues,
    control_queues,
};
pub use tx_port::{TxCounters, TxPort};
