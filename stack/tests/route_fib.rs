//! The FIB against brute force, in every layout, change by change.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod route_model;

use ipnet::Ipv4Net;
use proptest::prelude::*;
use route_model::{
    Change, LADDER, Model, Prefix, Random, borders, changes, entry, masked, net, only,
};
use stack::inet::route::{Fib, FibControl, FibPolicy, FibUpdate, GraceToken};
use stack::net::route::Rib;

/// RIB, FIB and model, changed together.
struct Tables {
    rib: Rib<Ipv4Net>,
    control: FibControl,
    model: Model,
    /// Grace periods that have not passed: two batches are kept back, as slow readers would.
    grace: Vec<GraceToken>,
}

impl Tables {
    fn new(policy: FibPolicy) -> Self {
        let control = FibControl::new(policy);
        Self { rib: Rib::new(), control, model: Model::default(), grace: Vec::new() }
    }

    fn apply(&mut self, change: &Change) {
        match change {
            &Change::Insert(prefix, nexthop) => self.insert(prefix, nexthop),
            Change::Remove(index) => {
                let routes = self.model.routes();
                if !routes.is_empty() {
                    self.remove(index.get(&routes).0);
                }
            }
        }
    }

    fn insert(&mut self, prefix: Prefix, nexthop: u16) {
        let old = self.rib.insert(net(prefix), entry(nexthop)).unwrap();
        assert_eq!(old.map(|entry| entry.nexthop.get()), self.model.insert(prefix, nexthop));
        self.follow(prefix);
    }

    fn remove(&mut self, prefix: Prefix) {
        let old = self.rib.remove(net(prefix));
        assert_eq!(old.map(|entry| entry.nexthop.get()), self.model.remove(prefix));
        self.follow(prefix);
    }

    fn follow(&mut self, prefix: Prefix) {
        let before = std::sync::Arc::clone(self.control.fib());
        match self.control.update(&self.rib, net(prefix)) {
            FibUpdate::InPlace => assert!(std::ptr::eq(&*before, &**self.control.fib())),
            FibUpdate::Replaced(fib) => assert!(std::ptr::eq(&*fib, &**self.control.fib())),
        }
        self.grace.extend(self.control.seal());
        if self.grace.len() > 2 {
            drop(self.grace.remove(0));
        }
        self.check(self.control.fib(), &borders(prefix));
    }

    /// Asks for all of `destinations`, one by one and together.
    fn check(&self, fib: &Fib, destinations: &[u32]) {
        let expected: Vec<u16> = destinations.iter().map(|&dst| self.model.lookup(dst)).collect();
        let single: Vec<u16> = destinations.iter().map(|&dst| fib.lookup(dst).0).collect();
        let mut bulk = vec![0xdead; destinations.len()];
        fib.lookup_bulk(destinations, &mut bulk);
        assert_eq!(single, expected, "{} one by one: {destinations:x?}", fib.layout_name());
        assert_eq!(bulk, expected, "{} in bulk: {destinations:x?}", fib.layout_name());
    }

    /// Asks at the borders of every route, of the table updated and of one built afresh.
    fn check_all(&mut self) {
        let destinations: Vec<u32> =
            self.model.routes().into_iter().flat_map(|(prefix, _)| borders(prefix)).collect();
        self.check(self.control.fib(), &destinations);
        let fresh = self.control.rebuild(&self.rib);
        self.check(&fresh, &destinations);
    }
}

/// Changes a table, checks it all along, and empties it again.
fn run(policy: FibPolicy, changes: &[Change]) {
    let mut tables = Tables::new(policy);
    for change in changes {
        tables.apply(change);
    }
    tables.check_all();
    for (prefix, _) in tables.model.routes() {
        tables.remove(prefix);
    }
    assert!(tables.rib.is_empty());
    tables.check(tables.control.fib(), &[0, 1, 0x0a00_0000, 0x7fff_ffff, 0x8000_0000, u32::MAX]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn default_limits_agree_with_brute_force(changes in changes(0..60)) {
        run(FibPolicy::default(), &changes);
    }

    #[test]
    fn split_agrees_with_brute_force(changes in changes(0..120)) {
        run(only(0), &changes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn direct16_agrees_with_brute_force(changes in changes(0..80)) {
        run(only(1), &changes);
    }
}

// The larger tables take milliseconds to build, and very short prefixes build them anew.
proptest! {
    #![proptest_config(ProptestConfig { cases: 5, ..ProptestConfig::default() })]

    #[test]
    fn direct18_agrees_with_brute_force(changes in changes(0..50)) {
        run(only(2), &changes);
    }

    #[test]
    fn direct20_agrees_with_brute_force(changes in changes(0..30)) {
        run(only(3), &changes);
    }

    #[test]
    fn the_whole_ladder_agrees_with_brute_force(changes in changes(30..60)) {
        run(LADDER, &changes);
    }
}

/// An idle vnet: connected prefix, own address, broadcast addresses, and a default route.
#[test]
fn a_handful_of_routes() {
    let mut tables = Tables::new(FibPolicy::default());
    for (prefix, nexthop) in [
        ((0xac10_0000, 24), 1),
        ((0xac10_0001, 32), 2),
        ((0xac10_0000, 32), 3),
        ((0xac10_00ff, 32), 3),
        ((0xc612_0000, 15), 4),
        ((0, 0), u16::MAX),
    ] {
        tables.insert(prefix, nexthop);
    }
    assert_eq!(tables.control.fib().layout_name(), "few");
    assert_eq!(tables.control.fib().lookup(0xac10_0001).0, 2);
    assert_eq!(tables.control.fib().lookup(0xc613_ffff).0, 4);
    assert_eq!(tables.control.fib().lookup(0xc614_0000).0, u16::MAX);
    tables.check_all();
}

/// Vectors of every length, so that full groups and what is left over are both covered.
#[test]
fn bulk_lookup_of_any_length() {
    for policy in [FibPolicy::default(), only(0), only(1)] {
        let mut tables = Tables::new(policy);
        for host in 0..9 {
            tables.insert((0x0a00_0000 + host * 3, 32), u16::MAX - (host as u16 + 4) % 9);
        }
        for len in 0..=256 {
            let destinations: Vec<u32> = (0..len).map(|dst| 0x0a00_0000 + dst % 31).collect();
            tables.check(tables.control.fib(), &destinations);
        }
    }
}

/// Every address of a /16 is a route of its own: the largest directory there is.
#[test]
fn one_entry_with_65536_ranges() {
    let mut rib = Rib::new();
    for host in 0..=0xffff_u32 {
        let nexthop = 1 + (host % 60_000) as u16;
        assert_eq!(rib.insert(net((0x0a01_0000 | host, 32)), entry(nexthop)), Ok(None));
    }
    for rung in 0..=3 {
        let fib = FibControl::new(only(rung)).rebuild(&rib);
        for host in 0..=0xffff_u32 {
            assert_eq!(fib.lookup(0x0a01_0000 | host).0, 1 + (host % 60_000) as u16);
        }
        assert!(fib.lookup(0x0a00_ffff).is_none());
        assert!(fib.lookup(0x0a02_0000).is_none());
    }
}

/// Prefixes below one /16, so close that their entry's list becomes a directory (from 17 ranges on), and directories get directories.
fn crowd(count: usize, seed: u64) -> Vec<Prefix> {
    let mut random = Random(seed);
    let mut prefix = || {
        // Half of them anywhere in the /16, half in a /22 of it.
        let bits = if random.below(2) == 0 { 16 } else { 10 };
        masked(0x0a01_4000 ^ random.next() >> (32 - bits), 20 + random.below(13) as u8)
    };
    (0..count).map(|_| prefix()).collect()
}

/// A list that becomes a directory of ever more entries, and a list again, change by change, with all the addresses of the /16 asked for now
/// and then.
#[test]
fn one_entry_that_grows_and_shrinks() {
    let everywhere: Vec<u32> = (0x0a00_fff0..0x0a02_0010_u32).step_by(3).collect();
    for rung in 0..=2 {
        let mut random = Random(5);
        let mut tables = Tables::new(only(rung));
        let mut prefixes = crowd(500, 3);
        for (count, &prefix) in prefixes.iter().enumerate() {
            tables.insert(prefix, 1 + (count % 7) as u16);
            if count % 50 == 16 {
                tables.check(tables.control.fib(), &everywhere);
            }
        }
        prefixes.sort_unstable();
        prefixes.dedup();
        while !prefixes.is_empty() {
            tables.remove(prefixes.swap_remove(random.below(prefixes.len() as u32) as usize));
            if prefixes.len() % 50 == 7 {
                tables.check_all();
                tables.check(tables.control.fib(), &everywhere);
            }
        }
    }
}

/// Hosts side by side: a directory with an entry for each address, and none of them a list.
#[test]
fn neighbours_without_gaps() {
    for (rung, hosts) in [(0, 40), (1, 300), (2, 1000)] {
        let mut tables = Tables::new(only(rung));
        for host in 0..hosts {
            tables.insert((0x0a01_0123 + host, 32), 1 + (host % 5) as u16);
        }
        tables.check_all();
        for host in (0..hosts).rev() {
            tables.remove((0x0a01_0123 + host, 32));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_crowded_entry_agrees_with_brute_force(
        seed in any::<u64>(),
        rung in 0..3_usize,
        removed in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u16), 0..150),
    ) {
        let mut tables = Tables::new(only(rung));
        let prefixes = crowd(60, seed);
        for &prefix in &prefixes {
            tables.insert(prefix, 1 + (prefix.0 % 5) as u16);
        }
        for (index, nexthop) in removed {
            let prefix = *index.get(&prefixes);
            match nexthop {
                0 if tables.model.get(prefix).is_some() => tables.remove(prefix),
                nexthop => tables.insert(prefix, 1 + nexthop),
            }
        }
        tables.check_all();
    }
}

/// Thousands of routes under the default limits, through changes of the layout in both directions.
#[test]
fn a_table_that_grows_and_shrinks() {
    let mut random = Random(7);
    let mut tables = Tables::new(FibPolicy::default());
    let mut prefixes: Vec<Prefix> = (0..6000)
        .map(|_| masked(0x0a00_0000 | random.next() >> 6, 12 + random.below(21) as u8))
        .collect();
    let mut layouts = vec![tables.control.fib().layout_name()];
    for (count, &prefix) in prefixes.iter().enumerate() {
        tables.insert(prefix, 1 + (count % 50) as u16);
        layouts.push(tables.control.fib().layout_name());
    }
    tables.check_all();
    prefixes.sort_unstable();
    prefixes.dedup();
    while !prefixes.is_empty() {
        tables.remove(prefixes.swap_remove(random.below(prefixes.len() as u32) as usize));
        layouts.push(tables.control.fib().layout_name());
    }
    layouts.dedup();
    assert_eq!(layouts, ["few", "split", "direct16", "split", "few"]);
}
