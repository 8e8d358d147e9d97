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
//! ```
//! use pmd::{Burst, Eal, EalConfig, Hugepages, MbufPool, Port, PortConfig, SocketId, worker};
//!
//! let eal = Eal::init(EalConfig { hugepages: Hugepages::None, ..EalConfig::default() })?;
//! let pool = MbufPool::create(&eal, "mbufs0", 4095, 128, SocketId::ANY)?;
//! let config =
//!     PortConfig { name: "p0".into(), device: "net_null0".into(), ..PortConfig::default() };
//! let mut port = Port::open(&eal, &config, &pool)?;
//! let (mut rx, mut tx) = port.start()?;
//!
//! let cpu = pmd::affinity::current()[0];
//! let worker = worker::spawn(cpu, "worker0", move |_| {
//!     let mut burst = Burst::new();
//!     while rx[0].rx(&mut burst, 64) == 0 {}
//!     let sent = tx[0].tx(&mut burst);
//!     (rx, tx, sent)
//! })?;
//! let (rx, tx, sent) = worker.join().expect("the worker did not panic");
//! assert_eq!(sent, 64);
//!
//! port.stop(rx, tx)?;
//! port.close();
//! assert_eq!(pool.in_use(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Handles keep alive what they need: queues their port, ports their pool, pools EAL. So the order in
//! which things are dropped does not matter for memory safety.

pub mod affinity;
pub mod budget;
mod burst;
pub mod checksum;
mod cpulist;
pub mod doctor;
mod drain;
pub mod drivers;
mod eal;
mod extmem;
pub mod hugepage;
mod ids;
mod log;
pub mod malloc;
mod mbuf;
pub mod numa;
mod peer;
pub mod pool;
pub mod port;
mod prefetch;
mod queue;
mod segment;
pub mod telemetry;
#[doc(hidden)]
pub mod test_support;
pub mod tsc;
pub mod worker;

pub use budget::budget;
pub use burst::{Burst, MAX_BURST, Mask};
pub use drain::Drain;
pub use eal::{Eal, EalConfig, EalError};
pub use hugepage::Hugepages;
pub use ids::{CpuId, Cycles, PortId, QueueId, SocketId};
pub use mbuf::Mbuf;
pub use peer::Peer;
pub use pool::{MbufPool, PoolError};
pub use port::{
    Capabilities, Device, Events, Link, MAX_PORTS, Offloads, Port, PortConfig, PortError, PortStats,
};
pub use prefetch::{CACHE_LINE, prefetch, prefetch_at};
pub use queue::{RxQueue, TxQueue};
pub use segment::Segments;
