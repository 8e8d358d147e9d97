//! Asking for memory before it is needed (DPDK: `rte_prefetch0`).

use std::ptr;

/// Bytes of a cache line (DPDK: `RTE_CACHE_LINE_SIZE`, on the machines that this runs on).
pub const CACHE_LINE: usize = 64;

/// Asks the CPU to load all cache lines of a value, and does not wait for them. Worth its instruction where the value is
/// not in the caches and there is other work to do before it is read.
#[inline(always)]
pub fn prefetch<T: ?Sized>(value: &T) {
    let start: *const T = value;
    prefetch_at(start.cast::<u8>().addr(), size_of_val(value));
}

/// The same for `bytes` bytes at an address that may be out of date: a hint faults nowhere and reads nothing.
#[inline(always)]
pub fn prefetch_at(address: usize, bytes: usize) {
    for offset in (0..bytes).step_by(CACHE_LINE) {
        line(ptr::without_provenance(address.wrapping_add(offset)));
    }
}

#[inline(always)]
fn line(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which changes nothing and faults nowhere, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _no_hint = at;
}
