//! The current vnet of a thread.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use common::{Lab, MANY, inet, net};
use vnet::{Reader, VnetState, curvnet};

fn name(reader: &Reader) -> Option<&str> {
    curvnet::get(reader).map(vnet::Vnet::name)
}

#[test]
fn guards_nest_and_restore() {
    if !curvnet::TRACKED {
        return;
    }
    let mut lab = Lab::new(1);
    let red = lab.create("red");
    let other = lab.vnets.vnet0().unwrap().clone();
    let reader = lab.domain.reader(0).unwrap();
    assert_eq!(name(&reader), None);
    {
        let _red = curvnet::set(&reader, &red);
        assert_eq!(name(&reader), Some("red"));
        {
            let _other = curvnet::set(&reader, &other);
            assert_eq!(name(&reader), Some(other.name()));
            let _red = curvnet::set(&reader, &red);
            assert_eq!(name(&reader), Some("red"));
        }
        assert_eq!(name(&reader), Some("red"));
    }
    assert_eq!(name(&reader), None);
}

#[test]
fn a_guard_goes_from_vnet_to_vnet_and_restores_the_first() {
    if !curvnet::TRACKED || !MANY {
        return;
    }
    let mut lab = Lab::new(1);
    let (red, blue) = (lab.create("red"), lab.create("blue"));
    let other = lab.vnets.vnet0().unwrap().clone();
    let reader = lab.domain.reader(0).unwrap();
    let _other = curvnet::set(&reader, &other);
    {
        let mut guard = curvnet::set(&reader, &red);
        for vnet in [&blue, &red, &red, &blue] {
            guard.switch(vnet);
            assert_eq!(name(&reader), Some(vnet.name()));
        }
    }
    assert_eq!(name(&reader), Some(other.name()));
    assert_eq!(
        curvnet::recursions(),
        0,
        "a switch to the same vnet is no needless work of the caller's"
    );
}

/// The static arms' release builds: nothing is set, and nothing is missed.
#[test]
fn what_is_not_tracked_costs_nothing_and_is_found_all_the_same() {
    assert_eq!(curvnet::TRACKED, MANY || cfg!(debug_assertions));
    if curvnet::TRACKED {
        return;
    }
    let mut lab = Lab::new(1);
    let red = lab.create("red");
    let mut reader = lab.domain.reader(0).unwrap();
    let guard = curvnet::set(&reader, &red);
    assert_eq!(name(&reader), None);
    assert!(std::ptr::eq(net::net::cur(&reader).number(), net::net::init(&red).number()));
    drop(guard);
    std::mem::forget(curvnet::set(&reader, &red));
    reader.quiescent();
}

#[test]
fn bases_of_curvnet_are_bases_of_the_vnet() {
    let mut lab = Lab::new(1);
    let red = lab.create("red");
    let other = lab.vnets.vnet0().unwrap().clone();
    net::net::init(&red).number().set(1);
    inet::inet::init(&other).number().set(2);
    let check = |reader: &Reader| {
        for vnet in [&red, &other] {
            let _curvnet = curvnet::set(reader, vnet);
            let (by_vnet, by_curvnet) =
                (net::net::init(vnet).number(), net::net::cur(reader).number());
            assert!(std::ptr::eq(by_vnet, by_curvnet));
            let (by_vnet, by_curvnet) =
                (inet::inet::init(vnet).shared(), inet::inet::cur(reader).shared());
            assert!(std::ptr::eq(by_vnet, by_curvnet));
        }
    };
    let reader = lab.domain.reader(0).unwrap();
    check(&reader); // with the control's reader on this thread: the way without the thread-local
    check(lab.control.reader());
    drop(reader);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| check(&lab.domain.reader(0).unwrap())); // the only reader of its thread
        worker.join().unwrap();
    });
    let bytes = if MANY { size_of::<&()>() } else { 0 };
    assert_eq!(size_of::<net::net::Base<'_>>(), bytes, "a base costs nothing in the static arms");
}

#[test]
fn readers_of_one_thread_have_their_own_curvnet() {
    if !curvnet::TRACKED {
        return;
    }
    let mut lab = Lab::new(2);
    let red = lab.create("red");
    let other = lab.vnets.vnet0().unwrap().clone();
    let first = lab.domain.reader(0).unwrap();
    let in_first = curvnet::set(&first, &red);
    {
        let second = lab.domain.reader(1).unwrap();
        assert_eq!(name(&second), None);
        let _in_second = curvnet::set(&second, &other);
        drop(in_first);
        assert_eq!((name(&first), name(&second)), (None, Some(other.name())));
        std::mem::forget(curvnet::set(&first, &red));
    }
    assert_eq!(name(&first), Some("red"));
    net::net::init(&red).number().set(9);
    let _again = curvnet::set(&first, &red);
    assert_eq!(net::net::cur(&first).number().get(), 9);
}

#[test]
fn without_curvnet_there_is_no_base() {
    let mut lab = Lab::new(1);
    let _red = lab.create("red");
    let reader = lab.domain.reader(0).unwrap();
    let number = catch_unwind(AssertUnwindSafe(|| net::net::cur(&reader).number().get()));
    if MANY {
        let message = number.unwrap_err();
        let message = message
            .downcast_ref::<String>()
            .cloned()
            .or(message.downcast_ref::<&str>().map(|m| (*m).into()));
        assert!(message.unwrap().contains("curvnet is not set"));
    } else {
        assert_eq!(number.unwrap(), 7, "the only vnet's");
    }
}

#[test]
fn a_vnet_of_another_domain_is_refused() {
    if !curvnet::TRACKED {
        return;
    }
    let mut lab = Lab::new(1);
    let red = lab.create("red");
    let other = vnet::Domain::new(1);
    let reader = other.reader(0).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(curvnet::set(&reader, &red)))).is_err());
    assert_eq!(name(&reader), None);
}

/// The soundness of forgotten guards: the vnet stays until the reader reports, and then it is no longer current.
#[test]
fn a_forgotten_guard_does_no_harm() {
    if !MANY {
        return;
    }
    let mut lab = Lab::new(1);
    let red = lab.create("red");
    let mut reader = lab.domain.reader(0).unwrap();
    std::mem::forget(curvnet::set(&reader, &red));
    let id = red.id();
    drop(red);
    lab.vnets.destroy(&mut lab.control, id).unwrap();
    lab.reclaim();
    assert_eq!(name(&reader), Some("red"));
    assert_eq!(net::net::cur(&reader).number().get(), 7, "its memory is there");
    assert_eq!(lab.vnets.dying(), 1);

    let reported = catch_unwind(AssertUnwindSafe(|| reader.quiescent()));
    assert_eq!(reported.is_err(), cfg!(debug_assertions), "debug builds report it");
    assert_eq!(name(&reader), None);
    for _phase in 0..2 {
        reader.quiescent();
        lab.reclaim();
    }
    assert_eq!(lab.vnets.dying(), 0);
}

/// The same for the control's own reader, for which no grace period waits.
#[test]
fn reclaiming_empties_the_controls_curvnet() {
    if !curvnet::TRACKED {
        return;
    }
    let mut lab = Lab::new(0);
    let red = lab.create("red");
    std::mem::forget(curvnet::set(lab.control.reader(), &red));
    assert_eq!(name(lab.control.reader()), Some("red"));
    lab.reclaim();
    assert_eq!(name(lab.control.reader()), None);
}

/// A vnet that a reader has from another reader, in its last grace period, cannot become current.
#[test]
fn a_condemned_vnet_cannot_become_current() {
    if !MANY {
        return;
    }
    let mut lab = Lab::new(2);
    let red = lab.create("red");
    let (mut slow, mut quick) = (lab.domain.reader(0).unwrap(), lab.domain.reader(1).unwrap());
    lab.vnets.destroy(&mut lab.control, red.id()).unwrap();
    slow.quiescent();
    quick.quiescent();
    lab.reclaim();
    assert_eq!(red.state(), VnetState::Dead);
    std::mem::forget(curvnet::set(&slow, &red));
    drop(red);
    lab.reclaim(); // no handle is left: the last grace period begins
    quick.quiescent();
    let held = curvnet::get(&slow).unwrap();
    let taken = catch_unwind(AssertUnwindSafe(|| std::mem::forget(curvnet::set(&quick, held))));
    assert!(taken.is_err(), "the grace period does not wait for `quick` any more");
    assert_eq!(name(&quick), None);
}

#[cfg(debug_assertions)]
#[test]
fn debug_builds_know_the_setter_and_count_recursion() {
    let mut lab = Lab::new(1);
    let red = lab.create("red");
    let reader = lab.domain.reader(0).unwrap();
    assert!(curvnet::setter().is_none());
    let outer = curvnet::set(&reader, &red);
    let line = line!() - 1;
    assert_eq!(curvnet::setter().unwrap().line(), line);
    assert!(curvnet::setter().unwrap().file().ends_with("curvnet.rs"));
    let before = curvnet::recursions();
    let inner = curvnet::set(&reader, &red);
    assert_eq!(curvnet::recursions(), before + 1);
    drop(inner);
    assert_eq!(curvnet::setter().unwrap().line(), line);
    drop(outer);
    assert!(curvnet::setter().is_none());
}

#[test]
fn the_global_pointer_of_the_bench_keeps_its_vnet() {
    let mut lab = Lab::new(1);
    let red = lab.create("red");
    {
        let _guard = curvnet::global::set(&red);
        assert_eq!(curvnet::global::get(lab.control.reader()).map(vnet::Vnet::name), Some("red"));
    }
    assert!(curvnet::global::get(lab.control.reader()).is_none());
    drop(red);
    assert_eq!(lab.vnets.shutdown(&mut lab.control), 1, "it is never freed");
}
