//! Takes the packets that the control thread sends.

use pmd::Mbuf;
use vnet::curvnet;

use super::datapath::{Env, State, cx_of};
use crate::drops::DropReason;
use crate::inet::datapath::{Datagram, IcmpError, icmp_error, ip_output};
use crate::net::bpf::tap_sent;
use crate::net::graph::{Cx, Inject, InjectWork};
use crate::wire::{VLAN_TAG_LEN, unreach_code};

/// Packets taken from the queue in one iteration.
const INJECT_PACKETS: usize = 64;

/// Packets from the control thread.
#[cold]
pub(super) fn take_injected(env: &Env, state: &mut State) {
    for _ in 0..INJECT_PACKETS {
        let Ok(Inject { slot, mbuf, work }) = state.queues.inject.pop() else { break };
        let Some(ifp) = env.interfaces.get(&env.reader, slot) else {
            env.drops.returned.add(DropReason::InterfaceGone, 1);
            continue;
        };
        let _curvnet = curvnet::set(&env.reader, &ifp.vnet);
        let mut cx = cx_of(env, state, ifp);
        cx.net().in_flight().leave(1);
        cx.net().injected().leave(1);
        match work {
            InjectWork::Frame => send_frame(&mut cx, mbuf),
            InjectWork::Route => ip_output(&mut cx, mbuf),
            InjectWork::Probe(number) => {
                if let Some(probes) = cx.inet().probes().load(cx.reader) {
                    probes.sent(number, cx.now);
                }
                ip_output(&mut cx, mbuf);
            }
            InjectWork::HostUnreachable => host_unreachable(&mut cx, mbuf),
        }
    }
}

/// A packet whose next hop does not answer.
fn host_unreachable(cx: &mut Cx<'_>, mbuf: Mbuf) {
    match Datagram::check(cx, mbuf) {
        Ok(datagram) => {
            let error = IcmpError::unreach(unreach_code::HOST);
            let _sent: bool = icmp_error(cx, &datagram, error);
            cx.drop(DropReason::ArpUnresolved, datagram.into_mbuf());
        }
        Err((reason, mbuf)) => cx.drop(reason, mbuf),
    }
}

/// A finished frame, such as ARP, on its interface.
fn send_frame(cx: &mut Cx<'_>, mbuf: Mbuf) {
    let ifp = cx.ingress;
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
    let _there_is_one: Result<(), Mbuf> = cx.out.push(port, mbuf);
}
