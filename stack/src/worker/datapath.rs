//! The graph: a burst of one port goes in, is split into runs of one interface, and each run is processed inside the
//! interface's vnet.

use std::sync::Arc;

use pmd::{Burst, MAX_BURST, Mbuf, MbufPool, PortId};
use vnet::{Reader, curvnet};

use super::cx::Cx;
use super::nodes::{Histograms, Node, NodeStats, PROBE_ACCESSES, SAMPLE_EVERY};
use super::orders::{Direction, PortChange};
use super::output::Output;
use super::queues::{Inject, WorkerQueues};
use super::runs::{Runs, Sorter};
use super::tx_port::TxPort;
use crate::drops::{DropReason, PortDrops};
use crate::inet::datapath::{
    Crossing, Headers, IcmpError, IpOrigin, Mixed, Vector, icmp_error, ip_input, ip_output,
    ip_tryforward,
};
use crate::inet::{ProbeNumber, vnet_inet};
use crate::net::ahead::LINKS;
use crate::net::bpf::{tap_received, tap_sent};
use crate::net::datapath::{ether_input, pop_vlan_tag};
use crate::net::{EpairEnd, IfSlot, Ifnet, Interfaces, PortDemux};
use crate::time::Nanos;
use crate::wire::{ETHER_HDR_LEN, VLAN_TAG_LEN, unreach_code};

/// Packets of the vnets to themselves in one iteration, of which one vnet has half at most.
pub const LOOPBACK_PACKETS: usize = 128;
/// Ports whose vnets stay in a core's caches while it takes turns.
const FEW_PORTS: usize = 8;
/// Runs between the one that is processed and the one whose vnet is prefetched. The vnets of no more runs than that are in a
/// core's caches without being asked for.
const AHEAD: usize = 6;
/// Packets taken from the inject queue in one iteration.
const INJECT_PACKETS: usize = 64;

/// What a [`Datapath`] is made of.
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

/// What a worker reads while it processes a run.
#[derive(Debug)]
struct Env {
    reader: Reader,
    interfaces: Arc<Interfaces>,
    pool: MbufPool,
    drops: Arc<PortDrops>,
    nodes: Arc<NodeStats>,
    fast_path: bool,
}

/// What a worker writes while it processes a run.
#[derive(Debug)]
struct State {
    out: Output,
    queues: WorkerQueues,
    headers: Headers,
    sorter: Sorter,
    loopback: Vec<(IfSlot, Mbuf)>,
    /// Takes turns with `loopback`: neither ever grows.
    looping: Vec<(IfSlot, Mbuf)>,
    now: Nanos,
    timed: bool,
    /// The interfaces whose things are in the caches or on their way there: the last one, and those that were announced.
    near: [IfSlot; 2],
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
                headers: Headers::default(),
                sorter: Sorter::default(),
                loopback,
                looping,
                now: Nanos(0),
                timed: false,
                near: [IfSlot(u32::MAX); 2],
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

    /// What ended outside of any vnet; for a reader on another thread.
    #[must_use]
    pub fn drops(&self) -> Arc<PortDrops> {
        Arc::clone(&self.env.drops)
    }

    /// What each node did; for a reader on another thread.
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
        match env.interfaces.port(&env.reader, port) {
            Some(PortDemux { untagged: Some(ifp), vlans: None }) => {
                process(env, state, ifp, false, burst, None);
            }
            Some(demux) => {
                let mut runs = Runs::new();
                env.nodes.run(Node::Demux, burst.len(), state.timed, || {
                    state.sorter.sort(&env.reader, demux, &env.drops, burst, &mut runs);
                });
                match runs.alone(burst.len()) {
                    Some((ifp, tagged)) => process(env, state, ifp, tagged, burst, None),
                    None => process_runs(env, state, &runs, burst),
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

    /// Takes a port's way out, or gives it back. Frames that wait for it leave before.
    #[cold]
    pub(super) fn change_port(&mut self, change: &mut PortChange) {
        let out = &mut self.state.out;
        match change.direction {
            Direction::Attach => change.tx = change.tx.take().and_then(|tx| out.insert(tx)),
            Direction::Detach => change.tx = out.remove(change.port),
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

/// Processes a burst of one interface inside its vnet; by a `crossing`, or with headers of their own.
#[inline]
fn process(
    env: &Env,
    state: &mut State,
    ifp: &Ifnet,
    tagged: bool,
    burst: &mut Burst,
    crossing: Option<Crossing>,
) {
    if burst.is_empty() {
        return;
    }
    end_crossing(state);
    if !state.near.contains(&ifp.slot) {
        ifp.prefetch_first();
        ifp.prefetch(&env.reader, &state.out);
    }
    state.near[0] = ifp.slot;
    let packets = burst.len();
    let _curvnet = curvnet::set(&env.reader, &ifp.vnet);
    let mut cx = cx_of(env, state, ifp);
    let counters = ifp.counters(cx.reader);
    counters.ipackets.add(packets as u64);
    if cx.timed
        && let Some(histograms) = cx.nodes.histograms()
    {
        probe(cx.reader, histograms);
    }
    let mut bytes = 0;
    if env.fast_path && ifp.is_fast() {
        bytes = cx.node(Node::IpTryForward, packets, |cx| {
            let mut vector = Vector::new(packets, !tagged);
            let frames = burst.as_mut_slice();
            let bytes = ip_tryforward(cx, frames, tagged, &mut vector, crossing);
            cx.headers.crossing = vector.transmit(burst, cx.out);
            bytes
        });
    } else if let Some(crossing) = crossing {
        crossing.write_to(burst.as_mut_slice());
    }
    if !burst.is_empty() {
        if tagged {
            burst.iter_mut().for_each(pop_vlan_tag);
        }
        bytes += exceptions(&mut cx, ifp, burst);
    }
    counters.ibytes.add(bytes);
}

/// Processes a burst of several interfaces: first the fast path of each run inside its vnet, then all that is ready leaves, then
/// what is left takes the other nodes, again run by run.
fn process_runs(env: &Env, state: &mut State, runs: &Runs<'_>, burst: &mut Burst) {
    end_crossing(state);
    state.near = [IfSlot(u32::MAX); 2];
    let vector = env.nodes.run(Node::IpTryForward, burst.len(), state.timed, || {
        let mut vector = fast_path(env, state, runs, burst);
        let _none: Option<Crossing> = vector.transmit(burst, &mut state.out);
        vector
    });
    if !burst.is_empty() {
        slow_path(env, state, runs, &vector, burst);
    }
}

/// The fast path of all runs. The vnets of the next ones are on their way to the caches while one is processed.
#[inline]
fn fast_path(env: &Env, state: &mut State, runs: &Runs<'_>, burst: &mut Burst) -> Vector {
    let Env { reader, nodes, .. } = env;
    let State { out, headers, now, timed, .. } = state;
    let list = runs.all();
    let Some(first) = list.first() else { return Vector::new(0, false) };
    let ahead = if list.len() > AHEAD { AHEAD } else { list.len() };
    list.iter().take(ahead % list.len()).for_each(|run| run.ifp.prefetch(reader, out));
    let frames = burst.as_mut_slice();
    let mut mixed = Mixed::new((reader, *now), out, frames, &runs.tagged, headers, first.ifp);
    let mut curvnet = curvnet::set(reader, &first.ifp.vnet);
    for (number, run) in list.iter().enumerate() {
        if let Some(next) = list.get(number + ahead) {
            next.ifp.prefetch(reader, out);
        }
        let (ifp, places) = (run.ifp, runs.places(run));
        curvnet.switch(&ifp.vnet);
        ifp.counters(reader).ipackets.add(places.len() as u64);
        if *timed && let Some(histograms) = nodes.histograms() {
            probe(reader, histograms);
        }
        if !env.fast_path || !ifp.is_fast() {
            mixed.leave(places);
            continue;
        }
        // Runs of one packet come first, so a core foresees which way it goes.
        match places {
            [place] => mixed.forward(ifp, std::slice::from_ref(place)),
            places => mixed.forward(ifp, places),
        }
    }
    mixed.into_vector()
}

/// Takes what the fast path left through the other nodes, run by run.
fn slow_path(env: &Env, state: &mut State, runs: &Runs<'_>, vector: &Vector, burst: &mut Burst) {
    let mut left = [const { None }; MAX_BURST];
    let mut places = (0..MAX_BURST).filter(|at| !vector.is_ready(*at));
    for mbuf in burst.drain() {
        if let Some(place) = places.next().and_then(|at| left.get_mut(at)) {
            *place = Some(mbuf);
        }
    }
    for run in runs.all() {
        let mut of_run = Burst::new();
        for place in runs.places(run) {
            let Some(mut mbuf) = left[usize::from(*place)].take() else { continue };
            if run.ifp.vlan().is_some() {
                pop_vlan_tag(&mut mbuf);
            }
            // Both bursts have the same capacity, so there is room.
            let _fits: Result<(), Mbuf> = of_run.push(mbuf);
        }
        if of_run.is_empty() {
            continue;
        }
        let _curvnet = curvnet::set(&env.reader, &run.ifp.vnet);
        let mut cx = cx_of(env, state, run.ifp);
        let bytes = exceptions(&mut cx, run.ifp, &mut of_run);
        run.ifp.counters(cx.reader).ibytes.add(bytes);
    }
}

/// Writes the headers of a crossing that has not come to its end: the columns go to another burst.
#[inline(always)]
fn end_crossing(state: &mut State) {
    if let Some(other) = state.headers.take_crossing() {
        write_headers_of(&other, state);
    }
}

/// Times reads of a variable of the vnet, each through curvnet, the module's base and the variable, as code outside of
/// vectors does.
#[cold]
fn probe(reader: &Reader, histograms: &Histograms) {
    let begin = pmd::tsc::serialized();
    let middle = pmd::tsc::serialized();
    for _ in 0..PROBE_ACCESSES {
        let _value = std::hint::black_box(vnet_inet::cur(reader).ipforwarding().get());
    }
    let end = pmd::tsc::serialized();
    // Less what it costs to read the clock, which was measured just before.
    let clock = middle.saturating_sub(begin);
    histograms.probe.record(end.saturating_sub(middle).saturating_sub(clock));
}

/// What the fast path left of a run; its bytes.
fn exceptions(cx: &mut Cx<'_>, ifp: &Ifnet, burst: &mut Burst) -> u64 {
    let (packets, bytes) = (burst.len(), burst.iter().map(|mbuf| u64::from(mbuf.pkt_len())).sum());
    if ifp.is_captured() {
        tap_received(cx, ifp, burst.iter());
    }
    if ifp.is_up() {
        cx.node(Node::EtherInput, packets, |cx| ether_input(cx, ifp, burst));
    } else {
        let moving = ifp.is_moving();
        let reason = if moving { DropReason::InterfaceMoving } else { DropReason::InterfaceDown };
        burst.drain().for_each(|mbuf| cx.drop(reason, mbuf));
    }
    bytes
}

/// What nodes may touch while they process packets of `ifp`; its vnet is curvnet.
#[inline(always)]
fn cx_of<'a>(env: &'a Env, state: &'a mut State, ifp: &'a Ifnet) -> Cx<'a> {
    // `INIT_VNET_*` with the interface's vnet, as much of FreeBSD has it, and found when the interface was made: curvnet was
    // stored a moment ago, and to load it again the core would wait for the store.
    let inet = ifp.inet();
    Cx {
        reader: &env.reader,
        ingress: ifp,
        inet,
        forwarding: inet.forwarding().load(&env.reader),
        out: &mut state.out,
        headers: &mut state.headers,
        loopback: &mut state.loopback,
        queues: &mut state.queues,
        pool: &env.pool,
        nodes: &env.nodes,
        now: state.now,
        timed: state.timed,
    }
}

/// What ends of epairs were sent, each inside the vnet that has the end by now. What is sent to epairs in consequence
/// waits for the next round, which comes behind the next burst or with the next iteration: frames that go round in
/// circles do not hold up the others.
fn cross_epairs(env: &Env, state: &mut State) {
    for _ in 0..state.out.epairs().len() {
        let Some((port, mut queue)) = state.out.epairs().pop() else { break };
        let crossing = state.headers.take_crossing_to(port);
        match env.interfaces.port(&env.reader, port).and_then(|end| end.untagged.as_ref()) {
            Some(ifp) => cross_epair(env, state, ifp, &mut queue, crossing),
            None => env.drops.crossing.add(DropReason::InterfaceGone, queue.discard()),
        }
        state.out.epairs().put_back(queue);
    }
    let spilled = state.out.epairs().drain_spill();
    if spilled > 0 {
        env.drops.crossing.add(DropReason::EpairFull, spilled);
    }
}

/// What `ifp` was sent by the other end.
fn cross_epair(
    env: &Env,
    state: &mut State,
    ifp: &Ifnet,
    queue: &mut TxPort,
    crossing: Option<Crossing>,
) {
    let (frames, refused) = queue.take_epair();
    let crossing = crossing.and_then(|crossing| crossing.alone_in(frames));
    let packets = frames.len();
    env.nodes.run(Node::Epair, packets, state.timed, || {
        process(env, state, ifp, false, frames, crossing);
    });
    if refused > 0 {
        refuse(env, state, ifp, refused);
    }
}

/// Writes the headers of a crossing where its frames wait, because the columns go to another burst.
#[cold]
fn write_headers_of(crossing: &Crossing, state: &mut State) {
    let waiting = EpairEnd::of_port(crossing.port()).and_then(|end| state.out.epairs().find(end));
    if let Some(queue) = waiting {
        crossing.write_to(queue.frames().as_mut_slice());
    }
}

/// Frames that the end's queue had no room for (FreeBSD counts them in `ifi_iqdrops`): received, and dropped.
#[cold]
fn refuse(env: &Env, state: &mut State, ifp: &Ifnet, refused: u64) {
    let _curvnet = curvnet::set(&env.reader, &ifp.vnet);
    let cx = cx_of(env, state, ifp);
    ifp.counters(cx.reader).ipackets.add(refused);
    cx.drops().add(DropReason::EpairFull, refused);
}

/// Packets from the control thread.
#[cold]
fn take_injected(env: &Env, state: &mut State) {
    for _ in 0..INJECT_PACKETS {
        let Ok(inject) = state.queues.inject.pop() else { break };
        let (slot, work, mbuf) = match inject {
            Inject::Frame { egress, mbuf } => (egress, Work::Frame, mbuf),
            Inject::Route { ingress, mbuf } => (ingress, Work::Route, mbuf),
            Inject::Probe { ingress, number, mbuf } => (ingress, Work::Probe(number), mbuf),
            Inject::HostUnreachable { ingress, mbuf } => (ingress, Work::Unreachable, mbuf),
        };
        let Some(ifp) = env.interfaces.get(&env.reader, slot) else {
            env.drops.returned.add(DropReason::InterfaceGone, 1);
            continue;
        };
        let _curvnet = curvnet::set(&env.reader, &ifp.vnet);
        let mut cx = cx_of(env, state, ifp);
        cx.net().in_flight().leave(1);
        cx.net().injected().leave(1);
        match work {
            Work::Frame => send_frame(&mut cx, ifp, mbuf),
            Work::Route => ip_output(&mut cx, IpOrigin::Own(ifp), mbuf),
            Work::Probe(number) => {
                if let Some(probes) = cx.inet.probes().load(cx.reader) {
                    probes.sent(number, cx.now);
                }
                ip_output(&mut cx, IpOrigin::Own(ifp), mbuf);
            }
            Work::Unreachable => {
                let _sent: bool =
                    icmp_error(&mut cx, ifp, &mbuf, IcmpError::unreach(unreach_code::HOST));
                cx.drop(DropReason::ArpUnresolved, mbuf);
            }
        }
    }
}

enum Work {
    Frame,
    Route,
    Probe(ProbeNumber),
    Unreachable,
}

/// A finished frame, such as ARP, on its interface.
fn send_frame(cx: &mut Cx<'_>, ifp: &Ifnet, mbuf: Mbuf) {
    let Some(port) = ifp.port().filter(|port| cx.out.has(*port)) else {
        return cx.drop(DropReason::InterfaceGone, mbuf);
    };
    let counters = ifp.counters(cx.reader);
    counters.opackets.inc();
    let tag = if ifp.vlan().is_some() { VLAN_TAG_LEN as u32 } else { 0 };
    counters.obytes.add(u64::from(mbuf.pkt_len().saturating_sub(tag)));
    if ifp.is_captured() {
        tap_sent(cx, ifp, &mbuf);
    }
    if let Some(tx) = cx.out.port(port) {
        tx.push(mbuf);
    }
}

/// Packets of the vnets to themselves. What they in turn send to themselves waits for the next iteration.
#[cold]
fn take_loopback(env: &Env, state: &mut State) {
    let mut packets = std::mem::take(&mut state.looping);
    std::mem::swap(&mut packets, &mut state.loopback);
    for (slot, mut mbuf) in packets.drain(..) {
        let Some(ifp) = env.interfaces.get(&env.reader, slot) else {
            env.drops.returned.add(DropReason::InterfaceGone, 1);
            continue;
        };
        let _curvnet = curvnet::set(&env.reader, &ifp.vnet);
        let mut cx = cx_of(env, state, ifp);
        if let Some(link) = mbuf.data_mut().first_chunk_mut::<ETHER_HDR_LEN>() {
            *link = LOOPBACK_LINK;
        }
        let counters = ifp.counters(cx.reader);
        let bytes = u64::from(mbuf.pkt_len());
        counters.opackets.inc();
        counters.obytes.add(bytes);
        counters.ipackets.inc();
        counters.ibytes.add(bytes);
        if ifp.is_captured() {
            // Once, as on FreeBSD's lo0.
            tap_received(&cx, ifp, [&mbuf]);
        }
        let mut one = Burst::new();
        let _fits: Result<(), Mbuf> = one.push(mbuf);
        ip_input(&mut cx, ifp, &mut one);
    }
    state.looping = packets;
}

/// Stands before packets on the loopback, which has no link: no group address, IPv4.
const LOOPBACK_LINK: [u8; ETHER_HDR_LEN] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x00];
