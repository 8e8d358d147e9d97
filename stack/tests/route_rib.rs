//! The RIB against brute force, and the ranges that FIBs are built from.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod route_model;

use proptest::prelude::*;
use route_model::{Change, Model, Prefix, borders, changes, entry, host_mask, net, prefixes};
use stack::inet::route::{Range, Rib, RibError, RouteEntry, RouteFlags};

/// Builds both from a list of changes.
fn build(changes: &[Change]) -> (Rib, Model) {
    let (mut rib, mut model) = (Rib::new(), Model::default());
    for change in changes {
        match change {
            &Change::Insert(prefix, nexthop) => {
                let old = rib.insert(net(prefix), entry(nexthop)).unwrap();
                assert_eq!(old.map(|entry| entry.nexthop.get()), model.insert(prefix, nexthop));
            }
            Change::Remove(index) => {
                let routes = model.routes();
                if !routes.is_empty() {
                    let (prefix, nexthop) = *index.get(&routes);
                    assert_eq!(rib.remove(net(prefix)), Some(entry(nexthop)));
                    assert_eq!(rib.remove(net(prefix)), None);
                    assert_eq!(model.remove(prefix), Some(nexthop));
                }
            }
        }
        assert_eq!(rib.len(), model.routes().len());
    }
    (rib, model)
}

fn within((address, len): Prefix, (outer, outer_len): Prefix) -> bool {
    len >= outer_len && (address ^ outer) & !host_mask(outer_len) == 0
}

proptest! {
    #[test]
    fn agrees_with_brute_force(changes in changes(0..80), probe in prefixes()) {
        let (rib, model) = build(&changes);
        let routes = model.routes();
        let as_nets = |filter: &dyn Fn(Prefix) -> bool| -> Vec<_> {
            routes.iter().filter(|(prefix, _)| filter(*prefix)).map(|&(prefix, hop)| (net(prefix), entry(hop))).collect()
        };
        prop_assert_eq!(rib.iter().collect::<Vec<_>>(), as_nets(&|_| true));
        prop_assert_eq!(rib.get(net(probe)).map(|entry| entry.nexthop.get()), model.get(probe));
        prop_assert_eq!(rib.more_specific(net(probe)).collect::<Vec<_>>(), as_nets(&|prefix| within(prefix, probe)));
        prop_assert_eq!(rib.covering(net(probe)).collect::<Vec<_>>(), as_nets(&|prefix| within(probe, prefix)));
        for dst in routes.iter().flat_map(|&(prefix, _)| borders(prefix)) {
            let expected = model.matching(dst).map(|(prefix, hop)| (net(prefix), entry(hop)));
            prop_assert_eq!(rib.longest_match(dst.into()), expected);
        }
    }

    #[test]
    fn ranges_are_longest_match(changes in changes(0..80), part in prefixes()) {
        let (rib, model) = build(&changes);
        let ranges: Vec<Range> = rib.ranges(net(part)).collect();
        prop_assert_eq!(ranges[0].start, part.0);
        prop_assert!(ranges.is_sorted_by(|a, b| a.start < b.start && a.nexthop != b.nexthop));
        let inside = |dst: &u32| within((*dst, 32), part);
        let destinations = model.routes().into_iter().flat_map(|(prefix, _)| borders(prefix)).chain(borders(part));
        for dst in destinations.filter(inside) {
            let range = ranges[ranges.partition_point(|range| range.start <= dst) - 1];
            prop_assert_eq!(range.nexthop, model.lookup(dst), "{:x}", dst);
        }
    }
}

#[test]
fn host_bits_of_a_prefix_are_ignored() {
    let mut rib = Rib::new();
    let given = "10.1.2.3/8".parse().unwrap();
    assert_eq!(rib.insert(given, entry(5)), Ok(None));
    assert_eq!(rib.iter().collect::<Vec<_>>(), [("10.0.0.0/8".parse().unwrap(), entry(5))]);
    assert_eq!(rib.get("10.9.9.9/8".parse().unwrap()), Some(entry(5)));
    assert_eq!(rib.covering("10.9.9.9/9".parse().unwrap()).count(), 1);
    assert_eq!(rib.more_specific("10.9.9.9/7".parse().unwrap()).count(), 1);
    assert_eq!(rib.ranges("10.9.9.9/8".parse().unwrap()).count(), 1);
    assert_eq!(rib.remove("10.255.255.255/8".parse().unwrap()), Some(entry(5)));
}

#[test]
fn flags_are_given_back() {
    let mut rib = Rib::new();
    let flags = RouteFlags::GATEWAY | RouteFlags::STATIC;
    let route = RouteEntry { flags, ..entry(9) };
    assert_eq!(rib.insert(net((0, 0)), route), Ok(None));
    let found = rib.get(net((0, 0))).unwrap();
    assert!(found.flags.contains(RouteFlags::GATEWAY));
    assert!(found.flags.contains(RouteFlags::STATIC));
    assert!(!found.flags.contains(flags | RouteFlags::LOCAL));
}

#[test]
fn a_full_table_refuses_new_prefixes_only() {
    let mut rib = Rib::with_limit(2);
    assert_eq!(rib.insert(net((0x0a00_0000, 8)), entry(1)), Ok(None));
    assert_eq!(rib.insert(net((0x0b00_0000, 8)), entry(1)), Ok(None));
    assert_eq!(rib.insert(net((0x0c00_0000, 8)), entry(1)), Err(RibError::Full { limit: 2 }));
    assert_eq!(rib.insert(net((0x0b00_0000, 8)), entry(2)), Ok(Some(entry(1))));
    assert_eq!(rib.remove(net((0x0a00_0000, 8))), Some(entry(1)));
    assert_eq!(rib.insert(net((0x0c00_0000, 8)), entry(1)), Ok(None));
}

#[test]
fn memory_is_given_back() {
    let mut rib = Rib::new();
    let empty = rib.memory_bytes();
    for host in 0..50_000_u32 {
        assert_eq!(rib.insert(net((host.wrapping_mul(0x9e37_79b9), 32)), entry(1)), Ok(None));
    }
    let full = rib.memory_bytes();
    assert!(full <= 50_000 * 100, "{full} bytes");
    for host in 0..49_000_u32 {
        assert_eq!(rib.remove(net((host.wrapping_mul(0x9e37_79b9), 32))), Some(entry(1)));
    }
    assert!(rib.memory_bytes() < full / 4, "{} of {full} bytes", rib.memory_bytes());
    for host in 49_000..50_000_u32 {
        assert_eq!(rib.remove(net((host.wrapping_mul(0x9e37_79b9), 32))), Some(entry(1)));
    }
    assert_eq!(rib.memory_bytes(), empty);
}
