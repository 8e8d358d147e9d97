//! [`Port`]: a NIC or vdev from opening to closing. Control side only; workers get its queues.

mod config;
mod device;
mod error;
mod events;
mod plan;
mod setup;
mod stats;

pub use config::{Capabilities, DescriptorLimits, Offloads, PortConfig};
pub use device::Device;
pub(crate) use device::shares_memory;
pub use error::PortError;
pub use events::Events;
pub use stats::{Link, PortStats};

use std::cell::Cell;
use std::ffi::c_int;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use crossbeam::utils::CachePadded;
use dpdk_sys as ffi;

use crate::eal::strerror;
use crate::{Burst, Eal, MbufPool, PortId, RxQueue, SocketId, TxQueue, log};
use device::Plugged;
use events::Counters;
use plan::Plan;

/// Packets taken out of an rx queue at most when a port is stopped: more than any ring holds, and a
/// bound for a source that never ends.
const DRAIN_LIMIT: usize = 16 * 1024;

/// The most ports of a process; their numbers are below it (`RTE_MAX_ETHPORTS`).
pub const MAX_PORTS: usize = ffi::RTE_MAX_ETHPORTS as usize;

/// A port: configured by [`Port::open`], polled between [`Port::start`] and [`Port::stop`], closed when
/// the port and all its queues are dropped.
#[derive(Debug)]
pub struct Port {
    shared: Arc<Shared>,
    capabilities: Capabilities,
    plan: Plan,
    started: bool,
    /// Ports are controlled by one thread at a time: `!Sync`.
    _not_sync: PhantomData<Cell<()>>,
}

/// The device itself, which the queues of a port keep alive.
#[derive(Debug)]
pub(crate) struct Shared {
    pub id: PortId,
    pub name: String,
    /// Packets each tx queue was given and did not send; written by the queue's owner alone.
    pub tx_dropped: Box<[CachePadded<AtomicU64>]>,
    pub counters: Counters,
    plugged: Option<Plugged>,
    // Dropped after the device is closed, in this order.
    _pool: MbufPool,
    _eal: Eal,
}

impl Port {
    /// Opens and configures a port. Its rx queues take their buffers from `pool`.
    ///
    /// # Errors
    /// See [`PortError`]. A wish that the device lacks is no error; see [`Port::notes`].
    pub fn open(eal: &Eal, config: &PortConfig, pool: &MbufPool) -> Result<Port, PortError> {
        log::forward();
        let device = Device::parse(&config.device);
        if pool.is_external() && device.shares_memory() {
            return Err(PortError::MemoryNotShared {
                name: config.name.clone(),
                device: config.device.clone(),
            });
        }
        let attached = device::attach(&config.name, &device)?;
        if !events::claim(PortId(attached.port)) {
            return Err(PortError::AlreadyOpen {
                name: config.name.clone(),
                device: config.device.clone(),
            });
        }
        // From here on an error closes the device.
        let mut shared = Shared {
            id: PortId(attached.port),
            name: config.name.clone(),
            tx_dropped: Box::default(),
            counters: Counters::default(),
            plugged: attached.plugged,
            _pool: pool.clone(),
            _eal: eal.clone(),
        };
        let capabilities = shared.capabilities()?;
        let plan = Plan::new(config, &capabilities, pool.data_room());
        shared.check(&plan, &capabilities, pool)?;
        let mut plan = shared.configure(plan, &capabilities)?;
        shared.set_up_queues(&mut plan, &capabilities, pool)?;
        shared.tx_dropped = (0..plan.tx_queues).map(|_| CachePadded::default()).collect();
        shared.apply_wishes(config, &mut plan);
        shared.counters.watch(&capabilities);
        let shared = Arc::new(shared);
        events::register(&shared);
        Ok(Port { shared, capabilities, plan, started: false, _not_sync: PhantomData })
    }

    /// Starts the port and hands out its queues, receive and transmit, in the order of their numbers.
    ///
    /// # Errors
    /// [`PortError::Started`], [`PortError::Call`].
    pub fn start(&mut self) -> Result<(Vec<RxQueue>, Vec<TxQueue>), PortError> {
        if self.started {
            return Err(PortError::Started { name: self.shared.name.clone() });
        }
        // SAFETY: the port is configured and its queues are set up.
        let result = unsafe { ffi::rte_eth_dev_start(self.shared.id.0) };
        self.shared.expect("rte_eth_dev_start", result)?;
        self.started = true;
        self.shared.counters.set_link(self.link().up);
        let multi_segments = self.takes_chains();
        // SAFETY: the port is started, its queues are set up, and `started` keeps a second set of queues
        // from being made.
        let rx = (0..self.plan.rx_queues).map(|i| unsafe { RxQueue::new(&self.shared, i) });
        // SAFETY: as above.
        let tx = |i| unsafe { TxQueue::new(&self.shared, i, multi_segments) };
        Ok((rx.collect(), (0..self.plan.tx_queues).map(tx).collect()))
    }

    /// Whether tx may be given packets of several segments. Two software drivers send them right but do
    /// not offer it; looking at each packet would cost them a cycle.
    fn takes_chains(&self) -> bool {
        self.offloads().tx_multi_segments || ["net_pcap", "net_null"].contains(&self.driver_name())
    }

    /// Drains the rx queues and stops the port. All queues must be given back, so that nobody polls a
    /// port while it is being stopped.
    ///
    /// # Errors
    /// [`PortError::QueuesInUse`] or [`PortError::ForeignQueue`] with nothing done (the queues given
    /// are dropped); [`PortError::Call`].
    pub fn stop(&mut self, mut rx: Vec<RxQueue>, tx: Vec<TxQueue>) -> Result<(), PortError> {
        let name = || self.shared.name.clone();
        let own = rx.iter().all(|queue| queue.belongs_to(&self.shared))
            && tx.iter().all(|queue| queue.belongs_to(&self.shared));
        if !own {
            return Err(PortError::ForeignQueue { name: name() });
        }
        let outside = Arc::strong_count(&self.shared) - 1 - rx.len() - tx.len();
        if outside != 0 {
            return Err(PortError::QueuesInUse { name: name(), missing: outside });
        }
        // All that other threads did with queues before they dropped them comes before the port stops: the count says no more
        // than that they are gone.
        fence(Ordering::Acquire);
        for queue in &mut rx {
            drain(queue);
        }
        drop((rx, tx));
        self.started = false;
        // SAFETY: no queue of the port exists, so nobody polls it.
        let result = unsafe { ffi::rte_eth_dev_stop(self.shared.id.0) };
        self.shared.expect("rte_eth_dev_stop", result)
    }

    /// Closes the port: the same as dropping it. Queues that still exist keep it open until they are
    /// dropped.
    pub fn close(self) {}

    /// DPDK's number of the port.
    #[must_use]
    pub fn id(&self) -> PortId {
        self.shared.id
    }

    /// The operator's name of the port.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The driver's name, e.g. `net_pcap`.
    #[must_use]
    pub fn driver_name(&self) -> &str {
        &self.capabilities.driver
    }

    /// The NUMA node of the device, [`SocketId::ANY`] if it has none.
    #[must_use]
    pub fn socket(&self) -> SocketId {
        self.capabilities.socket
    }

    /// The capabilities of the device.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The offloads in use.
    #[must_use]
    pub fn offloads(&self) -> Offloads {
        self.plan.offloads()
    }

    /// The wishes that are not possible, a sentence each; to be logged with the port's name.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.plan.notes
    }

    /// Number of receive and transmit queues.
    #[must_use]
    pub fn queues(&self) -> (u16, u16) {
        (self.plan.rx_queues, self.plan.tx_queues)
    }

    /// Descriptors of each receive and each transmit queue.
    #[must_use]
    pub fn descriptors(&self) -> (u16, u16) {
        (self.plan.rx_desc, self.plan.tx_desc)
    }
}

impl Shared {
    /// Makes an error of a call's result other than 0.
    pub(crate) fn expect(&self, call: &'static str, result: c_int) -> Result<(), PortError> {
        if result == 0 {
            return Ok(());
        }
        let (name, reason) = (self.name.clone(), strerror(result));
        Err(PortError::Call { name, call, reason, log: log::take() })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        events::unregister(self);
        // SAFETY: the port exists, and with the last queue gone nobody polls it. Stopping a port that
        // is not started does nothing.
        unsafe {
            let _ = ffi::rte_eth_dev_stop(self.id.0);
            let result = ffi::rte_eth_dev_close(self.id.0);
            if result != 0 {
                tracing::warn!(port = %self.name, error = %strerror(result), "port not closed");
            }
        }
        if let Some(plugged) = &self.plugged {
            plugged.detach();
        }
        events::release(self.id);
    }
}

/// Frees what waits in an rx queue, so that rings between ports hold nothing back.
fn drain(queue: &mut RxQueue) {
    let mut burst = Burst::new();
    let mut total = 0;
    while total < DRAIN_LIMIT {
        let received = queue.rx(&mut burst, u16::MAX);
        if received == 0 {
            return;
        }
        total += received;
        burst.clear();
    }
}
