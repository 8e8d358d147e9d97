//! Writes lists of ranges into the tables that workers are reading.
//!
//! Control side. See "Reading while the control thread writes" in `fib.rs` for the order of the stores:
//! words that nobody refers to first, then one Release store that refers to them.

use std::sync::atomic::{AtomicU32, Ordering};

use ipnet::Ipv4Net;

use super::super::fib::NODE_BITS;
use super::super::fib::words::{
    Extent, directory_class, extent, hit, is_reference, list_class, list_words, reference,
};
use super::FibControl;
use super::extents::Extents;
use super::kind::{Cut, Kind, tables};
use super::lists::{Lists, Sweep};
use super::shape::{Shape, Span, entries};
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
            self.relocate(self.lists.arena_words(cut));
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
        let mut arena = Arena { words: &tables.arena, extents, cut };
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
    cut: Cut,
}

impl<'a> Arena<'a> {
    /// Writes one list to each of `entries`, as far as there are lists.
    fn place_entries(&mut self, entries: &[AtomicU32], lists: &Lists) -> Option<()> {
        for (entry, ranges) in entries.iter().zip(lists.iter()) {
            let new =
                self.place(entry.load(Ordering::Relaxed), Span::of(ranges, self.cut), ranges)?;
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
            *entry = self.place(*entry, Span::of(ranges, self.cut), ranges)?;
        }
        let new = match uniform(entries.into_iter()) {
            Some(only) => only,
            None => reference(self.store(directory_class(NODE_BITS), entries.into_iter())?),
        };
        self.switch(top, new);
        Some(())
    }

    /// The entry for `ranges`, with what it refers to written; `old` if that says the same already, or does now: a directory
    /// keeps its place as long as it has the right size, and its entries are switched one by one.
    fn place(&mut self, old: u32, span: Span, ranges: &[u32]) -> Option<u32> {
        match Shape::of(span, ranges.len()) {
            Shape::Hit => Some(hit(ranges.first().map_or(0, |range| *range as u16))),
            Shape::List => self.place_list(old, ranges),
            Shape::Directory(bits) => self.place_directory(old, span, bits, ranges),
        }
    }

    fn place_list(&mut self, old: u32, ranges: &[u32]) -> Option<u32> {
        if extent(old).is_some_and(|extent| self.holds(extent, ranges)) {
            return Some(old);
        }
        self.store(list_class(ranges.len()), list_words(ranges)).map(reference)
    }

    fn place_directory(&mut self, old: u32, span: Span, bits: u8, ranges: &[u32]) -> Option<u32> {
        let class = directory_class(bits);
        if let Some(directory) = extent(old).filter(|extent| extent.class == class) {
            let children = entries(span, bits, ranges);
            for (entry, (span, ranges)) in directory.slice(self.words).iter().zip(children) {
                let new = self.place(entry.load(Ordering::Relaxed), span, ranges)?;
                self.switch(entry, new);
            }
            return Some(old);
        }
        let directory = self.extents.alloc(class)?;
        let children = entries(span, bits, ranges);
        for (entry, (span, ranges)) in directory.slice(self.words).iter().zip(children) {
            entry.store(self.place(hit(0), span, ranges)?, Ordering::Relaxed);
        }
        Some(reference(directory))
    }

    /// Whether `extent` is a list of `ranges`.
    fn holds(&self, extent: Extent, ranges: &[u32]) -> bool {
        let held = extent.slice(self.words).iter().map(|word| word.load(Ordering::Relaxed));
        extent.class == list_class(ranges.len()) && held.eq(list_words(ranges))
    }

    /// Writes `words` to an extent of their own.
    fn store(&mut self, class: u8, words: impl Iterator<Item = u32>) -> Option<Extent> {
        let extent = self.extents.alloc(class)?;
        for (to, word) in extent.slice(self.words).iter().zip(words) {
            to.store(word, Ordering::Relaxed);
        }
        Some(extent)
    }

    /// Makes `entry` refer to what was written before, and frees what it referred to.
    fn switch(&mut self, entry: &AtomicU32, new: u32) {
        let old = entry.load(Ordering::Relaxed);
        if old != new {
            entry.store(new, Ordering::Release);
            self.free(old);
        }
    }

    /// Frees what an entry that is no longer there referred to: a list, or a directory and all below it.
    fn free(&mut self, entry: u32) {
        let Some(extent) = extent(entry) else { return };
        if extent.is_directory() {
            for entry in extent.slice(self.words) {
                self.free(entry.load(Ordering::Relaxed));
            }
        }
        self.extents.free(extent);
    }
}

/// The hit that all of `entries` are, if they are.
fn uniform(mut entries: impl Iterator<Item = u32>) -> Option<u32> {
    let first = entries.next().filter(|&first| !is_reference(first))?;
    entries.all(|entry| entry == first).then_some(first)
}
