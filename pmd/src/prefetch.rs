//! Asking for memory before it is needed (DPDK: `rte_prefetch0`).

/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks the CPU to load all cache lines of a value, and does not wait for them. Worth its instruction where the value is
/// not in the caches and there is other work to do before it is read.
#[inline(always)]
pub fn prefetch<T: ?Sized>(value: &T) {
    let start: *const T = value;
    for offset in (0..size_of_val(value)).step_by(LINE) {
        line(start.cast::<u8>().wrapping_add(offset));
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
