//! The time stamp counter: the only clock of the packet path.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Reads the time stamp counter: cycles since the machine started, the same on every CPU where the
/// TSC is invariant (`curvnet doctor` checks that).
#[inline(always)]
#[must_use]
pub fn now() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: RDTSC has no operands and no precondition in user space on any x86-64 Linux.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        // SAFETY: reads the generic timer of the CPU; no precondition.
        unsafe { dpdk_sys::cv_rdtsc() }
    }
}

/// Reads the time stamp counter between two barriers: after everything before it has completed, and before anything
/// after it begins. For measuring short pieces of code; costs some tens of cycles more than [`now`].
#[inline(always)]
#[must_use]
pub fn serialized() -> u64 {
    barrier();
    let cycles = now();
    barrier();
    cycles
}

/// Intel SDM, RDTSC: LFENCE before it waits for all earlier instructions, LFENCE after it keeps later ones back. RDTSCP
/// does the first alone.
#[inline(always)]
fn barrier() {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: LFENCE is part of SSE2, which every x86-64 CPU has.
        unsafe { core::arch::x86_64::_mm_lfence() };
    }
    #[cfg(not(target_arch = "x86_64"))]
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

/// TSC cycles in a second. EAL's measurement once EAL has started, else one of our own (20 ms, once);
/// never 0.
#[must_use]
pub fn hz() -> u64 {
    // SAFETY: reads a variable that rte_eal_init sets once; 0 before that.
    let of_eal = unsafe { dpdk_sys::rte_get_tsc_hz() };
    if of_eal != 0 { of_eal } else { measured_hz() }
}

fn measured_hz() -> u64 {
    static HZ: OnceLock<u64> = OnceLock::new();
    *HZ.get_or_init(|| {
        let (began, first) = (Instant::now(), now());
        std::thread::sleep(Duration::from_millis(20));
        let (cycles, elapsed) = (now().wrapping_sub(first), began.elapsed());
        let hz = u128::from(cycles) * 1_000_000_000 / elapsed.as_nanos().max(1);
        u64::try_from(hz).unwrap_or(u64::MAX).max(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advances_and_has_a_plausible_rate() {
        let first = now();
        std::thread::sleep(Duration::from_millis(1));
        assert!(now() > first);
        let first = serialized();
        assert!(serialized() > first);
        // Slower than any CPU with a TSC, faster than any: catches a wrong unit.
        assert!((10_000_000..20_000_000_000).contains(&hz()), "{}", hz());
        assert!((10_000_000..20_000_000_000).contains(&measured_hz()), "{}", measured_hz());
    }
}
