//! The fate of packets when there is too little of something: buffers, room in a queue, room in a table.

use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pmd::{Burst, MAX_BURST, Port, PortConfig, test_support};
use stack::net::IfSlot;
use stack::worker::{Inject, InjectWork, Output, QUEUE_PACKETS, TxPort};

use crate::common::crossroads::{EM, OWN, PEER, RED, crossroads, host, through, to};
use crate::common::frame::{Arp, BROADCAST, mac};
use crate::common::{Lab, Packet, Sent, has_many_vnets};

/// The default of net.vnet.maxheld.
const LIMIT: u64 = 256;

#[test]
fn one_vnet_cannot_occupy_the_control_thread() {
    let mut lab = crossroads();
    let unknown: Vec<Vec<u8>> =
        (0..400).map(|n| to(&format!("172.16.0.{}", n % 250), 8)).map(|p| p.frame()).collect();
    assert_eq!(lab.send(0, &unknown).len(), 1, "one question for the one gateway");
    // The control thread was asked after both bursts; of what it got it keeps as much as may wait for an address.
    let drops = [("punt_limit", 400 - LIMIT), ("arp_hold_full", LIMIT - 16)];
    assert_eq!(lab.drops(RED), drops.into());
    assert_eq!(lab.stat(RED, "dropped"), LIMIT - 16);
    lab.check();
    // Packets that wait occupy the vnet's share all the time.
    lab.sysctl(RED, "net.link.ether.inet.maxhold", 256);
    let _held = lab.send(0, &unknown[..LIMIT as usize]);
    assert_eq!(lab.drops(RED)["punt_limit"], 400 - LIMIT + 16);
    assert_eq!(lab.send(0, &[through(10).frame()]).len(), 1, "known ways are as open as before");
    lab.end();
}

/// Vnets that flood the queue of their worker.
#[test]
fn the_queue_to_the_control_thread_is_full() {
    if !has_many_vnets("scarce::the_queue_to_the_control_thread_is_full") {
        return;
    }
    let mut lab = Lab::new();
    const VNETS: usize = QUEUE_PACKETS / LIMIT as usize + 1;
    let vlan = |n: usize| Some(10 + n as u16);
    for n in 0..VNETS {
        let name = format!("flooder{n}");
        let _slot = lab.interface(&name, "em0", 0, vlan(n), EM[0], &["10.0.0.1/24"]);
        lab.sysctl(&name, "net.inet.ip.forwarding", 1);
    }
    let flood = |n| {
        let packet = Packet { tag: vlan(n), ..to("10.0.0.77", 8) };
        vec![Packet { src: Ipv4Addr::new(10, 9, 9, 9), ..packet }.frame(); LIMIT as usize]
    };
    for n in 0..VNETS {
        let burst: Vec<_> = flood(n).iter().map(|frame| lab.mbuf(frame)).collect();
        lab.iterate(0, burst);
    }
    // Three have all that they may; each of the others half of what was free then.
    assert_eq!(lab.punted(), QUEUE_PACKETS - 64);
    for (n, left) in [(0, LIMIT), (1, LIMIT), (2, LIMIT), (3, 128), (4, 64)] {
        let dropped: u64 = lab.drops(&format!("flooder{n}")).values().sum();
        assert_eq!(dropped, LIMIT - left, "flooder{n}");
    }
    assert_eq!(lab.drops("flooder4"), [("punt_queue_full", LIMIT - 64)].into());
    lab.settle();
    let _questions = lab.take();
    lab.end();
}

/// An interface that nobody has.
const NOWHERE: IfSlot = IfSlot(0xffff);

/// Fills the worker's queue from the control thread.
fn fill_inject(lab: &mut Lab, room: usize) {
    for _ in 0..QUEUE_PACKETS - room {
        let frame = Inject { slot: NOWHERE, mbuf: lab.mbuf(&[0; 60]), work: InjectWork::Frame };
        lab.inject(frame);
    }
}

#[test]
fn the_queue_from_the_control_thread_is_full() {
    let mut lab = crossroads();
    let waiting: Vec<Vec<u8>> = (0..5).map(|_| to("10.0.1.9", 8).frame()).collect();
    let _question = lab.send(0, &waiting);
    let gateway = Ipv4Addr::new(10, 0, 1, 9);
    let answer = Arp::reply(host(1, 9), gateway, EM[1], OWN[1]).frame(EM[1], None);
    let answer = lab.mbuf(&answer);
    lab.iterate(1, [answer]);
    fill_inject(&mut lab, 2);
    let now = lab.now;
    lab.control(|stack| stack.tick(now));
    // Red has as many there as it leaves free.
    assert_eq!(lab.drops(RED), [("inject_queue_full", 4)].into());
    while lab.injected() > 0 {
        lab.iterate(0, []);
    }
    assert_eq!(lab.take().len(), 1, "the one that found room");
    lab.end();
}

/// Frames for a transmit queue through which another worker is sending: they are kept, as many as there is room for, and leave
/// in their order when the other worker has finished.
#[test]
fn another_worker_is_sending() {
    let lab = Lab::new();
    let config = PortConfig {
        name: "shared".to_owned(),
        device: "net_ring11".to_owned(),
        ..PortConfig::default()
    };
    let mut port = Port::open(&test_support::eal(), &config, &lab.pool).unwrap();
    let (mut rx, mut tx) = port.start().unwrap();
    let queue = Arc::new(Mutex::new(tx.remove(0)));
    let id = port.id();
    let shared = || TxPort::shared(id, Arc::clone(&queue));
    let (mut out, other) = (Output::new([shared()]), shared());
    let counters = out.counters().remove(0).1;
    let read = || (counters.sent.get(), counters.dropped.get(), counters.handover_full.get());
    let send = |out: &mut Output, numbers: Range<u32>| {
        for number in numbers {
            out.push(id, lab.mbuf(&number.to_be_bytes())).unwrap();
        }
        out.flush();
    };
    send(&mut out, 0..10);
    assert_eq!(read(), (10, 0, 0));
    let sending = queue.lock().unwrap();
    send(&mut out, 10..20);
    send(&mut out, 20..15 + MAX_BURST as u32);
    assert_eq!(read(), (10, 0, 5), "the last ones find no room");
    out.flush();
    drop(sending);
    out.flush();
    assert_eq!(read(), (10 + MAX_BURST as u64, 0, 5));
    let mut received = Burst::new();
    assert_eq!(rx[0].rx(&mut received, 10), 10);
    let mut expected = 0_u32;
    while !received.is_empty() {
        for mbuf in received.drain() {
            assert_eq!(mbuf.data(), expected.to_be_bytes());
            expected += 1;
        }
        let _count = rx[0].rx(&mut received, 100);
    }
    assert_eq!(expected, 10 + MAX_BURST as u32);
    // Frames that are kept at the end are counted, and the queue comes back with the last of those that share it.
    let sending = queue.lock().unwrap();
    send(&mut out, 0..3);
    drop(sending);
    drop(queue);
    let mut ports = out.into_ports();
    assert!(ports.remove(0).into_queue().is_none());
    assert_eq!(read().2, 5 + 3);
    port.stop(rx, other.into_queue().into_iter().collect()).unwrap();
    drop(port);
    assert_eq!(lab.pool.in_use(), 0);
}

#[test]
fn the_neighbour_table_is_full() {
    let mut lab = crossroads();
    // As many as the scene has static ones, and two more.
    lab.sysctl(RED, "net.link.ether.inet.maxneighbors", 6 + 2);
    let learn = |n: u8| Arp::request(mac(n), Ipv4Addr::new(10, 0, 0, n), OWN[0]);
    let questions = [50, 51].map(|n| learn(n).frame(BROADCAST, None));
    assert_eq!(lab.send(0, &questions).len(), 2);
    // Known neighbours are worth more than a newcomer, and a newcomer still gets his answer.
    assert_eq!(lab.send(0, &[learn(52).frame(BROADCAST, None)]).len(), 1);
    let back = |n| {
        let known = Packet::udp(Ipv4Addr::new(198, 18, 0, 1), Ipv4Addr::new(10, 0, 0, n), 8);
        known.link(host(1, 2), EM[1]).frame()
    };
    // The first is in use, on the fast path; to the other nothing was ever sent, and a gateway is needed.
    assert_eq!(lab.send(1, &[back(50)]).len(), 1);
    assert_eq!(arps(&lab.send(0, &[to("10.0.1.9", 8).frame()])), 1, "a question");
    let gateway = Arp::reply(host(1, 9), Ipv4Addr::new(10, 0, 1, 9), EM[1], OWN[1]);
    assert_eq!(lab.send(1, &[gateway.frame(EM[1], None)]).len(), 1);
    assert_eq!(arps(&lab.send(1, &[back(50)])), 0, "it was kept");
    // Now all are in use.
    assert_eq!(lab.send(1, &[back(51)]), []);
    assert_eq!(lab.drops(RED), [("arp_table_full", 1)].into());
    lab.end();
}

fn arps(sent: &[Sent]) -> usize {
    sent.iter().filter(|sent| Arp::read(&sent.frame).is_some()).count()
}

#[test]
fn no_buffers_are_left() {
    let mut lab = crossroads();
    let to_cut = lab.mbuf(&to("100.64.0.1", 1200).frame());
    let expired = lab.mbuf(&Packet { ttl: 1, ..through(8) }.frame());
    let echo = Packet::echo(PEER, OWN[0], 8).link(host(0, 2), EM[0]);
    let echo = lab.mbuf(&echo.frame());
    let ordinary = lab.mbuf(&through(8).frame());
    let arp = Arp::request(host(0, 2), PEER, OWN[0]).frame(BROADCAST, None);
    let arp = lab.mbuf(&arp);
    let all: Vec<_> = std::iter::from_fn(|| lab.pool.alloc()).collect();
    let sent = lab.send_mbufs(0, vec![to_cut, expired, echo, ordinary, arp]);
    // The packets' own buffers come free one after the other: what ends first helps those behind it.
    let drops = lab.drops(RED);
    assert!(drops["no_mbuf"] == 1 && drops["ip_ttl_exceeded"] == 1, "{drops:?}");
    assert!(sent.len() >= 2, "echo and ordinary packet need no buffer but their own");
    drop(all);
    assert_eq!(lab.send(0, &[to("100.64.0.1", 1200).frame()]).len(), 3);
    lab.end();
}

/// Packets for a gateway that is not known take all that there is for packets that wait; its answer comes nevertheless.
#[test]
fn few_buffers_are_left_and_an_answer_comes() {
    let mut lab = crossroads();
    let mut taken: Vec<_> = std::iter::from_fn(|| lab.pool.alloc()).collect();
    taken.truncate(taken.len() - 120);
    let waiting = vec![to("10.0.1.9", 8).frame(); 20];
    assert_eq!(lab.send(0, &waiting[..1]).len(), 1, "a question");
    assert_eq!(lab.send(0, &waiting), []);
    let gateway = Ipv4Addr::new(10, 0, 1, 9);
    let answer = Arp::reply(host(1, 9), gateway, EM[1], OWN[1]).frame(EM[1], None);
    // Of a share of 16 packets, see SHARE_MIN.
    assert_eq!(lab.send(1, &[answer]).len(), 8);
    assert_eq!(lab.drops(RED), [("mbuf_limit", 21 - 8)].into());
    drop(taken);
    lab.end();
}

/// Packets that wait for an address when the process ends are counted, too.
#[test]
fn what_waits_at_the_end() {
    let mut lab = crossroads();
    let _question = lab.send(0, &vec![to("10.0.1.9", 8).frame(); 7]);
    lab.drain();
    assert_eq!(lab.drops(RED), [("shutdown", 7)].into());
    lab.check();
    assert_eq!(lab.pool.in_use(), 0);
    // Still with the worker's queues when it ends.
    let mbufs: Vec<_> = (0..3).map(|_| lab.mbuf(&to("10.0.1.9", 8).frame())).collect();
    lab.iterate(0, mbufs);
    assert_eq!(lab.punted(), 3);
    lab.drain();
    assert_eq!(lab.drops(RED), [("shutdown", 10)].into());
    lab.end();
}

/// Nothing here waits for a clock but the answer's seconds.
#[test]
fn a_flood_ends_with_its_second() {
    let mut lab = crossroads();
    let flood = vec![to("10.0.0.1", 8).frame(); 256];
    assert_eq!(lab.send(0, &flood).len(), 200);
    let _second = lab.pass(Duration::from_secs(1));
    assert_eq!(lab.send(0, &flood).len(), 200);
    lab.end();
}
