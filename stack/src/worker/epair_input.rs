//! Receives the frames that were sent to the other ends of epairs (FreeBSD: net/if_epair.c).

use vnet::curvnet;

use super::datapath::{Env, State, cx_of};
use super::nodes::Node;
use super::receive::process;
use super::tx_port::TxPort;
use crate::drops::DropReason;
use crate::inet::datapath::Crossing;
use crate::net::{EpairEnd, Ifnet};

/// What ends of epairs were sent, each inside the vnet that has the end by now. What is sent to epairs in consequence
/// waits for the next round, which comes behind the next burst or with the next iteration: frames that go round in
/// circles do not hold up the others.
pub(super) fn cross_epairs(env: &Env, state: &mut State) {
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

/// Receives the frames that the other end sent to `ifp`.
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

/// Writes the headers of a crossing that has not come to its end: the columns go to another burst.
#[inline(always)]
pub(super) fn end_crossing(state: &mut State) {
    if let Some(other) = state.headers.take_crossing() {
        write_headers_of(&other, state);
    }
}
