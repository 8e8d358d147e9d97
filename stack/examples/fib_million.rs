//! Measures the routing tables: load time, memory, lookups and changes, for a handful and a million routes.
//!
//! ```text
//! cargo run --release -p stack --example fib_million
//! ```
//!
//! Cycles are those of the TSC: nanoseconds times the frequency that `/proc/cpuinfo` names.

use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ipnet::Ipv4Net;
use stack::inet::route::{Fib, FibControl, FibPolicy, FibUpdate, GraceToken};
use stack::net::route::{Rib, RouteEntry, RouteFlags};

/// Packets of one bulk lookup.
const VECTOR: usize = 64;
/// Destinations of one measurement.
const DESTINATIONS: usize = 1024;
/// Routes of the large tables.
const MILLION: usize = 1_000_000;

/// SplitMix64: the same tables in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 32) as u32
    }

    fn below(&mut self, limit: u32) -> u32 {
        ((u64::from(self.next()) * u64::from(limit)) >> 32) as u32
    }
}

/// One route to be.
type Route = (Ipv4Net, RouteEntry);

fn route(address: u32, len: u8, nexthop: u32) -> Route {
    let prefix = Ipv4Net::new(Ipv4Addr::from(address), len).expect("len is at most 32").trunc();
    let nexthop = NonZeroU16::new(1 + (nexthop % 65_535) as u16).expect("one more than something");
    (prefix, RouteEntry { nexthop, flags: RouteFlags::STATIC })
}

/// The routes of an interface with one address and a default route behind it.
fn handful(_: &mut Random) -> Vec<Route> {
    vec![
        route(0xac10_0000, 24, 1),
        route(0xac10_0001, 32, 2),
        route(0xac10_00ff, 32, 3),
        route(0xac10_0000, 32, 3),
        route(0xc612_0000, 15, 4),
    ]
}

/// A router with four interfaces: nearly all that `few` holds.
fn small_router(_: &mut Random) -> Vec<Route> {
    let mut routes = vec![route(0, 0, 9)];
    for interface in 0..4 {
        let network = 0xac10_0000 + (interface << 8);
        routes.push(route(network, 24, 1));
        routes.push(route(network + 1, 32, 2));
        routes.push(route(network + 255, 32, 3));
        routes.push(route(network, 32, 3));
    }
    routes.push(route(0xc612_0000, 15, 4));
    routes
}

/// A site: prefixes of 10.0.0.0/8.
fn site(random: &mut Random) -> Vec<Route> {
    (0..1000)
        .map(|_| {
            route(0x0a00_0000 | random.next() >> 8, 16 + random.below(13) as u8, random.below(30))
        })
        .collect()
}

/// Prefix lengths in per mille, as the Internet's table has them.
const INTERNET: [(u8, u32); 12] = [
    (24, 605),
    (23, 98),
    (22, 117),
    (21, 55),
    (20, 45),
    (19, 26),
    (18, 14),
    (17, 8),
    (16, 14),
    (15, 8),
    (14, 6),
    (12, 4),
];

/// A million prefixes with the Internet's lengths, in blocks as registries hand them out: three quarters
/// of them in a third of the /16s; 200 next hops.
fn internet(random: &mut Random) -> Vec<Route> {
    let mut routes = HashMap::with_capacity(MILLION);
    while routes.len() < MILLION {
        let mut draw = random.below(1000);
        let (len, _) = INTERNET
            .into_iter()
            .find(|&(_, share)| {
                let found = draw < share;
                draw = draw.saturating_sub(share);
                found
            })
            .unwrap_or((24, 0));
        let mut address = 0x0100_0000 + random.below(0xdf00_0000);
        if random.below(4) > 0 {
            let block = address >> 16;
            address = (block - block % 3) << 16 | address & 0xffff;
        }
        let (prefix, entry) = route(address, len, random.below(200));
        let _previous = routes.insert(prefix, entry);
    }
    routes.into_iter().collect()
}

/// A million prefixes of /24 to /32 anywhere, with next hops all over: the worst for a FIB.
fn scattered(random: &mut Random) -> Vec<Route> {
    (0..MILLION).map(|_| route(random.next(), 24 + random.below(9) as u8, random.next())).collect()
}

/// The frequency of the TSC in GHz.
fn tsc_ghz() -> f64 {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = cpuinfo.lines().find(|line| line.starts_with("cpu MHz")).unwrap_or_default();
    line.rsplit(' ').next().and_then(|mhz| mhz.parse::<f64>().ok()).unwrap_or(1000.0) / 1000.0
}

/// Nanoseconds a packet: the best of several rounds over the same destinations.
fn measure(destinations: &[u32], mut lookup: impl FnMut(&[u32], &mut [u16])) -> f64 {
    let rounds = 1 + (1 << 20) / destinations.len();
    let mut out = [0; VECTOR];
    let mut best = f64::MAX;
    for _ in 0..15 {
        let start = Instant::now();
        for _ in 0..rounds {
            for dst in destinations.chunks_exact(VECTOR) {
                lookup(black_box(dst), &mut out);
                let _seen = black_box(&mut out);
            }
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / (rounds * destinations.len()) as f64);
    }
    best
}

fn print_lookups(fib: &Fib, name: &str, destinations: &[u32]) {
    let bulk = measure(destinations, |dst, out| fib.lookup_bulk(dst, out));
    let single = measure(destinations, |dst, out| {
        for (&dst, out) in dst.iter().zip(out) {
            *out = fib.lookup(dst).0;
        }
    });
    let ghz = tsc_ghz();
    println!(
        "  {name:<34} bulk {:6.2} cycles ({bulk:6.2} ns), one by one {:6.2} cycles a packet",
        bulk * ghz,
        single * ghz
    );
}

/// The state that the changing and the forwarding thread share.
struct Shared {
    fib: Mutex<Arc<Fib>>,
    /// How often `fib` was replaced.
    version: AtomicUsize,
    /// Grace periods begun, and the last that the forwarding thread has seen between two bursts.
    epoch: AtomicUsize,
    seen: AtomicUsize,
    stop: AtomicBool,
}

/// A worker that does nothing but look up; returns how many packets.
fn forward(shared: &Shared, destinations: &[u32]) -> usize {
    let current = || Arc::clone(&shared.fib.lock().expect("nobody fails with it"));
    let (mut packets, mut out) = (0, [0; VECTOR]);
    let (mut version, mut fib) = (0, current());
    for dst in destinations.chunks_exact(VECTOR).cycle() {
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        let newest = shared.version.load(Ordering::Acquire);
        if newest != version {
            (version, fib) = (newest, current());
        }
        fib.lookup_bulk(black_box(dst), &mut out);
        let _seen = black_box(&mut out);
        packets += VECTOR;
        shared.seen.store(shared.epoch.load(Ordering::SeqCst), Ordering::Release);
    }
    packets
}

/// Deletes and adds single routes, as a routing daemon would, with a grace period each 64 changes.
/// Returns how many tables were replaced.
fn change(
    shared: &Shared,
    rib: &mut Rib<Ipv4Net>,
    control: &mut FibControl,
    routes: &[Route],
    changes: usize,
) -> usize {
    let mut random = Random(9);
    let mut tokens: VecDeque<(usize, GraceToken)> = VecDeque::new();
    let follow = |control: &mut FibControl, rib: &Rib<Ipv4Net>, prefix| {
        if let FibUpdate::Replaced(fib) = control.update(rib, prefix) {
            *shared.fib.lock().expect("nobody fails with it") = fib;
            let _version = shared.version.fetch_add(1, Ordering::Release);
        }
    };
    for pair in 0..changes / 2 {
        let (prefix, entry) = routes[random.below(routes.len() as u32) as usize];
        let deleted = rib.remove(prefix);
        follow(control, rib, prefix);
        let _none = rib.insert(prefix, deleted.unwrap_or(entry)).expect("it was there before");
        follow(control, rib, prefix);
        if pair % 32 == 0
            && let Some(token) = control.seal()
        {
            tokens.push_back((1 + shared.epoch.fetch_add(1, Ordering::SeqCst), token));
            let seen = shared.seen.load(Ordering::Acquire);
            while tokens.front().is_some_and(|(epoch, _)| *epoch <= seen) {
                drop(tokens.pop_front());
            }
        }
    }
    shared.version.load(Ordering::Relaxed)
}

/// Changes routes while another thread looks up destinations.
fn print_changes(
    rib: &mut Rib<Ipv4Net>,
    control: &mut FibControl,
    routes: &[Route],
    destinations: &[u32],
) {
    let shared = Shared {
        fib: Mutex::new(Arc::clone(control.fib())),
        version: AtomicUsize::new(0),
        epoch: AtomicUsize::new(0),
        seen: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
    };
    let changes = 1_000_000.min(routes.len() * 1000);
    std::thread::scope(|scope| {
        let forwarding = scope.spawn(|| forward(&shared, destinations));
        let start = Instant::now();
        let replaced = change(&shared, rib, control, routes, changes);
        let seconds = start.elapsed().as_secs_f64();
        shared.stop.store(true, Ordering::Relaxed);
        let packets = forwarding.join().expect("forwarding does not fail");
        println!(
            "  {changes} single changes: {:.0}/s, {replaced} new tables, while looking up {:.1} million packets/s",
            changes as f64 / seconds,
            packets as f64 / seconds / 1e6
        );
    });
    println!(
        "  memory after: FIB {} bytes, FIB control {}",
        control.fib().memory_bytes(),
        control.memory_bytes()
    );
}

/// The changes that touch most of the table.
fn print_wide_changes(rib: &mut Rib<Ipv4Net>, control: &mut FibControl) {
    for prefix in ["0.0.0.0/0", "64.0.0.0/4", "64.0.0.0/8", "64.0.0.0/16"] {
        let prefix: Ipv4Net = prefix.parse().expect("it is a prefix");
        let (_, entry) = route(0, 0, 1);
        let old = rib.insert(prefix, entry).expect("one more fits");
        let start = Instant::now();
        let update = control.update(rib, prefix);
        let elapsed = start.elapsed();
        println!(
            "  change of {prefix}: {elapsed:.2?}, {}",
            match update {
                FibUpdate::InPlace => "in place",
                FibUpdate::Replaced(_) => "a new table",
            }
        );
        match old {
            Some(entry) => drop(rib.insert(prefix, entry)),
            None => drop(rib.remove(prefix)),
        }
        drop(control.update(rib, prefix));
        drop(control.seal());
    }
}

fn run(name: &str, table: fn(&mut Random) -> Vec<Route>) {
    let mut random = Random(1);
    let routes = table(&mut random);
    let (mut rib, mut control) = (Rib::new(), FibControl::new(FibPolicy::default()));
    let start = Instant::now();
    for &(prefix, entry) in &routes {
        let _replaced = rib.insert(prefix, entry).expect("a million fit");
    }
    let loaded = start.elapsed();
    let fib = control.rebuild(&rib);
    println!("{name}: {} routes, layout {}", rib.len(), fib.layout_name());
    println!("  RIB loaded in {loaded:.2?}, FIB built in {:.2?}", start.elapsed() - loaded);
    println!(
        "  memory: FIB {} bytes, FIB control {}, RIB {} ({:.1} a route)",
        fib.memory_bytes(),
        control.memory_bytes(),
        rib.memory_bytes(),
        rib.memory_bytes() as f64 / rib.len() as f64
    );

    let benchmark: Vec<u32> =
        (0..DESTINATIONS).map(|_| 0xc612_0000 | random.next() >> 15).collect();
    print_lookups(&fib, "1024 of 198.18.0.0/15", &benchmark);
    let routed = |random: &mut Random, count| -> Vec<u32> {
        (0..count)
            .map(|_| {
                let (prefix, _) = routes[random.below(routes.len() as u32) as usize];
                prefix.network().to_bits() | random.next() & prefix.hostmask().to_bits()
            })
            .collect()
    };
    print_lookups(&fib, "1024 routed", &routed(&mut random, DESTINATIONS));
    let many = routed(&mut random, 1 << 18);
    print_lookups(&fib, "262144 routed", &many);
    let anywhere: Vec<u32> = (0..1 << 18).map(|_| random.next()).collect();
    print_lookups(&fib, "262144 anywhere", &anywhere);
    drop(fib);
    print_changes(&mut rib, &mut control, &routes, &many);
    print_wide_changes(&mut rib, &mut control);
}

fn main() {
    println!("TSC {:.2} GHz, vectors of {VECTOR}", tsc_ghz());
    run("handful", handful);
    run("small router", small_router);
    run("site", site);
    run("internet", internet);
    run("scattered", scattered);
}
