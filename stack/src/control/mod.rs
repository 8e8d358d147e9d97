//! What the control thread does: it builds new state, publishes it, waits for quiescence, and frees.
//!
//! | file | subject |
//! |---|---|
//! | `mod.rs` | [`Stack`]: vnets, and the tick |
//! | `interfaces.rs` | interfaces and their addresses |
//! | `routes.rs` | routes and static neighbours |
//! | `punts.rs` | packets that workers handed over: ARP, and what waits for it |
//! | `probes.rs` | packets of our own whose answers somebody waits for: ping and traceroute |
//! | `limits.rs` | what a vnet may occupy, and what it does |
//! | `books.rs` | whether every packet ended in one place |
//! | `show.rs` | what an operator looks at, in pages |
//! | `changes.rs` | what an operator takes away or changes while packets flow |
//! | `destroy_interface.rs` | how an interface goes while packets flow |
//! | `move_interface.rs` | how it moves to another vnet |
//! | `epairs.rs` | epairs |
//! | `timers.rs` | when which vnet's neighbours are looked at |
//! | `sysctls.rs` | sysctls of a vnet in service |
//! | `captures.rs` | captures begin and end |
//! | `events.rs` | what happened, for those who want to be told |

mod books;
mod captures;
mod changes;
mod destroy_interface;
mod epairs;
mod events;
mod interfaces;
mod limits;
mod move_interface;
mod probes;
mod punts;
mod routes;
mod show;
mod sysctls;
mod timers;

pub use books::{Books, FrameTotals, Statistics, VnetBooks};
pub use captures::CaptureError;
pub use epairs::{EPAIR_MTU, EpairSpec};
pub use events::{Event, EventKind};
pub use interfaces::{DestroyVnetError, InterfaceError, InterfaceSpec};
pub use limits::LimitUse;
pub use probes::{ProbeError, ProbeSpec, ProbeState, ProbeView};
pub use show::{NeighborView, RouteView};

use std::collections::BTreeMap;
use std::sync::Arc;

use pmd::MbufPool;
use vnet::sysctl::{SysctlError, Value};
use vnet::{Control, CreateError, RegisterError, Registry, VnetId, VnetRef, Vnets};

use crate::inet::control::InetControl;
use crate::inet::vnet_inet;
use crate::net::bpf::Tap;
use crate::net::{IfSlot, Ifnet, Interfaces};
use crate::time::Nanos;
use crate::worker::ControlQueues;

/// The name of the base vnet.
pub const VNET0: &str = "vnet0";

/// Lines for the operator between two calls of [`Stack::take_log`] (FreeBSD: net.link.ether.inet.max_log_per_second).
const LOG_LINES: usize = 10;

/// All vnets and interfaces of the process, as the control thread holds them.
#[derive(Debug)]
pub struct Stack {
    vnets: Vnets,
    control: Control,
    /// By place.
    interfaces: Vec<Option<Arc<Ifnet>>>,
    /// Places that were used before and that nobody has.
    free_slots: Vec<IfSlot>,
    /// For the books of the process: interfaces that were destroyed.
    departed: books::Departed,
    epairs: epairs::EpairTable,
    /// The interface that leaves its vnet, while what it received is taken care of.
    leaving: Option<IfSlot>,
    published: Arc<Interfaces>,
    /// By worker.
    queues: Vec<ControlQueues>,
    pool: MbufPool,
    now: Nanos,
    timers: timers::Timers,
    /// Whether so few mbufs are free that it is worth another look.
    scarce: bool,
    /// What the sysctls of a new vnet are.
    sysctl_defaults: BTreeMap<&'static str, Value>,
    /// What the operator should read; taken by the program.
    log: Vec<String>,
    /// Lines that came after [`LOG_LINES`] of them.
    log_suppressed: u64,
    /// What happened; taken by the program while somebody wants to know.
    events: events::Events,
    /// Who looks on, and in which vnet.
    captures: Vec<(VnetId, Arc<Tap>)>,
}

impl Stack {
    /// A stack without vnets, whose workers have the other ends of `queues`.
    #[must_use]
    pub fn new(vnets: Vnets, control: Control, queues: Vec<ControlQueues>, pool: MbufPool) -> Self {
        let published = Arc::new(Interfaces::new(&control));
        Self {
            vnets,
            control,
            interfaces: Vec::new(),
            free_slots: Vec::new(),
            departed: books::Departed::default(),
            epairs: epairs::EpairTable::default(),
            leaving: None,
            published,
            queues,
            pool,
            now: Nanos(0),
            timers: timers::Timers::default(),
            scarce: false,
            sysctl_defaults: BTreeMap::new(),
            log: Vec::new(),
            log_suppressed: 0,
            events: events::Events::default(),
            captures: Vec::new(),
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
        Arc::clone(&self.published)
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

    /// Makes a vnet, with its loopback. The first one of a process is its base vnet, called [`VNET0`] where there can be
    /// more than one; asking for that one again configures it.
    pub fn create_vnet(&mut self, name: &str) -> Result<VnetRef, CreateError> {
        if Vnets::MAX_VNETS > 1 && self.vnets.by_name(VNET0).is_none() {
            let vnet0 = self.vnets.create(&mut self.control, VNET0)?;
            self.emit(|| Event::new(EventKind::VnetCreated).vnet(&vnet0));
            self.welcome(&vnet0);
        }
        if let Some(vnet0) = self.vnets.by_name(VNET0).filter(|_| name == VNET0) {
            return Ok(vnet0.clone());
        }
        let vnet = self.vnets.create(&mut self.control, name)?;
        self.emit(|| Event::new(EventKind::VnetCreated).vnet(&vnet));
        self.welcome(&vnet);
        Ok(vnet)
    }

    /// What every new vnet gets.
    fn welcome(&mut self, vnet: &VnetRef) {
        if self.sysctl_defaults.is_empty() {
            self.learn_sysctl_defaults(vnet);
        }
        self.attach_loopback(vnet);
    }

    /// Sets a sysctl of a vnet, also one that can be set only before the vnet is in service.
    pub fn set_sysctl(
        &mut self,
        vnet: &VnetRef,
        name: &str,
        value: Value,
    ) -> Result<(), SysctlError> {
        let _old =
            self.vnets.registry().sysctl().tune(&mut self.control, Some(vnet), name, value)?;
        Ok(())
    }

    /// The IPv4 state of a vnet; `None` for a vnet that is being destroyed.
    pub fn with_inet<R>(
        &self,
        vnet: &VnetRef,
        work: impl FnOnce(&mut InetControl) -> R,
    ) -> Option<R> {
        let state = vnet_inet::init(vnet).control();
        state.with(&self.control, |state| state.as_deref_mut().map(work))
    }

    /// Publishes what `vnet`'s workers forward by.
    fn publish_forwarding(&mut self, vnet: &VnetRef) {
        let forwarding = self.with_inet(vnet, |inet| {
            inet.dirty = false;
            let forwarding = Box::new(inet.forwarding());
            inet.interfaces.iter().for_each(|ifp| ifp.set_forwarding(&forwarding));
            forwarding
        });
        if forwarding.is_some() {
            self.control.publish(vnet_inet::init(vnet).forwarding(), forwarding);
        }
    }

    /// What the control thread does all the time, at `now`: takes packets from the workers, runs timers, publishes
    /// what changed, and frees what nobody reads any more. Never waits.
    pub fn tick(&mut self, now: Nanos) {
        self.now = now;
        self.take_punts();
        self.run_timers();
        self.vnets.reclaim(&mut self.control);
        self.departed.settle();
    }

    /// What the operator should read, since the last call.
    pub fn take_log(&mut self) -> Vec<String> {
        let mut log = std::mem::take(&mut self.log);
        match std::mem::take(&mut self.log_suppressed) {
            0 => {}
            lines => log.push(format!("{lines} more lines of that kind were suppressed")),
        }
        log
    }

    /// Keeps a line for the operator, unless there are many already: strangers on the network can provoke them.
    fn note(&mut self, line: impl FnOnce() -> String) {
        if self.log.len() < LOG_LINES {
            self.log.push(line());
        } else {
            self.log_suppressed += 1;
        }
    }
}
