//! ARP's rules in virtual time, one after the other; RFC 826, RFC 1122 2.3.2, RFC 5227.

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use proptest::prelude::*;
use stack::inet::control::{ArpAction, ArpInterface, ArpLimits, ArpTable};
use stack::inet::{Address, Sources};
use stack::net::IfSlot;
use stack::net::neighbor::{NeighborKey, NeighborState};
use stack::time::Nanos;
use stack::wire::{ArpOperation, ArpPacket, MacAddr};

const SLOT: IfSlot = IfSlot(3);
const OUR_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const PEER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x99]);
const OTHER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x77]);
const OURS: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 2);

/// A table, its clock, and its interface.
struct Lab {
    table: ArpTable<u32>,
    now: Nanos,
    addresses: Vec<Address>,
    limits: ArpLimits,
}

impl Lab {
    fn new() -> Self {
        Self {
            table: ArpTable::default(),
            now: Nanos(0),
            addresses: vec![Address {
                slot: SLOT,
                net: "172.16.0.1/24".parse().expect("a network"),
            }],
            limits: ArpLimits {
                max_age: Duration::from_secs(1200),
                max_tries: 5,
                max_hold: 3,
                down: Duration::from_secs(20),
                max_neighbors: 8,
            },
        }
    }

    fn resolve(&mut self, addr: Ipv4Addr, packet: u32) -> Vec<ArpAction<u32>> {
        let iface =
            ArpInterface { slot: SLOT, mac: OUR_MAC, sources: Sources::new(&self.addresses, None) };
        let mut actions = Vec::new();
        self.table.resolve(self.now, iface, addr, packet, &self.limits, &mut actions);
        actions
    }

    fn input(
        &mut self,
        operation: ArpOperation,
        mac: MacAddr,
        sender: Ipv4Addr,
        target: Ipv4Addr,
    ) -> Vec<ArpAction<u32>> {
        let iface =
            ArpInterface { slot: SLOT, mac: OUR_MAC, sources: Sources::new(&self.addresses, None) };
        let packet = ArpPacket::new(operation, mac, sender, MacAddr::ZERO, target);
        let mut actions = Vec::new();
        self.table.input(self.now, iface, &packet, false, &self.limits, &mut actions);
        actions
    }

    /// Lets time pass second by second; what happened, with the second it happened in.
    fn pass(&mut self, seconds: u64) -> Vec<(u64, ArpAction<u32>)> {
        let mut all = Vec::new();
        for _ in 0..seconds {
            self.now = Nanos(self.now.0 + 1_000_000_000);
            let mut actions = Vec::new();
            self.table.tick(self.now, &self.limits, &mut actions);
            all.extend(actions.into_iter().map(|action| (self.now.seconds(), action)));
        }
        all
    }

    fn state(&self, addr: Ipv4Addr) -> Option<NeighborState> {
        self.table.neighbors.get(NeighborKey { slot: SLOT, addr })
    }
}

fn request_for(addr: Ipv4Addr, dst: MacAddr) -> ArpAction<u32> {
    let packet = ArpPacket::new(ArpOperation::Request, OUR_MAC, OURS, MacAddr::ZERO, addr);
    ArpAction::Send { slot: SLOT, dst, packet }
}

fn requests(actions: &[(u64, ArpAction<u32>)]) -> Vec<u64> {
    actions
        .iter()
        .filter(|(_, action)| matches!(action, ArpAction::Send { .. }))
        .map(|(second, _)| *second)
        .collect()
}

#[test]
fn the_first_packet_asks_and_waits_and_the_answer_releases_it() {
    let mut lab = Lab::new();
    assert_eq!(lab.resolve(PEER, 1), [request_for(PEER, MacAddr::BROADCAST), ArpAction::Changed]);
    assert_eq!(lab.resolve(PEER, 2), [], "one request a second, not one a packet");
    assert_eq!(
        lab.input(ArpOperation::Reply, PEER_MAC, PEER, OURS),
        [ArpAction::Release(1), ArpAction::Release(2), ArpAction::Changed]
    );
    assert_eq!(lab.state(PEER), Some(NeighborState::Reachable(PEER_MAC)));
    assert_eq!(lab.resolve(PEER, 3), [ArpAction::Release(3)], "a packet that raced the answer");
}

#[test]
fn a_full_hold_queue_drops_the_oldest() {
    let mut lab = Lab::new();
    for packet in 1..=3 {
        let _first_ones = lab.resolve(PEER, packet);
    }
    assert_eq!(lab.resolve(PEER, 4), [ArpAction::HoldFull(1)]);
    assert_eq!(lab.table.neighbors.held(), 3);
}

#[test]
fn silence_is_asked_once_a_second_then_given_up_then_left_alone_then_asked_again() {
    let mut lab = Lab::new();
    let _asked = lab.resolve(PEER, 1);
    let passed = lab.pass(5);
    assert_eq!(requests(&passed), [1, 2, 3, 4], "five tries with the first");
    assert!(passed.contains(&(5, ArpAction::Unreachable(1))));
    assert!(passed.contains(&(5, ArpAction::TimedOut(NeighborKey { slot: SLOT, addr: PEER }))));
    assert_eq!(
        lab.resolve(PEER, 2),
        [ArpAction::Unreachable(2)],
        "a failed address refuses at once"
    );
    assert_eq!(requests(&lab.pass(19)), []);
    assert_eq!(lab.state(PEER), Some(NeighborState::Failed));
    let _forgotten = lab.pass(1);
    assert_eq!(lab.state(PEER), None);
    assert_eq!(lab.resolve(PEER, 3)[0], request_for(PEER, MacAddr::BROADCAST));
}

#[test]
fn a_known_neighbour_is_asked_itself_before_it_expires() {
    let mut lab = Lab::new();
    let _asked = lab.resolve(PEER, 1);
    let _answered = lab.input(ArpOperation::Reply, PEER_MAC, PEER, OURS);
    let passed = lab.pass(1195);
    assert_eq!(passed, [(1195, request_for(PEER, PEER_MAC))], "unicast, RFC 1122 2.3.2.1 (2)");
    assert_eq!(
        lab.state(PEER).and_then(NeighborState::mac),
        Some(PEER_MAC),
        "it still serves while it is asked"
    );
    let _answered = lab.input(ArpOperation::Reply, PEER_MAC, PEER, OURS);
    assert_eq!(lab.pass(1194), [], "the answer renewed it");
    let gone = lab.pass(6);
    assert_eq!(requests(&gone).len(), 5);
    assert_eq!(lab.state(PEER), None, "at 1200 seconds of silence it is gone");
}

#[test]
fn a_request_for_us_is_answered_and_teaches() {
    let mut lab = Lab::new();
    let reply = ArpPacket::new(ArpOperation::Reply, OUR_MAC, OURS, PEER_MAC, PEER);
    assert_eq!(
        lab.input(ArpOperation::Request, PEER_MAC, PEER, OURS),
        [ArpAction::Changed, ArpAction::Send { slot: SLOT, dst: PEER_MAC, packet: reply }]
    );
    assert_eq!(lab.state(PEER), Some(NeighborState::Reachable(PEER_MAC)));
}

#[test]
fn what_was_not_asked_for_teaches_nothing() {
    let mut lab = Lab::new();
    assert_eq!(lab.input(ArpOperation::Reply, PEER_MAC, PEER, OURS), [], "an unsolicited reply");
    assert_eq!(lab.input(ArpOperation::Request, PEER_MAC, PEER, PEER), [], "a gratuitous request");
    assert_eq!(
        lab.input(ArpOperation::Request, PEER_MAC, PEER, Ipv4Addr::new(172, 16, 0, 9)),
        [],
        "not for us"
    );
    let _reply_only = lab.input(ArpOperation::Request, PEER_MAC, Ipv4Addr::new(10, 0, 0, 1), OURS);
    assert_eq!(lab.table.neighbors.iter().count(), 0, "a sender from another network");
}

#[test]
fn a_probe_is_answered_and_teaches_nothing() {
    let mut lab = Lab::new();
    let reply = ArpPacket::new(ArpOperation::Reply, OUR_MAC, OURS, PEER_MAC, Ipv4Addr::UNSPECIFIED);
    assert_eq!(
        lab.input(ArpOperation::Request, PEER_MAC, Ipv4Addr::UNSPECIFIED, OURS),
        [ArpAction::Send { slot: SLOT, dst: PEER_MAC, packet: reply }]
    );
    assert_eq!(lab.table.neighbors.iter().count(), 0);
}

#[test]
fn a_gratuitous_packet_updates_what_is_known() {
    let mut lab = Lab::new();
    let _learned = lab.input(ArpOperation::Request, PEER_MAC, PEER, OURS);
    let key = NeighborKey { slot: SLOT, addr: PEER };
    assert_eq!(
        lab.input(ArpOperation::Request, OTHER_MAC, PEER, PEER),
        [ArpAction::Moved { key, from: PEER_MAC, to: OTHER_MAC }, ArpAction::Changed]
    );
    assert_eq!(lab.state(PEER), Some(NeighborState::Reachable(OTHER_MAC)));
}

#[test]
fn a_static_entry_never_changes() {
    let mut lab = Lab::new();
    let key = NeighborKey { slot: SLOT, addr: PEER };
    let mut actions = Vec::new();
    assert!(lab.table.neighbors.set_static(key, PEER_MAC, &lab.limits, &mut actions));
    let moved = ArpAction::Moved { key, from: PEER_MAC, to: OTHER_MAC };
    assert_eq!(lab.input(ArpOperation::Reply, OTHER_MAC, PEER, OURS), [moved]);
    assert_eq!(lab.pass(5000), []);
    assert_eq!(lab.state(PEER), Some(NeighborState::Static(PEER_MAC)));
}

#[test]
fn our_address_in_other_hands_is_reported_and_defended_once_in_ten_seconds() {
    let mut lab = Lab::new();
    let key = NeighborKey { slot: SLOT, addr: OURS };
    let announcement = ArpPacket::new(ArpOperation::Request, OUR_MAC, OURS, MacAddr::ZERO, OURS);
    let defence = ArpAction::Send { slot: SLOT, dst: MacAddr::BROADCAST, packet: announcement };
    let report = || ArpAction::Duplicate { key, mac: OTHER_MAC };
    assert_eq!(lab.input(ArpOperation::Reply, OTHER_MAC, OURS, PEER), [report(), defence]);
    assert_eq!(lab.input(ArpOperation::Reply, OTHER_MAC, OURS, PEER), [report()]);
    let _nothing = lab.pass(10);
    assert_eq!(lab.input(ArpOperation::Reply, OTHER_MAC, OURS, PEER).len(), 2);
    assert_eq!(lab.table.neighbors.iter().count(), 0, "our own address is no neighbour");
}

#[test]
fn our_own_packets_coming_back_mean_nothing() {
    let mut lab = Lab::new();
    assert_eq!(lab.input(ArpOperation::Request, OUR_MAC, OURS, OURS), []);
}

#[test]
fn a_new_address_is_announced_as_often_as_it_shall_be() {
    for (more, seconds) in [(0, vec![1]), (1, vec![1, 3]), (4, vec![1, 3, 7, 15, 31])] {
        let mut lab = Lab::new();
        let sources = Sources::new(&lab.addresses, None);
        let iface = ArpInterface { slot: SLOT, mac: OUR_MAC, sources };
        lab.table.announce(lab.now, iface, OURS, more);
        assert_eq!(
            requests(&lab.pass(100)),
            seconds,
            "RFC 5227: the first two are two seconds apart"
        );
    }
}

/// The host with this last byte.
fn host(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 16, 0, n)
}

impl Lab {
    /// This host asks for us.
    fn introduce(&mut self, n: u8) -> Vec<ArpAction<u32>> {
        self.input(ArpOperation::Request, MacAddr([2, 0, 0, 0, 1, n]), host(n), OURS)
    }

    fn knows(&self, n: u8) -> bool {
        self.state(host(n)).and_then(NeighborState::mac).is_some()
    }
}

#[test]
fn a_full_table_gives_up_the_unanswered_and_keeps_the_known() {
    let mut lab = Lab::new();
    for n in 10..14 {
        let _learned = lab.introduce(n);
        assert_eq!(lab.resolve(host(n), 1), [ArpAction::Release(1)]);
    }
    for n in 100..200 {
        let _scan = lab.resolve(host(n), u32::from(n));
        assert!(lab.table.neighbors.iter().count() <= 8);
    }
    for n in 10..14 {
        assert!(lab.knows(n), "a scan pushed out neighbour {n}");
    }
    for n in 20..24 {
        let _answered = lab.introduce(n);
        assert_eq!(lab.state(host(n)), None, "whom we ask has a second to answer");
    }
    let _silence = lab.pass(6);
    for n in 20..24 {
        let _learned = lab.introduce(n);
        assert!(lab.knows(n), "a neighbour that asks us is worth more than silence");
        assert_eq!(lab.resolve(host(n), 1), [ArpAction::Release(1)]);
    }
    assert_eq!(lab.resolve(host(30), 30), [ArpAction::TableFull(30)]);
}

/// One host on the link asks for us under every address there is: the oldest of those that nothing was sent to make room
/// for whom we need.
#[test]
fn neighbours_that_nobody_asked_for_make_room() {
    let mut lab = Lab::new();
    for n in 10..200 {
        let _answer = lab.introduce(n);
    }
    assert_eq!(lab.table.neighbors.iter().count(), 8, "10 to 17");
    // A worker sends to the oldest, as publication gave it the means.
    let mark = |n| lab.table.neighbors.use_mark(NeighborKey { slot: SLOT, addr: host(n) }).cloned();
    mark(10).expect("a mark").store(true, Ordering::Relaxed);
    assert_eq!(lab.resolve(host(12), 12), [ArpAction::Release(12)], "needed from now on");
    assert!(lab.table.neighbors.use_mark(NeighborKey { slot: SLOT, addr: host(12) }).is_none());
    for (packet, gone) in [(201u8, 11), (202, 13), (203, 14), (204, 15), (205, 16), (206, 17)] {
        let actions = lab.resolve(host(packet), u32::from(packet));
        let question = request_for(host(packet), MacAddr::BROADCAST);
        assert_eq!(actions, [ArpAction::Changed, question, ArpAction::Changed]);
        assert!(!lab.knows(gone), "{gone} was the oldest");
        let mac = MacAddr([2, 0, 0, 0, 2, packet]);
        let answer = lab.input(ArpOperation::Reply, mac, host(packet), OURS);
        assert_eq!(answer, [ArpAction::Release(packet.into()), ArpAction::Changed]);
    }
    assert!(lab.knows(10) && lab.knows(12), "what is in use stays");
    for n in 10..200 {
        let _answer = lab.introduce(n);
    }
    assert!((201..=206).all(|n| lab.knows(n)), "a newcomer pushes nobody out");
    assert_eq!(lab.resolve(host(220), 1), [ArpAction::TableFull(1)], "all are in use");
}

#[derive(Clone, Debug)]
enum Step {
    Resolve(u8),
    Request(u8, u8),
    Reply(u8, u8),
    Pass(u64),
    Remove(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (2u8..16).prop_map(Step::Resolve),
        (1u8..16, 0u8..3).prop_map(|(host, mac)| Step::Request(host, mac)),
        (1u8..16, 0u8..3).prop_map(|(host, mac)| Step::Reply(host, mac)),
        (1u64..30).prop_map(Step::Pass),
        (2u8..16).prop_map(Step::Remove),
    ]
}

proptest! {
    /// After any steps: bounds hold, and every packet that went in comes out once or is still held.
    #[test]
    fn packets_are_conserved_and_bounds_hold(steps in proptest::collection::vec(step(), 0..200)) {
        let mut lab = Lab::new();
        let host = |n: u8| Ipv4Addr::new(172, 16, 0, n);
        let (mut packets, mut out) = (0u32, Vec::new());
        for step in steps {
            let actions = match step {
                Step::Resolve(n) => {
                    packets += 1;
                    lab.resolve(host(n), packets)
                }
                Step::Request(n, mac) => lab.input(ArpOperation::Request, MacAddr([2, 0, 0, 0, mac, n]), host(n), OURS),
                Step::Reply(n, mac) => lab.input(ArpOperation::Reply, MacAddr([2, 0, 0, 0, mac, n]), host(n), OURS),
                Step::Pass(seconds) => lab.pass(seconds).into_iter().map(|(_, action)| action).collect(),
                Step::Remove(n) => {
                    let mut actions = Vec::new();
                    let _there = lab.table.neighbors.remove(NeighborKey { slot: SLOT, addr: host(n) }, &mut actions);
                    actions
                }
            };
            for action in actions {
                match action {
                    ArpAction::Release(packet) | ArpAction::Unreachable(packet) | ArpAction::HoldFull(packet)
                    | ArpAction::TableFull(packet) => out.push(packet),
                    _ => {}
                }
            }
            prop_assert!(lab.table.neighbors.iter().count() <= lab.limits.max_neighbors);
            prop_assert!(lab.table.neighbors.held() <= lab.limits.max_neighbors * lab.limits.max_hold);
        }
        out.extend(lab.table.neighbors.drain_held());
        out.sort_unstable();
        prop_assert_eq!(out, (1..=packets).collect::<Vec<_>>());
    }
}
