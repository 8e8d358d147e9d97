//! Which layout a table gets, when it changes, and how much memory it takes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod route_model;

use ipnet::Ipv4Net;
use route_model::{LADDER, Prefix, Random, entry, masked, net, only};
use stack::inet::route::{FibControl, FibPolicy, FibUpdate};
use stack::net::route::Rib;

fn insert(
    rib: &mut Rib<Ipv4Net>,
    control: &mut FibControl,
    prefix: Prefix,
    nexthop: u16,
) -> FibUpdate {
    let _replaced = rib.insert(net(prefix), entry(nexthop)).unwrap();
    follow(rib, control, prefix)
}

fn remove(rib: &mut Rib<Ipv4Net>, control: &mut FibControl, prefix: Prefix) -> FibUpdate {
    let _removed = rib.remove(net(prefix)).unwrap();
    follow(rib, control, prefix)
}

/// Follows a change, with no reader anywhere: each grace period passes at once.
fn follow(rib: &Rib<Ipv4Net>, control: &mut FibControl, prefix: Prefix) -> FibUpdate {
    let update = control.update(rib, net(prefix));
    drop(control.seal());
    update
}

/// Hosts two apart: each is two ranges, so `few` of the test ladder (8 ranges) ends at three.
fn host(number: u32) -> Prefix {
    (0x0a00_0000 + number * 2, 32)
}

#[test]
fn a_table_climbs_at_its_limits_and_descends_at_half_of_them() {
    let (mut rib, mut control) = (Rib::new(), FibControl::new(LADDER));
    let mut climbed = Vec::new();
    for number in 0..40 {
        let _update = insert(&mut rib, &mut control, host(number), 1);
        climbed.push((control.fib().layout_name(), rib.len()));
    }
    climbed.dedup_by_key(|(name, _)| *name);
    assert_eq!(
        climbed,
        [("few", 1), ("split", 4), ("direct16", 11), ("direct18", 21), ("direct20", 31)]
    );
    let mut descended = Vec::new();
    for number in 0..40 {
        let _update = remove(&mut rib, &mut control, host(number));
        descended.push((control.fib().layout_name(), rib.len()));
    }
    descended.dedup_by_key(|(name, _)| *name);
    assert_eq!(
        descended,
        [("direct20", 39), ("direct18", 15), ("direct16", 10), ("split", 5), ("few", 1)]
    );
}

#[test]
fn a_route_that_comes_and_goes_at_a_limit_does_not_rebuild_the_table() {
    let (mut rib, mut control) = (Rib::new(), FibControl::new(LADDER));
    for number in 0..LADDER.direct16_routes as u32 {
        let _update = insert(&mut rib, &mut control, host(number), 1);
    }
    let first = insert(&mut rib, &mut control, host(99), 1);
    assert!(matches!(first, FibUpdate::Replaced(_)));
    for _ in 0..50 {
        assert!(matches!(remove(&mut rib, &mut control, host(99)), FibUpdate::InPlace));
        assert!(matches!(insert(&mut rib, &mut control, host(99), 1), FibUpdate::InPlace));
    }
}

#[test]
fn an_idle_vnet_takes_little_memory() {
    let (mut rib, mut control) = (Rib::new(), FibControl::new(FibPolicy::default()));
    for (prefix, nexthop) in [
        ((0xac10_0000, 24), 1),
        ((0xac10_0001, 32), 2),
        ((0xac10_00ff, 32), 3),
        ((0xac10_0000, 32), 3),
        ((0, 0), 4),
    ] {
        let _update = insert(&mut rib, &mut control, prefix, nexthop);
    }
    let bytes = rib.memory_bytes() + control.fib().memory_bytes() + control.memory_bytes();
    assert!(bytes <= 2048, "{bytes} bytes");
}

/// `split` is for tables between a handful and thousands: its memory follows the routes.
#[test]
fn split_takes_at_most_a_node_a_route() {
    for routes in [25_u32, 100, 400, 1600] {
        let mut rib = Rib::new();
        for number in 0..routes {
            let spread = number.wrapping_mul(0x9e37_79b9);
            let _new = rib.insert(net((spread, 32)), entry(1 + number as u16)).unwrap();
        }
        let fib = FibControl::new(FibPolicy::default()).rebuild(&rib);
        assert_eq!(fib.layout_name(), "split");
        let bytes = fib.memory_bytes();
        assert!(bytes <= 5 * 1024 + routes as usize * 310, "{bytes} bytes for {routes} routes");
    }
}

/// Hosts that crowd in one /16 take a directory beside their lists: a host is two ranges, of four bytes each, and the whole at most three times that.
#[test]
fn a_directory_takes_no_more_than_its_lists() {
    for hosts in [10_u32, 60, 250, 1000, 4000] {
        let mut rib = Rib::new();
        for number in 0..hosts {
            let host = number.wrapping_mul(0x9e37_79b9) >> 16;
            let _new = rib.insert(net((0x0a01_0000 | host, 32)), entry(1 + number as u16)).unwrap();
        }
        let bytes = FibControl::new(only(0)).rebuild(&rib).memory_bytes();
        assert!(bytes <= 5 * 1024 + hosts as usize * 24, "{bytes} bytes for {hosts} hosts");
    }
}

/// After many changes the table takes at most twice what a fresh one takes, in each layout with an arena.
#[test]
fn changes_do_not_bloat_the_table() {
    let mut random = Random(3);
    for rung in 0..=2 {
        let (mut rib, mut control) = (Rib::new(), FibControl::new(only(rung)));
        let mut routes: Vec<Prefix> = Vec::new();
        // Grow, churn, and shrink, three times over.
        for (phase, (changes, percent_inserted)) in
            [(4000, 100), (6000, 50), (3300, 0)].into_iter().cycle().take(9).enumerate()
        {
            for _ in 0..changes {
                if random.below(100) < percent_inserted {
                    let prefix =
                        masked(0x0a00_0000 | random.next() >> 7, 14 + random.below(19) as u8);
                    if rib.get(net(prefix)).is_none() {
                        routes.push(prefix);
                    }
                    let _update =
                        insert(&mut rib, &mut control, prefix, 1 + random.below(9) as u16);
                } else {
                    let prefix = routes.swap_remove(random.below(routes.len() as u32) as usize);
                    let _update = remove(&mut rib, &mut control, prefix);
                }
            }
            let used = control.fib().memory_bytes();
            let fresh = FibControl::new(only(rung)).rebuild(&rib).memory_bytes();
            assert!(used <= 2 * fresh, "rung {rung}, phase {phase}: {used} bytes, {fresh} fresh");
        }
    }
}

/// Words wait for their grace period, and the arena grows rather than to reuse them early.
#[test]
fn freed_words_wait_for_their_grace_period() {
    let toggled = (0x0a00_0001, 32);
    let churn = |rounds: usize, pass: bool| {
        let (mut rib, mut control) = (Rib::new(), FibControl::new(only(1)));
        let (mut tokens, mut replaced) = (Vec::new(), 0);
        for round in 0..rounds {
            let _old = rib.insert(net(toggled), entry(1 + (round % 2) as u16)).unwrap();
            let update = control.update(&rib, net(toggled));
            replaced += usize::from(matches!(update, FibUpdate::Replaced(_)));
            tokens.extend(control.seal());
            if pass {
                tokens.clear();
            }
        }
        replaced
    };
    assert_eq!(
        churn(20_000, true),
        1,
        "only the first route: passed grace periods make room for ever"
    );
    assert!(churn(20_000, false) > 1, "without them the arena fills up");
}

#[test]
fn nothing_freed_means_no_grace_period() {
    let (mut rib, mut control) = (Rib::new(), FibControl::new(only(1)));
    let _first = insert(&mut rib, &mut control, (0x0a00_0000, 8), 1);
    let _again = insert(&mut rib, &mut control, (0x0a00_0000, 8), 1);
    assert!(control.seal().is_none());
    // A list (two of them, for the hosts are in different /16s), and then the same again.
    let _list = insert(&mut rib, &mut control, (0x0a00_0001, 32), 2);
    let _list = insert(&mut rib, &mut control, (0x0a01_0001, 32), 2);
    let _same = control.update(&rib, net((0x0a00_0000, 8)));
    assert!(control.seal().is_none());
    let _none = rib.remove(net((0x0a00_0001, 32)));
    let _hit = control.update(&rib, net((0x0a00_0001, 32)));
    assert!(control.seal().is_some());
    assert!(control.seal().is_none());
}
