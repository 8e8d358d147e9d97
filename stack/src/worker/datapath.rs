//! The graph: a burst of one port goes in, is split into runs of one interface, and each run is processed inside the
//! interface's vnet.

use std::sync::Arc;

use pmd::{Burst, Mbuf, MbufPool, PortId};
use vnet::{Reader, VnetRef, curvnet};

use super::cpu_share::{CpuShares, Entitlement, Iteration};
use super::epair_input::cross_epairs;
use super::inject_input::take_injected;
use super::loopback_input::take_loopback;
use super::orders::{Direction, PortChange};
use super::receive::{admit_runs, process, process_runs};
use super::runs::{Runs, Sorter};
use crate::drops::{DropReason, PortDrops};
use crate::net::ahead::LINKS;
use crate::net::graph::{
    Columns, Cx, LOOPBACK_PACKETS, Node, NodeStats, Output, Received, SAMPLE_EVERY, WorkerQueues,
};
use crate::net::{IfSlot, Ifnet, Interfaces, PortDemux, vnet_net};
use crate::time::Nanos;

/// Ports whose vnets stay in a core's caches while it takes turns.
const FEW_PORTS: usize = 8;

/// The parts of a [`Datapath`].
#[derive(Debug)]
pub struct DatapathParts {
    /// This thread's reader.
    pub reader: Reader,
    /// All interfaces, as the control side publishes them.
    pub interfaces: Arc<Interfaces>,
    /// To and from the control thread, and from other workers.
    pub queues: WorkerQueues,
    /// For packets of our own.
    pub pool: MbufPool,
    /// Ports to send to.
    pub out: Output,
}

/// The state that a worker reads while it processes a run.
#[derive(Debug)]
pub(super) struct Env {
    pub(super) reader: Reader,
    pub(super) interfaces: Arc<Interfaces>,
    pub(super) pool: MbufPool,
    pub(super) drops: Arc<PortDrops>,
    pub(super) nodes: Arc<NodeStats>,
    pub(super) fast_path: bool,
}

/// The state that a worker writes while it processes a run.
#[derive(Debug)]
pub(super) struct State {
    pub(super) out: Output,
    pub(super) queues: WorkerQueues,
    /// The fields that the fast path read of the packets that it handled last.
    pub(super) columns: Box<Columns>,
    pub(super) sorter: Sorter,
    pub(super) cpu: CpuShares,
    pub(super) loopback: Vec<(IfSlot, Mbuf)>,
    /// Takes turns with `loopback`: neither ever grows.
    pub(super) looping: Vec<(IfSlot, Mbuf)>,
    pub(super) now: Nanos,
    pub(super) timed: bool,
    /// The interfaces whose things are in the caches or on their way there: the last one, and those that were announced.
    pub(super) near: [IfSlot; 2],
    /// Whether packets of several interfaces were in the last burst.
    was_interleaved: bool,
}

/// One worker's stack.
#[derive(Debug)]
pub struct Datapath {
    env: Env,
    state: State,
    sample: Sample,
}

/// Which iterations are timed.
#[derive(Debug)]
struct Sample {
    every: u32,
    /// Iterations before the next one.
    left: u32,
}

impl Datapath {
    /// A worker's stack at rest.
    #[must_use]
    pub fn new(parts: DatapathParts) -> Self {
        let DatapathParts { reader, interfaces, queues, pool, out } = parts;
        let (drops, nodes) = (Arc::default(), Arc::new(NodeStats::new(false)));
        let queue = || Vec::with_capacity(LOOPBACK_PACKETS);
        let (loopback, looping) = (queue(), queue());
        Self {
            env: Env { reader, interfaces, pool, drops, nodes, fast_path: true },
            state: State {
                out,
                queues,
                columns: Box::default(),
                sorter: Sorter::default(),
                cpu: CpuShares::default(),
                loopback,
                looping,
                now: Nanos(0),
                timed: false,
                near: [IfSlot(u32::MAX); 2],
                was_interleaved: false,
            },
            sample: Sample { every: SAMPLE_EVERY, left: SAMPLE_EVERY },
        }
    }

    /// Keeps distributions as well, of one iteration in `every`. To be called before the worker starts.
    pub fn keep_histograms(&mut self, every: u32) {
        let every = every.max(1);
        self.env.nodes = Arc::new(NodeStats::new(true));
        self.sample = Sample { every, left: every };
    }

    /// The packets that ended outside of any vnet; for a reader on another thread.
    #[must_use]
    pub fn drops(&self) -> Arc<PortDrops> {
        Arc::clone(&self.env.drops)
    }

    /// The work of each node; for a reader on another thread.
    #[must_use]
    pub fn nodes(&self) -> &Arc<NodeStats> {
        &self.env.nodes
    }

    /// Frames on their way out.
    pub fn out(&mut self) -> &mut Output {
        &mut self.state.out
    }

    /// Gives the ports and the control thread's packets back. What the vnets still have for themselves ends here.
    #[must_use]
    pub fn into_parts(mut self) -> (Output, WorkerQueues) {
        let Self { env, state, .. } = &mut self;
        for (slot, mbuf) in std::mem::take(&mut state.loopback) {
            let Some(ifp) = env.interfaces.get(&env.reader, slot) else {
                env.drops.returned.add(DropReason::InterfaceGone, 1);
                continue;
            };
            let _curvnet = curvnet::set(&env.reader, &ifp.vnet);
            cx_of(env, state, ifp).drop(DropReason::Shutdown, mbuf);
        }
        while let Some((_, mut queue)) = state.out.epairs().pop() {
            env.drops.crossing.add(DropReason::Shutdown, queue.discard());
        }
        (self.state.out, self.state.queues)
    }

    /// Sends every packet through the nodes that handle exceptions: what leaves must be the same, which tests check.
    pub fn without_fast_path(&mut self) {
        self.env.fast_path = false;
    }

    /// Begins an iteration at `now`. True when it is in the sample that is timed node by node.
    #[inline]
    pub fn begin(&mut self, now: Nanos) -> bool {
        self.sample.left -= 1;
        self.state.now = now;
        self.state.cpu.begin();
        self.state.timed = self.sample.left == 0;
        if self.state.timed {
            self.sample.left = self.sample.every;
        }
        self.state.timed
    }

    /// Announces that after the burst of the port whose turn is `turn`, of `turns`, the others follow in their order: of many
    /// ports, what the next ones need is no longer in the caches, and is asked for before it is needed.
    #[inline]
    pub fn expect(&mut self, turn: usize, turns: usize, port: impl Fn(usize) -> PortId) {
        if turns <= FEW_PORTS {
            return;
        }
        let Self { env, state, .. } = self;
        for ahead in (1..=LINKS).rev() {
            let next = turn + ahead;
            let next = if next < turns { next } else { next - turns };
            let announced = env.interfaces.look_ahead(&env.reader, &state.out, port(next), ahead);
            if let Some(slot) = announced {
                state.near = [state.near[1], slot];
            }
        }
    }

    /// Processes what `port` received. Leaves `burst` empty.
    #[inline]
    pub fn receive(&mut self, port: PortId, burst: &mut Burst) {
        let Self { env, state, .. } = self;
        state.was_interleaved = false;
        match env.interfaces.port(&env.reader, port) {
            Some(PortDemux { untagged: Some(ifp), vlans: None }) => {
                process(env, state, ifp, false, Received::Written(burst));
            }
            Some(demux) => {
                let mut runs = Runs::new();
                env.nodes.run(Node::Demux, burst.len(), state.timed, || {
                    state.sorter.sort(&env.reader, demux, &env.drops, burst, &mut runs);
                });
                match runs.alone(burst.len()) {
                    Some((ifp, tagged)) => {
                        process(env, state, ifp, tagged, Received::Written(burst));
                    }
                    None => {
                        state.was_interleaved = true;
                        if state.cpu.is_charging() {
                            admit_runs(env, state, demux, burst, &mut runs);
                        }
                        process_runs(env, state, &runs, burst);
                    }
                }
            }
            None => {
                env.drops.received.add(DropReason::NoInterface, burst.len() as u64);
                burst.clear();
            }
        }
        if state.out.epairs().len() > 0 {
            cross_epairs(env, state);
        }
    }

    /// Whether packets of several interfaces were in the burst that was received last.
    #[inline]
    pub(super) fn was_interleaved(&self) -> bool {
        self.state.was_interleaved
    }

    /// Ends an iteration: packets from the control thread, packets of the vnets to themselves, frames that cross epairs,
    /// transmission; then reports a quiescent state. `received` packets came in since it began.
    #[inline]
    pub fn finish(&mut self, received: usize) {
        let Self { env, state, .. } = self;
        if !state.queues.inject.is_empty() {
            take_injected(env, state);
        }
        if !state.loopback.is_empty() {
            take_loopback(env, state);
        }
        if state.out.epairs().len() > 0 {
            cross_epairs(env, state);
        }
        if received > 0 {
            env.nodes.run(Node::Tx, received, state.timed, || state.out.flush());
        } else {
            state.out.flush();
        }
        env.reader.quiescent();
    }

    /// Ends the accounts of an iteration, after [`finish`](Self::finish).
    #[inline]
    pub fn end(&mut self, iteration: Iteration) {
        let Self { env, state, .. } = self;
        state.cpu.end(iteration, |slot, percent| {
            if let Some(ifp) = env.interfaces.get(&env.reader, slot) {
                vnet_net::init(&ifp.vnet).cpu_use().get(&env.reader).set(percent);
            }
        });
    }

    /// The shares of this worker's cycles.
    pub fn cpu(&mut self) -> &mut CpuShares {
        &mut self.state.cpu
    }

    /// Takes a port's way out, or gives it back. Frames that wait for it leave before.
    #[cold]
    pub(super) fn change_port(&mut self, change: &mut PortChange) {
        let out = &mut self.state.out;
        match change.direction {
            Direction::Attach => change.tx = change.tx.take().and_then(|tx| out.insert(tx)),
            Direction::Detach => change.tx = out.remove(change.port),
            Direction::Release => {}
        }
    }

    /// Whether frames wait to cross an epair, or for a transmit queue: there is work, although nothing was received.
    #[inline]
    pub fn holds_frames(&mut self) -> bool {
        self.state.out.is_waiting() || self.state.out.epairs().len() > 0
    }

    /// Reports quiescence until [`Self::online`], for a thread that is about to sleep.
    pub fn offline(&mut self) {
        self.env.reader.offline();
    }

    /// Takes part in grace periods again.
    pub fn online(&mut self) {
        self.env.reader.online();
    }
}

/// The context of nodes while they process packets of `ifp`; its vnet is curvnet.
#[inline(always)]
pub(super) fn cx_of<'a>(env: &'a Env, state: &'a mut State, ifp: &'a Ifnet) -> Cx<'a> {
    Cx {
        reader: &env.reader,
        ingress: ifp,
        out: &mut state.out,
        columns: &mut state.columns,
        loopback: &mut state.loopback,
        queues: &mut state.queues,
        pool: &env.pool,
        nodes: &env.nodes,
        now: state.now,
        timed: state.timed,
    }
}

/// The part of a worker's cycles that a vnet has a right to.
pub(super) fn entitlement(vnet: &VnetRef) -> Entitlement {
    let net = vnet_net::init(vnet);
    let bounded = |value: i32| u16::try_from(value).unwrap_or(u16::MAX);
    Entitlement { weight: bounded(net.cpuweight().get()), percent: bounded(net.maxpcpu().get()) }
}
