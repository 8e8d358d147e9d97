//! The 32-bit words of the split and direct layouts.
//!
//! An *entry* (in the table or in a directory) is one of
//!
//! ```text
//!   0 | 0 ................. 0 | next hop (16)     hit: the answer for every address below this entry
//!   1 | 0 | ranges - 1 (4) | base (26)            list: so many sorted ranges, in the arena
//!   1 | 1 | bits - 1 (4)   | base (26)            directory: 2^bits entries, in the arena, indexed by
//!                                                 the address bits that follow those of this entry
//! ```
//!
//! A list of n ranges is n words: n halves with the low 16 bits of the ranges' first addresses, in ascending
//! order, and then n halves with their next hops; the lower half of a word comes first. The first range
//! starts at or below every address that reaches the list. So the starts of the longest list are 32 bytes
//! side by side, which one AVX2 instruction compares with an address.

use std::sync::atomic::{AtomicU32, Ordering};

/// Set in an entry that refers to the arena.
const ARENA: u32 = 1 << 31;
/// Bit 4 of a class and bit 30 of an entry, which tell a directory from a list.
const DIRECTORY: u8 = 1 << 4;
/// The bits of a class that say how large, less one.
const SIZE: u8 = DIRECTORY - 1;
/// Where the size class stands in an entry.
const CLASS_SHIFT: u32 = 26;
/// How many words an entry can address: 64 Mi words, 256 MiB. As many routes as a vnet may have never take half of it: each adds at
/// most 7 words, two ranges that need a list and their share of two directories.
pub(in super::super) const ARENA_WORDS_MAX: usize = 1 << CLASS_SHIFT;
/// The most ranges of a list; an entry with more is a directory.
pub(in super::super) const LIST_RANGES_MAX: usize = 16;

/// A place in the arena: where it begins and its size class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Extent {
    /// First word.
    pub(in super::super) base: u32,
    /// Size class; see [`class_words`].
    pub(in super::super) class: u8,
}

impl Extent {
    /// Words it spans.
    #[inline]
    pub(in super::super) const fn words(self) -> usize {
        class_words(self.class)
    }

    /// Whether it holds a directory.
    #[inline]
    pub(in super::super) const fn is_directory(self) -> bool {
        self.class & DIRECTORY != 0
    }

    /// The part of `arena` it spans; empty if it lies outside (which no entry does).
    pub(in super::super) fn slice(self, arena: &[AtomicU32]) -> &[AtomicU32] {
        let base = self.base as usize;
        arena.get(base..base + self.words()).unwrap_or_default()
    }
}

/// Words in size class `class`: a list has a word for each of its ranges, a directory one for each entry.
#[inline]
pub(in super::super) const fn class_words(class: u8) -> usize {
    let size = (class & SIZE) as usize + 1;
    if class & DIRECTORY != 0 { 1 << size } else { size }
}

/// The class of a list of `ranges`, at most [`LIST_RANGES_MAX`].
pub(in super::super) const fn list_class(ranges: usize) -> u8 {
    debug_assert!(0 < ranges && ranges <= LIST_RANGES_MAX);
    (ranges - 1) as u8
}

/// The class of a directory of 2^`bits` entries.
pub(in super::super) const fn directory_class(bits: u8) -> u8 {
    debug_assert!(0 < bits && bits <= 16);
    DIRECTORY | (bits - 1)
}

/// The entry that answers `nexthop`.
#[inline]
pub(in super::super) const fn hit(nexthop: u16) -> u32 {
    nexthop as u32
}

/// The entry that refers to `extent`.
#[inline]
pub(in super::super) const fn reference(extent: Extent) -> u32 {
    ARENA | (extent.class as u32) << CLASS_SHIFT | extent.base
}

/// Where an entry refers to, or `None` for a hit.
#[inline]
pub(in super::super) const fn extent(entry: u32) -> Option<Extent> {
    if is_reference(entry) {
        let class = (entry >> CLASS_SHIFT) as u8 & (DIRECTORY | SIZE);
        Some(Extent { base: base(entry), class })
    } else {
        None
    }
}

/// Whether an entry refers to the arena: it is a list or a directory.
#[inline]
pub(in super::super) const fn is_reference(entry: u32) -> bool {
    entry & ARENA != 0
}

/// Whether an entry refers to a directory; of several entries OR-ed, whether one of them does.
#[inline]
pub(in super::super) const fn is_directory(entry: u32) -> bool {
    entry >> 30 == 3
}

/// The entry if it refers to the arena, and 0 if it is a hit: without a branch.
#[inline]
const fn reference_or_zero(entry: u32) -> u32 {
    entry & (entry.cast_signed() >> 31).cast_unsigned()
}

/// Where the list or directory of an entry begins; 0 for a hit.
#[inline]
pub(super) const fn base(entry: u32) -> u32 {
    reference_or_zero(entry) & (ARENA_WORDS_MAX as u32 - 1)
}

/// The size in the class of an entry; 0 for a hit.
#[inline]
const fn size(entry: u32) -> u32 {
    ((reference_or_zero(entry) >> CLASS_SHIFT) & SIZE as u32) + (entry >> 31)
}

/// How many ranges the list of an entry has; 0 for a hit.
#[inline]
pub(super) const fn list_ranges(entry: u32) -> u32 {
    size(entry)
}

/// How many address bits the directory of an entry takes.
#[inline]
pub(super) const fn directory_bits(entry: u32) -> u32 {
    size(entry)
}

/// The range that starts at `address` and leads to `nexthop`, as the control side sorts it.
#[inline]
pub(in super::super) const fn range(address: u32, nexthop: u16) -> u32 {
    address << 16 | nexthop as u32
}

/// The low 16 bits of the first address of a range.
#[inline]
pub(in super::super) const fn range_start(range: u32) -> u32 {
    range >> 16
}

/// The words of the list of `ranges`.
pub(in super::super) fn list_words(ranges: &[u32]) -> impl Iterator<Item = u32> {
    let half = |at: usize| match ranges.get(at) {
        Some(range) => range_start(*range),
        None => ranges.get(at - ranges.len()).map_or(0, |range| range & 0xffff),
    };
    (0..ranges.len()).map(move |word| half(2 * word) | half(2 * word + 1) << 16)
}

/// Loads a half of the arena; ordered by the Acquire load of the entry that led to it.
///
/// Indexing cannot fail: an entry refers inside the arena of its own FIB, and arenas do not shrink. A
/// fallible load would do as well, but LLVM then makes the whole search a chain of branches that depend on
/// the traffic.
#[inline(always)]
pub(super) fn load_half(arena: &[AtomicU32], index: usize) -> u16 {
    (arena[index / 2].load(Ordering::Relaxed) >> (index % 2 * 16)) as u16
}
