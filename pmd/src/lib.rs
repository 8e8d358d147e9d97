//! DPDK for the rest of curvnet: everything `unsafe` about it stays behind these types.
//!
//! | Type | What it owns |
//! |---|---|
//! | [`Eal`] | DPDK in this process |
//! | [`MbufPool`] | packet buffers of one NUMA node |
//! | [`Mbuf`], [`Burst`] | packets; dropping gives the buffers back |
//! | [`Port`] | a NIC or vdev (control side) |
//! | [`RxQueue`], [`TxQueue`] | what a worker polls |
//! | [`worker`] | pinned threads that EAL knows |
//!
//! Handles keep alive what they need: queues their port, ports their pool, pools EAL. So the order in
//! which things are dropped does not matter for memory safety.

pub mod affinity;
pub mod budget;
mod burst;
pub mod checksum;
mod cpulist;
pub mod doctor;
mod eal;
pub mod hugepage;
mod ids;
mod log;
mod mbuf;
pub mod numa;
pub mod pool;
pub mod port;
mod queue;
#[doc(hidden)]
pub mod test_support;
pub mod tsc;
pub mod worker;

pub use budget::budget;
pub use burst::{Burst, Drain, MAX_BURST, Mask};
pub use eal::{Eal, EalConfig, EalError};
pub use hugepage::Hugepages;
pub use ids::{CpuId, Cycles, PortId, QueueId, SocketId};
pub use mbuf::{Mbuf, Segments};
pub use pool::{MbufPool, PoolError};
pub use port::{
    Capabilities, Device, Events, Link, Offloads, Port, PortConfig, PortError, PortStats,
};
pub use queue::{RxQueue, TxQueue};
