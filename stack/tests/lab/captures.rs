//! Captures: what they show is what came in, what left and what was dropped, of one vnet and of nobody else.

use std::collections::BTreeMap;
use std::sync::Arc;

use stack::control::CaptureError;
use stack::net::bpf::{Captured, Direction, Filter, Instruction, Tap, TapEnd, TapSpec};

use crate::common::crossroads::{EM, OWN, PEER, PEER_MAC, RED, crossroads, through, to};
use crate::common::frame::{Arp, BROADCAST, mac};
use crate::common::{Lab, Packet, has_many_vnets};

fn everything() -> TapSpec {
    TapSpec { interface: None, filter: Filter::all(), snaplen: u32::MAX, drops: true }
}

fn start(lab: &mut Lab, vnet: &str, spec: TapSpec) -> Arc<Tap> {
    let vnet = lab.vnet(vnet);
    lab.control(|stack| stack.start_capture(&vnet, spec)).unwrap()
}

fn read(tap: &Tap) -> Vec<Captured> {
    let mut words = Vec::new();
    std::iter::from_fn(|| tap.read(&mut words)).collect()
}

/// Without its tag.
fn untagged(frame: &[u8]) -> Vec<u8> {
    match frame[12..14] {
        [0x81, 0x00] => [&frame[..12], &frame[16..]].concat(),
        _ => frame.to_vec(),
    }
}

fn of(all: &[Captured], direction: Direction) -> Vec<Vec<u8>> {
    let chosen = all.iter().filter(|packet| packet.direction == direction);
    chosen.map(|packet| packet.bytes.clone()).collect()
}

/// One of every kind: forwarded, tagged, to us, cut, refused, dropped, held, ARP.
fn mixture() -> Vec<Vec<u8>> {
    let echo = Packet::echo(PEER, OWN[0], 56).link(PEER_MAC, EM[0]);
    vec![
        through(10).frame(),
        to("100.64.0.1", 1000).frame(),
        to("198.51.100.9", 100).frame(),
        echo.frame(),
        Packet { ttl: 1, ..through(10) }.frame(),
        to("203.0.113.1", 1).frame(),
        to("9.9.9.9", 1).frame(),
        to("172.16.0.1", 1).frame(),
        Arp::request(PEER_MAC, PEER, OWN[0]).frame(BROADCAST, None),
        vec![0; 13],
    ]
}

#[test]
fn what_came_in_what_left_and_what_was_dropped() {
    for pieces in [&[][..], &[3, 20, 21]] {
        let mut lab = crossroads();
        let before = lab.drops(RED);
        let tap = start(&mut lab, RED, everything());
        let frames = mixture();
        let mbufs = frames.iter().map(|frame| lab.segmented(frame, pieces)).collect();
        let sent = lab.send_mbufs(0, mbufs);
        let all = read(&tap);
        assert_eq!(of(&all, Direction::In), frames);
        // Ports stand in a row in the list of what left, and not in the order of sending.
        let mut left: Vec<_> = sent.iter().map(|sent| untagged(&sent.frame)).collect();
        let mut shown = of(&all, Direction::Out);
        left.sort();
        shown.sort();
        assert_eq!(shown, left);
        let mut reasons: BTreeMap<&str, u64> = before;
        for packet in &all {
            assert_eq!(packet.wire_len as usize, packet.bytes.len());
            if let Direction::Dropped(reason) = packet.direction {
                *reasons.entry(reason.name()).or_default() += 1;
                assert_eq!(packet.interface, "em0", "where it came in");
            }
        }
        assert_eq!(reasons, lab.drops(RED));
        assert!(reasons.len() >= 4, "{reasons:?}");
        let out = |name: &str| all.iter().any(|packet| packet.interface == name);
        assert!(out("em0") && out("em1") && out("em3"), "interfaces that sent");
        assert_eq!((tap.received(), tap.dropped()), (all.len() as u64, 0));
        lab.end();
    }
}

#[test]
fn the_fast_path_rests_while_somebody_looks_on_and_no_longer() {
    let mut lab = crossroads();
    let burst = vec![through(10).frame(); 100];
    let fast = |lab: &mut Lab| lab.stat(RED, "ips_fastforward");
    let _sent = lab.send(0, &burst);
    assert_eq!(fast(&mut lab), 100);
    let (one, other) = (start(&mut lab, RED, everything()), start(&mut lab, RED, everything()));
    let sent = lab.send(0, &burst);
    assert_eq!((sent.len(), fast(&mut lab)), (100, 100));
    lab.control(|stack| stack.stop_capture(&one));
    // Of an interface that came meanwhile, too.
    let _slot = lab.interface(RED, "em4", 3, None, mac(9), &[]);
    let _sent = lab.send(3, &[through(10).link(PEER_MAC, mac(9)).frame()]);
    lab.control(|stack| stack.stop_capture(&other));
    assert_eq!((read(&one).len(), read(&other).len(), fast(&mut lab)), (200, 202, 100));
    let _sent = lab.send(0, &burst);
    assert_eq!(fast(&mut lab), 200);
    assert_eq!((read(&one).len(), read(&other).len()), (0, 0), "after the end");
    assert_eq!((one.end(), other.end()), (None, None));
    lab.end();
}

#[test]
fn an_interface_a_filter_and_a_length() {
    let mut lab = crossroads();
    let em1 = Some(lab.ifnet(RED, "em1").slot);
    let of_em1 = start(&mut lab, RED, TapSpec { interface: em1, ..everything() });
    // ldb [23]; jeq #1; ret #60; ret #0: ICMP.
    let program = [(0x30, 0, 0, 23), (0x15, 0, 1, 1), (6, 0, 0, 60), (6, 0, 0, 0)]
        .map(|(code, jt, jf, k)| Instruction { code, jt, jf, k });
    let icmp = TapSpec { filter: Filter::new(&program).unwrap(), drops: false, ..everything() };
    let icmp = start(&mut lab, RED, icmp);
    let short = start(&mut lab, RED, TapSpec { snaplen: 17, drops: false, ..everything() });
    let echo = Packet::echo(PEER, OWN[0], 200).link(PEER_MAC, EM[0]);
    let _sent = lab.send(0, &[through(10).frame(), echo.frame()]);
    let all = read(&of_em1);
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].direction, all[0].interface.as_str()), (Direction::Out, "em1"));
    let all = read(&icmp);
    let way: Vec<_> = all.iter().map(|packet| packet.direction).collect();
    assert_eq!(way, [Direction::In, Direction::Out]);
    assert_eq!((all[0].wire_len, &all[0].bytes[..]), (14 + 28 + 200, &echo.frame()[..60]));
    let all = read(&short);
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|packet| packet.bytes.len() == 17 && packet.wire_len > 17));
    assert_eq!(all[0].bytes, through(10).frame()[..17]);
    lab.end();
}

#[test]
fn packets_of_a_vnet_to_itself_are_shown_once_with_a_header() {
    let mut lab = crossroads();
    let lo0 = Some(lab.ifnet(RED, "lo0").slot);
    let tap = start(&mut lab, RED, TapSpec { interface: lo0, ..everything() });
    // A packet that waits for its gateway while its destination becomes ours.
    let dst = "172.16.0.77".parse().unwrap();
    let echo = Packet::echo("198.18.9.9".parse().unwrap(), dst, 16).link(PEER_MAC, EM[0]);
    let _question = lab.send(0, &[echo.frame()]);
    let slot = lab.ifnet(RED, "lo0").slot;
    lab.control(|stack| stack.add_address(slot, "172.16.0.77/32".parse().unwrap())).unwrap();
    let nobody = "10.0.1.9".parse().unwrap();
    let answer = Arp::reply(mac(0x19), nobody, EM[1], OWN[1]);
    let _sent = lab.send(1, &[answer.frame(EM[1], None)]);
    let all = read(&tap);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(
        (all[0].direction, &all[0].bytes[..14]),
        (Direction::In, &[&[0; 12][..], &[8, 0]].concat()[..])
    );
    assert_eq!(all[0].bytes[30..34], [172, 16, 0, 77]);
    lab.end();
}

#[test]
fn what_there_is_no_room_for_is_counted() {
    let mut lab = crossroads();
    let tap = start(&mut lab, RED, TapSpec { drops: false, ..everything() });
    let burst = vec![through(1000).frame(); 1000];
    let sent = lab.send(0, &burst);
    assert_eq!(sent.len(), 1000, "nobody waits for who looks on");
    let kept = read(&tap);
    assert_eq!((tap.received(), tap.dropped()), (2000, 2000 - kept.len() as u64));
    assert!((500..2000).contains(&kept.len()), "{}", kept.len());
    assert_eq!(of(&kept, Direction::In)[0], burst[0]);
    let _sent = lab.send(0, &burst[..1]);
    assert_eq!(read(&tap).len(), 2, "there is room again");
    lab.end();
}

#[test]
fn a_vnet_is_never_shown_anothers_packets() {
    if !has_many_vnets("captures::a_vnet_is_never_shown_anothers_packets") {
        return;
    }
    let mut lab = Lab::new();
    for (name, vlan) in [("red", 100), ("blue", 200)] {
        let _slot = lab.interface(name, "in", 0, Some(vlan), EM[0], &["10.0.0.1/24"]);
        let _slot = lab.interface(name, "out", 1, Some(vlan), EM[1], &["10.0.1.1/24"]);
        lab.sysctl(name, "net.inet.ip.forwarding", 1);
        lab.via(name, "198.18.0.0/15", &["10.0.1.2"]);
    }
    // Only red knows the gateway: blue's packets wait with the control thread, and some are dropped there.
    lab.neighbor("red", "out", "10.0.1.2", mac(2));
    lab.settle();
    let (red, blue) = (start(&mut lab, "red", everything()), start(&mut lab, "blue", everything()));
    let packet = |vlan: u16, id| Packet { tag: Some(vlan), id, ..through(10) }.frame();
    let burst: Vec<_> = (0..200).map(|id| packet(100 + 100 * (id % 2), id)).collect();
    let _sent = lab.send(0, &burst);
    let even = |all: &[Captured]| {
        let ip = all.iter().filter(|packet| packet.bytes[12..14] == [8, 0]);
        let ids: Vec<_> = ip.map(|packet| Packet::read(&packet.bytes).id % 2).collect();
        (ids.iter().filter(|odd| **odd == 0).count(), ids.iter().filter(|odd| **odd == 1).count())
    };
    assert_eq!(even(&read(&red)), (200, 0), "in and out");
    let all = read(&blue);
    assert_eq!(even(&all), (0, 100 + 84), "in, and all that the hold queue had no room for");
    assert_eq!(lab.drops("blue"), [("arp_hold_full", 84)].into());
    let dropped = all.iter().filter(|packet| matches!(packet.direction, Direction::Dropped(_)));
    assert_eq!(dropped.count(), 84);
    lab.end();
}

#[test]
fn it_ends_with_its_interface_or_its_vnet() {
    if !has_many_vnets("captures::it_ends_with_its_interface_or_its_vnet") {
        return;
    }
    let mut lab = crossroads();
    let em1 = lab.ifnet(RED, "em1").slot;
    let of_em1 = start(&mut lab, RED, TapSpec { interface: Some(em1), ..everything() });
    let of_all = start(&mut lab, RED, everything());
    let _sent = lab.send(0, &[through(10).frame()]);
    lab.control(|stack| stack.destroy_interface(em1)).unwrap();
    assert_eq!((of_em1.end(), of_all.end()), (Some(TapEnd::InterfaceDestroyed), None));
    lab.settle();
    let vnet0 = lab.vnet("vnet0");
    let of_other = lab.control(|stack| stack.start_capture(&vnet0, everything())).unwrap();
    drop(vnet0);
    lab.control(|stack| stack.destroy_vnet(RED)).unwrap();
    assert_eq!((of_all.end(), of_other.end()), (Some(TapEnd::VnetDestroyed), None));
    assert!(read(&of_em1).len() == 1 && read(&of_all).len() >= 2, "what it took is there");
    lab.control(|stack| stack.stop_capture(&of_all));
    lab.end();
}

#[test]
fn there_is_a_bound_on_captures() {
    let mut lab = crossroads();
    let taps: Vec<_> = (0..8).map(|_| start(&mut lab, RED, everything())).collect();
    let vnet = lab.vnet(RED);
    let refused = lab.control(|stack| stack.start_capture(&vnet, everything()));
    assert_eq!(refused.map(|_| ()), Err(CaptureError::TooMany));
    drop(vnet);
    lab.control(|stack| stack.stop_capture(&taps[3]));
    let _ninth = start(&mut lab, RED, everything());
    let _sent = lab.send(0, &[through(10).frame()]);
    assert!(taps.iter().enumerate().all(|(n, tap)| read(tap).len() == if n == 3 { 0 } else { 2 }));
    lab.end();
}
