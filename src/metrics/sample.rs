//! The values that are read at one moment. Counters are sums over the workers, of slightly different moments while traffic flows.

use std::collections::BTreeMap;

use crate::protocol::PortShown;
use crate::workers::Gauges;

/// The process.
#[derive(Debug)]
pub(crate) struct ProcessSample {
    /// Seconds since the workers started.
    pub(crate) uptime_s: f64,
    /// How many vnets there are, without the dying.
    pub(crate) vnets: usize,
    /// By name.
    pub(crate) ports: BTreeMap<String, PortShown>,
    /// Counters that can be read at any time, by worker.
    pub(crate) workers: Vec<Gauges>,
    /// Packet buffers.
    pub(crate) pools: Vec<PoolSample>,
}

/// A pool of packet buffers.
#[derive(Debug)]
pub(crate) struct PoolSample {
    /// Its name.
    pub(crate) name: String,
    /// Buffers that it was made with.
    pub(crate) capacity: u32,
    /// Buffers held by packets and descriptors.
    pub(crate) in_use: u32,
}

/// One vnet.
#[derive(Debug, Default)]
pub(crate) struct VnetSample {
    /// Its place.
    pub(crate) index: usize,
    /// Its name.
    pub(crate) name: String,
    /// Routes, those of its addresses included.
    pub(crate) routes: usize,
    /// Neighbours, static ones included.
    pub(crate) neighbors: usize,
    /// The use that it makes of its limits.
    pub(crate) limits: Vec<stack::control::LimitUse>,
    /// The books of its packets.
    pub(crate) books: stack::control::VnetBooks,
    /// `ipstat`, `icmpstat` and `arpstat`.
    pub(crate) statistics: Vec<(&'static str, u64)>,
    /// Its interfaces, by index.
    pub(crate) interfaces: Vec<InterfaceSample>,
    /// The index of the last interface here if there are more.
    pub(crate) more_after: Option<u64>,
}

/// One interface.
#[derive(Debug)]
pub(crate) struct InterfaceSample {
    /// Its name.
    pub(crate) name: String,
    /// Whether it is administratively up.
    pub(crate) up: bool,
    /// FreeBSD's `if_data`.
    pub(crate) counters: Vec<(&'static str, u64)>,
}
