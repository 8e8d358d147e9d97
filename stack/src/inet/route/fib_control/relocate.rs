//! Moves a FIB to another arena: to make room, and to give memory back.
//!
//! Control side.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::fib::words::{extent, reference};
use super::super::fib::{Fib, Tables};
use super::FibControl;
use super::extents::Extents;
use super::kind::{Kind, tables};

impl FibControl {
    /// Copies the tables to a new FIB whose arena is compact, with room for `extra` words beyond the usual
    /// reserve. Nobody reads the new FIB yet, so whatever is free in it is free at once.
    pub(super) fn relocate(&mut self, extra: usize) {
        let Some(old) = tables(&self.fib.0) else { return };
        let kind = Kind::of(&self.fib.0);
        let capacity = room(old.top.len(), self.extents.live() + extra);
        let mut copy = Copy {
            from: &old.arena,
            to: Tables::new(kind.cut().top_bits, capacity),
            extents: Extents::new(capacity),
        };
        for (index, entry) in old.top.iter().enumerate() {
            let copied = copy.entry(entry.load(Ordering::Relaxed));
            copy.to.top[index].store(copied, Ordering::Relaxed);
        }
        let Copy { to, extents, .. } = copy;
        self.extents = extents;
        self.fib = Arc::new(Fib(kind.layout(to)));
    }

    /// Gives memory back when less than about half of the arena is needed.
    pub(super) fn shrink(&mut self) {
        let Some(tables) = tables(&self.fib.0) else { return };
        if self.extents.capacity() > 2 * room(tables.top.len(), self.extents.live()) {
            self.relocate(0);
        }
    }
}

/// Words for an arena of which `live` are in use: an eighth in reserve for changes, and something for
/// tables that are nearly empty.
const fn room(top: usize, live: usize) -> usize {
    live + live / 8 + top / 8
}

/// Tables that are being copied.
struct Copy<'a> {
    from: &'a [AtomicU32],
    to: Tables,
    extents: Extents,
}

impl Copy<'_> {
    /// Copies what `entry` refers to (a list, or a directory and all below it) and returns the entry for the copy.
    fn entry(&mut self, entry: u32) -> u32 {
        let Some(source) = extent(entry) else { return entry };
        let target =
            self.extents.alloc(source.class).expect("the new arena was sized for all words in use");
        for (index, word) in source.slice(self.from).iter().enumerate() {
            let word = word.load(Ordering::Relaxed);
            let word = if source.is_directory() { self.entry(word) } else { word };
            target.slice(&self.to.arena)[index].store(word, Ordering::Relaxed);
        }
        reference(target)
    }
}
