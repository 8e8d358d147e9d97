//! DPDK heaps on transparent huge pages: memory for packets and containers where EAL has no hugepages.
//!
//! EAL's own memory under `--no-huge` is a memfd on pages of 4 KiB. A mempool there begins each mbuf on a page of its own,
//! so that all headers fall into the same few sets of the caches, and touches a page for each mbuf. Memory that the process
//! maps itself and hands to DPDK as a heap ("external memory" in DPDK's words) has pages of 2 MiB as far as DPDK knows, and
//! as far as the kernel finds some. Devices reach it like EAL's own: vfio is told of each area.

use std::ffi::{CString, c_void};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use dpdk_sys as ffi;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

use crate::{Eal, SocketId};

/// The size of the memory's pages that DPDK is told, and that the kernel is asked for.
pub(crate) const PAGE: usize = 2 << 20;

/// DPDK numbers external heaps like NUMA nodes, from here upwards (`EXTERNAL_HEAP_MIN_SOCKET_ID`), and uses no number twice.
const FIRST_SOCKET: i32 = 256;
/// The highest number that a heap of this process got.
static LAST_SOCKET: AtomicI32 = AtomicI32::new(FIRST_SOCKET - 1);

/// A heap of its own, with all its memory; both are given back when it is dropped.
#[derive(Debug)]
pub(crate) struct ExternalHeap {
    name: CString,
    socket: SocketId,
    areas: Vec<Area>,
    _eal: Eal,
}

impl ExternalHeap {
    /// An empty heap with a name that no other has. `None` if EAL has hugepages or shares its memory with other processes, or if DPDK has no room for
    /// another heap (it knows 32).
    pub(crate) fn create(eal: &Eal) -> Option<ExternalHeap> {
        static CREATED: AtomicU32 = AtomicU32::new(0);
        if !eal.takes_external_memory() {
            return None;
        }
        let name = format!("curvnet{}", CREATED.fetch_add(1, Ordering::Relaxed));
        let name = CString::new(name).ok()?;
        // SAFETY: EAL is initialised, the name is a C string.
        let created = unsafe { ffi::rte_malloc_heap_create(name.as_ptr()) } == 0;
        if !created {
            return None;
        }
        // SAFETY: as above.
        let socket = unsafe { ffi::rte_malloc_heap_get_socket(name.as_ptr()) };
        let _before = LAST_SOCKET.fetch_max(socket, Ordering::Relaxed);
        let socket = SocketId(socket);
        Some(ExternalHeap { name, socket, areas: Vec::new(), _eal: eal.clone() })
    }

    /// Adds at least so many bytes. DPDK clears them, so every page is there from now on. `false` if there is no memory.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let Some(area) = Area::map(bytes) else { return false };
        let mut addresses: Vec<ffi::rte_iova_t> = area.page_addresses().collect();
        let Ok(pages) = u32::try_from(addresses.len()) else { return false };
        // SAFETY: the area is mapped, aligned to its pages, and nobody else's; it stays mapped until the heap has let go of
        // it. EAL copies the addresses.
        let added = unsafe {
            let (name, iova) = (self.name.as_ptr(), addresses.as_mut_ptr());
            ffi::rte_malloc_heap_memory_add(name, area.start(), area.len, iova, pages, PAGE)
        };
        if added == 0 {
            self.areas.push(area);
        }
        added == 0
    }

    /// DPDK's name of the heap where it asks for a NUMA node.
    pub(crate) fn socket(&self) -> SocketId {
        self.socket
    }
}

/// Keeps a heap to the end of the process, because packets in it are still in use. A static has it, so that a leak checker sees what
/// it is kept for.
pub(crate) fn keep(heap: ExternalHeap) {
    static KEPT: Mutex<Vec<ExternalHeap>> = Mutex::new(Vec::new());
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(heap);
}

impl Drop for ExternalHeap {
    fn drop(&mut self) {
        let name = self.name.as_ptr();
        for area in self.areas.drain(..) {
            // SAFETY: the heap exists and has the area. DPDK refuses if a block in it is still taken.
            let removed =
                unsafe { ffi::rte_malloc_heap_memory_remove(name, area.start(), area.len) };
            if removed != 0 {
                tracing::error!(heap = ?self.name, "memory in use; it is not freed");
                std::mem::forget(area);
            }
        }
        // SAFETY: the heap exists. One that still has memory is kept by DPDK, as is the memory.
        let _destroyed = unsafe { ffi::rte_malloc_heap_destroy(name) };
    }
}

/// The numbers of all heaps that this process made; some may be gone.
pub(crate) fn sockets() -> std::ops::RangeInclusive<i32> {
    FIRST_SOCKET..=LAST_SOCKET.load(Ordering::Relaxed)
}

/// Anonymous memory in whole pages of 2 MiB.
#[derive(Debug)]
struct Area {
    /// The mapping: one page more than is used, for the alignment. That page is hardly ever touched.
    mapping: *mut c_void,
    /// Bytes that are used, from the first multiple of a page on.
    len: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread.
unsafe impl Send for Area {}

impl Area {
    fn map(bytes: usize) -> Option<Area> {
        let len = bytes.checked_next_multiple_of(PAGE)?;
        let all = len.checked_add(PAGE)?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let mapping =
            unsafe { mmap_anonymous(std::ptr::null_mut(), all, access, MapFlags::PRIVATE) }.ok()?;
        let area = Area { mapping, len };
        // SAFETY: within the mapping. A kernel without transparent huge pages refuses; ordinary pages then do.
        let _advised = unsafe { madvise(area.start(), len, Advice::LinuxHugepage) };
        Some(area)
    }

    fn start(&self) -> *mut c_void {
        let start = self.mapping.addr().next_multiple_of(PAGE);
        self.mapping.with_addr(start)
    }

    /// The pages' addresses as devices know them: the virtual ones (`Eal::takes_external_memory`).
    fn page_addresses(&self) -> impl Iterator<Item = ffi::rte_iova_t> {
        let start = self.start().addr();
        (start..start + self.len).step_by(PAGE).map(|address| address as ffi::rte_iova_t)
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: what `map` mapped, which neither DPDK nor a device uses any more.
        let unmapped = unsafe { munmap(self.mapping, self.len + PAGE) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Mbuf, MbufPool, test_support};

    /// Whether an address of this process is mapped.
    fn is_mapped(address: usize) -> bool {
        let maps = fs::read_to_string("/proc/self/maps").expect("proc");
        maps.lines().any(|line| {
            let (range, _) = line.split_once(' ').expect("a range");
            let (from, to) = range.split_once('-').expect("two ends");
            let number = |hex| usize::from_str_radix(hex, 16).expect("a number");
            (number(from)..number(to)).contains(&address)
        })
    }

    #[test]
    fn a_heap_gives_its_memory_back() {
        let eal = test_support::eal();
        let mut heap = ExternalHeap::create(&eal).expect("a heap");
        assert!(sockets().contains(&heap.socket().0));
        assert!(heap.grow(1) && heap.grow(PAGE + 1));
        let starts: Vec<usize> = heap.areas.iter().map(|area| area.start().addr()).collect();
        assert_eq!(heap.areas.iter().map(|area| area.len / PAGE).collect::<Vec<_>>(), [1, 2]);
        assert!(starts.iter().all(|&start| start.is_multiple_of(PAGE) && is_mapped(start)));
        assert!(!heap.grow(usize::MAX - PAGE) && !heap.grow(1 << 46), "refused, not aborted");
        drop(heap);
        assert!(!starts.iter().any(|&start| is_mapped(start)));
        // DPDK knows 32 heaps at once.
        assert!((0..100).all(|_| ExternalHeap::create(&eal).is_some()));
    }

    #[test]
    fn the_mbufs_of_a_pool_lie_side_by_side_and_end_with_it() {
        const MBUFS: u32 = 4095;
        let pool = test_support::own_pool("side_by_side", MBUFS);
        let mut packets: Vec<Mbuf> = std::iter::from_fn(|| pool.alloc()).collect();
        assert_eq!(packets.len(), MBUFS as usize);
        for (number, packet) in packets.iter_mut().enumerate() {
            packet.append(8).expect("room").copy_from_slice(&number.to_le_bytes());
        }
        for (number, packet) in packets.iter().enumerate() {
            assert_eq!(packet.data(), number.to_le_bytes(), "a buffer that no other mbuf has");
        }
        let mut starts: Vec<usize> =
            packets.iter().map(|packet| packet.as_raw().as_ptr().addr()).collect();
        starts.sort_unstable();
        assert!(starts.iter().all(|start| start.is_multiple_of(64)));
        let sets =
            starts.iter().map(|start| start / 64 % 64).collect::<std::collections::HashSet<_>>();
        assert_eq!(sets.len(), 64, "headers use every set of a first-level cache");
        let span = starts[starts.len() - 1] - starts[0];
        assert!(span < MBUFS as usize * 2600, "{span} bytes: less than a page for each mbuf");
        drop(packets);
        assert_eq!(pool.available(), MBUFS);
        drop(pool);
        assert!(!is_mapped(starts[0]) && !is_mapped(starts[starts.len() - 1]));
    }

    #[test]
    fn a_pool_that_is_in_use_keeps_its_memory() {
        let pool = test_support::own_pool("outlived", 15);
        let mut packet = pool.from_bytes(b"still there").expect("a buffer");
        drop(pool);
        packet.data_mut()[0] = b'S';
        assert_eq!(packet.data(), b"Still there");
    }

    #[test]
    fn a_large_pool_has_room_for_every_mbuf() {
        for (name, mbufs, data_room) in
            [("tiny", 3, 2048), ("odd", 10_000, 2048), ("jumbo", 1023, 9216)]
        {
            let pool = MbufPool::with_data_room(
                &test_support::eal(),
                name,
                mbufs,
                2,
                SocketId::ANY,
                data_room,
            )
            .expect("a pool");
            assert!(pool.is_external(), "{name} fits into the heap that is made for it");
            assert_eq!(pool.available(), mbufs);
        }
    }
}
