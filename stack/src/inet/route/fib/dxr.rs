//! The layouts `split` and `direct`: DXR.
//!
//! Datapath side. The functions are generic over the number of leading bits that index the table, so
//! that each layout gets its own body with constant shifts.

use std::hint::select_unpredictable;
use std::sync::atomic::{AtomicU32, Ordering};

use super::words::{base, directory_bits, is_directory, is_reference, list_ranges, load_half};

#[cfg(not(all(target_feature = "avx2", target_feature = "bmi2")))]
use super::rank::{rank, ranks};
#[cfg(all(target_feature = "avx2", target_feature = "bmi2"))]
use super::rank_avx2::{rank, ranks};

/// Bits that index the root of the layout `split`.
pub(in super::super) const ROOT_BITS: u8 = 10;
/// Bits that index a node of the layout `split`: root and node together leave 16 bits for the ranges.
pub(in super::super) const NODE_BITS: u8 = 6;
/// As a constant argument: the layout `split`.
pub(super) const SPLIT: u32 = 0;

/// Packets that are looked up in step, stage by stage: the loads of a stage depend on nothing but the stage
/// before, so the cache misses of all packets overlap.
pub(super) const CHUNK: usize = 64;
/// Of these, so many are handled in one turn of a loop.
const ROW: usize = 8;

/// A table of entries and the arena that its lists and directories are in.
#[derive(Debug)]
pub(in super::super) struct Tables {
    /// Indexed by the leading bits of the destination.
    pub(in super::super) top: Box<[AtomicU32]>,
    /// Lists of ranges, and directories.
    pub(in super::super) arena: Box<[AtomicU32]>,
}

impl Tables {
    /// An empty table of 2^`top_bits` entries (no route anywhere) with room for `words` in its arena.
    pub(in super::super) fn new(top_bits: u8, words: usize) -> Self {
        let zeroed = |len: usize| (0..len).map(|_| AtomicU32::new(0)).collect();
        Self { top: zeroed(1 << top_bits), arena: zeroed(words) }
    }

    /// Heap bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        (self.top.len() + self.arena.len()) * size_of::<AtomicU32>()
    }

    /// The entry that covers `dst`: of `split`, that of the node.
    #[inline(always)]
    fn entry<const BITS: u32>(&self, dst: u32) -> u32 {
        if BITS == SPLIT {
            let root = load_entry(&self.top, (dst >> (32 - ROOT_BITS)) as usize);
            let slot = (dst >> 16) & ((1 << NODE_BITS) - 1);
            let entry = load_entry(&self.arena, (base(root) + slot) as usize);
            select_unpredictable(is_reference(root), entry, root)
        } else {
            load_entry(&self.top, (dst >> (32 - BITS)) as usize)
        }
    }

    /// The address bits below the entry of `dst`, at the upper end of the word.
    #[inline(always)]
    const fn below<const BITS: u32>(dst: u32) -> u32 {
        dst << if BITS == SPLIT { (ROOT_BITS + NODE_BITS) as u32 } else { BITS }
    }

    /// One destination.
    #[inline(always)]
    pub(super) fn lookup<const BITS: u32>(&self, dst: u32) -> u16 {
        let (mut entry, mut below) = (self.entry::<BITS>(dst), Self::below::<BITS>(dst));
        // A directory takes at least one of the address bits, so it ends after 16 levels.
        while is_directory(entry) {
            let place;
            (place, below) = slot(entry, below);
            entry = load_entry(&self.arena, place as usize);
        }
        if !is_reference(entry) {
            return entry as u16;
        }
        let half = nexthop_half(entry, rank(&self.arena, entry, dst));
        load_half(&self.arena, half as usize)
    }

    /// A vector of destinations. Not inlined, so that the arrays of its stages are not in the way of callers whose table is `few`.
    #[inline(never)]
    pub(super) fn lookup_bulk<const BITS: u32>(&self, dst: &[u32], out: &mut [u16]) {
        for (dst, out) in dst.chunks(CHUNK).zip(out.chunks_mut(CHUNK)) {
            self.lookup_chunk::<BITS>(dst, out);
        }
    }

    /// At most [`CHUNK`] destinations in step: the only branches that depend on the traffic are how many levels of
    /// directories there are at most, and whether any of the destinations has a list.
    ///
    /// Each stage is a loop of its own over all destinations. Those that compute become vector instructions; those that load
    /// do nothing else.
    #[inline(always)]
    fn lookup_chunk<const BITS: u32>(&self, dst: &[u32], out: &mut [u16]) {
        let (mut padded, mut entries) = ([0; CHUNK], [0; CHUNK]);
        padded.iter_mut().zip(dst).for_each(|(padded, dst)| *padded = *dst);
        let rows = dst.len().next_multiple_of(ROW).min(CHUNK);
        let (dst, entries) = (&padded[..rows], &mut entries[..rows]);
        self.load_entries::<BITS>(dst, entries);
        let mut union = entries.iter().fold(0, |union, entry| union | entry);
        if is_directory(union) {
            union = self.descend_all::<BITS>(dst, entries);
        }
        if is_reference(union) {
            self.answer_all(dst, entries);
        }
        for (out, entry) in out.iter_mut().zip(entries) {
            *out = *entry as u16;
        }
    }

    /// The entries of all destinations, as [`Self::entry`] finds them.
    #[inline(always)]
    fn load_entries<const BITS: u32>(&self, dst: &[u32], entries: &mut [u32]) {
        let bits = if BITS == SPLIT { ROOT_BITS.into() } else { BITS };
        let mut places = [0; CHUNK];
        for (place, dst) in places.iter_mut().zip(dst) {
            *place = dst >> (32 - bits);
        }
        load_all(&self.top, &places, entries);
        if BITS != SPLIT {
            return;
        }
        for ((place, root), dst) in places.iter_mut().zip(&*entries).zip(dst) {
            *place = base(*root) + ((dst >> 16) & ((1 << NODE_BITS) - 1));
        }
        let mut below = [0; CHUNK];
        load_all(&self.arena, &places, &mut below[..dst.len()]);
        for (entry, below) in entries.iter_mut().zip(below) {
            *entry = if is_reference(*entry) { below } else { *entry };
        }
    }

    /// Follows all directories to their ends; the union of the entries there.
    #[inline(always)]
    fn descend_all<const BITS: u32>(&self, dst: &[u32], entries: &mut [u32]) -> u32 {
        let (mut below, mut places, mut next) = ([0; CHUNK], [0; CHUNK], [0; CHUNK]);
        for (below, dst) in below.iter_mut().zip(dst) {
            *below = Self::below::<BITS>(*dst);
        }
        // At most 16 times, as in `lookup`.
        loop {
            for ((place, below), entry) in places.iter_mut().zip(&mut below).zip(&*entries) {
                (*place, *below) = slot(*entry, *below);
            }
            load_all(&self.arena, &places, &mut next[..dst.len()]);
            let mut union = 0;
            for (entry, next) in entries.iter_mut().zip(next) {
                *entry = if is_directory(*entry) { next } else { *entry };
                union |= *entry;
            }
            if !is_directory(union) {
                return union;
            }
        }
    }

    /// Replaces entries that are lists by their answers.
    #[inline(always)]
    fn answer_all(&self, dst: &[u32], entries: &mut [u32]) {
        let (mut halves, mut places, mut words) = ([0; CHUNK], [0; CHUNK], [0; CHUNK]);
        ranks(&self.arena, entries, dst, &mut halves);
        for ((half, place), entry) in halves.iter_mut().zip(&mut places).zip(&*entries) {
            *half = nexthop_half(*entry, *half);
            *place = *half / 2;
        }
        load_all(&self.arena, &places, &mut words[..dst.len()]);
        for ((entry, word), half) in entries.iter_mut().zip(words).zip(halves) {
            *entry = if is_reference(*entry) { word >> (half % 2 * 16) } else { *entry };
        }
    }
}

/// Where a directory's next entry is, and the address bits below that; of an entry that is none, the start of the arena and
/// all bits.
#[inline(always)]
fn slot(entry: u32, below: u32) -> (u32, u32) {
    let directory = if is_directory(entry) { entry } else { 0 };
    let bits = directory_bits(directory);
    // Of 0 bits, nothing: a shift by 32 would be none.
    (base(directory) + (below >> 1 >> (31 - bits)), below << bits)
}

/// Which half of the arena has the next hop of the range with this rank; of a hit, the first one, which is not taken.
#[inline(always)]
fn nexthop_half(entry: u32, rank: u32) -> u32 {
    (2 * base(entry) + list_ranges(entry) + rank).max(1) - 1
}

/// Loads the entries, or parts of lists, at all `places`, as far as there are rows for them.
#[inline(always)]
fn load_all(words: &[AtomicU32], places: &[u32; CHUNK], loaded: &mut [u32]) {
    let rows = loaded.as_chunks_mut::<ROW>().0;
    for (loaded, places) in rows.iter_mut().zip(places.as_chunks::<ROW>().0) {
        *loaded = places.map(|place| load_entry(words, place as usize));
    }
}

/// Loads an entry: what it refers to was written before it was stored.
#[inline(always)]
fn load_entry(entries: &[AtomicU32], index: usize) -> u32 {
    entries.get(index).map_or(0, |entry| entry.load(Ordering::Acquire))
}
