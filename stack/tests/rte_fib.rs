//! The FIB against DPDK's `rte_fib`, which shares no code with us: a table like the Internet's, and changes to it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod route_model;

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use pmd::test_support::RteFib;
use route_model::{Prefix, Random, borders, entry, masked, net};
use stack::inet::route::{FibControl, FibPolicy};
use stack::net::route::Rib;

const ROUTES: usize = 100_000;
const CHANGES: usize = 20_000;
const LOOKUPS: usize = 1_000_000;
/// Addresses of one comparison.
const VECTOR: usize = 256;

/// A prefix with a length as the Internet has them: /24 most of all, hardly any below /8, and a few longer ones.
fn prefix(random: &mut Random) -> Prefix {
    let len = match random.below(1000) {
        0..550 => 24,
        550..780 => 20 + random.below(4) as u8,
        780..980 => 14 + random.below(6) as u8,
        980..990 => 8 + random.below(6) as u8,
        // Host routes and parts of /24s, close together, as sites have them.
        _ => return masked(0x0a0a_0000 | random.next() >> 18, 25 + random.below(8) as u8),
    };
    // Three quarters in a third of the space.
    let addr = random.next();
    masked(if addr.is_multiple_of(4) { addr } else { addr / 3 }, len)
}

/// Both tables, changed together.
struct Tables {
    routes: BTreeMap<Prefix, u16>,
    rib: Rib<Ipv4Net>,
    control: FibControl,
    oracle: RteFib,
}

impl Tables {
    fn insert(&mut self, prefix: Prefix, nexthop: u16) {
        let _old = self.routes.insert(prefix, nexthop);
        let _old = self.rib.insert(net(prefix), entry(nexthop)).unwrap();
        self.oracle.add(prefix.0, prefix.1, u32::from(nexthop));
    }

    fn remove(&mut self, prefix: Prefix) {
        assert!(self.routes.remove(&prefix).is_some());
        let _old = self.rib.remove(net(prefix)).unwrap();
        self.oracle.delete(prefix.0, prefix.1);
    }

    fn compare(&self, addresses: &[u32]) {
        let (mut ours, mut theirs) = ([0; VECTOR], [0; VECTOR]);
        for addresses in addresses.chunks(VECTOR) {
            let ours = &mut ours[..addresses.len()];
            self.control.fib().lookup_bulk(addresses, ours);
            let theirs = &mut theirs[..addresses.len()];
            self.oracle.lookup_bulk(addresses, theirs);
            let differ = (0..ours.len())
                .find(|&at| u64::from(ours[at]) != theirs[at])
                .map(|at| format!("{:#x}: {} here, {} there", addresses[at], ours[at], theirs[at]));
            assert_eq!(differ, None, "{}", self.control.fib().layout_name());
        }
    }

    fn compare_at_borders(&self) {
        let addresses: Vec<u32> = self.routes.keys().flat_map(|prefix| borders(*prefix)).collect();
        self.compare(&addresses);
    }
}

#[test]
fn a_table_like_the_internets() {
    let mut random = Random(2);
    let mut tables = Tables {
        routes: BTreeMap::new(),
        rib: Rib::new(),
        control: FibControl::new(FibPolicy::default()),
        oracle: RteFib::new(&pmd::test_support::eal(), "rte_fib", 1 << 20, 1 << 12),
    };
    tables.insert((0, 0), 7);
    while tables.routes.len() < ROUTES {
        // Some next hops have many routes, others few.
        let bits = 1 + random.below(15);
        let nexthop = 1 + random.below(1 << bits) as u16;
        tables.insert(prefix(&mut random), nexthop);
    }
    let _fib = tables.control.rebuild(&tables.rib);
    tables.compare_at_borders();
    let anywhere: Vec<u32> = (0..LOOKUPS).map(|_| random.next()).collect();
    tables.compare(&anywhere);

    // Changes one by one, followed in place.
    for change in 0..CHANGES {
        let changed = if random.below(2) == 0 {
            let from = masked(random.next(), 32);
            let Some((&prefix, _)) = tables.routes.range(from..).next() else { continue };
            tables.remove(prefix);
            prefix
        } else {
            let prefix = prefix(&mut random);
            tables.insert(prefix, 1 + random.below(60_000) as u16);
            prefix
        };
        let _update = tables.control.update(&tables.rib, net(changed));
        if change % 64 == 0 {
            drop(tables.control.seal());
        }
        tables.compare(&borders(changed));
    }
    tables.compare_at_borders();
    tables.compare(&anywhere);
}
