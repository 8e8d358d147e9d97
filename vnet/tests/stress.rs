//! Workers at work while vnets are made, changed and destroyed: for the sanitizers, and as a test of its own.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use common::{Lab, MANY, inet, net};
use vnet::{Control, Published, Reader, VnetRef, curvnet};

/// The table that workers look vnets up in.
struct Table {
    vnets: Vec<VnetRef>,
}

const WORKERS: usize = 3;
const ROUNDS: u64 = 2000;

/// The words between the threads; relaxed, so that they order nothing.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Visits of all workers.
    visits: AtomicU64,
}

/// Polls until told to stop; returns how many visits it made.
fn work(reader: &mut Reader, table: &Published<Table>, shared: &Shared) -> u64 {
    let mut visits = 0;
    let mut polls = 0u32;
    while !shared.stop.load(Ordering::Relaxed) {
        if let Some(table) = table.load(reader) {
            for vnet in &table.vnets {
                let guard = curvnet::set(reader, vnet);
                visits += visit(reader);
                drop(guard);
                let _before = shared.visits.fetch_add(1, Ordering::Relaxed);
            }
        }
        polls += 1;
        if polls.is_multiple_of(64) {
            reader.offline();
            std::thread::yield_now();
            reader.online();
        } else {
            reader.quiescent();
        }
    }
    visits
}

fn visit(reader: &Reader) -> u64 {
    let net = net::net::cur(reader);
    net.count().get(reader).inc();
    let number = inet::inet::cur(reader).number().get();
    assert!((0..=100).contains(&number));
    if let Some(shared) = net.shared().load(reader) {
        assert!(**shared < ROUNDS);
    }
    1
}

fn visits_counted(control: &Control, vnet: &VnetRef) -> u64 {
    net::net::init(vnet).count().iter(control.reader()).map(vnet::Counter::get).sum()
}

#[test]
fn workers_and_control_at_once() {
    let mut lab = Lab::new(WORKERS);
    let table = Arc::new(Published::<Table>::empty());
    let shared = Arc::new(Shared::default());
    let mut counted = 0;
    let visited: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|slot| {
                let (domain, table, shared) =
                    (lab.domain.clone(), Arc::clone(&table), Arc::clone(&shared));
                scope.spawn(move || work(&mut domain.reader(slot).unwrap(), &table, &shared))
            })
            .collect();
        for round in 0..ROUNDS {
            counted += change(&mut lab, &table, round);
            while shared.visits.load(Ordering::Relaxed) < round {
                std::thread::yield_now();
            }
        }
        lab.control.publish(&table, None);
        lab.control.synchronize();
        shared.stop.store(true, Ordering::Relaxed);
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    let left: Vec<_> = lab.vnets.iter().cloned().collect();
    counted += left.iter().map(|vnet| visits_counted(&lab.control, vnet)).sum::<u64>();
    drop(left);
    assert!(visited >= ROUNDS - 1, "the workers were at work");
    assert_eq!(visited, counted, "no visit is lost, and none is counted twice");
    assert_eq!(lab.vnets.shutdown(&mut lab.control), 0);
    assert_eq!(lab.control.pending(), 0);
}

/// Adds a vnet to the table and, after a few rounds, takes the oldest out and destroys it. Returns the visits that the
/// destroyed vnet has counted.
fn change(lab: &mut Lab, table: &Published<Table>, round: u64) -> u64 {
    const KEPT: usize = 4;
    let newest = match lab.vnets.by_name("only") {
        Some(only) if !MANY => only.clone(),
        _ if MANY => lab.create(&format!("vnet-{round}")),
        _ => lab.create("only"),
    };
    lab.control.publish(net::net::init(&newest).shared(), Some(Box::new(Arc::new(round))));
    let tree = lab.vnets.registry().sysctl();
    let number = i32::try_from(round % 101).unwrap();
    let _old =
        tree.set(&mut lab.control, Some(&newest), "test.inet.number", number.into()).unwrap();

    let mut vnets: Vec<_> = lab.vnets.iter().cloned().collect();
    let oldest = (vnets.len() > KEPT).then(|| vnets.remove(1));
    lab.control.publish(table, Some(Box::new(Table { vnets })));
    let mut counted = 0;
    if let Some(oldest) = oldest {
        lab.vnets.destroy(&mut lab.control, oldest.id()).unwrap();
        lab.control.synchronize();
        counted = visits_counted(&lab.control, &oldest);
    }
    lab.reclaim();
    counted
}
