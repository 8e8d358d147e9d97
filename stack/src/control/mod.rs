//! The control thread's side: it builds new state, publishes it, waits for quiescence, and frees.
//!
//! | file | subject |
//! |---|---|
//! | `mod.rs` | [`Stack`], and the tick |
//! | `vnets.rs` | vnets come and go |
//! | `vnet_state.rs` | what the control thread keeps in a vnet, and publishes to its workers |
//! | `interface_table.rs` | the interfaces of all vnets: slots, publication |
//! | `interfaces.rs` | interfaces are made and changed |
//! | `destroy_interface.rs` | how an interface goes while packets flow |
//! | `move_interface.rs` | how it moves to another vnet |
//! | `epairs.rs` | epairs |
//! | `addresses.rs` | addresses of interfaces |
//! | `address_changes.rs` | several of them in one step |
//! | `routes.rs` | routes |
//! | `neighbors.rs` | static neighbours, and what the neighbour tables want done |
//! | `timers.rs` | deadlines of neighbours, per vnet |
//! | `punts.rs` | packets that workers handed over, and packets for them |
//! | `probes.rs` | packets of our own whose answers a client waits for: ping and traceroute |
//! | `limits.rs` | what a vnet may occupy, and what it occupies |
//! | `books.rs` | whether every packet ended in one place |
//! | `show.rs` | what an operator looks at, in pages |
//! | `sysctls.rs` | sysctls of a vnet in service |
//! | `captures.rs` | captures begin and end |
//! | `events.rs` | events, for clients that follow them |
//! | `log.rs` | lines for the operator's log |
//!
//! A subject with state of its own has a type for it, a field of [`Stack`], whose methods take what else they need.
//! Functions that change one vnet only take a [`Control`]. An `impl Stack` is left where a request concerns several.

mod address_changes;
mod addresses;
mod books;
mod captures;
mod destroy_interface;
mod epairs;
mod events;
mod interface_table;
mod interfaces;
mod limits;
mod log;
mod move_interface;
mod neighbors;
mod probes;
mod punts;
mod routes;
mod show;
mod sysctls;
mod timers;
mod vnet_state;
mod vnets;

pub use books::{Books, FrameTotals, Statistics, VnetBooks};
pub use captures::CaptureError;
pub use epairs::{EPAIR_MTU, EpairSpec};
pub use events::{Event, EventKind};
pub use interfaces::{InterfaceError, InterfaceSpec};
pub use limits::LimitUse;
pub use probes::{ProbeError, ProbeSpec, ProbeState, ProbeView};
pub use show::{NeighborView, RouteView};
pub use vnets::DestroyVnetError;

use std::collections::BTreeMap;
use std::sync::Arc;

use pmd::MbufPool;
use vnet::sysctl::Value;
use vnet::{Control, RegisterError, Registry, VnetRef, Vnets};

use captures::CaptureTable;
use events::Events;
use interface_table::InterfaceTable;
use log::OperatorLog;
use timers::Timers;

use crate::inet::control::InetControl;
use crate::inet::vnet_inet;
use crate::net::Interfaces;
use crate::time::Nanos;
use crate::worker::ControlQueues;

/// The name of the base vnet.
pub const VNET0: &str = "vnet0";

/// All vnets and interfaces of the process, as the control thread holds them.
#[derive(Debug)]
pub struct Stack {
    vnets: Vnets,
    control: Control,
    interfaces: InterfaceTable,
    /// By worker.
    queues: Vec<ControlQueues>,
    pool: MbufPool,
    now: Nanos,
    timers: Timers,
    /// Whether so few mbufs are free that it is worth another look.
    scarce: bool,
    /// The values of a new vnet's sysctls.
    sysctl_defaults: BTreeMap<&'static str, Value>,
    log: OperatorLog,
    events: Events,
    captures: CaptureTable,
}

impl Stack {
    /// A stack without vnets, whose workers have the other ends of `queues`.
    #[must_use]
    pub fn new(vnets: Vnets, control: Control, queues: Vec<ControlQueues>, pool: MbufPool) -> Self {
        let interfaces = InterfaceTable::new(&control);
        Self {
            vnets,
            control,
            interfaces,
            queues,
            pool,
            now: Nanos(0),
            timers: Timers::default(),
            scarce: false,
            sysctl_defaults: BTreeMap::new(),
            log: OperatorLog::default(),
            events: Events::default(),
            captures: CaptureTable::default(),
        }
    }

    /// The queues to and from the workers, by worker.
    #[must_use]
    pub fn queues(&self) -> &[ControlQueues] {
        &self.queues
    }

    /// The same, to put packets into them that no part of the stack has.
    pub fn queues_mut(&mut self) -> &mut [ControlQueues] {
        &mut self.queues
    }

    /// The modules that a vnet of this stack consists of.
    pub fn modules() -> Result<Registry, RegisterError> {
        let mut registry = Registry::new();
        registry.register(&crate::net::vnet_net::MODULE)?;
        registry.register(&vnet_inet::MODULE)?;
        registry.check()?;
        Ok(registry)
    }

    /// The interfaces that workers read.
    #[must_use]
    pub fn interfaces(&self) -> Arc<Interfaces> {
        Arc::clone(self.interfaces.published())
    }

    /// The vnets.
    #[must_use]
    pub fn vnets(&self) -> &Vnets {
        &self.vnets
    }

    /// The control thread's side of publication.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The IPv4 state of a vnet; `None` for a vnet that is being destroyed.
    pub fn with_inet<R>(
        &self,
        vnet: &VnetRef,
        work: impl FnOnce(&mut InetControl) -> R,
    ) -> Option<R> {
        vnet_state::with_inet(&self.control, vnet, work)
    }

    /// One round of the control thread's work, at `now`: takes packets from the workers, runs timers, publishes what
    /// changed, and frees what no worker reads any more. Never waits.
    pub fn tick(&mut self, now: Nanos) {
        self.now = now;
        self.take_punts();
        self.run_timers();
        self.vnets.reclaim(&mut self.control);
        self.interfaces.departed.settle();
    }

    /// Lines for the operator's log, since the last call.
    pub fn take_log(&mut self) -> Vec<String> {
        self.log.take()
    }
}
