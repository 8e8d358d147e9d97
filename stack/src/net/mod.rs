//! Module `net`: interfaces, and what every protocol family shares.

pub(crate) mod ahead;
mod epair;
mod family;
mod ifnet;
mod interfaces;
mod limits;

pub mod bpf;
pub mod datapath;
pub(crate) mod graph;
pub mod neighbor;
pub mod route;

pub(crate) use epair::MAX_EPAIR_ENDS;
pub use epair::{EpairEnd, MAX_EPAIRS};
pub use family::{AF_MAX, AfData, AfDomain, Family, IpPrefix};
pub(crate) use ifnet::{IfBlock, IfCounterBlocks, block_of};
pub use ifnet::{IfCounters, IfIndex, IfKind, IfSlot, Ifnet, IfnetParts};
pub use interfaces::{Interfaces, PortDemux, Vlans};
pub use limits::{Limit, LimitReached, Refusals, held_limit, mbuf_limit};
pub use module::net as vnet_net;

use std::sync::atomic::{AtomicU32, Ordering};

use vnet::{AttachError, Control, VnetRef};

mod module {
    vnet::module! {
        /// Interfaces and the counters that all protocol families share.
        pub mod net {
            id: vnet::ModuleId::NET,
            depends: [],
            attach: crate::net::attach,
            detach: crate::net::detach,
            vars {
                /// Why packets were not delivered.
                pub drops: vnet::PerWorker<crate::drops::Drops>;
                /// Packets that began and ended in this vnet.
                pub account: vnet::PerWorker<crate::net::Account>;
                /// Packets of the vnet that are with the control thread or on their way from it.
                pub in_flight: crate::net::InFlight;
                /// The vnet's interfaces, in the order of their indices.
                pub interfaces: vnet::ControlCell<crate::net::IfList>;
                /// The captures that look on.
                pub captures: vnet::Published<crate::net::bpf::Captures>;
                /// Of the packets in flight, those in the workers' queues to the control thread.
                pub punted: crate::net::InFlight;
                /// And those in the queue from it.
                pub injected: crate::net::InFlight;
                /// Requests that a limit refused.
                pub refusals: vnet::ControlCell<crate::net::Refusals>;

                /// Interfaces, lo0 included.
                pub maxinterfaces: vnet::SysctlInt = 4096,
                    sysctl("net.vnet.maxinterfaces", RW, 1..=65_535, "Maximum number of interfaces of the vnet, lo0 included");
                /// Routes, those of addresses included.
                pub maxroutes: vnet::SysctlInt = 4_194_304,
                    sysctl("net.vnet.maxroutes", RW, 0..=4_194_304, "Maximum number of routes of the vnet, those of addresses included");
                /// Packets that wait for an address.
                pub maxheld: vnet::SysctlInt = 256,
                    sysctl("net.vnet.maxheld", RW, 1..=524_288, "Maximum number of packets of the vnet that wait for an address; never more than half of maxmbufs");
                /// Bytes of tables.
                pub maxmemory: vnet::SysctlI64 = 1_073_741_824,
                    sysctl("net.vnet.maxmemory", RW, 4096..=1_099_511_627_776, "Maximum bytes of variables, interfaces, routes and neighbours of the vnet");
                /// Mbufs for longer than an iteration.
                pub maxmbufs: vnet::SysctlInt = 512,
                    sysctl("net.vnet.maxmbufs", RW, 2..=1_048_576, "Maximum number of mbufs of the vnet between workers and control thread");
                /// The vnet's part of a worker that does not keep up.
                pub cpuweight: vnet::SysctlInt = 100,
                    sysctl("net.vnet.cpuweight", RW, 1..=10_000, "Weight of the vnet when a worker does not keep up: its share of the cycles is its weight by the sum of the weights");
                /// And the most of it.
                pub maxpcpu: vnet::SysctlInt = 100,
                    sysctl("net.vnet.maxpcpu", RW, 1..=100, "Maximum percent of a worker's cycles for the vnet, from when the worker does not keep up until the vnet asks for less");
                /// The vnet's part of each worker.
                pub cpu_use: vnet::PerWorker<crate::net::CpuUse>;
                /// The numbers that the sysctls below show; as of when they are read.
                pub used_interfaces: vnet::SysctlI64 = 0,
                    sysctl("net.vnet.interfaces", RD, 0..=9_223_372_036_854_775_807, "Number of interfaces of the vnet, lo0 included");
                /// Routes.
                pub used_routes: vnet::SysctlI64 = 0,
                    sysctl("net.vnet.routes", RD, 0..=9_223_372_036_854_775_807, "Number of routes of the vnet, those of addresses included");
                /// Neighbours.
                pub used_neighbors: vnet::SysctlI64 = 0,
                    sysctl("net.link.ether.inet.neighbors", RD, 0..=9_223_372_036_854_775_807, "Number of entries in the ARP table");
                /// Packets that wait for an address.
                pub used_held: vnet::SysctlI64 = 0,
                    sysctl("net.vnet.held", RD, 0..=9_223_372_036_854_775_807, "Number of packets of the vnet that wait for an address");
                /// Bytes of tables.
                pub used_memory: vnet::SysctlI64 = 0,
                    sysctl("net.vnet.memory", RD, 0..=9_223_372_036_854_775_807, "Bytes of variables, interfaces, routes and neighbours of the vnet");
                /// Mbufs.
                pub used_mbufs: vnet::SysctlI64 = 0,
                    sysctl("net.vnet.mbufs", RD, 0..=9_223_372_036_854_775_807, "Number of mbufs of the vnet between workers and control thread");
                /// Percent of a worker.
                pub used_pcpu: vnet::SysctlI64 = 0,
                    sysctl("net.vnet.pcpu", RD, 0..=9_223_372_036_854_775_807, "Percent of a worker's cycles that the vnet has while the worker does not keep up, 0 while it does; of several workers the most");
            }
        }
    }
}

crate::counters! {
    /// The sums that balance a vnet's books: received + originated = sent + delivered + dropped + in flight.
    pub struct Account {
        /// Packets that ended here because they were delivered.
        delivered,
        /// Packets that began here: replies, errors, fragments beyond the first, ARP of our own.
        originated,
    }
}

/// Percent of a worker's cycles that a vnet had in the last interval in which the worker did not keep up; 0 when it does.
#[derive(Debug, Default)]
pub struct CpuUse(AtomicU32);

impl CpuUse {
    /// The worker's finding.
    pub fn set(&self, percent: u32) {
        self.0.store(percent, Ordering::Relaxed);
    }

    /// Percent.
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many packets of a vnet are somewhere for longer than an iteration of a worker: on the way to the control thread, held
/// by it, or on the way back. Counted by both sides, off the fast path; it bounds what one tenant can occupy and closes the
/// books.
#[derive(Debug)]
pub struct InFlight(AtomicU32);

impl Default for InFlight {
    fn default() -> Self {
        <Self as vnet::Field>::INIT
    }
}

impl vnet::Field for InFlight {
    const INIT: Self = Self(AtomicU32::new(0));

    fn restart(&self, _initial: &Self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl InFlight {
    /// One more packet, unless there are `limit` already.
    pub fn enter(&self, limit: u32) -> bool {
        let entered = self.0.fetch_add(1, Ordering::Relaxed) < limit;
        if !entered {
            self.leave(1);
        }
        entered
    }

    /// `packets` came back, or ended.
    pub fn leave(&self, packets: u32) {
        let _before = self.0.fetch_sub(packets, Ordering::Relaxed);
    }

    /// How many there are.
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The interfaces of one vnet.
#[derive(Debug, Default)]
pub struct IfList {
    /// In the order of their indices.
    pub list: Vec<std::sync::Arc<Ifnet>>,
    /// Packets that interfaces received which were destroyed since.
    pub departed_received: u64,
    /// Packets that such interfaces sent.
    pub departed_sent: u64,
    /// Packets that such interfaces received and the fast path forwarded.
    pub departed_fastforwarded: u64,
}

impl IfList {
    /// The lowest index that no interface has (FreeBSD: `ifindex_alloc`, net/if.c); its place in the list is one less.
    #[must_use]
    pub fn free_index(&self) -> Option<IfIndex> {
        // Indices rise by at least one from place to place: those before the first gap are the place plus one.
        let (mut low, mut high) = (0, self.list.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if usize::from(self.list[middle].index.0) == middle + 1 {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        u16::try_from(low + 1).ok().map(IfIndex)
    }
}

fn attach(vnet: &VnetRef, control: &mut Control) -> Result<(), AttachError> {
    let slots = control.slots();
    let net = vnet_net::init(vnet);
    net.drops().alloc(slots);
    net.account().alloc(slots);
    net.cpu_use().alloc(slots);
    net.interfaces().with(control, |list| *list = Some(Box::default()));
    net.refusals().with(control, |refusals| *refusals = Some(Box::default()));
    Ok(())
}

fn detach(vnet: &VnetRef, control: &mut Control) {
    let net = vnet_net::init(vnet);
    control.publish(net.captures(), None);
    net.interfaces().with(control, |list| *list = None);
    net.refusals().with(control, |refusals| *refusals = None);
}
