//! The birth and the death of vnets.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Lab, MANY, inet, modules, net, refuse, take_log};
use proptest::prelude::*;
use vnet::{Bound, CreateError, DestroyError, VNET0_NAME, VnetId, VnetState, Vnets, curvnet};

/// The hooks of `vnet` in `log`, without its name.
fn hooks_of(vnet: &str, log: Vec<String>) -> Vec<String> {
    log.into_iter()
        .filter_map(|line| Some(line.strip_suffix(&format!(" {vnet}"))?.to_owned()))
        .collect()
}

#[test]
fn attach_in_order_and_die_in_order() {
    let mut lab = Lab::new(1);
    let red = lab.create("red");
    assert_eq!(hooks_of("red", take_log()), ["attach net", "attach inet", "attach ipfw"]);
    assert_eq!(red.state(), VnetState::Alive);
    assert!(red.is_alive());
    assert!(curvnet::get(lab.control.reader()).is_none(), "the hooks' curvnet is restored");
    if !MANY {
        return;
    }

    let mut worker = lab.domain.reader(0).unwrap();
    lab.vnets.destroy(&mut lab.control, red.id()).unwrap();
    assert_eq!(red.state(), VnetState::Dying);
    assert_eq!(take_log(), ["unpublish ipfw red", "unpublish inet red", "unpublish net red"]);
    assert!(
        lab.vnets.by_name("red").is_none() && lab.vnets.get(red.id()).is_none(),
        "unpublished at once"
    );
    lab.reclaim();
    assert_eq!(take_log(), [""; 0], "a worker may be at work for it");

    worker.quiescent();
    lab.reclaim();
    let expected =
        ["drain ipfw", "drain inet", "drain net", "detach ipfw", "detach inet", "detach net"];
    assert_eq!(hooks_of("red", take_log()), expected);
    assert_eq!(red.state(), VnetState::Dead);
    worker.quiescent();
    lab.reclaim();
    assert_eq!(lab.vnets.dying(), 1, "there is a handle");
    assert_eq!(net::net::init(&red).number().get(), 7, "so its variables exist");

    drop(red);
    lab.reclaim();
    assert_eq!(lab.vnets.dying(), 1, "a worker may have it as its curvnet");
    worker.quiescent();
    lab.reclaim();
    assert_eq!(lab.vnets.dying(), 0);
}

#[test]
fn a_bound_handle_is_a_handle_and_has_the_variables_at_hand() {
    let mut lab = Lab::new(1);
    let red = lab.create("red");
    let bound = Bound::new(red.clone(), [&net::net::MODULE]);
    let number = |bound: &Bound<1>| net::net::of(bound, 0).unwrap().number().get();
    let base = net::net::of(&bound, 0).unwrap();
    assert!(std::ptr::eq(base.number(), net::net::init(&red).number()));
    assert!(net::net::of(&bound, 1).is_none(), "it was made for one module");
    assert!(format!("{bound:?}").contains("red"), "{bound:?}");
    if !MANY {
        return;
    }
    lab.vnets.destroy(&mut lab.control, red.id()).unwrap();
    drop(red);
    lab.reclaim();
    lab.reclaim();
    assert_eq!((lab.vnets.dying(), number(&bound)), (1, 7), "it holds the vnet");
    drop(bound);
    lab.reclaim();
    lab.reclaim();
    assert_eq!(lab.vnets.dying(), 0);
}

#[test]
fn weak_handles_count() {
    if !MANY {
        return;
    }
    let mut lab = Lab::new(0);
    let red = lab.create("red");
    let weak = Arc::downgrade(&red);
    lab.vnets.destroy(&mut lab.control, red.id()).unwrap();
    drop(red);
    lab.reclaim();
    assert_eq!(lab.vnets.dying(), 1, "a weak handle can become a handle");
    assert!(weak.upgrade().is_some());
    drop(weak);
    lab.reclaim();
    assert_eq!(lab.vnets.dying(), 0);
}

#[test]
fn variables_of_vnets_are_their_own_and_begin_with_their_defaults() {
    let mut lab = Lab::new(1);
    let red = lab.create("red");
    net::net::init(&red).number().set(41);
    inet::inet::init(&red).number().set(42);
    assert_eq!(
        (net::net::init(&red).number().get(), inet::inet::init(&red).number().get()),
        (41, 42)
    );
    if MANY {
        let blue = lab.create("blue");
        assert_eq!(net::net::init(&blue).number().get(), 7);
        assert!(net::net::init(&blue).shared().load(lab.control.reader()).is_none());
        let address = std::ptr::from_ref(net::net::init(&blue).number()).addr();
        assert_ne!(address, std::ptr::from_ref(net::net::init(&red).number()).addr());
    }
    drop(red);
    assert_eq!(lab.vnets.shutdown(&mut lab.control), 0);
    let red = lab.create("red");
    assert_eq!(net::net::init(&red).number().get(), 7, "also in the next vnet of that name");
}

#[test]
fn what_cannot_be_destroyed() {
    let mut lab = Lab::new(1);
    let red = lab.create("red");
    let vnet0 = lab.vnets.vnet0().unwrap().clone();
    assert_eq!(vnet0.name(), if MANY { VNET0_NAME } else { "red" });
    assert_eq!(vnet0.id().index(), 0);
    let error = lab.vnets.destroy(&mut lab.control, vnet0.id()).unwrap_err();
    assert!(matches!(error, DestroyError::Vnet0 { .. }), "{error}");

    let other = vnet::Domain::new(1);
    let mut foreign = other.control().unwrap();
    assert_eq!(lab.vnets.destroy(&mut foreign, red.id()), Err(DestroyError::ForeignControl));
    assert!(matches!(lab.vnets.create(&mut foreign, "blue"), Err(CreateError::ForeignControl)));
    if MANY {
        std::mem::forget(curvnet::set(lab.control.reader(), &red));
        let name = "red".to_owned();
        assert_eq!(
            lab.vnets.destroy(&mut lab.control, red.id()),
            Err(DestroyError::Current { name })
        );
        lab.reclaim();
        lab.vnets.destroy(&mut lab.control, red.id()).unwrap();
        let error = lab.vnets.destroy(&mut lab.control, red.id()).unwrap_err();
        assert_eq!(error, DestroyError::Unknown { id: red.id() });
    }
}

#[test]
fn ids_are_not_used_twice() {
    if !MANY {
        return;
    }
    let mut lab = Lab::new(0);
    let mut seen: Vec<VnetId> = Vec::new();
    for _round in 0..5 {
        let id = lab.create("red").id();
        assert!(!seen.contains(&id));
        assert_eq!(lab.vnets.get(id).unwrap().id(), id);
        lab.vnets.destroy(&mut lab.control, id).unwrap();
        seen.push(id);
        assert!(seen.iter().all(|&old| lab.vnets.get(old).is_none()));
    }
    assert!(seen.iter().all(|id| id.index() == 1), "indices are");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A name is taken if and only if it is of 1 to 64 allowed characters and begins with a letter or a digit.
    #[test]
    fn names(name in "[a-zA-Z0-9._ /\\-é]{0,70}") {
        let mut lab = Lab::new(0);
        let bytes = name.as_bytes();
        let good = (1..=64).contains(&bytes.len())
            && bytes[0].is_ascii_alphanumeric()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        let created = lab.vnets.create(&mut lab.control, &name);
        match created {
            Ok(vnet) => { prop_assert!(good); prop_assert_eq!(vnet.name(), &name); }
            Err(error) => {
                let bad_name = matches!(error, CreateError::BadName { .. });
                prop_assert!(!good && bad_name);
            },
        }
    }

    /// Against a plain list: whatever is created and destroyed in whatever order, the vnets are those that should be.
    #[test]
    fn vnets_are_those_that_should_be(steps in proptest::collection::vec((any::<bool>(), 0usize..6), 0..40)) {
        if !MANY {
            return Ok(());
        }
        let mut lab = Lab::new(0);
        let mut expected: Vec<String> = Vec::new();
        for (create, number) in steps {
            let name = format!("v{number}");
            let exists = expected.contains(&name);
            if create {
                let created = lab.vnets.create(&mut lab.control, &name);
                prop_assert_eq!(created.is_err(), exists);
                expected.extend((!exists).then_some(name));
            } else {
                let id = lab.vnets.by_name(&name).map(|vnet| vnet.id());
                prop_assert_eq!(id.is_some(), exists);
                if let Some(id) = id {
                    lab.vnets.destroy(&mut lab.control, id).unwrap();
                    expected.retain(|other| *other != name);
                }
            }
            let mut names: Vec<_> = lab.vnets.iter().map(|vnet| vnet.name().to_owned()).collect();
            let mut wanted = expected.clone();
            wanted.extend(lab.vnets.vnet0().map(|vnet0| vnet0.name().to_owned()));
            names.sort_unstable();
            wanted.sort_unstable();
            prop_assert_eq!(&names, &wanted);
            prop_assert_eq!(lab.vnets.len(), wanted.len());
            prop_assert_eq!(lab.vnets.dying(), 0, "nobody holds anything");
        }
    }
}

#[test]
fn a_build_with_one_vnet_says_so() {
    let mut lab = Lab::new(0);
    let _red = lab.create("red");
    let error = lab.vnets.create(&mut lab.control, "red").unwrap_err();
    assert!(matches!(error, CreateError::NameTaken { .. }));
    let second = lab.vnets.create(&mut lab.control, "blue");
    if MANY {
        assert_eq!(lab.vnets.len(), 3);
        assert!(second.is_ok());
        return;
    }
    let text = second.unwrap_err().to_string();
    assert!(
        text.contains(vnet::ARM) && text.contains("vimage"),
        "names the arm and the cure: {text}"
    );
    let elsewhere = vnet::Domain::new(0);
    let mut control = elsewhere.control().unwrap();
    let mut vnets = Vnets::new(vnet::Registry::new(), &control, &System);
    let error = vnets.create(&mut control, "green").unwrap_err();
    assert!(
        matches!(error, CreateError::OneVnet { .. }),
        "also in another domain of the process: {error}"
    );
}

#[test]
fn an_attach_error_leaves_nothing_behind() {
    let mut lab = Lab::new(1);
    if MANY {
        let _vnet0 = lab.create(VNET0_NAME);
    }
    let _before = take_log();
    refuse(Some("ipfw"));
    let error = lab.vnets.create(&mut lab.control, "red").unwrap_err();
    assert!(matches!(error, CreateError::Attach { module: "ipfw", .. }));
    assert!(error.to_string().contains("was told to refuse"), "{error}");
    let expected = ["attach net", "attach inet", "attach ipfw", "detach inet", "detach net"];
    assert_eq!(hooks_of("red", take_log()), expected);
    assert!(lab.vnets.by_name("red").is_none());
    lab.control.synchronize();
    lab.reclaim();
    assert_eq!((lab.vnets.dying(), lab.control.pending()), (0, 0));
    refuse(None);
    let red = lab.create("red");
    assert_eq!(net::net::init(&red).count().iter(lab.control.reader()).len(), 2);
}

/// Counts what is allocated and refuses from the `fails_at`th allocation on.
struct Heap {
    bytes: AtomicUsize,
    calls: AtomicUsize,
    fails_at: AtomicUsize,
}

impl Heap {
    const fn new() -> Self {
        let (bytes, calls) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { bytes, calls, fails_at: AtomicUsize::new(usize::MAX) }
    }
}

// SAFETY: passes everything on to the system's allocator, or refuses.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        assert!(layout.align() >= 64 && layout.size().is_multiple_of(64), "whole cache lines");
        if self.calls.fetch_add(1, Ordering::Relaxed) >= self.fails_at.load(Ordering::Relaxed) {
            return std::ptr::null_mut();
        }
        let _before = self.bytes.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let _before = self.bytes.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[test]
fn a_failed_allocation_leaves_nothing_behind() {
    if !MANY {
        return;
    }
    static HEAP: Heap = Heap::new();
    let heap = &HEAP;
    let mut lab = Lab::with(0, &modules(), heap);
    let _vnet0 = lab.create(VNET0_NAME);
    let before = heap.bytes.load(Ordering::Relaxed);
    let mut failures = 0;
    for fails_at in 0.. {
        heap.calls.store(0, Ordering::Relaxed);
        heap.fails_at.store(fails_at, Ordering::Relaxed);
        match lab.vnets.create(&mut lab.control, "red") {
            Err(CreateError::NoMemory { source }) => assert!(source.bytes > 0),
            Ok(_) => break,
            Err(error) => panic!("{error}"),
        }
        failures += 1;
        assert_eq!(lab.vnets.dying(), 0);
        assert_eq!(heap.bytes.load(Ordering::Relaxed), before, "after failure {fails_at}");
        assert_eq!(lab.vnets.len(), 1);
    }
    assert!(failures >= 1, "each allocation has failed once");
}

#[test]
fn the_bytes_of_a_vnet_are_counted() {
    static HEAP: Heap = Heap::new();
    let heap = &HEAP;
    let mut lab = Lab::with(4, &modules(), heap);
    let red = lab.create("red");
    let used = heap.bytes.load(Ordering::Relaxed);
    let counted: usize = lab.vnets.iter().map(|vnet| vnet.container_bytes()).sum();
    if MANY {
        assert_eq!(counted, used, "of vnet0 and red");
        assert!(red.container_bytes() <= 4096);
        drop(red);
        assert_eq!(lab.vnets.shutdown(&mut lab.control), 0);
        assert_eq!(heap.bytes.load(Ordering::Relaxed), 0);
    } else {
        assert_eq!(used, 0, "the variables are statics");
        assert!(red.container_bytes() > 0);
    }
}

#[test]
fn without_a_shutdown_the_memory_waits_for_the_readers() {
    if !MANY {
        return;
    }
    static HEAP: Heap = Heap::new();
    let heap = &HEAP;
    let Lab { vnets, mut control, domain, .. } = {
        let mut lab = Lab::with(1, &modules(), heap);
        let _red = lab.create("red");
        lab
    };
    let reader = domain.reader(0).unwrap();
    let red = vnets.by_name("red").unwrap().clone();
    std::mem::forget(curvnet::set(&reader, &red));
    control.publish(net::net::init(&red).shared(), Some(Box::new(Arc::new(5))));
    drop(red);
    drop(vnets);
    let red = curvnet::get(&reader).unwrap();
    assert_eq!(
        **net::net::init(red).shared().load(&reader).unwrap(),
        5,
        "the reader still works for it"
    );
    drop(reader);
    drop(control);
    assert!(heap.bytes.load(Ordering::Relaxed) > 0);
    drop(domain);
    assert_eq!(heap.bytes.load(Ordering::Relaxed), 0);
}
