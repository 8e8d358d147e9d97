//! The bounds of the table: packets that wait, entries, work.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use stack::net::neighbor::NeighborState;
use stack::wire::MacAddr;

use crate::families::Family;
use crate::lab::{Did, Lab, NEIGHBORS, mac};

/// Hosts that fill the table.
fn first_hosts() -> std::ops::Range<u8> {
    10..10 + NEIGHBORS as u8
}

pub(crate) fn a_full_hold_queue_drops_the_oldest<F: Family>() {
    let mut lab = Lab::<F>::new(NEIGHBORS);
    let hold = u32::try_from(F::HOLD).expect("small");
    for packet in 1..=hold {
        let first = vec![Did::AskAll(2), Did::Changed];
        assert_eq!(lab.resolve(2, packet), if packet == 1 { first } else { vec![] });
    }
    assert_eq!(lab.resolve(2, hold + 1), [Did::HoldFull(1)]);
    assert_eq!(lab.resolve(2, hold + 2), [Did::HoldFull(2)]);
    assert_eq!(lab.table.held(), F::HOLD);
    let released: Vec<Did> = (3..=hold + 2).map(Did::Release).collect();
    assert_eq!(lab.answer(2), [released, vec![Did::Changed]].concat());
}

/// Entries that do not answer go first, then those that introduced themselves, then those that may still answer.
pub(crate) fn a_full_table_gives_up_the_least_worth_first<F: Family>() {
    let mut lab = Lab::<F>::new(NEIGHBORS);
    // Each kind comes into the table before some of the kind that goes earlier.
    let mut expected = vec![(41, vec![Did::Changed]), (40, vec![Did::Changed])];
    let _learned = lab.introduce(41);
    if F::DOWN.is_some() {
        let _asked = lab.resolve(50, 50);
        let _failed = lab.pass(F::SOLICITS);
        assert_eq!(lab.state(50), Some(NeighborState::Failed));
        expected.insert(0, (50, vec![Did::Changed]));
    }
    let _asked = lab.resolve(30, 30);
    expected.push((30, vec![Did::Unreachable(30), Did::Changed]));
    let _time = lab.pass(1);
    let _learned = lab.introduce(40);
    for host in 60..60 + u8::try_from(NEIGHBORS - expected.len()).expect("few") {
        lab.meet(host);
    }
    assert_eq!(lab.table.len(), NEIGHBORS);
    for ((gone, mut did), newcomer) in expected.into_iter().zip(100..) {
        assert!(lab.state(gone).is_some(), "{gone} went too early");
        did.extend([Did::AskAll(newcomer), Did::Changed]);
        assert_eq!(lab.resolve(newcomer, 1), did);
        assert_eq!((lab.state(gone), lab.table.len()), (None, NEIGHBORS));
        assert_eq!(lab.answer(newcomer), [Did::Release(1), Did::Changed]);
    }
    assert_eq!(lab.resolve(200, 2), [Did::TableFull(2)], "all are in use");
}

pub(crate) fn a_table_in_use_is_full<F: Family>() {
    let (mut lab, first) = (Lab::<F>::new(NEIGHBORS), first_hosts());
    for host in first_hosts() {
        lab.meet(host);
    }
    assert_eq!(lab.resolve(100, 1), [Did::TableFull(1)]);
    assert_eq!(lab.introduce(101), [], "a newcomer pushes no other out");
    assert_eq!(lab.set_static(102), (false, vec![]));
    assert_eq!(lab.set_static(first.start), (true, vec![Did::Changed]), "its entry is there");
    assert!(first_hosts().all(|host| lab.knows(host)));
    assert_eq!(lab.remove(first.start + 1), [Did::Changed]);
    assert_eq!(lab.resolve(100, 1), [Did::AskAll(100), Did::Changed]);
    assert_eq!(lab.introduce(101), [], "an address that may answer is worth more");
    assert_eq!(lab.table.len(), NEIGHBORS);
}

/// The oldest of those that introduced themselves goes, unless a worker has sent to it since.
pub(crate) fn a_use_mark_keeps_an_entry<F: Family>() {
    let (mut lab, first) = (Lab::<F>::new(NEIGHBORS), first_hosts());
    for host in first_hosts() {
        assert_eq!(lab.introduce(host), [Did::Changed]);
    }
    let (used, needed) = (first.start, first.start + 2);
    lab.send(used);
    assert_eq!(lab.resolve(needed, 1), [Did::Release(1)]);
    let key = Lab::<F>::key;
    assert!(lab.table.use_mark(key(needed)).is_none(), "known to be needed");
    assert!(lab.table.use_mark(key(used)).is_some(), "the table has not looked yet");
    let mut newcomers = 100..;
    for gone in first_hosts().filter(|host| *host != used && *host != needed) {
        let newcomer = newcomers.next().expect("a host");
        let did = [Did::Changed, Did::AskAll(newcomer), Did::Changed];
        assert_eq!(lab.resolve(newcomer, 2), did);
        assert!(!lab.knows(gone), "{gone} was the oldest");
        let _answered = lab.answer(newcomer);
        assert!(lab.table.use_mark(key(used)).is_none(), "the table has seen the mark");
    }
    assert!(lab.knows(used) && lab.knows(needed));
    let _renewed = lab.introduce(used);
    assert!(lab.table.use_mark(key(used)).is_none(), "it stays in use");
}

/// Entries whose marks are set are looked at once, and at most 32 of them for one packet.
pub(crate) fn eviction_looks_at_a_bounded_number_of_entries<F: Family>() {
    let mut lab = Lab::<F>::new(40);
    for host in 10..50 {
        let _learned = lab.introduce(host);
        if host < 10 + 32 {
            lab.send(host);
        }
    }
    assert_eq!(lab.resolve(100, 1), [Did::TableFull(1)], "32 looks found none");
    let did = [Did::Changed, Did::AskAll(100), Did::Changed];
    assert_eq!(lab.resolve(100, 2), did, "the next packet's looks go on from there");
    assert!((10..50).all(|host| lab.knows(host) == (host != 42)));
}

#[derive(Clone, Debug)]
enum Step {
    Resolve(u8),
    Update(u8, u8, bool),
    Send(u8),
    Static(u8),
    Remove(u8),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let host = || 2u8..18;
    prop_oneof![
        6 => host().prop_map(Step::Resolve),
        6 => (host(), 0u8..3, any::<bool>()).prop_map(|(host, mac, new)| Step::Update(host, mac, new)),
        2 => host().prop_map(Step::Send),
        1 => host().prop_map(Step::Static),
        1 => host().prop_map(Step::Remove),
        3 => (1u64..50).prop_map(Step::Pass),
    ]
}

/// After any steps: bounds hold, every packet that went in comes out once or is still held, and in silence the table
/// empties itself but for what the operator set.
pub(crate) fn packets_are_conserved_and_everything_ends<F: Family>() {
    let steps = proptest::collection::vec(step(), 0..150);
    let law = |steps: Vec<Step>| {
        let mut lab = Lab::<F>::new(NEIGHBORS);
        let (mut packets, mut out) = (0u32, Vec::new());
        for step in steps {
            let actions = apply(&mut lab, step, &mut packets);
            out.extend(actions.iter().filter_map(packet_of));
            check_bounds(&lab)?;
        }
        let longest = F::REACHABLE + F::PROBES + F::SOLICITS + F::DOWN.unwrap_or(0);
        let last = lab.pass(longest);
        out.extend(last.iter().filter_map(|(_, did)| packet_of(did)));
        out.sort_unstable();
        prop_assert_eq!(out, (1..=packets).collect::<Vec<_>>());
        prop_assert!(lab.table.iter().all(|(_, state)| state.is_static()));
        prop_assert_eq!(lab.table.next_deadline(), None);
        Ok(())
    };
    TestRunner::default().run(&steps, law).expect("the law holds");
}

fn apply<F: Family>(lab: &mut Lab<F>, step: Step, packets: &mut u32) -> Vec<Did> {
    match step {
        Step::Resolve(host) => {
            *packets += 1;
            lab.resolve(host, *packets)
        }
        Step::Update(host, 0, may_create) => lab.update(host, mac(host), may_create),
        Step::Update(host, other, new) => lab.update(host, MacAddr([2, 0, 0, 0, other, host]), new),
        Step::Send(host) => {
            lab.send(host);
            Vec::new()
        }
        Step::Static(host) => lab.set_static(host).1,
        Step::Remove(host) => lab.remove(host),
        Step::Pass(seconds) => lab.pass(seconds).into_iter().map(|(_, did)| did).collect(),
    }
}

/// The packet that an action ends the wait of.
fn packet_of(did: &Did) -> Option<u32> {
    match did {
        Did::Release(packet)
        | Did::Unreachable(packet)
        | Did::HoldFull(packet)
        | Did::TableFull(packet) => Some(*packet),
        Did::AskAll(_) | Did::AskItself(..) | Did::Changed | Did::TimedOut(_) | Did::Moved(..) => {
            None
        }
    }
}

fn check_bounds<F: Family>(lab: &Lab<F>) -> Result<(), TestCaseError> {
    prop_assert!(lab.table.len() <= NEIGHBORS);
    prop_assert!(lab.table.held() <= NEIGHBORS * F::HOLD);
    for (key, state) in lab.table.iter() {
        let deadline = lab.table.deadline(key);
        prop_assert_eq!(deadline.is_none(), state.is_static());
        prop_assert!(deadline.is_none_or(|deadline| deadline > lab.now), "it was missed");
    }
    let first = lab.table.iter().filter_map(|(key, _)| lab.table.deadline(key)).min();
    prop_assert_eq!(lab.table.next_deadline(), first);
    Ok(())
}
