//! The RIB against brute force, and the ranges that FIBs are built from: one body for both families.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use ipnet::{Ipv4Net, Ipv6Net};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use stack::net::IpPrefix;
use stack::net::route::{Range, Rib, RibError, RouteEntry, RouteFlags};

/// A prefix: its bits, host bits clear, as a number of the family's width, and their length.
type Prefix = (u128, u8);

/// A family, as the oracle needs it.
trait Net: IpPrefix<R: Into<u128>> {
    const BITS: u8;

    fn net(prefix: Prefix) -> Self;
}

impl Net for Ipv4Net {
    const BITS: u8 = 32;

    fn net((address, len): Prefix) -> Self {
        Ipv4Net::new(Ipv4Addr::from_bits(address as u32), len).unwrap()
    }
}

impl Net for Ipv6Net {
    const BITS: u8 = 128;

    fn net((address, len): Prefix) -> Self {
        Ipv6Net::new(Ipv6Addr::from_bits(address), len).unwrap()
    }
}

/// The addresses that differ from a prefix of length `len`.
fn host_mask<N: Net>(len: u8) -> u128 {
    match N::BITS - len {
        128 => u128::MAX,
        host_bits => (1 << host_bits) - 1,
    }
}

fn within<N: Net>((address, len): Prefix, (outer, outer_len): Prefix) -> bool {
    len >= outer_len && (address ^ outer) & !host_mask::<N>(outer_len) == 0
}

/// The addresses where an answer can change because of a prefix, and their neighbours.
fn borders<N: Net>((address, len): Prefix) -> [u128; 4] {
    let last = address | host_mask::<N>(len);
    let before = address.wrapping_sub(1) & host_mask::<N>(0);
    [before, address, last, last.wrapping_add(1) & host_mask::<N>(0)]
}

fn entry(nexthop: u16) -> RouteEntry {
    RouteEntry { nexthop: NonZeroU16::new(nexthop).unwrap(), flags: RouteFlags::STATIC }
}

/// Routes in the order of the table.
type Model = BTreeMap<Prefix, u16>;

/// The longest match by brute force.
fn matching<N: Net>(model: &Model, dst: u128) -> Option<(Prefix, u16)> {
    let covering = model.iter().filter(|(prefix, _)| within::<N>((dst, N::BITS), **prefix));
    covering.max_by_key(|((_, len), _)| *len).map(|(prefix, nexthop)| (*prefix, *nexthop))
}

/// Prefixes that meet: around a few places, with a few bits changed, of every length.
fn prefixes<N: Net>() -> impl Strategy<Value = Prefix> {
    let all = host_mask::<N>(0);
    let top = |byte: u128| byte << (N::BITS - 8);
    let half = all >> 1;
    let places = [0, all, top(0x0a), top(0x0b) - 1, top(0xac) | top(0x10) >> 8, half, half + 1];
    let near = (select(places.to_vec()), any::<u8>(), 0..N::BITS - 7)
        .prop_map(|(place, bits, shift)| place ^ (u128::from(bits) << shift));
    let address = prop_oneof![4 => near, 1 => any::<u128>().prop_map(move |any| any & all)];
    let len = prop_oneof![
        1 => 0..=8_u8,
        4 => 9..=N::BITS,
        2 => Just(N::BITS),
        2 => Just(N::BITS / 4 * 3),
        1 => Just(N::BITS / 2),
    ];
    (address, len).prop_map(|(address, len)| (address & !host_mask::<N>(len), len))
}

/// A change of the table.
#[derive(Clone, Debug)]
enum Change {
    Insert(Prefix, u16),
    /// Deletes one of the prefixes there are, chosen by this number.
    Remove(Index),
}

/// Changes with few next hops, so that neighbours often have the same.
fn changes<N: Net>() -> impl Strategy<Value = Vec<Change>> {
    let insert =
        (prefixes::<N>(), 1..5_u16).prop_map(|(prefix, nexthop)| Change::Insert(prefix, nexthop));
    let remove = any::<Index>().prop_map(Change::Remove);
    prop::collection::vec(prop_oneof![3 => insert, 2 => remove], 0..80)
}

/// Builds both from a list of changes.
fn build<N: Net>(changes: &[Change]) -> (Rib<N>, Model) {
    let (mut rib, mut model) = (Rib::new(), Model::default());
    for change in changes {
        match change {
            &Change::Insert(prefix, nexthop) => {
                let old = rib.insert(N::net(prefix), entry(nexthop)).unwrap();
                assert_eq!(old.map(|entry| entry.nexthop.get()), model.insert(prefix, nexthop));
            }
            Change::Remove(index) => {
                let routes: Vec<_> =
                    model.iter().map(|(prefix, nexthop)| (*prefix, *nexthop)).collect();
                if !routes.is_empty() {
                    let (prefix, nexthop) = *index.get(&routes);
                    assert_eq!(rib.remove(N::net(prefix)), Some(entry(nexthop)));
                    assert_eq!(rib.remove(N::net(prefix)), None);
                    assert_eq!(model.remove(&prefix), Some(nexthop));
                }
            }
        }
        assert_eq!(rib.len(), model.len());
    }
    (rib, model)
}

fn check_brute_force<N: Net>(changes: &[Change], probe: Prefix) -> Result<(), TestCaseError> {
    let (rib, model) = build::<N>(changes);
    let as_nets = |filter: &dyn Fn(Prefix) -> bool| -> Vec<_> {
        let some = model.iter().filter(|(prefix, _)| filter(**prefix));
        some.map(|(prefix, hop)| (N::net(*prefix), entry(*hop))).collect()
    };
    let net = N::net(probe);
    prop_assert_eq!(rib.iter().collect::<Vec<_>>(), as_nets(&|_| true));
    prop_assert_eq!(rib.get(net).map(|entry| entry.nexthop.get()), model.get(&probe).copied());
    let inside = as_nets(&|prefix| within::<N>(prefix, probe));
    prop_assert_eq!(rib.more_specific(net).collect::<Vec<_>>(), inside);
    let around = as_nets(&|prefix| within::<N>(probe, prefix));
    prop_assert_eq!(rib.covering(net).collect::<Vec<_>>(), around);
    prop_assert_eq!(rib.iter_after(net).collect::<Vec<_>>(), as_nets(&|prefix| prefix > probe));
    for dst in model.keys().flat_map(|prefix| borders::<N>(*prefix)) {
        let expected = matching::<N>(&model, dst).map(|(prefix, hop)| (N::net(prefix), entry(hop)));
        prop_assert_eq!(rib.longest_match(N::net((dst, N::BITS))), expected);
    }
    Ok(())
}

fn check_ranges<N: Net>(changes: &[Change], part: Prefix) -> Result<(), TestCaseError> {
    let (rib, model) = build::<N>(changes);
    let as_number =
        |range: Range<N::R>| Range { start: range.start.into(), nexthop: range.nexthop };
    let ranges: Vec<Range<u128>> = rib.ranges(N::net(part)).map(as_number).collect();
    prop_assert_eq!(ranges[0].start, part.0);
    prop_assert!(ranges.is_sorted_by(|a, b| a.start < b.start && a.nexthop != b.nexthop));
    let all = model.keys().chain([&part]).flat_map(|prefix| borders::<N>(*prefix));
    for dst in all.filter(|dst| within::<N>((*dst, N::BITS), part)) {
        let range = ranges[ranges.partition_point(|range| range.start <= dst) - 1];
        let expected = matching::<N>(&model, dst).map_or(0, |(_, nexthop)| nexthop);
        prop_assert_eq!(range.nexthop, expected, "{:x}", dst);
    }
    Ok(())
}

proptest! {
    #[test]
    fn agrees_with_brute_force(
        v4 in (changes::<Ipv4Net>(), prefixes::<Ipv4Net>()),
        v6 in (changes::<Ipv6Net>(), prefixes::<Ipv6Net>()),
    ) {
        check_brute_force::<Ipv4Net>(&v4.0, v4.1)?;
        check_brute_force::<Ipv6Net>(&v6.0, v6.1)?;
    }

    #[test]
    fn ranges_are_longest_match(
        v4 in (changes::<Ipv4Net>(), prefixes::<Ipv4Net>()),
        v6 in (changes::<Ipv6Net>(), prefixes::<Ipv6Net>()),
    ) {
        check_ranges::<Ipv4Net>(&v4.0, v4.1)?;
        check_ranges::<Ipv6Net>(&v6.0, v6.1)?;
    }
}

/// An address that begins with these bits.
fn starting<N: Net>(bits: u32) -> u128 {
    u128::from(bits) << (N::BITS - 32)
}

fn check_host_bits<N: Net>() {
    let net = |bits, len| N::net((starting::<N>(bits) | 5, len));
    let mut rib = Rib::new();
    assert_eq!(rib.insert(net(0x0a01_0203, 8), entry(5)), Ok(None));
    let shown = N::net((starting::<N>(0x0a00_0000), 8));
    assert_eq!(rib.iter().collect::<Vec<_>>(), [(shown, entry(5))]);
    assert_eq!(rib.get(net(0x0a09_0909, 8)), Some(entry(5)));
    assert_eq!(rib.covering(net(0x0a09_0909, 9)).count(), 1);
    assert_eq!(rib.more_specific(net(0x0a09_0909, 7)).count(), 1);
    assert_eq!(rib.ranges(net(0x0a09_0909, 8)).count(), 1);
    assert_eq!(rib.remove(net(0x0aff_ffff, 8)), Some(entry(5)));
}

#[test]
fn host_bits_of_a_prefix_are_ignored() {
    check_host_bits::<Ipv4Net>();
    check_host_bits::<Ipv6Net>();
}

#[test]
fn flags_are_given_back() {
    let mut rib = Rib::<Ipv4Net>::new();
    let flags = RouteFlags::GATEWAY | RouteFlags::STATIC;
    let route = RouteEntry { flags, ..entry(9) };
    assert_eq!(rib.insert(IpPrefix::everything(), route), Ok(None));
    let found = rib.get(IpPrefix::everything()).unwrap();
    assert!(found.flags.contains(RouteFlags::GATEWAY));
    assert!(found.flags.contains(RouteFlags::STATIC));
    assert!(!found.flags.contains(flags | RouteFlags::LOCAL));
}

fn check_limit<N: Net>() {
    let net = |bits| N::net((starting::<N>(bits), 8));
    let mut rib = Rib::with_limit(2);
    assert_eq!(rib.insert(net(0x0a00_0000), entry(1)), Ok(None));
    assert_eq!(rib.insert(net(0x0b00_0000), entry(1)), Ok(None));
    assert_eq!(rib.insert(net(0x0c00_0000), entry(1)), Err(RibError::Full { limit: 2 }));
    assert_eq!(rib.insert(net(0x0b00_0000), entry(2)), Ok(Some(entry(1))));
    assert_eq!(rib.remove(net(0x0a00_0000)), Some(entry(1)));
    assert_eq!(rib.insert(net(0x0c00_0000), entry(1)), Ok(None));
}

#[test]
fn a_full_table_refuses_new_prefixes_only() {
    check_limit::<Ipv4Net>();
    check_limit::<Ipv6Net>();
}

fn check_memory<N: Net>() {
    let net = |host: u32| N::net((starting::<N>(host.wrapping_mul(0x9e37_79b9)), 32));
    let mut rib = Rib::new();
    let empty = rib.memory_bytes();
    for host in 0..50_000 {
        assert_eq!(rib.insert(net(host), entry(1)), Ok(None));
    }
    let full = rib.memory_bytes();
    assert!(full <= 50_000 * 100, "{full} bytes");
    for host in 0..49_000 {
        assert_eq!(rib.remove(net(host)), Some(entry(1)));
    }
    assert!(rib.memory_bytes() < full / 4, "{} of {full} bytes", rib.memory_bytes());
    for host in 49_000..50_000 {
        assert_eq!(rib.remove(net(host)), Some(entry(1)));
    }
    assert_eq!(rib.memory_bytes(), empty);
}

#[test]
fn memory_is_given_back() {
    check_memory::<Ipv4Net>();
    check_memory::<Ipv6Net>();
}
