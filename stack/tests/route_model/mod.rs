//! The oracle of the route tests: longest match by brute force.
//!
//! One hash map per prefix length, asked from /32 down to /0. It shares no code with the tables under
//! test: masks are computed here, and prefixes are plain pairs of address and length.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(unreachable_pub, reason = "a module of test binaries")]

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::num::NonZeroU16;

use ipnet::Ipv4Net;
use proptest::prelude::*;
use stack::inet::route::FibPolicy;
use stack::net::route::{RouteEntry, RouteFlags};

/// A prefix: address (host byte order, host bits clear) and length.
pub type Prefix = (u32, u8);

/// The addresses that differ from a prefix of length `len`.
pub fn host_mask(len: u8) -> u32 {
    if len == 0 { u32::MAX } else { (1 << (32 - len)) - 1 }
}

/// Clears the host bits.
pub fn masked(address: u32, len: u8) -> Prefix {
    (address & !host_mask(len), len)
}

/// The prefix as the tables want it.
pub fn net((address, len): Prefix) -> Ipv4Net {
    Ipv4Net::new(Ipv4Addr::from(address), len).unwrap()
}

/// A route entry as the tables want it.
pub fn entry(nexthop: u16) -> RouteEntry {
    RouteEntry { nexthop: NonZeroU16::new(nexthop).unwrap(), flags: RouteFlags::STATIC }
}

/// The addresses where an answer can change because of a prefix, and their neighbours.
pub fn borders((address, len): Prefix) -> [u32; 4] {
    let last = address | host_mask(len);
    [address.wrapping_sub(1), address, last, last.wrapping_add(1)]
}

/// Routes as hash maps.
#[derive(Clone, Debug)]
pub struct Model {
    by_len: Vec<HashMap<u32, u16>>,
}

impl Default for Model {
    fn default() -> Self {
        Self { by_len: vec![HashMap::new(); 33] }
    }
}

impl Model {
    pub fn insert(&mut self, (address, len): Prefix, nexthop: u16) -> Option<u16> {
        self.by_len[usize::from(len)].insert(address, nexthop)
    }

    pub fn remove(&mut self, (address, len): Prefix) -> Option<u16> {
        self.by_len[usize::from(len)].remove(&address)
    }

    pub fn get(&self, (address, len): Prefix) -> Option<u16> {
        self.by_len[usize::from(len)].get(&address).copied()
    }

    /// The longest match and its next hop.
    pub fn matching(&self, dst: u32) -> Option<(Prefix, u16)> {
        (0..=32).rev().find_map(|len| {
            let prefix = masked(dst, len);
            Some((prefix, self.get(prefix)?))
        })
    }

    /// The answer that a FIB must give.
    pub fn lookup(&self, dst: u32) -> u16 {
        self.matching(dst).map_or(0, |(_, nexthop)| nexthop)
    }

    /// All routes in address order, the shorter first.
    pub fn routes(&self) -> Vec<(Prefix, u16)> {
        let mut routes: Vec<_> = (0..=32u8)
            .zip(&self.by_len)
            .flat_map(|(len, map)| {
                map.iter().map(move |(&address, &nexthop)| ((address, len), nexthop))
            })
            .collect();
        routes.sort_unstable();
        routes
    }
}

/// A change of the table.
#[derive(Clone, Debug)]
pub enum Change {
    Insert(Prefix, u16),
    /// Deletes one of the prefixes there are, chosen by this number.
    Remove(prop::sample::Index),
}

/// Prefixes that meet: around a few places, with a few bits changed, of every length.
pub fn prefixes() -> impl Strategy<Value = Prefix> {
    let places = prop::sample::select(vec![
        0x0000_0000_u32,
        0xffff_ffff,
        0x0a00_0000,
        0x0aff_ffff,
        0xac10_0000,
        0xc612_0000,
        0x7fff_ffff,
        0x8000_0000,
    ]);
    let near = (places, any::<u8>(), 0..25_u32)
        .prop_map(|(place, bits, shift)| place ^ (u32::from(bits) << shift));
    let address = prop_oneof![4 => near, 1 => any::<u32>()];
    let len =
        prop_oneof![1 => 0..=8_u8, 4 => 9..=32_u8, 2 => Just(32), 2 => Just(24), 1 => Just(16)];
    (address, len).prop_map(|(address, len)| masked(address, len))
}

/// Changes with few next hops, so that neighbours often have the same.
pub fn changes(
    count: impl Into<prop::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Change>> {
    let insert =
        (prefixes(), 1..5_u16).prop_map(|(prefix, nexthop)| Change::Insert(prefix, nexthop));
    let remove = any::<prop::sample::Index>().prop_map(Change::Remove);
    prop::collection::vec(prop_oneof![3 => insert, 2 => remove], count)
}

/// Limits under which any route at all needs the layout at `rung` of the ladder: 0 is `split`.
pub fn only(rung: usize) -> FibPolicy {
    let limit = |at| if rung <= at { usize::MAX } else { 0 };
    FibPolicy {
        few_ranges: 0,
        split_routes: limit(0),
        direct16_routes: limit(1),
        direct18_routes: limit(2),
    }
}

/// Limits so low that a few routes climb the whole ladder.
pub const LADDER: FibPolicy =
    FibPolicy { few_ranges: 8, split_routes: 10, direct16_routes: 20, direct18_routes: 30 };

/// Random numbers for tests that need many: SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 32) as u32
    }

    pub fn below(&mut self, limit: u32) -> u32 {
        self.next() % limit
    }
}
