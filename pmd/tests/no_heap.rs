//! The packet path never uses the heap: a counting allocator sees none of rx, tx, drops and bursts.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::{Folder, frame, port_config, write_pcap};
use pmd::{Burst, MAX_BURST, Port, test_support, worker};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: forwards to the system's allocator and counts in a thread-local without destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller guarantees.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller guarantees.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn rx_tx_and_drops_do_not_allocate() {
    let folder = Folder::new("no_heap");
    write_pcap(&folder.file("in.pcap"), &[frame(0, 60), frame(1, 1500)]);
    let eal = test_support::eal();
    let pool = test_support::own_pool("no_heap", 4095);
    let source = format!("net_pcap0,rx_pcap={},infinite_rx=1", folder.file("in.pcap").display());
    let mut from = Port::open(&eal, &port_config("from", source), &pool).expect("the source");
    let mut to =
        Port::open(&eal, &port_config("to", "net_ring0".to_owned()), &pool).expect("a ring");
    let (mut from_rx, from_tx) = from.start().expect("started");
    let (to_rx, mut to_tx) = to.start().expect("started");
    let cpu = *pmd::affinity::current().last().expect("a CPU");
    let worker = worker::spawn(cpu, "worker", move |_| {
        let before = ALLOCATIONS.get();
        let (mut burst, mut odd) = (Burst::new(), Burst::new());
        let mask = [0xaaaa_aaaa_aaaa_aaaa; MAX_BURST / 64];
        for _ in 0..200 {
            let _ = from_rx[0].rx(&mut burst, 32);
            let _ = burst.extract(&mask, &mut odd);
            let dropped = burst.pop();
            drop(dropped);
            // The ring fills up, so the later ones are drops.
            let _ = to_tx[0].tx(&mut odd);
            let _ = to_tx[0].tx(&mut burst);
        }
        let allocations = ALLOCATIONS.get() - before;
        assert!(to_tx[0].dropped() > 0);
        drop(std::hint::black_box(Box::new(1)));
        assert!(ALLOCATIONS.get() > before, "the counter counts");
        (from_rx, to_tx, allocations)
    });
    let (from_rx, to_tx, allocations) = worker.expect("a worker").join().expect("no panic");
    assert_eq!(allocations, 0);
    from.stop(from_rx, from_tx).expect("stopped");
    to.stop(to_rx, to_tx).expect("stopped");
    drop((from, to));
    assert_eq!(pool.in_use(), 0);
}
