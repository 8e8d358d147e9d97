//! The 32-bit words of the split and direct layouts.
//!
//! An *entry* (in the table, the root or a node) is one of
//!
//! ```text
//!   0 | 0 ............. 0 | next hop (16)     hit: the answer for every address below this entry
//!   1 | class (7) | base (24)                 list: sorted ranges, or (in a root) a node, in the arena
//! ```
//!
//! A *range* is `start (16) | next hop (16)`, where `start` holds the low 16 bits of the first address.
//! A list is sorted, its first range starts at or below every address that reaches it, and it is filled
//! up to the size of its class with copies of its last range.

use std::sync::atomic::{AtomicU32, Ordering};

/// Set in an entry that refers to the arena.
const LIST: u32 = 1 << 31;
/// Where the size class stands in an entry.
const CLASS_SHIFT: u32 = 24;
/// How many words an entry can address: 16 Mi words, 64 MiB.
pub(in super::super) const ARENA_WORDS_MAX: usize = 1 << CLASS_SHIFT;

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

    /// The part of `arena` it spans; empty if it lies outside (which no entry does).
    pub(in super::super) fn slice(self, arena: &[AtomicU32]) -> &[AtomicU32] {
        let base = self.base as usize;
        arena.get(base..base + self.words()).unwrap_or_default()
    }
}

/// Words in size class `class`: four sizes an octave (4, 5, 6, 7, 8, 10, 12, 14, 16, 20 ...), so that padding
/// stays below a fifth. Class 0 is one word: what a hit looks like to [`list_words`]. Class 64 is the largest,
/// 65536 ranges: one for each address of a /16.
#[inline]
pub(in super::super) const fn class_words(class: u8) -> usize {
    ((4 + (class as usize & 3)) << (class >> 2)) >> 2
}

/// The smallest class of at least `words` (2 to 65536).
pub(in super::super) fn class_of(words: usize) -> u8 {
    let octave = words.max(1).ilog2();
    let quarter = ((words << 2) >> octave) & 3;
    // At most 16 * 4, plus 3, plus 1.
    let class = (octave * 4) as u8 + quarter as u8;
    class + u8::from(class_words(class) < words)
}

/// The entry that answers `nexthop`.
#[inline]
pub(in super::super) const fn hit(nexthop: u16) -> u32 {
    nexthop as u32
}

/// The entry that refers to `extent`.
#[inline]
pub(in super::super) const fn list(extent: Extent) -> u32 {
    LIST | (extent.class as u32) << CLASS_SHIFT | extent.base
}

/// Where an entry refers to, or `None` for a hit.
#[inline]
pub(in super::super) const fn extent(entry: u32) -> Option<Extent> {
    if is_list(entry) {
        Some(Extent { base: list_base(entry), class: list_class(entry) })
    } else {
        None
    }
}

/// Whether an entry refers to the arena.
#[inline]
pub(in super::super) const fn is_list(entry: u32) -> bool {
    entry & LIST != 0
}

/// The entry if it refers to the arena, and 0 if it is a hit: without a branch.
#[inline]
const fn list_or_zero(entry: u32) -> u32 {
    entry & (entry.cast_signed() >> 31).cast_unsigned()
}

/// Where the list or node of an entry begins; 0 for a hit.
#[inline]
pub(super) const fn list_base(entry: u32) -> u32 {
    list_or_zero(entry) & (ARENA_WORDS_MAX as u32 - 1)
}

/// The size class of the list of an entry; 0 for a hit.
#[inline]
const fn list_class(entry: u32) -> u8 {
    ((list_or_zero(entry) & !LIST) >> CLASS_SHIFT) as u8
}

/// How many words the list of an entry has; 1 for a hit.
#[inline]
pub(super) const fn list_words(entry: u32) -> usize {
    class_words(list_class(entry))
}

/// The range that starts at `address` and leads to `nexthop`.
#[inline]
pub(in super::super) const fn range(address: u32, nexthop: u16) -> u32 {
    address << 16 | nexthop as u32
}

/// The largest range word whose start is at or below `address`: a range is at or below the address
/// exactly if its word is at or below this one.
#[inline]
pub(super) const fn range_key(address: u32) -> u32 {
    address << 16 | 0xffff
}

/// Loads a range; ordered by the Acquire load of the entry that led to it.
///
/// Indexing cannot fail: an entry refers inside the arena of its own FIB, and arenas do not shrink. A
/// fallible load would do as well, but LLVM then makes the whole search a chain of branches that depend on
/// the traffic (50 cycles a packet in place of 13).
#[inline(always)]
pub(super) fn load_range(arena: &[AtomicU32], index: usize) -> u32 {
    arena[index].load(Ordering::Relaxed)
}
