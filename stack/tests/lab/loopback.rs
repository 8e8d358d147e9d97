//! Packets of a vnet to itself.

use stack::net::vnet_net;
use stack::worker::{Inject, InjectWork};

use crate::common::crossroads::{EM, OWN, PEER, PEER_MAC, RED, crossroads, host};
use crate::common::{Lab, Packet};

/// The worker is asked to route this packet, which came in through em0.
fn route(lab: &mut Lab, packet: &Packet) {
    let ingress = lab.ifnet(RED, "em0").slot;
    let vnet = lab.vnet(RED);
    let net = vnet_net::init(&vnet);
    assert!(net.in_flight().enter(u32::MAX) && net.injected().enter(u32::MAX));
    lab.control(|stack| net.account().get(stack.control().reader()).originated.inc());
    let mbuf = lab.mbuf(&packet.frame());
    lab.inject(Inject { slot: ingress, mbuf, work: InjectWork::Route });
}

fn echo(len: usize) -> Packet {
    Packet::echo(PEER, OWN[0], len).link(PEER_MAC, EM[0])
}

#[test]
fn packets_keep_their_order() {
    let mut lab = crossroads();
    let lengths = [5, 6, 7, 8, 9];
    lengths.iter().for_each(|len| route(&mut lab, &echo(*len)));
    lab.settle();
    let sent = lab.take();
    let sent: Vec<_> =
        sent.iter().map(|sent| Packet { id: 0, ..Packet::read(&sent.frame) }).collect();
    let replies = lengths.map(|len| echo(len).echo_reply().link(EM[0], host(0, 2)));
    assert_eq!(sent, replies);
    lab.end();
}

/// An echo to ourselves from ourselves: its answer waits for the next iteration, and at the end there is none.
#[test]
fn what_waits_at_the_end_is_counted() {
    let mut lab = crossroads();
    let to_us = Packet::echo(OWN[1], OWN[0], 5).link(PEER_MAC, EM[0]);
    for _ in 0..3 {
        route(&mut lab, &to_us);
    }
    lab.iterate(0, []);
    assert_eq!(lab.drops(RED), [].into());
    lab.end_worker();
    assert_eq!(lab.drops(RED), [("shutdown", 3)].into());
    lab.check();
    assert_eq!(lab.pool.in_use(), 0);
    lab.work_here();
    lab.end();
}
