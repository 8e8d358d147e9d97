//! Packets of our own whose answers a client waits for: RFC 792, RFC 1122 3.2.2, and what ping(8) and traceroute(8) send.

use std::net::Ipv4Addr;
use std::time::Duration;

use stack::control::{ProbeError, ProbeSpec, ProbeState, ProbeView};
use stack::inet::{Heard, ProbeAnswer, ProbeKind};

use crate::common::crossroads::{EM, FAR, OWN, PEER, PEER_MAC, RED, crossroads, host};
use crate::common::frame::{DF, MF, checksum};
use crate::common::{Lab, Packet, has_many_vnets};

const UNREACHABLE: u8 = 3;
const TIME_EXCEEDED: u8 = 11;
const WAIT: Duration = Duration::from_secs(3);
const RTT: Duration = Duration::from_micros(123);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);

fn echo(address: Ipv4Addr) -> ProbeSpec {
    ProbeSpec {
        address,
        kind: ProbeKind::Echo,
        ttl: None,
        size: 56,
        source: None,
        dont_fragment: false,
        wait: WAIT,
    }
}

fn udp(address: Ipv4Addr) -> ProbeSpec {
    ProbeSpec { kind: ProbeKind::Udp, ttl: Some(1), size: 12, ..echo(address) }
}

fn try_send(lab: &mut Lab, spec: ProbeSpec) -> Result<ProbeView, ProbeError> {
    let vnet = lab.vnet(RED);
    let now = lab.now;
    // As the control thread's loop does: requests are executed after a tick.
    lab.control(|stack| {
        stack.tick(now);
        stack.send_probe(&vnet, spec)
    })
}

/// Sends a probe; what leaves.
fn send(lab: &mut Lab, spec: ProbeSpec) -> (ProbeView, Vec<Packet>) {
    let view = try_send(lab, spec).unwrap();
    lab.settle();
    (view, lab.take().iter().map(|sent| Packet::read(&sent.frame)).collect())
}

/// Sends a probe that leaves in one packet.
fn send_one(lab: &mut Lab, spec: ProbeSpec) -> (ProbeView, Packet) {
    let (view, mut sent) = send(lab, spec);
    assert_eq!(sent.len(), 1, "{sent:?}");
    (view, sent.remove(0))
}

fn state(lab: &mut Lab, view: ProbeView) -> Option<ProbeState> {
    let vnet = lab.vnet(RED);
    let now = lab.now;
    lab.control(|stack| {
        stack.tick(now);
        stack.probe(&vnet, view.number)
    })
}

fn answered(state: Option<ProbeState>) -> ProbeAnswer {
    match state {
        Some(ProbeState::Answered(answer)) => answer,
        other => panic!("{other:?}"),
    }
}

/// Something arrives at `port` a little later; nothing leaves because of it.
fn arrives(lab: &mut Lab, port: u16, packet: &Packet) {
    lab.now = lab.now + RTT;
    assert_eq!(lab.send(port, &[packet.frame()]), []);
}

#[test]
fn a_reply_is_told_with_its_time() {
    let mut lab = crossroads();
    let (view, request) = send_one(&mut lab, echo(PEER));
    assert_eq!(view.source, OWN[0]);
    let data: Vec<u8> = (0..56).collect();
    let word = u32::from_be_bytes(request.payload[4..8].try_into().unwrap());
    let as_it_should_be = Packet::icmp(OWN[0], PEER, 8, 0, word, &data).link(EM[0], PEER_MAC);
    assert_eq!(request, Packet { id: request.id, ..as_it_should_be });
    assert_eq!(state(&mut lab, view), Some(ProbeState::Waiting));
    let reply = Packet { ttl: 61, ..request.echo_reply() };
    arrives(&mut lab, 0, &reply);
    let heard = Heard { from: PEER, kind: 0, code: 0, ttl: 61, bytes: 64, mtu: 0 };
    let rtt_ns = RTT.as_nanos() as u64;
    let answer = ProbeAnswer { heard, rtt_ns, duplicates: 0 };
    assert_eq!(answered(state(&mut lab, view)), answer);
    // The same again, and one that claims to be somebody else's.
    arrives(&mut lab, 0, &reply);
    arrives(&mut lab, 0, &Packet { src: Ipv4Addr::new(10, 0, 0, 3), ..reply });
    assert_eq!(answered(state(&mut lab, view)), ProbeAnswer { duplicates: 2, ..answer });
    assert_eq!(lab.drops(RED), [].into());
    lab.end();
}

#[test]
fn routers_and_hosts_on_the_way_are_told() {
    let mut lab = crossroads();
    for (spec, kind, code, rest) in [
        (udp(FAR), TIME_EXCEEDED, 0, 0),
        (ProbeSpec { ttl: Some(7), ..echo(FAR) }, TIME_EXCEEDED, 0, 0),
        (udp(FAR), UNREACHABLE, 3, 0),
        (echo(FAR), UNREACHABLE, 13, 0),
        (ProbeSpec { dont_fragment: true, ..echo(FAR) }, UNREACHABLE, 4, 1400),
    ] {
        let (view, probe) = send_one(&mut lab, spec);
        assert_eq!((probe.ttl, probe.dst), (spec.ttl.unwrap_or(64), FAR));
        assert_eq!(probe.fragment, if spec.dont_fragment { DF } else { 0 });
        let whole = probe.error(ROUTER, kind, code, rest);
        // Some routers quote no more than RFC 792 wants.
        let short = Packet::icmp(ROUTER, OWN[1], kind, code, rest, &probe.ip()[..28]);
        let error = if spec.kind == ProbeKind::Udp { short } else { whole };
        let bytes = error.payload.len() as u16;
        arrives(&mut lab, 1, &error.link(host(1, 2), EM[1]));
        let mtu = rest as u16;
        let heard = Heard { from: ROUTER, kind, code, ttl: 64, bytes, mtu };
        assert_eq!(answered(state(&mut lab, view)).heard, heard);
    }
    lab.end();
}

#[test]
fn udp_probes_have_ports_of_traceroute_and_right_checksums() {
    let mut lab = crossroads();
    for size in [0, 1, 12, 999] {
        let (_, probe) = send_one(&mut lab, ProbeSpec { size, ..udp(FAR) });
        let word = |at: usize| u16::from_be_bytes([probe.payload[at], probe.payload[at + 1]]);
        assert!(word(0) >= 0x8000 && (33434..33434 + 64).contains(&word(2)), "{probe:?}");
        assert_eq!(usize::from(word(4)), 8 + size);
        let mut whole = [probe.src.octets(), probe.dst.octets()].concat();
        whole.extend([0, 17, probe.payload[4], probe.payload[5]]);
        whole.extend(&probe.payload);
        assert_eq!(checksum(&whole), 0, "{probe:?}");
    }
    lab.end();
}

#[test]
fn what_is_no_answer_is_dropped_by_name() {
    let mut lab = crossroads();
    let (view, probe) = send_one(&mut lab, udp(FAR));
    let quote = probe.ip();
    let error = |quote: &[u8]| {
        Packet::icmp(ROUTER, OWN[1], TIME_EXCEEDED, 0, 0, quote).link(host(1, 2), EM[1])
    };
    let changed = |at: usize| {
        let mut quote = quote.clone();
        quote[at] ^= 1;
        quote
    };
    let later = Packet { fragment: 5, ..probe.clone() };
    let wrong = [
        // Version, protocol, source, destination, source port, destination port.
        error(&changed(0)),
        error(&changed(9)),
        error(&changed(12)),
        error(&changed(19)),
        error(&changed(20)),
        error(&changed(23)),
        error(&quote[..27]),
        error(&quote[..3]),
        error(&[]),
        error(&later.ip()),
        Packet::icmp(ROUTER, OWN[1], 5, 1, 0, &quote).link(host(1, 2), EM[1]),
        Packet { dst: OWN[0], ..error(&quote) },
        probe.echo_reply(),
        Packet::icmp(ROUTER, OWN[1], 0, 0, 0x8000_829a, &[]).link(host(1, 2), EM[1]),
    ];
    for (at, packet) in wrong.iter().enumerate() {
        let before = lab.drops(RED).values().sum::<u64>();
        arrives(&mut lab, 1, packet);
        assert_eq!(state(&mut lab, view), Some(ProbeState::Waiting), "{at}: {packet:?}");
        assert_eq!(lab.drops(RED).values().sum::<u64>(), before + 1, "{at}");
    }
    arrives(&mut lab, 1, &error(&quote[..28]));
    assert_eq!(answered(state(&mut lab, view)).heard.kind, TIME_EXCEEDED);
    lab.end();
}

#[test]
fn nobody_waits_for_ever() {
    let mut lab = crossroads();
    let (view, request) = send_one(&mut lab, echo(PEER));
    let _nothing = lab.pass(WAIT);
    assert_eq!(state(&mut lab, view), Some(ProbeState::Expired));
    // It is late, but it is the answer.
    arrives(&mut lab, 0, &request.echo_reply());
    assert!(answered(state(&mut lab, view)).rtt_ns > WAIT.as_nanos() as u64);
    for _ in 0..64 {
        let _sent = send_one(&mut lab, echo(PEER));
    }
    assert_eq!(state(&mut lab, view), None, "its place is another's");
    assert_eq!(try_send(&mut lab, echo(PEER)).err(), Some(ProbeError::TooMany));
    arrives(&mut lab, 0, &request.echo_reply());
    assert_eq!(lab.drops(RED), [("icmp_no_listener", 1)].into());
    lab.end();
}

#[test]
fn our_own_addresses_answer() {
    let mut lab = crossroads();
    for own in OWN {
        for size in [0, 56, 1473, 65_507] {
            let (view, sent) = send(&mut lab, ProbeSpec { size, ..echo(own) });
            assert_eq!((view.source, sent), (own, vec![]));
            let heard = answered(state(&mut lab, view)).heard;
            assert_eq!((heard.from, usize::from(heard.bytes)), (own, size + 8));
        }
    }
    let (view, sent) = send(&mut lab, udp(OWN[2]));
    let heard = answered(state(&mut lab, view)).heard;
    assert_eq!((sent, heard.from, heard.kind, heard.code), (vec![], OWN[2], 3, 3));
    let from = ProbeSpec { source: Some(OWN[3]), ..echo(OWN[0]) };
    let (view, _) = send(&mut lab, from);
    assert_eq!((view.source, answered(state(&mut lab, view)).heard.from), (OWN[3], OWN[0]));
    lab.end();
}

#[test]
fn a_neighbor_that_is_not_there_is_unreachable() {
    let mut lab = crossroads();
    let (view, _arp) = {
        let view =
            try_send(&mut lab, ProbeSpec { wait: 10 * WAIT, ..echo(Ipv4Addr::new(10, 0, 0, 9)) });
        (view.unwrap(), lab.pass(Duration::from_secs(10)))
    };
    let heard = answered(state(&mut lab, view)).heard;
    assert_eq!((heard.from, heard.kind, heard.code), (OWN[0], UNREACHABLE, 1));
    lab.end();
}

#[test]
fn long_ones_are_cut() {
    let mut lab = crossroads();
    let (_, sent) = send(&mut lab, ProbeSpec { size: 65_507, ..echo(PEER) });
    assert_eq!(sent.len(), 65_515usize.div_ceil(1480));
    let mut whole = Vec::new();
    for piece in &sent {
        assert_eq!(usize::from(piece.fragment & 0x1fff) * 8, whole.len());
        whole.extend(&piece.payload);
        assert_eq!(piece.fragment & MF != 0, whole.len() < 65_515);
    }
    assert_eq!((whole.len(), checksum(&whole)), (65_515, 0));
    assert!(whole[8..].iter().enumerate().all(|(at, byte)| *byte == at as u8));
    lab.end();
}

fn no_route(vnet: &str, to: Ipv4Addr) -> ProbeError {
    ProbeError::NoRoute { to, vnet: vnet.to_owned() }
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let mut lab = crossroads();
    lab.set_up(RED, "em2", false);
    let address = |text: &str| text.parse::<Ipv4Addr>().unwrap();
    let discarded = |to: &str, by: &str| ProbeError::Discarded(address(to), by.parse().unwrap());
    let too_long =
        ProbeError::NeedsFragmentation { len: 577, interface: "em3".to_owned(), mtu: 576 };
    for (spec, error) in [
        (echo(address("9.9.9.9")), no_route(RED, address("9.9.9.9"))),
        (echo(address("203.0.113.1")), discarded("203.0.113.1", "203.0.113.0/24")),
        (echo(address("192.0.2.1")), discarded("192.0.2.1", "192.0.2.0/24")),
        (echo(address("10.0.0.255")), ProbeError::NotHost(address("10.0.0.255"))),
        (echo(Ipv4Addr::BROADCAST), ProbeError::NotHost(Ipv4Addr::BROADCAST)),
        (echo(address("224.0.0.1")), ProbeError::NotHost(address("224.0.0.1"))),
        (echo(Ipv4Addr::UNSPECIFIED), ProbeError::NotHost(Ipv4Addr::UNSPECIFIED)),
        (echo(address("127.0.0.1")), ProbeError::NotHost(address("127.0.0.1"))),
        (ProbeSpec { source: Some(PEER), ..echo(FAR) }, ProbeError::Source(PEER)),
        (echo(address("10.0.2.2")), ProbeError::InterfaceDown("em2".to_owned())),
        (ProbeSpec { size: 65_508, ..echo(PEER) }, ProbeError::TooLong(65_508)),
        (ProbeSpec { size: 549, dont_fragment: true, ..echo(address("100.64.0.1")) }, too_long),
    ] {
        assert_eq!(try_send(&mut lab, spec).err(), Some(error));
    }
    let fits = ProbeSpec { size: 548, dont_fragment: true, ..echo(address("100.64.0.1")) };
    let (_, sent) = send_one(&mut lab, fits);
    assert_eq!(sent.fragment, DF);
    lab.end();
}

#[test]
fn the_rate_is_bounded() {
    let mut lab = crossroads();
    let mut sent = 0;
    let refusal = loop {
        match try_send(&mut lab, echo(OWN[0])) {
            Ok(view) => {
                lab.settle();
                let _seen = answered(state(&mut lab, view));
                sent += 1;
            }
            Err(error) => break error,
        }
        if sent % 100 == 0 {
            // Answers are bounded as well.
            lab.sysctl(RED, "net.inet.icmp.icmplim", 0);
        }
    };
    assert_eq!((sent, refusal), (1000, ProbeError::TooFast));
    let _nothing = lab.pass(Duration::from_secs(1));
    assert!(try_send(&mut lab, echo(OWN[0])).is_ok());
    lab.end();
}

#[test]
fn a_vnet_dies_with_its_probes() {
    if !has_many_vnets("a_vnet_dies_with_its_probes") {
        return;
    }
    let mut lab = crossroads();
    let view = try_send(&mut lab, echo(PEER)).unwrap();
    let vnet = lab.vnet(RED);
    lab.settle();
    let request = Packet::read(&lab.take()[0].frame);
    let again = try_send(&mut lab, echo(PEER));
    lab.control(|stack| stack.destroy_vnet(RED).unwrap());
    assert!(again.is_ok());
    lab.control(|stack| {
        assert_eq!(stack.probe(&vnet, view.number), None);
        assert_eq!(stack.send_probe(&vnet, echo(PEER)).err(), Some(no_route(RED, PEER)));
    });
    drop(vnet);
    arrives(&mut lab, 0, &request.echo_reply());
    lab.settle();
    lab.end();
}
