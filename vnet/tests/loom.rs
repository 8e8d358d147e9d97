//! Every interleaving, and every outcome that the memory model allows, of publication against readers.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p vnet --release --test loom`
#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;
use vnet::{Domain, Published, PublishedTable, Reader};

/// A published value. Loom reports a read that is not ordered with the drop, in whichever order they come.
struct Payload(UnsafeCell<u32>);

// SAFETY: loom checks the accesses.
unsafe impl Send for Payload {}
// SAFETY: as above.
unsafe impl Sync for Payload {}

const FREED: u32 = 0xdead;

impl Payload {
    fn boxed(value: u32) -> Option<Box<Self>> {
        Some(Box::new(Self(UnsafeCell::new(value))))
    }

    fn read(&self) -> u32 {
        // SAFETY: loom checks that no write is concurrent.
        self.0.with(|value| unsafe { *value })
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        // SAFETY: loom checks that no read is concurrent.
        self.0.with_mut(|value| unsafe { *value = FREED });
    }
}

/// Loads and reads; what is read is 1 or 2 and never goes back.
fn look(cell: &Published<Payload>, reader: &Reader, least: u32) -> u32 {
    let value = cell.load(reader).map_or(least, Payload::read);
    assert!((least..=2).contains(&value), "read {value:#x} after {least}");
    value
}

/// Publishes 1, then runs `readers` against a control that publishes 2 and frees 1 and returns when that is done.
fn against_control(readers: &'static [fn(&Domain, &Published<Payload>)]) {
    let mut model = loom::model::Builder::new();
    // Two readers and three preemptions take ten times as long.
    model.preemption_bound = Some(if readers.len() > 1 { 2 } else { 3 });
    model.check(move || {
        let domain = Domain::new(readers.len());
        let cell = Arc::new(Published::empty());
        let mut control = domain.control().unwrap();
        control.publish(&cell, Payload::boxed(1));
        let threads: Vec<_> = readers
            .iter()
            .map(|reader| {
                let (domain, cell) = (domain.clone(), Arc::clone(&cell));
                thread::spawn(move || reader(&domain, &cell))
            })
            .collect();
        control.publish(&cell, Payload::boxed(2));
        let _freed = control.reclaim();
        control.synchronize();
        assert_eq!(control.pending(), 0);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// A worker's iterations: load, report, load, leave.
fn reports(domain: &Domain, cell: &Published<Payload>) {
    let mut reader = domain.reader(0).unwrap();
    let first = look(cell, &reader, 1);
    reader.quiescent();
    let _second = look(cell, &reader, first);
}

/// A worker that sleeps between two loads.
fn sleeps(domain: &Domain, cell: &Published<Payload>) {
    let mut reader = domain.reader(0).unwrap();
    let first = look(cell, &reader, 1);
    reader.offline();
    reader.online();
    let _second = look(cell, &reader, first);
}

/// A worker that wakes by loading.
fn wakes(domain: &Domain, cell: &Published<Payload>) {
    let mut reader = domain.reader(0).unwrap();
    reader.offline();
    let _value = look(cell, &reader, 1);
}

/// A second worker, which leaves after one load.
fn leaves(domain: &Domain, cell: &Published<Payload>) {
    let _value = look(cell, &domain.reader(1).unwrap(), 1);
}

/// A worker that reports before it loads.
fn reports_first(domain: &Domain, cell: &Published<Payload>) {
    let mut reader = domain.reader(0).unwrap();
    reader.quiescent();
    let _value = look(cell, &reader, 1);
    reader.quiescent();
}

/// A table's place, in a chunk that is made while the reader looks, is filled, and emptied again.
#[test]
fn a_reader_of_a_table() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let domain = Domain::new(1);
        let mut control = domain.control().unwrap();
        let table = Arc::new(PublishedTable::<Payload, 2, 1>::new(&control));
        let thread = {
            let (domain, table) = (domain.clone(), Arc::clone(&table));
            thread::spawn(move || {
                let mut reader = domain.reader(0).unwrap();
                for _ in 0..2 {
                    let value = table.load(&reader, 1).map_or(1, Payload::read);
                    assert_eq!(value, 1);
                    reader.quiescent();
                }
            })
        };
        control.put(&table, 1, Some(Arc::new(Payload(UnsafeCell::new(1)))));
        control.put(&table, 1, None);
        control.synchronize();
        assert_eq!(control.pending(), 0);
        thread.join().unwrap();
    });
}

#[test]
fn a_reader_that_reports() {
    against_control(&[reports]);
}

#[test]
fn a_reader_that_sleeps() {
    against_control(&[sleeps]);
}

#[test]
fn a_reader_that_wakes() {
    against_control(&[wakes]);
}

#[test]
fn a_reader_that_reports_first() {
    against_control(&[reports_first]);
}

#[test]
fn two_readers() {
    against_control(&[wakes, leaves]);
}
