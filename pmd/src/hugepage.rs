//! Hugepages: what the machine has, and an allocator on DPDK's heap, which lies on them.

use std::alloc::{GlobalAlloc, Layout};
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use dpdk_sys as ffi;

use crate::extmem::{self, ExternalHeap};
use crate::{Eal, SocketId};

/// Where packet memory comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hugepages {
    /// Hugepages if enough are free, else ordinary pages.
    #[default]
    Auto,
    /// Hugepages or no start.
    Required,
    /// Ordinary pages (`--no-huge`).
    None,
}

/// A [`Heap`] without hugepages grows by so many bytes. DPDK clears them, which takes the control thread a few
/// milliseconds, and keeps a list of about a hundred such pieces.
const EXTERNAL_STEP: usize = 16 << 20;

/// The hugepages of one size, from `/sys/kernel/mm/hugepages`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize {
    /// Size of a page in KiB.
    pub size_kib: u64,
    /// Pages reserved.
    pub total: u64,
    /// Pages reserved and not in use.
    pub free: u64,
}

/// The hugepage sizes that the kernel knows, smallest first; empty without hugepage support.
#[must_use]
pub fn page_sizes() -> Vec<PageSize> {
    page_sizes_in(Path::new("/sys/kernel/mm/hugepages"))
}

pub(crate) fn page_sizes_in(folder: &Path) -> Vec<PageSize> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut sizes: Vec<PageSize> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let size_kib = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
            let number =
                |file| fs::read_to_string(entry.path().join(file)).ok()?.trim().parse().ok();
            let (total, free) = (number("nr_hugepages")?, number("free_hugepages")?);
            Some(PageSize { size_kib, total, free })
        })
        .collect();
    sizes.sort_by_key(|size| size.size_kib);
    sizes
}

/// MiB of free hugepages over all sizes.
pub(crate) fn free_mib() -> u64 {
    page_sizes().iter().map(|size| size.free * size.size_kib / 1024).sum()
}

/// Whether the kernel gives out transparent huge pages, always or to a program that asks for them.
#[must_use]
pub fn transparent() -> bool {
    transparent_in(Path::new("/sys/kernel/mm/transparent_hugepage"))
}

pub(crate) fn transparent_in(folder: &Path) -> bool {
    let modes = fs::read_to_string(folder.join("enabled")).unwrap_or_default();
    modes.contains("[always]") || modes.contains("[madvise]")
}

/// An allocator on DPDK's heap of one NUMA node: hugepages where EAL uses them, else transparent huge pages.
#[derive(Debug)]
pub struct Heap {
    socket: SocketId,
    /// Where blocks come from if EAL has no hugepages. EAL's own memory has the rest.
    external: Option<Mutex<ExternalHeap>>,
    _eal: Eal,
}

impl Heap {
    /// An allocator for the node; [`SocketId::ANY`] prefers the node of the calling thread.
    #[must_use]
    pub fn new(eal: &Eal, socket: SocketId) -> Heap {
        let external = ExternalHeap::create(eal).map(Mutex::new);
        Heap { socket, external, _eal: eal.clone() }
    }

    /// A block from `malloc`, which is given the number of a heap.
    fn allocate(&self, layout: Layout, malloc: impl Fn(SocketId) -> *mut u8) -> *mut u8 {
        let block = self.external.as_ref().map_or(std::ptr::null_mut(), |heap| {
            let mut heap = heap.lock().unwrap_or_else(PoisonError::into_inner);
            let block = malloc(heap.socket());
            let fits = layout.size() + layout.align() <= EXTERNAL_STEP / 2;
            if block.is_null() && fits && heap.grow(EXTERNAL_STEP) {
                return malloc(heap.socket());
            }
            block
        });
        if block.is_null() { malloc(self.socket) } else { block }
    }
}

/// Bytes that are taken from DPDK's heaps on all NUMA nodes: what [`Heap`]s gave out and what DPDK has for itself, mbuf
/// pools included.
#[must_use]
pub fn heap_bytes(_eal: &Eal) -> usize {
    let sockets = (0..ffi::RTE_MAX_NUMA_NODES.cast_signed()).chain(extmem::sockets());
    sockets.filter_map(|socket| stats(SocketId(socket))).map(|stats| stats.heap_allocsz_bytes).sum()
}

/// Whether EAL, which runs, has a heap for the node; it has one for [`SocketId::ANY`].
pub(crate) fn has_heap(socket: SocketId) -> bool {
    socket == SocketId::ANY || stats(socket).is_some()
}

fn stats(socket: SocketId) -> Option<ffi::rte_malloc_socket_stats> {
    let mut stats = ffi::rte_malloc_socket_stats::default();
    // SAFETY: EAL is initialised, and the struct is written to before the call returns. A node that is not there is
    // refused.
    let found = unsafe { ffi::rte_malloc_get_socket_stats(socket.0, &raw mut stats) } == 0;
    found.then_some(stats)
}

// SAFETY: rte_malloc returns unique blocks of the size and power-of-two alignment asked for, or null;
// they stay valid until rte_free because the heap's EAL handle keeps EAL from being cleaned up. The
// heap is locked inside DPDK, and nothing here unwinds.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Ok(align) = u32::try_from(layout.align()) else { return std::ptr::null_mut() };
        // SAFETY: EAL is initialised; the name is only informative and may be null.
        self.allocate(layout, |socket| unsafe {
            ffi::rte_malloc_socket(std::ptr::null(), layout.size(), align, socket.0).cast()
        })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Ok(align) = u32::try_from(layout.align()) else { return std::ptr::null_mut() };
        // SAFETY: as in `alloc`.
        self.allocate(layout, |socket| unsafe {
            ffi::rte_zmalloc_socket(std::ptr::null(), layout.size(), align, socket.0).cast()
        })
    }

    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the caller got the block from this allocator and gives it back once.
        unsafe { ffi::rte_free(block.cast()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_from_the_heap_is_counted() {
        const BYTES: usize = 32 << 20;
        let eal = crate::test_support::eal();
        let (heap, before) = (Heap::new(&eal, SocketId::ANY), heap_bytes(&eal));
        let layout = Layout::from_size_align(BYTES, 64).expect("a layout");
        // SAFETY: the layout is not empty; the block is given back once.
        unsafe {
            let block = heap.alloc(layout);
            assert!(!block.is_null());
            // Other tests take and give back small blocks meanwhile.
            assert!(heap_bytes(&eal) >= before + BYTES / 2);
            heap.dealloc(block, layout);
        }
        assert!(heap_bytes(&eal) < before + BYTES / 2);
    }

    #[test]
    fn blocks_are_aligned_zeroed_and_used_again() {
        let heap = Heap::new(&crate::test_support::eal(), SocketId::ANY);
        for (size, align) in [(1, 1), (100, 64), (64 * 1024, 64), (5000, 4096)] {
            let layout = Layout::from_size_align(size, align).expect("a layout");
            for _ in 0..3 {
                // SAFETY: the layout is not empty; the block is used within its size and given back
                // once.
                unsafe {
                    let block = heap.alloc_zeroed(layout);
                    assert!(!block.is_null() && block.addr().is_multiple_of(align));
                    assert!(std::slice::from_raw_parts(block, size).iter().all(|&byte| byte == 0));
                    block.write_bytes(0xff, size);
                    heap.dealloc(block, layout);
                }
            }
        }
        let too_large = Layout::from_size_align(1 << 40, 64).expect("a layout");
        // SAFETY: the layout is not empty.
        assert!(unsafe { heap.alloc(too_large) }.is_null(), "refused, not aborted");
    }
}
