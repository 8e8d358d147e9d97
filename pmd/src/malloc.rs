//! The process's ordinary heap on transparent huge pages.
//!
//! Interfaces, routes and tables are ordinary allocations of the control thread, and workers read them. With thousands of
//! vnets they fill more pages of 4 KiB than a TLB knows. glibc would use huge pages with
//! `GLIBC_TUNABLES=glibc.malloc.hugetlb=1`, which a process can only find in its environment; here the same is done with
//! `mallopt(3)` and `madvise(2)`.

use std::ffi::c_void;
use std::hint::black_box;

use rustix::mm::{Advice, madvise};

use crate::extmem::PAGE;

/// Address space for the heap, of which the kernel fills what is used. Beyond it the heap grows on ordinary pages.
const HEAP: usize = 1 << 30;
/// The largest block that the heap takes in; glibc maps larger ones by themselves, and knows no higher limit.
const LARGEST_BLOCK: usize = 32 << 20;

/// Has the main thread's allocations lie on transparent huge pages from now on. Called once, by the main thread, before it
/// allocates what workers are to read. Without effect where the kernel has none, or refuses that much address space.
pub fn use_huge_pages() {
    let Some((start, len)) = reserve() else { return };
    // SAFETY: the range was just added to the heap; advice changes no contents.
    let advised = unsafe { madvise(start.cast(), len, Advice::LinuxHugepage) };
    tracing::debug!(bytes = len, advised = advised.is_ok(), "heap on transparent huge pages");
}

/// Extends the heap, and keeps glibc from giving its end back. Returns the whole pages of what was added.
fn reserve() -> Option<(*mut c_void, usize)> {
    let set = |option, value: usize| {
        let value = i32::try_from(value).unwrap_or(i32::MAX);
        // SAFETY: a setting of the allocator, which takes its lock for it.
        unsafe { libc::mallopt(option, value) == 1 }
    };
    let _never_trimmed = set(libc::M_TRIM_THRESHOLD, usize::MAX);
    let _mapped_alone = set(libc::M_MMAP_THRESHOLD, LARGEST_BLOCK);
    let usual = 64 * PAGE;
    let before = end_of_heap();
    if !set(libc::M_TOP_PAD, HEAP) {
        return None;
    }
    // A block that the heap has no room for, so that it is extended.
    drop(black_box(Vec::<u8>::with_capacity(LARGEST_BLOCK / 2)));
    let _smaller_steps = set(libc::M_TOP_PAD, usual);
    let start = before.map_addr(|address| address.next_multiple_of(PAGE));
    let len = end_of_heap().addr().checked_sub(start.addr())? / PAGE * PAGE;
    (len >= HEAP / 2).then_some((start, len))
}

fn end_of_heap() -> *mut c_void {
    // SAFETY: asks only.
    unsafe { libc::sbrk(0) }
}
