//! A table, its clock, and what it wants done in words that no family has to itself.

use std::sync::atomic::Ordering;
use std::time::Duration;

use stack::net::IfSlot;
use stack::net::neighbor::{
    Actions, NeighborAction, NeighborKey, NeighborState, NeighborTable, NeighborUpdate, Source,
};
use stack::time::Nanos;
use stack::wire::MacAddr;

use crate::families::Family;

pub(crate) const SLOT: IfSlot = IfSlot(3);
pub(crate) const OUR_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
/// The number of our own address.
pub(crate) const OURS: u8 = 1;
/// Entries of the table.
pub(crate) const NEIGHBORS: usize = 8;

/// An action. Hosts are numbers, and packets are, too.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Did {
    /// Asked all hosts that may have the address.
    AskAll(u8),
    /// Asked the host at the MAC address that is known.
    AskItself(u8, MacAddr),
    Release(u32),
    Unreachable(u32),
    HoldFull(u32),
    TableFull(u32),
    Changed,
    TimedOut(u8),
    Moved(u8, MacAddr, MacAddr),
}

/// The MAC address of a host.
pub(crate) fn mac(host: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 1, host])
}

pub(crate) struct Lab<F: Family> {
    pub(crate) table: NeighborTable<F::Addr, u32>,
    pub(crate) rules: F,
    pub(crate) now: Nanos,
}

impl<F: Family> Lab<F> {
    pub(crate) fn new(max_neighbors: usize) -> Self {
        Self { table: NeighborTable::default(), rules: F::rules(max_neighbors), now: Nanos(0) }
    }

    pub(crate) fn key(host: u8) -> NeighborKey<F::Addr> {
        NeighborKey { slot: SLOT, addr: F::addr(host) }
    }

    pub(crate) fn source() -> Source<F::Addr> {
        Source { mac: OUR_MAC, addr: F::addr(OURS) }
    }

    pub(crate) fn state(&self, host: u8) -> Option<NeighborState> {
        self.table.get(Self::key(host))
    }

    pub(crate) fn knows(&self, host: u8) -> bool {
        self.state(host).and_then(NeighborState::mac).is_some()
    }

    fn act(&mut self, step: impl FnOnce(&mut Self, &mut Actions<F, u32>)) -> Vec<Did> {
        let mut actions = Vec::new();
        step(self, &mut actions);
        actions.into_iter().map(did::<F>).collect()
    }

    /// A packet needs a host.
    pub(crate) fn resolve(&mut self, host: u8, packet: u32) -> Vec<Did> {
        let (key, source) = (Self::key(host), Some(Self::source()));
        self.act(|lab, actions| {
            lab.table.resolve(lab.now, key, source, packet, &lab.rules, actions);
        })
    }

    /// A host tells its MAC address.
    pub(crate) fn update(&mut self, host: u8, mac: MacAddr, may_create: bool) -> Vec<Did> {
        let source = Self::source();
        let update = NeighborUpdate { key: Self::key(host), mac, source, may_create };
        self.act(|lab, actions| lab.table.update(lab.now, update, &lab.rules, actions))
    }

    /// A host answers.
    pub(crate) fn answer(&mut self, host: u8) -> Vec<Did> {
        self.update(host, mac(host), false)
    }

    /// A host asks for us.
    pub(crate) fn introduce(&mut self, host: u8) -> Vec<Did> {
        self.update(host, mac(host), true)
    }

    /// A host is asked for, answers, and so is in use.
    pub(crate) fn meet(&mut self, host: u8) {
        let _asked = self.resolve(host, 0);
        let _answered = self.answer(host);
        assert!(self.knows(host));
    }

    /// The operator sets a host.
    pub(crate) fn set_static(&mut self, host: u8) -> (bool, Vec<Did>) {
        let mut set = false;
        let did = self.act(|lab, actions| {
            set = lab.table.set_static(Self::key(host), mac(host), &lab.rules, actions);
        });
        (set, did)
    }

    pub(crate) fn remove(&mut self, host: u8) -> Vec<Did> {
        self.act(|lab, actions| {
            let _was_there = lab.table.remove(Self::key(host), actions);
        })
    }

    /// A worker sends to a host.
    pub(crate) fn send(&self, host: u8) {
        if let Some(mark) = self.table.use_mark(Self::key(host)) {
            mark.store(true, Ordering::Relaxed);
        }
    }

    /// Lets time pass second by second; what happened, with the second it happened in.
    pub(crate) fn pass(&mut self, seconds: u64) -> Vec<(u64, Did)> {
        let mut all = Vec::new();
        for _ in 0..seconds {
            self.now = self.now + Duration::from_secs(1);
            let did = self.act(|lab, actions| lab.table.tick(lab.now, &lab.rules, actions));
            all.extend(did.into_iter().map(|did| (self.now.seconds(), did)));
        }
        all
    }
}

/// Checks a solicitation, and says the action in the words of [`Did`].
fn did<F: Family>(action: NeighborAction<F::Addr, F::Message, u32>) -> Did {
    let host = |key: NeighborKey<F::Addr>| {
        let all = (0..=u8::MAX).find(|host| F::addr(*host) == key.addr);
        all.expect("an address of the test's network")
    };
    match action {
        NeighborAction::Send { slot, dst, packet } => {
            let (host, source) = F::question(&packet);
            assert!(slot == SLOT && source == Lab::<F>::source(), "asked from elsewhere");
            if dst == F::group(host) { Did::AskAll(host) } else { Did::AskItself(host, dst) }
        }
        NeighborAction::Release(packet) => Did::Release(packet),
        NeighborAction::Unreachable(packet) => Did::Unreachable(packet),
        NeighborAction::HoldFull(packet) => Did::HoldFull(packet),
        NeighborAction::TableFull(packet) => Did::TableFull(packet),
        NeighborAction::Changed => Did::Changed,
        NeighborAction::TimedOut(key) => Did::TimedOut(host(key)),
        NeighborAction::Moved { key, from, to } => Did::Moved(host(key), from, to),
        NeighborAction::Duplicate { .. } => panic!("the table knows no address of ours"),
    }
}
