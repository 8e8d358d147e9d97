//! Receives the frames that were sent to the other ends of epairs (FreeBSD: net/if_epair.c).

use vnet::curvnet;

use super::datapath::{Env, State, cx_of};
use super::receive::process;
use crate::drops::DropReason;
use crate::net::Ifnet;
use crate::net::graph::{EpairQueue, Node};

/// Processes the frames that ends of epairs were sent, each inside the vnet that has the end by now. Frames that are sent to
/// epairs in consequence wait for the next round, which comes behind the next burst or with the next iteration: frames that go
/// round in circles do not hold up the others.
pub(super) fn cross_epairs(env: &Env, state: &mut State) {
    for _ in 0..state.out.epairs().len() {
        let Some((end, mut queue)) = state.out.epairs().pop() else { break };
        let demux = env.interfaces.port(&env.reader, end.port());
        match demux.and_then(|demux| demux.untagged.as_ref()) {
            Some(ifp) => cross_epair(env, state, ifp, &mut queue),
            None => env.drops.crossing.add(DropReason::InterfaceGone, queue.discard()),
        }
        state.out.epairs().put_back(queue);
    }
    let spilled = state.out.epairs().take_spilled();
    if spilled > 0 {
        env.drops.crossing.add(DropReason::EpairFull, spilled);
    }
}

/// Receives the frames that the other end sent to `ifp`.
fn cross_epair(env: &Env, state: &mut State, ifp: &Ifnet, queue: &mut EpairQueue) {
    let refused = queue.take_refused();
    let received = queue.receive();
    let packets = received.len();
    env.nodes.run(Node::Epair, packets, state.timed, || {
        process(env, state, ifp, false, received);
    });
    if refused > 0 {
        refuse(env, state, ifp, refused);
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
