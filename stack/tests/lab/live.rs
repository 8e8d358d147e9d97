//! A worker thread under load while the control thread changes routes, neighbours and vnets: no packet whose way is
//! there all the time is lost, and every packet ends in one place.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use pmd::{Burst, Mbuf, PortId};
use stack::net::route::RouteTarget;
use stack::time::Nanos;
use stack::worker::{PortDrops, WorkerQueues};

use crate::common::crossroads::{EM, OWN, RED, crossroads, host, to};
use crate::common::frame::{Arp, BROADCAST, UDP, mac};
use crate::common::lab::Worker;
use crate::common::{Lab, Packet, Random, has_many_vnets};

/// Changes in each test.
pub(super) const CHANGES: usize = 400;
/// Packets of one burst.
const BURST: usize = 64;

/// The state that the control thread and the worker thread share.
#[derive(Default)]
pub(super) struct Pace {
    stop: AtomicBool,
    /// The worker has ended, as it should or by a panic.
    ended: AtomicBool,
    /// Nanoseconds.
    clock: AtomicU64,
    /// Bursts that the worker has finished.
    bursts: AtomicU64,
}

impl Pace {
    /// Time passes for both; the control thread's tick.
    fn tick(&self, lab: &mut Lab, millis: u64) {
        let step = millis * 1_000_000;
        let now = Nanos(self.clock.fetch_add(step, Ordering::Relaxed) + step);
        lab.control(|stack| stack.tick(now));
    }

    /// Waits until the worker has finished some bursts that began after this.
    pub(super) fn let_work(&self, bursts: u64) {
        let target = self.bursts.load(Ordering::Acquire) + 1 + bursts;
        while self.bursts.load(Ordering::Acquire) < target {
            assert!(!self.ended.load(Ordering::Relaxed), "the worker has ended");
            thread::yield_now();
        }
    }
}

/// Set when this is dropped, also by a panic, so that the other thread does not wait for ever.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The packets of a worker thread.
pub(super) struct Done {
    offered: u64,
    taken: u64,
    port_drops: Arc<PortDrops>,
    /// The worker's ends of its queues.
    queues: Option<WorkerQueues>,
    /// Packets in and out by identification, which tells their kind.
    pub(super) received: BTreeMap<u16, u64>,
    pub(super) left: BTreeMap<u16, u64>,
}

/// Runs a worker that receives `frames` in turn, all the time, while `change` runs here.
pub(super) fn under_load(
    lab: &mut Lab,
    frames: &[(u16, Vec<u8>)],
    change: impl FnOnce(&mut Lab, &Pace),
) -> Done {
    let worker = lab.worker();
    let pace = Pace { clock: AtomicU64::new(lab.now.0), ..Pace::default() };
    let mut done = thread::scope(|scope| {
        let thread = scope.spawn(|| work(worker, frames, &pace));
        let stop = SetAtEnd(&pace.stop);
        change(lab, &pace);
        pace.let_work(10);
        drop(stop);
        thread.join().expect("the worker does not panic")
    });
    lab.now = Nanos(pace.clock.load(Ordering::Relaxed));
    lab.queues = done.queues.take();
    lab.work_here();
    lab.account(done.offered, done.taken, Arc::clone(&done.port_drops));
    lab.settle();
    done
}

fn work(worker: Worker, frames: &[(u16, Vec<u8>)], pace: &Pace) -> Done {
    let _ended = SetAtEnd(&pace.ended);
    let pool = worker.pool.clone();
    let (mut datapath, mut wire) = worker.datapath();
    let port_drops = datapath.drops();
    let (received, left) = (BTreeMap::new(), BTreeMap::new());
    let mut done = Done { offered: 0, taken: 0, port_drops, queues: None, received, left };
    let mut next = 0;
    let mut burst = Burst::new();
    while !pace.stop.load(Ordering::Relaxed) {
        let _timed: bool = datapath.begin(Nanos(pace.clock.load(Ordering::Relaxed)));
        let port = frames[next % frames.len()].0;
        while burst.len() < BURST && frames[next % frames.len()].0 == port {
            // The pool is empty when much waits for addresses; then less comes.
            let Some(mbuf) = pool.from_bytes(&frames[next % frames.len()].1) else { break };
            *done.received.entry(kind_of(&mbuf)).or_default() += 1;
            burst.push(mbuf).unwrap();
            next += 1;
        }
        let count = burst.len();
        done.offered += count as u64;
        datapath.receive(PortId(port), &mut burst);
        datapath.finish(count);
        wire.take(|_, mbuf| {
            done.taken += 1;
            *done.left.entry(kind_of(&mbuf)).or_default() += 1;
        });
        let _before = pace.bursts.fetch_add(1, Ordering::Release);
    }
    done.queues = Some(datapath.into_parts().1);
    done
}

/// The identification of a UDP packet, 0 for anything else.
fn kind_of(mbuf: &Mbuf) -> u16 {
    let frame = mbuf.data();
    let at = if frame[12..14] == [0x81, 0x00] { 18 } else { 14 };
    let is_udp = frame[at - 2..at] == [0x08, 0x00] && frame[at + 9] == UDP;
    if is_udp { u16::from_be_bytes([frame[at + 4], frame[at + 5]]) } else { 0 }
}

const STABLE: u16 = 0x1001;
const COVERED: u16 = 0x1002;
const SEVERAL_WAYS: u16 = 0x1003;
const NEIGHBOR: u16 = 0x1004;
const SOMETIMES: u16 = 0x2001;
const UNKNOWN: u16 = 0x2002;

/// Kinds 0x1xxx have a way all the time.
fn frames() -> Vec<(u16, Vec<u8>)> {
    let mut frames = Vec::new();
    for n in 0..64 {
        let kinds = [
            (STABLE, format!("198.19.{n}.1")),
            (COVERED, format!("198.18.{n}.1")),
            (SEVERAL_WAYS, format!("198.51.100.{n}")),
            (NEIGHBOR, "10.0.1.3".to_owned()),
            (SOMETIMES, format!("172.20.{n}.1")),
            (SOMETIMES, format!("10.77.{n}.1")),
        ];
        frames.extend(kinds.map(|(id, dst)| (0, Packet { id, ..to(&dst, 10) }.frame())));
    }
    frames
}

fn assert_none_lost(done: &Done) {
    for kind in [STABLE, COVERED, SEVERAL_WAYS, NEIGHBOR] {
        let (received, left) = (done.received[&kind], done.left[&kind]);
        assert!(received > 0);
        assert_eq!(received, left, "packets of kind {kind:#x} that came in, and that left");
    }
}

/// Adds the route, or deletes it when it is there.
fn toggle(lab: &mut Lab, there: &mut BTreeMap<String, bool>, prefix: String, target: &RouteTarget) {
    let vnet = lab.vnet(RED);
    let known = there.entry(prefix.clone()).or_default();
    let prefix = prefix.parse().unwrap();
    let result = if *known {
        lab.control(|stack| stack.delete_routes(&vnet, [prefix]))
    } else {
        lab.control(|stack| stack.add_routes(&vnet, [(prefix, target.clone())]))
    };
    result.unwrap();
    *known = !*known;
}

fn via(gateways: &[&str]) -> RouteTarget {
    RouteTarget::Via(gateways.iter().map(|addr| addr.parse().unwrap()).collect())
}

#[test]
fn routes_come_and_go() {
    let mut lab = crossroads();
    let targets = [
        via(&["10.0.1.2"]),
        via(&["10.0.1.3"]),
        via(&["10.0.2.2", "10.0.1.3"]),
        via(&["10.0.1.2", "10.0.1.3", "10.0.2.2"]),
        via(&["10.0.2.2"]),
    ];
    let mut random = Random(3);
    let done = under_load(&mut lab, &frames(), |lab, pace| {
        let mut there = BTreeMap::new();
        for _ in 0..CHANGES {
            let target = random.pick(&targets).clone();
            let n = random.below(64);
            let prefix = match random.below(5) {
                // More specific than the route that is always there.
                0 => format!("198.18.{n}.0/24"),
                1 => format!("198.18.{}.0/{}", n / 16 * 16, 20),
                2 => "198.18.0.0/16".to_owned(),
                3 => format!("172.20.{n}.0/24"),
                _ => "172.20.0.0/14".to_owned(),
            };
            toggle(lab, &mut there, prefix, &target);
            pace.let_work(random.below(3) as u64);
        }
    });
    assert_none_lost(&done);
    lab.check();
    lab.end();
}

/// Thousands at once: the table changes its layout under the worker's eyes, and back.
#[test]
fn tables_grow_and_shrink() {
    let mut lab = crossroads();
    let vnet = lab.vnet(RED);
    let prefixes = |count: u32| {
        (0..count).map(|n| {
            let addr = Ipv4Addr::from(0x0a4d_0000 + (n << 4));
            ipnet::Ipv4Net::new(addr, 28).unwrap()
        })
    };
    let done = under_load(&mut lab, &frames(), |lab, pace| {
        for round in 0..6 {
            let count = [30, 300, 3000, 6000][round % 4];
            let target = via(&[["10.0.1.2", "10.0.2.2"][round % 2]]);
            let routes: Vec<_> = prefixes(count).map(|prefix| (prefix, target.clone())).collect();
            lab.control(|stack| stack.add_routes(&vnet, routes)).unwrap();
            pace.let_work(3);
            lab.control(|stack| stack.delete_routes(&vnet, prefixes(count))).unwrap();
        }
    });
    drop(vnet);
    assert_none_lost(&done);
    lab.check();
    lab.end();
}

/// Hosts change their MAC addresses, are learnt, asked again and forgotten, and packets wait for them meanwhile.
#[test]
fn neighbours_come_and_go() {
    let mut lab = crossroads();
    lab.sysctl(RED, "net.link.ether.inet.max_age", 3);
    lab.sysctl(RED, "net.link.ether.inet.wait", 1);
    let mut frames = frames();
    for n in 0..30u8 {
        let stranger = Ipv4Addr::new(10, 0, 0, 100 + n % 5);
        let unknown = Packet { id: UNKNOWN, ..to("10.0.1.200", 5) };
        let dst = Ipv4Addr::new(10, 0, 1, 200 + n % 7);
        frames.push((0, Packet { dst, ..unknown }.frame()));
        frames.push((0, Arp::request(mac(n % 5 + 100), stranger, OWN[0]).frame(BROADCAST, None)));
        let back = Packet::udp(Ipv4Addr::new(198, 18, 0, 1), stranger, 5);
        frames.push((1, Packet { id: UNKNOWN, ..back.link(host(1, 2), EM[1]) }.frame()));
    }
    let done = under_load(&mut lab, &frames, |lab, pace| {
        for round in 0..CHANGES {
            // Two neighbours that are always known, under changing addresses.
            lab.neighbor(RED, "em1", "10.0.1.3", mac(1 + (round % 9) as u8));
            lab.neighbor(RED, "em1", "10.0.1.2", mac(11 + (round % 7) as u8));
            pace.tick(lab, 50);
            pace.let_work(1);
        }
    });
    assert_none_lost(&done);
    assert!(lab.stat(RED, "timeouts") > 0 && lab.stat(RED, "txreplies") > 0);
    lab.end();
}

/// Other vnets are made and destroyed under traffic of their own; this one does not notice, and they leave nothing.
#[test]
fn vnets_come_and_go() {
    if !has_many_vnets("live::vnets_come_and_go") {
        return;
    }
    let mut lab = crossroads();
    let mut frames = frames();
    for vlan in [300, 301, 302] {
        let tagged = |dst: &str, ttl| {
            let packet = Packet { tag: Some(vlan), id: UNKNOWN, ttl, ..to(dst, 5) };
            (2, packet.link(host(2, 2), EM[2]).frame())
        };
        for _ in 0..20 {
            frames.extend([tagged("10.0.1.77", 64), tagged("10.0.1.2", 64), tagged("9.9.9.9", 1)]);
        }
    }
    let mut random = Random(5);
    let done = under_load(&mut lab, &frames, |lab, pace| {
        for round in 0..60 {
            let name = format!("tenant{round}");
            let vlan = 300 + random.below(3) as u16;
            let _in = lab.interface(&name, "in", 2, Some(vlan), EM[2], &["10.0.0.1/24"]);
            let _out = lab.interface(&name, "out", 3, Some(vlan), EM[3], &["10.0.1.1/24"]);
            lab.sysctl(&name, "net.inet.ip.forwarding", 1);
            lab.neighbor(&name, "out", "10.0.1.2", host(1, 2));
            for _ in 0..random.below(4) {
                pace.let_work(4);
                pace.tick(lab, 700);
            }
            pace.let_work(4);
            lab.control(|stack| stack.destroy_vnet(&name)).unwrap();
        }
    });
    assert_none_lost(&done);
    assert!(done.left[&UNKNOWN] > 0, "tenants forwarded nothing");
    // Two grace periods and the handles that retired tables hold.
    for _ in 0..4 {
        lab.settle();
    }
    assert_eq!(lab.stack().vnets().dying(), 0);
    lab.end();
}
