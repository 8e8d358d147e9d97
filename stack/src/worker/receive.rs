//! The way of a received burst through the vnets: first the fast path, run by run, then what it left.

use pmd::{Burst, MAX_BURST, Mask, Mbuf, tsc};
use vnet::{Reader, curvnet};

use super::datapath::{Env, State, cx_of, entitlement};
use super::protocols::demultiplex;
use super::runs::Runs;
use crate::drops::DropReason;
use crate::inet::datapath::{Mixed, Vector, ip_tryforward};
use crate::inet::vnet_inet;
use crate::net::bpf::tap_received;
use crate::net::datapath::pop_vlan_tag;
use crate::net::graph::{Cx, Histograms, Node, PROBE_ACCESSES, Received};
use crate::net::{IfSlot, Ifnet, PortDemux, vnet_net};

/// Runs between the one that is processed and the one whose vnet is prefetched. The vnets of no more runs than that are in a
/// core's caches without being asked for.
const AHEAD: usize = 6;

/// Processes a burst of one interface inside its vnet.
#[inline]
pub(super) fn process(
    env: &Env,
    state: &mut State,
    ifp: &Ifnet,
    tagged: bool,
    mut received: Received<'_>,
) {
    if state.cpu.is_charging() {
        admit_burst(env, state, ifp, &mut received);
    }
    let packets = received.len();
    if packets == 0 {
        return;
    }
    if !state.near.contains(&ifp.slot) {
        ifp.prefetch_first();
        ifp.prefetch(&env.reader, &state.out);
    }
    state.near[0] = ifp.slot;
    let is_charging = state.cpu.is_charging();
    let _curvnet = curvnet::set(&env.reader, &ifp.vnet);
    let mut cx = cx_of(env, state, ifp);
    let counters = ifp.counters(&env.reader);
    counters.ipackets.add(packets as u64);
    if cx.timed
        && let Some(histograms) = cx.nodes.histograms()
    {
        probe(cx.reader, histograms);
    }
    let (burst, mut bytes) = if env.fast_path && ifp.is_fast() {
        cx.node(Node::IpTryForward, packets, |cx| ip_tryforward(cx, received, tagged))
    } else {
        (received.written(), 0)
    };
    if !burst.is_empty() {
        if tagged {
            burst.iter_mut().for_each(pop_vlan_tag);
        }
        let started = Charged::start(is_charging);
        bytes += exceptions(&mut cx, burst);
        started.end(state, ifp);
    }
    counters.ibytes.add(bytes);
}

/// Processes a burst of several interfaces: first the fast path of each run inside its vnet, then all that is ready leaves, then
/// what is left takes the other nodes, again run by run.
pub(super) fn process_runs(env: &Env, state: &mut State, runs: &Runs<'_>, burst: &mut Burst) {
    state.near = [IfSlot(u32::MAX); 2];
    let vector = env.nodes.run(Node::IpTryForward, burst.len(), state.timed, || {
        let vector = fast_path(env, state, runs, burst);
        vector.transmit(burst, &mut state.out);
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
    let State { out, columns, now, timed, .. } = state;
    let list = runs.all();
    let Some(first) = list.first() else { return Vector::default() };
    let ahead = if list.len() > AHEAD { AHEAD } else { list.len() };
    list.iter().take(ahead % list.len()).for_each(|run| run.ifp.prefetch(reader, out));
    let frames = burst.as_mut_slice();
    let together =
        list.iter().find(|run| run.is_long()).map_or(frames.len(), |run| run.places().start);
    let checked = (together, first.ifp);
    let mut mixed = Mixed::new((reader, *now), out, frames, &runs.tagged, columns, checked);
    let mut curvnet = curvnet::set(reader, &first.ifp.vnet);
    for (number, run) in list.iter().enumerate() {
        if let Some(next) = list.get(number + ahead) {
            next.ifp.prefetch(reader, out);
        }
        let (ifp, places) = (run.ifp, run.places());
        curvnet.switch(&ifp.vnet);
        ifp.counters(reader).ipackets.add(places.len() as u64);
        if *timed && let Some(histograms) = nodes.histograms() {
            probe(reader, histograms);
        }
        if !env.fast_path || !ifp.is_fast() {
            mixed.leave(places);
            continue;
        }
        // Runs of one packet come first and long ones last, so a core foresees which way it goes.
        if places.len() == 1 {
            mixed.forward(ifp, places.start..places.start + 1);
        } else if run.is_long() {
            mixed.forward_long(ifp, places);
        } else {
            mixed.forward(ifp, places);
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
        for place in run.places() {
            let Some(mut mbuf) = left[place].take() else { continue };
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
        let started = Charged::start(state.cpu.is_charging());
        let mut cx = cx_of(env, state, run.ifp);
        let bytes = exceptions(&mut cx, &mut of_run);
        run.ifp.counters(&env.reader).ibytes.add(bytes);
        started.end(state, run.ifp);
    }
}

/// Ends the packets of each run that are beyond the share of its vnet, before anything is done for them; `runs` are those of the
/// others.
#[inline(never)]
pub(super) fn admit_runs<'a>(
    env: &'a Env,
    state: &mut State,
    demux: &'a PortDemux,
    burst: &mut Burst,
    runs: &mut Runs<'a>,
) {
    let mut refused = Mask::default();
    for run in runs.all() {
        let places = run.places();
        let admitted = admit(env, state, run.ifp, places.len());
        for place in places.skip(admitted) {
            refused[place / 64] |= 1 << (place % 64);
        }
    }
    if refused == Mask::default() {
        return;
    }
    state.sorter.sort_without(&refused, &env.reader, demux, &env.drops, burst, runs);
}

/// Ends what is beyond the share of the vnet.
#[inline(never)]
fn admit_burst(env: &Env, state: &mut State, ifp: &Ifnet, received: &mut Received<'_>) {
    let admitted = admit(env, state, ifp, received.len());
    received.truncate(admitted);
}

/// How many of `packets` packets the vnet may have processed; the others are received, and dropped.
fn admit(env: &Env, state: &mut State, ifp: &Ifnet, packets: usize) -> usize {
    let vnet = &ifp.vnet;
    let id = (vnet.id().index(), vnet.id().generation());
    let admitted = state.cpu.admit(id, ifp.slot, packets, || entitlement(vnet));
    if admitted < packets {
        let refused = (packets - admitted) as u64;
        ifp.counters(&env.reader).ipackets.add(refused);
        let drops = vnet_net::init(vnet).drops().get(&env.reader);
        drops.add(DropReason::CpuShare, refused);
    }
    admitted
}

/// The time at which something began that its vnet is charged for; none while nothing is charged.
struct Charged(Option<u64>);

impl Charged {
    #[inline(always)]
    fn start(is_charging: bool) -> Self {
        Self(is_charging.then(tsc::now))
    }

    #[inline(always)]
    fn end(self, state: &mut State, ifp: &Ifnet) {
        if let Some(start) = self.0 {
            state.cpu.charge(ifp.vnet.id().index(), tsc::now().saturating_sub(start));
        }
    }
}

/// Times reads of a variable of the vnet, each through curvnet, the module's base and the variable, as code outside of
/// vectors does.
#[cold]
fn probe(reader: &Reader, histograms: &Histograms) {
    let begin = tsc::serialized();
    let middle = tsc::serialized();
    for _ in 0..PROBE_ACCESSES {
        let _value = std::hint::black_box(vnet_inet::cur(reader).ipforwarding().get());
    }
    let end = tsc::serialized();
    // Less what it costs to read the clock, which was measured just before.
    let clock = middle.saturating_sub(begin);
    histograms.probe.record(end.saturating_sub(middle).saturating_sub(clock));
}

/// Takes the packets that the fast path left of a run through the other nodes; their bytes.
fn exceptions(cx: &mut Cx<'_>, burst: &mut Burst) -> u64 {
    let ifp = cx.ingress;
    let (packets, bytes) = (burst.len(), burst.iter().map(|mbuf| u64::from(mbuf.pkt_len())).sum());
    if ifp.is_captured() {
        tap_received(cx, burst.iter());
    }
    if ifp.is_up() {
        cx.node(Node::EtherInput, packets, |cx| demultiplex(cx, burst));
    } else {
        let moving = ifp.is_moving();
        let reason = if moving { DropReason::InterfaceMoving } else { DropReason::InterfaceDown };
        burst.drain().for_each(|mbuf| cx.drop(reason, mbuf));
    }
    bytes
}
