//! The layouts `split` and `direct`: DXR.
//!
//! Datapath side. The functions are generic over the number of leading bits that index the table, so
//! that each layout gets its own body with constant shifts.

use std::hint::select_unpredictable;
use std::sync::atomic::{AtomicU32, Ordering};

use super::words::{is_list, list_base, list_words, load_range, range_key};

/// Bits that index the root of the layout `split`.
pub(in super::super) const ROOT_BITS: u8 = 10;
/// Bits that index a node of the layout `split`: root and node together leave 16 bits for the ranges.
pub(in super::super) const NODE_BITS: u8 = 6;
/// As a constant argument: the layout `split`.
pub(super) const SPLIT: u32 = 0;

/// Packets that are looked up in step. Eight make the cache misses of a large table overlap; more would
/// spill registers.
const GROUP: usize = 8;

/// A table of entries and the arena that its lists and nodes are in.
#[derive(Debug)]
pub(in super::super) struct Tables {
    /// Indexed by the leading bits of the destination.
    pub(in super::super) top: Box<[AtomicU32]>,
    /// Lists of ranges, and nodes.
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

    /// The entry that covers `dst`: a hit or a list.
    #[inline(always)]
    fn entry<const BITS: u32>(&self, dst: u32) -> u32 {
        if BITS == SPLIT {
            let root = load_entry(&self.top, (dst >> (32 - ROOT_BITS)) as usize);
            let slot = (dst >> 16) & ((1 << NODE_BITS) - 1);
            let entry = load_entry(&self.arena, (list_base(root) + slot) as usize);
            select_unpredictable(is_list(root), entry, root)
        } else {
            load_entry(&self.top, (dst >> (32 - BITS)) as usize)
        }
    }

    /// One destination.
    #[inline(always)]
    pub(super) fn lookup<const BITS: u32>(&self, dst: u32) -> u16 {
        let entry = self.entry::<BITS>(dst);
        if !is_list(entry) {
            return entry as u16;
        }
        let (mut index, mut len) = (list_base(entry) as usize, list_words(entry));
        while len > 1 {
            search_step(&self.arena, &mut index, &mut len, range_key(dst));
        }
        load_range(&self.arena, index) as u16
    }

    /// A vector of destinations.
    #[inline(always)]
    pub(super) fn lookup_bulk<const BITS: u32>(&self, dst: &[u32], out: &mut [u16]) {
        let (dst_groups, dst_rest) = dst.as_chunks::<GROUP>();
        let (out_groups, out_rest) = out.as_chunks_mut::<GROUP>();
        for (dst, out) in dst_groups.iter().zip(out_groups) {
            *out = self.lookup_group::<BITS>(dst);
        }
        for (&dst, out) in dst_rest.iter().zip(out_rest) {
            *out = self.lookup::<BITS>(dst);
        }
    }

    /// Some destinations in step: the only branches that depend on the traffic are whether any of them has
    /// a list, and how long the longest list is.
    #[inline(always)]
    fn lookup_group<const BITS: u32>(&self, dst: &[u32; GROUP]) -> [u16; GROUP] {
        let entries = dst.map(|dst| self.entry::<BITS>(dst));
        if !is_list(entries.iter().fold(0, |union, entry| union | entry)) {
            return entries.map(|entry| entry as u16);
        }
        let mut index = entries.map(|entry| list_base(entry) as usize);
        let mut len = entries.map(list_words);
        let mut longest = len.iter().fold(1, |longest, &len| longest.max(len));
        while longest > 1 {
            for lane in 0..GROUP {
                search_step(&self.arena, &mut index[lane], &mut len[lane], range_key(dst[lane]));
            }
            longest -= longest / 2;
        }
        let mut out = [0; GROUP];
        for lane in 0..GROUP {
            let range = load_range(&self.arena, index[lane]);
            out[lane] = select_unpredictable(is_list(entries[lane]), range, entries[lane]) as u16;
        }
        out
    }
}

/// Loads an entry: what it refers to was written before it was stored.
#[inline(always)]
fn load_entry(entries: &[AtomicU32], index: usize) -> u32 {
    entries.get(index).map_or(0, |entry| entry.load(Ordering::Acquire))
}

/// Halves the ranges `index..index + len`, keeping the last one at or below `key`.
///
/// At length 1 it changes nothing, because the first range of a list is at or below every key.
#[inline(always)]
fn search_step(arena: &[AtomicU32], index: &mut usize, len: &mut usize, key: u32) {
    let half = *len / 2;
    let middle = *index + half;
    *index = select_unpredictable(load_range(arena, middle) <= key, middle, *index);
    *len -= half;
}
