//! Workers read while the control thread changes routes: every answer is the one before or after.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod route_model;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, RwLock};

use route_model::{LADDER, Model, Prefix, Random, borders, entry, masked, net, only};
use stack::inet::route::{Fib, FibControl, FibPolicy, FibUpdate, GraceToken};
use stack::net::route::Rib;

/// Changes of one cycle; it ends with the empty table that it began with.
const CYCLE: usize = 600;
/// Cycles in all.
const CYCLES: usize = 40;
const READERS: usize = 2;

/// A change: the prefix and its next hop from now on, or `None` to delete it.
type Change = (Prefix, Option<u16>);

/// The destinations that are asked for all the time, and the answers after each change of the cycle.
struct Script {
    changes: Vec<Change>,
    destinations: Vec<u32>,
    /// `answers[n]` holds after `n` changes.
    answers: Vec<Vec<u16>>,
}

impl Script {
    /// Routes that nest and share table entries, from /5 to /32, added, replaced and deleted.
    fn new() -> Self {
        let mut random = Random(11);
        // Neighbours that share an entry, which is a hit, a list, a directory, and all that again backwards as the cycle goes on;
        // loners that need a node or a list of their own; and wide prefixes.
        let neighbours =
            (0..96).map(|_| masked(0x0a0a_0a00 ^ random.next() >> 18, 18 + random.below(15) as u8));
        let mut pool: Vec<Prefix> = neighbours.collect();
        pool.extend((0..20).map(|_| masked(random.next(), 15 + random.below(18) as u8)));
        pool.extend([(0x0a00_0000, 8), (0x0800_0000, 5), (0x0a0a_0000, 16), (0x0a08_0000, 13)]);
        let mut model = Model::default();
        let mut changes: Vec<Change> = Vec::new();
        while changes.len() + model.routes().len() < CYCLE {
            let prefix = pool[random.below(pool.len() as u32) as usize];
            let nexthop = (random.below(5) > 1).then(|| 1 + random.below(1000) as u16);
            match nexthop {
                // A route that is new has to be deleted as well.
                Some(_)
                    if model.get(prefix).is_none()
                        && changes.len() + model.routes().len() + 2 > CYCLE =>
                {
                    continue;
                }
                Some(nexthop) => drop(model.insert(prefix, nexthop)),
                None if model.remove(prefix).is_some() => {}
                None => continue,
            }
            changes.push((prefix, nexthop));
        }
        changes.extend(model.routes().into_iter().map(|(prefix, _)| (prefix, None)));
        assert_eq!(changes.len(), CYCLE);
        let destinations: Vec<u32> = pool.iter().flat_map(|&prefix| borders(prefix)).collect();
        let answers = Self::replay(&changes, &destinations);
        Self { changes, destinations, answers }
    }

    fn replay(changes: &[Change], destinations: &[u32]) -> Vec<Vec<u16>> {
        let mut model = Model::default();
        let ask = |model: &Model| destinations.iter().map(|&dst| model.lookup(dst)).collect();
        let mut answers = vec![ask(&model)];
        for &(prefix, nexthop) in changes {
            let _old = match nexthop {
                Some(nexthop) => model.insert(prefix, nexthop),
                None => model.remove(prefix),
            };
            answers.push(ask(&model));
        }
        answers
    }
}

/// The state that control and readers share.
struct Shared {
    fib: RwLock<Arc<Fib>>,
    /// Changes completed.
    done: AtomicUsize,
    /// Grace periods begun, and the last of them that each reader has seen between two bursts.
    epoch: AtomicUsize,
    seen: [AtomicUsize; READERS],
    bursts: [AtomicUsize; READERS],
    stop: AtomicBool,
}

impl Shared {
    fn new(fib: Arc<Fib>) -> Self {
        Self {
            fib: RwLock::new(fib),
            done: AtomicUsize::new(0),
            epoch: AtomicUsize::new(0),
            seen: [const { AtomicUsize::new(0) }; READERS],
            bursts: [const { AtomicUsize::new(0) }; READERS],
            stop: AtomicBool::new(false),
        }
    }

    fn passed(&self) -> usize {
        self.seen.iter().map(|seen| seen.load(Ordering::SeqCst)).min().unwrap()
    }
}

/// Stops everybody when a reader fails, so that nobody waits for it.
struct StopAll<'a>(&'a Shared);

impl Drop for StopAll<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// A worker: looks up all destinations again and again, and checks them against the script.
fn read(shared: &Shared, script: &Script, reader: usize) {
    let _stop = StopAll(shared);
    let mut out = vec![0; script.destinations.len()];
    while !shared.stop.load(Ordering::Relaxed) {
        // First the count, then the table: what is published is at least as new as the count.
        let before = shared.done.load(Ordering::Acquire);
        let fib = Arc::clone(&shared.fib.read().unwrap());
        fib.lookup_bulk(&script.destinations, &mut out);
        // The answers of the lookups were written before all that is read from here on.
        fence(Ordering::Acquire);
        let after = shared.done.load(Ordering::Relaxed);
        // `after` changes are complete, and one more may be under way.
        let possible =
            || (before..=after + 1).take(CYCLE).map(|done| &script.answers[done % CYCLE]);
        for (index, answer) in out.iter().enumerate() {
            assert!(
                possible().any(|answers| answers[index] == *answer),
                "{:x} gave {answer} during the changes {before} to {after}",
                script.destinations[index],
            );
        }
        let _count = shared.bursts[reader].fetch_add(1, Ordering::Relaxed);
        drop(fib);
        shared.seen[reader].store(shared.epoch.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

/// The control thread: runs the script, and lets grace periods pass when all readers have seen them.
fn write(shared: &Shared, script: &Script, control: &mut FibControl) -> usize {
    let mut rib = Rib::new();
    let mut tokens: Vec<(usize, GraceToken)> = Vec::new();
    let mut replaced = 0;
    for done in 0..CYCLE * CYCLES {
        let (prefix, nexthop) = script.changes[done % CYCLE];
        let _old = match nexthop {
            Some(nexthop) => rib.insert(net(prefix), entry(nexthop)).unwrap(),
            None => rib.remove(net(prefix)),
        };
        if let FibUpdate::Replaced(fib) = control.update(&rib, net(prefix)) {
            *shared.fib.write().unwrap() = fib;
            replaced += 1;
        }
        shared.done.store(done + 1, Ordering::Release);
        // Nothing of the next change is seen before this one counts as done.
        fence(Ordering::Release);
        if let Some(token) = control.seal() {
            tokens.push((1 + shared.epoch.fetch_add(1, Ordering::SeqCst), token));
        }
        let passed = shared.passed();
        tokens.retain(|(epoch, _)| *epoch > passed);
    }
    replaced
}

fn run(policy: FibPolicy) -> usize {
    let script = Script::new();
    let mut control = FibControl::new(policy);
    let shared = Shared::new(Arc::clone(control.fib()));
    let mut replaced = 0;
    std::thread::scope(|scope| {
        for reader in 0..READERS {
            let (shared, script) = (&shared, &script);
            let _handle = scope.spawn(move || read(shared, script, reader));
        }
        // Each reader runs before the first change and after the last.
        let wait = |more: usize| {
            let target: Vec<usize> =
                shared.bursts.iter().map(|bursts| bursts.load(Ordering::Relaxed) + more).collect();
            while shared
                .bursts
                .iter()
                .zip(&target)
                .any(|(bursts, &target)| bursts.load(Ordering::Relaxed) < target)
            {
                assert!(!shared.stop.load(Ordering::Relaxed), "a reader failed");
                std::thread::yield_now();
            }
        };
        wait(1);
        replaced = write(&shared, &script, &mut control);
        wait(2);
        shared.stop.store(true, Ordering::Relaxed);
    });
    replaced
}

#[test]
fn readers_of_split_see_old_or_new() {
    assert!(run(only(0)) > 0);
}

#[test]
fn readers_of_direct16_see_old_or_new() {
    assert!(run(only(1)) > 0);
}

#[test]
fn readers_see_old_or_new_while_the_layout_changes() {
    let ladder = FibPolicy { direct16_routes: usize::MAX, ..LADDER };
    assert!(run(ladder) > CYCLES);
}
