//! Receives the packets that vnets send to themselves (FreeBSD: net/if_loop.c).

use pmd::{Burst, Mbuf};
use vnet::curvnet;

use super::datapath::{Env, State, cx_of};
use crate::drops::DropReason;
use crate::inet::datapath::ip_input;
use crate::net::bpf::tap_received;
use crate::wire::ETHER_HDR_LEN;

/// Packets of the vnets to themselves. What they in turn send to themselves waits for the next iteration.
#[cold]
pub(super) fn take_loopback(env: &Env, state: &mut State) {
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
            tap_received(&cx, [&mbuf]);
        }
        let mut one = Burst::new();
        let _fits: Result<(), Mbuf> = one.push(mbuf);
        ip_input(&mut cx, &mut one);
    }
    state.looping = packets;
}

/// Stands before packets on the loopback, which has no link: no group address, IPv4.
const LOOPBACK_LINK: [u8; ETHER_HDR_LEN] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x00];
