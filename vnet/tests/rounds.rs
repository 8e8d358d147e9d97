//! Thousands of births and deaths end where they began, to the byte. Alone in its process, whose
//! allocator it replaces.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};

use common::{Lab, MANY, inet, modules, net, take_log};
use vnet::curvnet;

thread_local! {
    /// Bytes on the heap, as far as this thread has allocated and freed them.
    static HEAP: Cell<isize> = const { Cell::new(0) };
}
static CONTAINERS: AtomicIsize = AtomicIsize::new(0);

/// The process's heap; the test harness uses it from other threads.
struct Heap;
/// Where containers come from.
struct Containers;

impl Heap {
    fn count(bytes: isize) {
        HEAP.set(HEAP.get() + bytes);
    }
}

impl Containers {
    fn count(bytes: isize) {
        let _before = CONTAINERS.fetch_add(bytes, Ordering::Relaxed);
    }
}

macro_rules! counting_allocator {
    ($name:ident) => {
        // SAFETY: passes everything on to the system's allocator.
        unsafe impl GlobalAlloc for $name {
            unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
                Self::count(layout.size().cast_signed());
                // SAFETY: the caller's promise.
                unsafe { System.alloc(layout) }
            }

            unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
                Self::count(-layout.size().cast_signed());
                // SAFETY: the caller's promise.
                unsafe { System.dealloc(memory, layout) }
            }
        }
    };
}

counting_allocator!(Heap);
counting_allocator!(Containers);

#[global_allocator]
static GLOBAL: Heap = Heap;

fn bytes() -> (isize, isize) {
    (HEAP.get(), CONTAINERS.load(Ordering::Relaxed))
}

/// A vnet lives, is used by a worker and by control, and dies.
fn round(lab: &mut Lab, worker: &mut vnet::Reader, number: u64) {
    let name = format!("vnet-{}", number % 7);
    let vnet = lab.create(&name);
    lab.control.publish(net::net::init(&vnet).shared(), Some(Box::new(Arc::new(number))));
    {
        let _curvnet = curvnet::set(worker, &vnet);
        let net = net::net::cur(worker);
        assert_eq!(**net.shared().load(worker).unwrap(), number);
        assert_eq!(net.count().get(worker).get(), 0);
        net.count().get(worker).add(number);
        assert_eq!(inet::inet::cur(worker).number().get(), 7);
    }
    worker.quiescent();
    if MANY {
        lab.vnets.destroy(&mut lab.control, vnet.id()).unwrap();
        drop(vnet);
        while lab.vnets.dying() > 0 {
            worker.quiescent();
            lab.reclaim();
        }
    } else {
        worker.offline();
        drop(vnet);
        assert_eq!(lab.vnets.shutdown(&mut lab.control), 0);
    }
    drop(take_log());
}

/// The static arms keep the old values of variables that another vnet takes over, as nothing waits for their readers.
const ROUNDS: u64 = if MANY { 3000 } else { 100 };

#[test]
fn nothing_is_left_after_thousands_of_rounds() {
    let mut lab = Lab::with(1, &modules(), &Containers);
    let mut worker = lab.domain.reader(0).unwrap();
    (0..20).for_each(|number| round(&mut lab, &mut worker, number)); // vnet0, and tables at their size
    let (heap, containers) = bytes();
    for number in 0..ROUNDS {
        round(&mut lab, &mut worker, number);
        let (heap_now, containers_now) = bytes();
        assert_eq!(containers_now, containers, "containers after round {number}");
        assert!(!MANY || heap_now == heap, "heap after round {number}: {heap} became {heap_now}");
    }
    worker.offline();
    assert_eq!(lab.vnets.shutdown(&mut lab.control), 0);
    assert_eq!(bytes().1, 0, "vnet0 is gone, too");
}
