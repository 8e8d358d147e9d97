//! The search of a list: all of its starts are compared with the address at once.
//!
//! The one file of the FIB with unsafe code, as `check_avx2.rs` is that of `ip_tryforward`: the masked load of AVX2 takes a pointer.
#![expect(unsafe_code)]

use std::arch::x86_64::*;
use std::sync::atomic::AtomicU32;

use super::dxr::CHUNK;
use super::words::{base, list_ranges};

/// How many ranges of the list of `entry` start at or below `dst`; 0 for a hit.
#[inline(always)]
pub(super) fn rank(arena: &[AtomicU32], entry: u32, dst: u32) -> u32 {
    // SAFETY: this file is part of builds whose target has AVX2 and BMI2.
    unsafe { rank_of(arena, base(entry), list_ranges(entry), twice(dst)) }
}

/// The same for several destinations, at most [`CHUNK`].
#[inline(always)]
pub(super) fn ranks(arena: &[AtomicU32], entries: &[u32], dst: &[u32], ranks: &mut [u32; CHUNK]) {
    let (mut bases, mut ranges, mut addresses) = ([0; CHUNK], [0; CHUNK], [0; CHUNK]);
    // The parts that are computed for all of them side by side.
    for ((base_of, ranges), entry) in bases.iter_mut().zip(&mut ranges).zip(entries) {
        (*base_of, *ranges) = (base(*entry), list_ranges(*entry));
    }
    for (address, dst) in addresses.iter_mut().zip(dst) {
        *address = twice(*dst);
    }
    let searches = bases.iter().zip(&ranges).zip(&addresses).take(dst.len());
    for (rank, ((base, ranges), address)) in ranks.iter_mut().zip(searches) {
        // SAFETY: this file is part of builds whose target has AVX2 and BMI2.
        *rank = unsafe { rank_of(arena, *base, *ranges, *address) };
    }
}

/// The low 16 bits of an address, twice.
#[inline(always)]
const fn twice(dst: u32) -> u32 {
    dst << 16 | dst & 0xffff
}

/// How many of the `ranges` starts that begin at word `base` are at or below the address that `twice` made.
#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn rank_of(arena: &[AtomicU32], base: u32, ranges: u32, address: u32) -> u32 {
    let all = |word: u32| _mm256_set1_epi32(word.cast_signed());
    let list = base as usize..(base + ranges) as usize;
    let Some(list) = arena.get(list) else { return 0 };
    // Of a word, the first start's place: those of the words that have a start are below `ranges`.
    let mask = _mm256_cmpgt_epi32(all(ranges), _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14));
    // SAFETY: the words that the mask names are words of the list, and no others are read. Nothing writes them meanwhile: a
    // list is complete before an entry refers to it, and is left alone until a grace period has passed after the last one did
    // (see "Reading while the control thread writes" in `fib.rs`); the Acquire load of the entry came before.
    let starts = unsafe { _mm256_maskload_epi32(list.as_ptr().cast(), mask) };
    let address = all(address);
    let not_above = _mm256_cmpeq_epi16(_mm256_max_epu16(starts, address), address);
    // Two bits a start; those behind the last start mean nothing.
    let bits = _mm256_movemask_epi8(not_above).cast_unsigned();
    _bzhi_u32(bits, 2 * ranges).count_ones() / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{rank as each, words};
    use super::*;

    proptest! {
        #[test]
        fn lanes_count_as_a_loop_does(
            mut starts in prop::collection::vec(any::<u16>(), 1..=words::LIST_RANGES_MAX),
            before in prop::collection::vec(any::<u32>(), 0..9),
            behind in prop::collection::vec(any::<u32>(), 0..9),
            address in any::<u16>(),
            at in any::<prop::sample::Index>(),
        ) {
            starts.sort_unstable();
            let ranges: Vec<u32> =
                starts.iter().map(|start| words::range(u32::from(*start), !start)).collect();
            let base = before.len() as u32;
            let class = words::list_class(starts.len());
            let entry = words::reference(words::Extent { base, class });
            let arena: Vec<AtomicU32> = before
                .into_iter()
                .chain(words::list_words(&ranges))
                .chain(behind)
                .map(AtomicU32::new)
                .collect();
            for address in [address, *at.get(&starts), at.get(&starts).wrapping_sub(1), 0, u16::MAX] {
                let below = starts.iter().filter(|start| **start <= address).count() as u32;
                prop_assert_eq!(rank(&arena, entry, address.into()), below);
                prop_assert_eq!(each::rank(&arena, entry, address.into()), below);
            }
        }
    }

    #[test]
    fn a_hit_has_no_ranges() {
        assert_eq!(rank(&[], words::hit(7), 7), 0);
        assert_eq!(rank(&[AtomicU32::new(0)], words::hit(7), 7), 0);
    }
}
