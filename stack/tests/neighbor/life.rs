//! The life of one neighbour: asked for, known, asked again, gone.

use stack::net::neighbor::{NeighborNews, NeighborState, Source};
use stack::wire::MacAddr;

use crate::families::Family;
use crate::lab::{Did, Lab, NEIGHBORS, OUR_MAC, mac};

const OTHER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x77]);
const PEER: u8 = 2;

/// The questions among what happened, with their seconds.
fn questions(passed: &[(u64, Did)]) -> Vec<(u64, Did)> {
    let asks = |did: &Did| matches!(did, Did::AskAll(_) | Did::AskItself(..));
    passed.iter().filter(|(_, did)| asks(did)).cloned().collect()
}

pub(crate) fn an_answer_releases_what_waits<F: Family>() {
    let mut lab = Lab::<F>::new(NEIGHBORS);
    assert_eq!(lab.resolve(PEER, 1), [Did::AskAll(PEER), Did::Changed]);
    assert_eq!(lab.resolve(PEER, 2), [], "one question a second, not one a packet");
    assert_eq!(lab.state(PEER), Some(NeighborState::Incomplete { tries: 1 }));
    assert_eq!(lab.table.held(), 2);
    assert_eq!(lab.answer(PEER), [Did::Release(1), Did::Release(2), Did::Changed]);
    assert_eq!(lab.state(PEER), Some(NeighborState::Reachable(mac(PEER))));
    assert_eq!(lab.resolve(PEER, 3), [Did::Release(3)], "a packet that raced the answer");
    assert_eq!(lab.answer(PEER), [], "nothing new");
    assert_eq!(lab.answer(9), [], "an answer that was not asked for makes no entry");
    assert_eq!((lab.table.held(), lab.table.len()), (0, 1));
}

pub(crate) fn silence_is_asked_again_and_given_up<F: Family>() {
    let mut lab = Lab::<F>::new(NEIGHBORS);
    let _asked = lab.resolve(PEER, 1);
    let passed = lab.pass(F::SOLICITS);
    let again: Vec<_> = (1..F::SOLICITS).map(|second| (second, Did::AskAll(PEER))).collect();
    assert_eq!(questions(&passed), again, "so many with the first");
    for end in [Did::Unreachable(1), Did::TimedOut(PEER)] {
        assert_eq!(passed.iter().filter(|did| **did == (F::SOLICITS, end.clone())).count(), 1);
    }
    if let Some(down) = F::DOWN {
        assert_eq!(lab.resolve(PEER, 2), [Did::Unreachable(2)], "a failed address refuses at once");
        assert_eq!(lab.pass(down - 1), []);
        assert_eq!(lab.state(PEER), Some(NeighborState::Failed));
        assert_eq!(lab.pass(1), [(F::SOLICITS + down, Did::Changed)]);
    }
    assert!(lab.table.is_empty() && lab.table.next_deadline().is_none());
    assert_eq!(lab.resolve(PEER, 3), [Did::AskAll(PEER), Did::Changed]);
    assert_eq!(lab.table.take_news(), [], "its MAC address was never known");
}

pub(crate) fn a_known_neighbour_is_asked_itself<F: Family>() {
    let mut lab = Lab::<F>::new(NEIGHBORS);
    lab.meet(PEER);
    for round in 1..4 {
        assert_eq!(lab.pass(F::REACHABLE - 1), [], "round {round}");
        let asked = (round * F::REACHABLE, Did::AskItself(PEER, mac(PEER)));
        assert_eq!(lab.pass(1), [asked]);
        assert_eq!(lab.state(PEER), Some(NeighborState::Probing { mac: mac(PEER), tries: 1 }));
        assert_eq!(lab.resolve(PEER, 7), [Did::Release(7)], "it still serves while it is asked");
        assert_eq!(lab.answer(PEER), [], "the answer renews it");
    }
}

pub(crate) fn a_neighbour_that_ages_unanswered_goes<F: Family>() {
    let mut lab = Lab::<F>::new(NEIGHBORS);
    lab.meet(PEER);
    let _known = lab.table.take_news();
    let passed = lab.pass(F::REACHABLE + F::PROBES - 1);
    let probe = Did::AskItself(PEER, mac(PEER));
    let probes = (0..F::PROBES).map(|n| (F::REACHABLE + n, probe.clone()));
    assert_eq!(passed, probes.collect::<Vec<_>>());
    assert!(lab.knows(PEER));
    let end = F::REACHABLE + F::PROBES;
    assert_eq!(lab.pass(1), [(end, Did::TimedOut(PEER)), (end, Did::Changed)]);
    assert!(lab.table.is_empty() && lab.table.next_deadline().is_none());
    assert_eq!(lab.table.take_news(), [NeighborNews { key: Lab::<F>::key(PEER), state: None }]);
    assert_eq!(lab.pass(2 * end), []);
}

pub(crate) fn a_new_mac_address_is_reported<F: Family>() {
    let mut lab = Lab::<F>::new(NEIGHBORS);
    lab.meet(PEER);
    let news = |mac| {
        let state = Some(NeighborState::Reachable(mac));
        NeighborNews { key: Lab::<F>::key(PEER), state }
    };
    assert_eq!(lab.table.take_news(), [news(mac(PEER))]);
    let moved = Did::Moved(PEER, mac(PEER), OTHER_MAC);
    assert_eq!(lab.update(PEER, OTHER_MAC, false), [moved, Did::Changed]);
    assert_eq!(lab.table.take_news(), [news(OTHER_MAC)]);
    let probe = (F::REACHABLE, Did::AskItself(PEER, OTHER_MAC));
    assert_eq!(lab.pass(F::REACHABLE), [probe]);
}

pub(crate) fn a_static_neighbour_outlives_everything<F: Family>() {
    let mut lab = Lab::<F>::new(NEIGHBORS);
    let _asked = lab.resolve(PEER, 1);
    assert_eq!(lab.set_static(PEER), (true, vec![Did::Release(1), Did::Changed]));
    let moved = Did::Moved(PEER, mac(PEER), OTHER_MAC);
    assert_eq!(lab.update(PEER, OTHER_MAC, true), [moved], "claimed in vain");
    assert_eq!(lab.table.deadline(Lab::<F>::key(PEER)), None);
    assert_eq!(lab.pass(2 * (F::REACHABLE + F::PROBES)), []);
    assert_eq!(lab.state(PEER), Some(NeighborState::Static(mac(PEER))));
    let state = Some(NeighborState::Static(mac(PEER)));
    assert_eq!(lab.table.take_news(), [NeighborNews { key: Lab::<F>::key(PEER), state }]);
}

pub(crate) fn without_a_source_only_the_known_is_reached<F: Family>() {
    let mut lab = Lab::<F>::new(NEIGHBORS);
    lab.meet(PEER);
    let mut reach = |host| {
        let mut actions = Vec::new();
        let key = Lab::<F>::key(host);
        lab.table.resolve(lab.now, key, None, 5, &lab.rules, &mut actions);
        format!("{actions:?}")
    };
    assert_eq!(reach(PEER), "[Release(5)]");
    assert_eq!(reach(9), "[Unreachable(5)]");
    assert_eq!(lab.table.len(), 1);
}

pub(crate) fn neighbours_go_with_the_address_they_are_asked_from<F: Family>() {
    let mut lab = Lab::<F>::new(NEIGHBORS);
    lab.meet(PEER);
    let _asked = lab.resolve(PEER + 1, 3);
    let elsewhere = Some(Source { mac: OUR_MAC, addr: F::addr(200) });
    let (mut actions, key) = (Vec::new(), Lab::<F>::key(9));
    lab.table.resolve(lab.now, key, elsewhere, 4, &lab.rules, &mut actions);
    actions.clear();
    let gone = lab.table.remove_all(|_, source| source == Lab::<F>::source(), &mut actions);
    assert_eq!(gone, 2);
    assert_eq!(format!("{actions:?}"), "[Changed, Unreachable(3), Changed]");
    assert_eq!(lab.table.iter().map(|(key, _)| key).collect::<Vec<_>>(), [key]);
}
