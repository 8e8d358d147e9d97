//! The search of a list, one start after the other: for CPUs without AVX2, and for tests of the other one.

use std::sync::atomic::AtomicU32;

use super::words::{base, list_ranges, load_half};

/// How many ranges of the list of `entry` start at or below `dst`; 0 for a hit.
#[inline(always)]
pub(super) fn rank(arena: &[AtomicU32], entry: u32, dst: u32) -> u32 {
    let begin = 2 * base(entry);
    let starts = (begin..begin + list_ranges(entry)).map(|half| load_half(arena, half as usize));
    starts.map(|start| u32::from(start <= dst as u16)).sum()
}

/// The same for several destinations.
#[cfg(not(all(target_feature = "avx2", target_feature = "bmi2")))]
#[inline(always)]
pub(super) fn ranks(arena: &[AtomicU32], entries: &[u32], dst: &[u32], ranks: &mut [u32]) {
    for ((place, entry), dst) in ranks.iter_mut().zip(entries).zip(dst) {
        *place = rank(arena, *entry, *dst);
    }
}
