//! Writes lists of ranges into the tables that workers are reading.
//!
//! Control side. See "Reading while the control thread writes" in `fib.rs` for the order of the stores:
//! words that nobody refers to first, then one Release store that refers to them.

use std::iter::repeat;
use std::sync::atomic::{AtomicU32, Ordering};

use ipnet::Ipv4Net;

use super::super::fib::words::{Extent, class_of, extent, hit, is_list, list};
use super::FibControl;
use super::extents::Extents;
use super::kind::{Cut, Kind, tables};
use super::lists::{Lists, Sweep};
use crate::net::route::Rib;

impl FibControl {
    /// Writes the entries that `prefix` covers, wholly or in part.
    pub(super) fn write(&mut self, rib: &Rib<Ipv4Net>, prefix: Ipv4Net) {
        let cut = Kind::of(&self.fib.0).cut();
        let first = prefix.network().to_bits() >> cut.entry_shift();
        let last = prefix.broadcast().to_bits() >> cut.entry_shift();
        let part = Ipv4Net::new(prefix.network(), prefix.prefix_len().min(cut.entry_bits))
            .expect("a prefix does not get longer");
        let mut sweep = Sweep::new(rib.ranges(part), cut);
        let mut entry = first;
        loop {
            let group_last = last.min(entry | (cut.group() - 1));
            self.lists.gather(&mut sweep, entry, group_last);
            self.place_or_relocate(cut, entry);
            if group_last == last {
                return;
            }
            entry = group_last + 1;
        }
    }

    /// Writes the gathered lists to the entries from `first` on, in a larger arena if need be.
    fn place_or_relocate(&mut self, cut: Cut, first: u32) {
        if self.place(cut, first).is_none() {
            self.relocate(self.lists.arena_words());
            let placed = self.place(cut, first);
            debug_assert!(placed.is_some(), "room was made for all of them");
        }
    }

    /// Writes the gathered lists to the entries from `first` on, all below one element of `top`.
    ///
    /// `None` if the arena had no room. What was written until then stands (each entry is old or new), and
    /// words that were taken but are not referred to return with [`FibControl::relocate`].
    fn place(&mut self, cut: Cut, first: u32) -> Option<()> {
        let Self { policy: _, fib, extents, lists } = self;
        let Some(tables) = tables(&fib.0) else { return Some(()) };
        let mut arena = Arena { words: &tables.arena, extents };
        let (group, slot) = ((first / cut.group()) as usize, (first % cut.group()) as usize);
        let top = &tables.top[group];
        if cut.group() == 1 {
            return arena.place_entries(std::slice::from_ref(top), lists);
        }
        match extent(top.load(Ordering::Relaxed)) {
            Some(node) => arena.place_in_node(top, node, slot, lists),
            None => arena.place_new_node(top, slot, lists),
        }
    }
}

/// The arena that is written to.
struct Arena<'a> {
    words: &'a [AtomicU32],
    extents: &'a mut Extents,
}

impl Arena<'_> {
    /// Writes one list to each of `entries`, as far as there are lists.
    fn place_entries(&mut self, entries: &[AtomicU32], lists: &Lists) -> Option<()> {
        for (entry, ranges) in entries.iter().zip(lists.iter()) {
            let new = self.place_list(entry.load(Ordering::Relaxed), ranges)?;
            self.switch(entry, new);
        }
        Some(())
    }

    /// Writes the lists to the entries of `node` from `slot` on; a node whose entries have all become
    /// the same hit goes away.
    fn place_in_node(
        &mut self,
        top: &AtomicU32,
        node: Extent,
        slot: usize,
        lists: &Lists,
    ) -> Option<()> {
        let entries = node.slice(self.words);
        self.place_entries(&entries[slot..], lists)?;
        if let Some(only) = uniform(entries.iter().map(|entry| entry.load(Ordering::Relaxed))) {
            self.switch(top, only);
        }
        Some(())
    }

    /// Writes the lists below `top`, which is a hit, to a node of their own from `slot` on.
    fn place_new_node(&mut self, top: &AtomicU32, slot: usize, lists: &Lists) -> Option<()> {
        let mut entries = [top.load(Ordering::Relaxed); Cut::NODE_ENTRIES];
        for (entry, ranges) in entries[slot..].iter_mut().zip(lists.iter()) {
            *entry = self.place_list(*entry, ranges)?;
        }
        let new = match uniform(entries.into_iter()) {
            Some(only) => only,
            None => list(self.store(&entries)?),
        };
        self.switch(top, new);
        Some(())
    }

    /// The entry for `ranges`: a hit, or a list in the arena; `old` if that says the same already.
    fn place_list(&mut self, old: u32, ranges: &[u32]) -> Option<u32> {
        if let [only] = ranges {
            return Some(hit(*only as u16));
        }
        if extent(old).is_some_and(|extent| self.holds(extent, ranges)) {
            return Some(old);
        }
        self.store(ranges).map(list)
    }

    /// Whether `extent` says what `words` say.
    fn holds(&self, extent: Extent, words: &[u32]) -> bool {
        let held = extent.slice(self.words).iter().map(|word| word.load(Ordering::Relaxed));
        extent.class == class_of(words.len()) && held.eq(padded(words, extent.words()))
    }

    /// Writes `words` to an extent of their own.
    fn store(&mut self, words: &[u32]) -> Option<Extent> {
        let extent = self.extents.alloc(class_of(words.len()))?;
        for (to, word) in extent.slice(self.words).iter().zip(padded(words, extent.words())) {
            to.store(word, Ordering::Relaxed);
        }
        Some(extent)
    }

    /// Makes `entry` refer to what was written before, and frees what it referred to.
    fn switch(&mut self, entry: &AtomicU32, new: u32) {
        let old = entry.load(Ordering::Relaxed);
        if old != new {
            entry.store(new, Ordering::Release);
            if let Some(extent) = extent(old) {
                self.extents.free(extent);
            }
        }
    }
}

/// The hit that all of `entries` are, if they are.
fn uniform(mut entries: impl Iterator<Item = u32>) -> Option<u32> {
    let first = entries.next().filter(|&first| !is_list(first))?;
    entries.all(|entry| entry == first).then_some(first)
}

/// `words`, filled up to `len` with copies of the last: a search ends there or before, alike.
fn padded(words: &[u32], len: usize) -> impl Iterator<Item = u32> {
    let last = words.last().copied().unwrap_or_default();
    words.iter().copied().chain(repeat(last)).take(len)
}
