//! Readers, grace periods, and the cells that they protect.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use vnet::{
    Control, ControlCell, Counter, Domain, PerWorker, Published, PublishedTable, QsbrError, Reader,
};

#[test]
fn slots_have_one_reader() {
    let domain = Domain::new(2);
    let first = domain.reader(0).unwrap();
    assert_eq!((first.slot(), domain.workers()), (0, 2));
    assert_eq!(domain.reader(0).unwrap_err(), QsbrError::SlotTaken { slot: 0 });
    assert_eq!(domain.reader(2).unwrap_err(), QsbrError::NoSuchSlot { slot: 2, workers: 2 });
    drop(first);
    assert!(domain.reader(0).is_ok());

    let control = domain.control().unwrap();
    assert_eq!((control.reader().slot(), control.slots()), (2, 3));
    assert_eq!(domain.control().unwrap_err(), QsbrError::ControlTaken);
    drop(control);
    assert!(domain.control().is_ok());
}

/// A retired value that tells when it is dropped.
struct Garbage(Arc<AtomicU32>);

impl Drop for Garbage {
    fn drop(&mut self) {
        let _before = self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Quiescent(usize),
    Offline(usize),
    Online(usize),
    Leave(usize),
    Join(usize),
    Retire,
    Reclaim,
}

fn step() -> impl Strategy<Value = Step> {
    let slot = 0..READERS;
    prop_oneof![
        4 => slot.clone().prop_map(Step::Quiescent),
        1 => slot.clone().prop_map(Step::Offline),
        1 => slot.clone().prop_map(Step::Online),
        1 => slot.clone().prop_map(Step::Leave),
        1 => slot.prop_map(Step::Join),
        3 => Just(Step::Retire),
        4 => Just(Step::Reclaim),
    ]
}

const READERS: usize = 3;

/// The model: which readers each piece of garbage waits for.
#[derive(Default)]
struct Model {
    waits_for: Vec<[bool; READERS]>,
    online: [bool; READERS],
}

impl Model {
    fn report(&mut self, slot: usize) {
        self.waits_for.iter_mut().for_each(|waits| waits[slot] = false);
    }

    /// Garbage is freed in the order of retirement.
    fn free(&self) -> usize {
        self.waits_for.iter().take_while(|waits| !waits.contains(&true)).count()
    }
}

fn apply(
    step: Step,
    domain: &Domain,
    readers: &mut [Option<Reader>],
    control: &mut Control,
    model: &mut Model,
    dropped: &Arc<AtomicU32>,
) {
    match step {
        Step::Quiescent(slot) => {
            if let Some(reader) = &mut readers[slot] {
                reader.quiescent();
                model.report(slot);
            }
        }
        Step::Offline(slot) => {
            if let Some(reader) = &mut readers[slot] {
                reader.offline();
                model.online[slot] = false;
                model.report(slot);
            }
        }
        Step::Online(slot) => {
            if let Some(reader) = &mut readers[slot] {
                reader.online();
                model.online[slot] = true;
            }
        }
        Step::Leave(slot) => {
            readers[slot] = None;
            model.online[slot] = false;
            model.report(slot);
        }
        Step::Join(slot) => {
            if readers[slot].is_none() {
                readers[slot] = Some(domain.reader(slot).unwrap());
                model.online[slot] = true;
            }
        }
        Step::Retire => {
            control.retire(Box::new(Garbage(Arc::clone(dropped))));
            model.waits_for.push(model.online);
        }
        Step::Reclaim => {
            let _freed = control.reclaim();
        }
    }
}

proptest! {
    /// Against the model: garbage is dropped when, and not before, every reader that was online when it was retired
    /// has been quiescent, gone offline or left.
    #[test]
    fn garbage_is_dropped_after_its_grace_period(steps in proptest::collection::vec(step(), 0..80)) {
        let domain = Domain::new(READERS);
        let mut readers: Vec<Option<Reader>> = (0..READERS).map(|_| None).collect();
        let mut control = domain.control().unwrap();
        let mut model = Model::default();
        let dropped = Arc::new(AtomicU32::new(0));
        for step in steps {
            let before = dropped.load(Ordering::Relaxed);
            apply(step, &domain, &mut readers, &mut control, &mut model, &dropped);
            let after = dropped.load(Ordering::Relaxed) as usize;
            if matches!(step, Step::Reclaim) {
                prop_assert_eq!(after, model.free());
            } else {
                prop_assert_eq!(after, before as usize, "only reclaim drops");
            }
            prop_assert_eq!(control.pending(), model.waits_for.len() - after);
        }
        drop(readers);
        drop(control);
        drop(domain);
        prop_assert_eq!(dropped.load(Ordering::Relaxed) as usize, model.waits_for.len(), "nothing leaks");
    }
}

#[test]
fn grace_tokens_name_grace_periods() {
    let domain = Domain::new(1);
    let mut control = domain.control().unwrap();
    let mut reader = domain.reader(0).unwrap();
    let first = control.grace();
    assert!(!control.passed(first));
    reader.quiescent();
    assert!(control.passed(first));
    let second = control.grace();
    assert!(control.passed(first) && !control.passed(second) && first < second);
    reader.offline();
    assert!(control.passed(second));
    let mut other = Domain::new(0).control().unwrap();
    assert!(!control.passed(other.grace()), "a grace period of another domain");
}

#[test]
fn readers_see_what_is_published_and_keep_what_they_have() {
    let domain = Domain::new(1);
    let mut control = domain.control().unwrap();
    let mut reader = domain.reader(0).unwrap();
    let cell = Published::<Garbage>::empty();
    let dropped = Arc::new(AtomicU32::new(0));
    let new = || Some(Box::new(Garbage(Arc::clone(&dropped))));
    assert!(cell.load(&reader).is_none());
    control.publish(&cell, new());
    let old = cell.load(&reader).unwrap();
    control.publish(&cell, new());
    assert!(!std::ptr::eq(cell.load(&reader).unwrap(), old));
    assert_eq!(control.reclaim(), 0);
    assert_eq!(old.0.load(Ordering::Relaxed), 0, "the old is still there");
    reader.quiescent();
    assert_eq!((control.reclaim(), dropped.load(Ordering::Relaxed)), (1, 1));
    control.publish(&cell, None);
    assert!(cell.load(&reader).is_none());
    reader.offline();
    control.synchronize();
    assert_eq!(dropped.load(Ordering::Relaxed), 2);
    control.publish(&cell, new());
    drop(cell);
    assert_eq!(dropped.load(Ordering::Relaxed), 3, "the cell owns what it holds");
}

#[test]
fn a_load_ends_being_offline() {
    let domain = Domain::new(1);
    let mut control = domain.control().unwrap();
    let mut reader = domain.reader(0).unwrap();
    let cell = Published::empty();
    control.publish(&cell, Some(Box::new(5)));
    reader.offline();
    let five = cell.load(&reader).unwrap();
    control.publish(&cell, None);
    assert_eq!((control.reclaim(), *five), (0, 5), "the reader is waited for");
    reader.quiescent();
    assert_eq!(control.reclaim(), 1);
}

#[test]
fn a_reader_of_another_domain_finds_cells_empty() {
    let (domain, other) = (Domain::new(1), Domain::new(1));
    let mut control = domain.control().unwrap();
    let cell = Published::empty();
    control.publish(&cell, Some(Box::new(5)));
    assert!(cell.load(&other.reader(0).unwrap()).is_none(), "the control would not wait for it");
    assert!(cell.load(&domain.reader(0).unwrap()).is_some());
    let mut foreign = other.control().unwrap();
    let published =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| foreign.publish(&cell, None)));
    assert!(published.is_err());
}

#[test]
fn places_of_a_table_change_one_by_one() {
    let (domain, other) = (Domain::new(1), Domain::new(1));
    let mut control = domain.control().unwrap();
    let mut reader = domain.reader(0).unwrap();
    let table = PublishedTable::<Garbage, 3, 4>::new(&control);
    let dropped = Arc::new(AtomicU32::new(0));
    let gone = || dropped.load(Ordering::Relaxed);
    let new = || Some(Arc::new(Garbage(Arc::clone(&dropped))));
    for place in [0, 3, 4, 11] {
        assert!(table.load(&reader, place).is_none());
        control.put(&table, place, new());
    }
    let filled: Vec<_> = (0..13).filter(|place| table.load(&reader, *place).is_some()).collect();
    assert_eq!(filled, [0, 3, 4, 11], "12 places");
    let old = table.load(&reader, 3).unwrap();
    control.put(&table, 3, new());
    assert!(!std::ptr::eq(table.load(&reader, 3).unwrap(), old));
    assert_eq!((control.reclaim(), old.0.load(Ordering::Relaxed)), (0, 0), "still there");
    reader.quiescent();
    assert_eq!((control.reclaim(), gone()), (1, 1));
    let shared = new();
    control.put(&table, 5, shared.clone());
    control.put(&table, 5, None);
    // Places that were never used, and one that is not there.
    control.put(&table, 8, None);
    control.put(&table, 12, None);
    reader.offline();
    control.synchronize();
    assert_eq!(gone(), 1, "somebody else has a handle");
    drop(shared);
    assert_eq!(gone(), 2);

    assert!(table.load(&other.reader(0).unwrap(), 0).is_none(), "nobody would wait for it");
    let mut foreign = other.control().unwrap();
    let refused =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| foreign.put(&table, 0, None)));
    assert!(refused.is_err());
    let absent =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| control.put(&table, 12, new())));
    assert!(absent.is_err());
    assert_eq!(gone(), 3, "the refused one");
    drop(table);
    assert_eq!(gone(), 7, "the table owns what it holds");
}

#[test]
fn each_reader_has_its_own_part() {
    let domain = Domain::new(2);
    let control = domain.control().unwrap();
    let counts = PerWorker::<Counter>::EMPTY;
    counts.alloc(control.slots());
    let readers = [domain.reader(0).unwrap(), domain.reader(1).unwrap()];
    counts.get(&readers[0]).add(3);
    counts.get(&readers[1]).add(5);
    counts.get(control.reader()).inc();
    let values: Vec<u64> = counts.iter(control.reader()).map(Counter::get).collect();
    assert_eq!(values, [3, 5, 1]);
    let distance = std::ptr::from_ref(counts.get(&readers[0]))
        .addr()
        .abs_diff(std::ptr::from_ref(counts.get(&readers[1])).addr());
    assert!(distance >= 64, "on cache lines of their own");
    counts.alloc(2);
    assert_eq!(counts.iter(control.reader()).len(), 3, "allocating again changes nothing");
    let more = Domain::new(3).reader(2).unwrap();
    let old = counts.get(&readers[0]);
    counts.alloc(4);
    assert_eq!(
        (counts.get(&more).get(), old.get()),
        (0, 3),
        "more slots, and who has an old one keeps it"
    );
}

#[test]
fn unallocated_slots_are_an_error() {
    let domain = Domain::new(1);
    let reader = domain.reader(0).unwrap();
    let counts = PerWorker::<Counter>::EMPTY;
    assert_eq!(counts.iter(&reader).len(), 0);
    let got = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| counts.get(&reader).get()));
    assert!(got.is_err());
}

#[test]
fn control_cells_lend_their_value() {
    let domain = Domain::new(0);
    let control = domain.control().unwrap();
    let cell = ControlCell::<Vec<u8>>::EMPTY;
    cell.with(&control, |value| assert!(value.is_none()));
    cell.with(&control, |value| *value = Some(Box::new(vec![1])));
    let nested = cell.with(&control, |outer| {
        outer.as_mut().unwrap().push(2);
        assert_eq!(control.slots(), 1, "the control is usable");
        cell.with(&control, |inner| {
            let empty = inner.is_none();
            *inner = Some(Box::new(vec![9]));
            empty
        })
    });
    assert!(nested, "a nested call finds the cell empty");
    cell.with(&control, |value| assert_eq!(value.as_deref(), Some(&vec![1, 2])));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        cell.with(&control, |_| panic!("midway"))
    }));
    assert!(panicked.is_err());
    assert_eq!(
        cell.with(&control, |value| value.take()).as_deref(),
        Some(&vec![1, 2]),
        "survives a panic"
    );
}

#[test]
fn counters_wrap() {
    let counter = Counter::ZERO;
    counter.add(u64::MAX);
    counter.add(2);
    assert_eq!(counter.get(), 1);
}
