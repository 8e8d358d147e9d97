//! The ranges of some neighbouring entries, on their way from the RIB to the arena.
//!
//! Control side.

use std::iter::Peekable;

use ipnet::Ipv4Net;

use super::super::fib::words::range;
use super::kind::Cut;
use super::shape::{Span, arena_words};
use crate::net::route::Ranges;

/// Lists of ranges, cut at the borders of the entries that they are for.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// All ranges, in the encoding of the arena.
    words: Vec<u32>,
    /// Where the list of each entry ends in `words`.
    ends: Vec<usize>,
}

impl Lists {
    /// Heap bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u32>() + self.ends.capacity() * size_of::<usize>()
    }

    /// The list of each entry.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.words[start..end])
    }

    /// Words of arena that the lists take at most, a node included.
    pub(super) fn arena_words(&self, cut: Cut) -> usize {
        let lists: usize = self.iter().map(|list| arena_words(Span::of(list, cut), list)).sum();
        lists + Cut::NODE_ENTRIES
    }

    /// Takes the lists of the entries `first..=last` from `sweep`.
    pub(super) fn gather(&mut self, sweep: &mut Sweep<'_>, first: u32, last: u32) {
        self.words.clear();
        self.ends.clear();
        for entry in first..=last {
            sweep.entry(entry, &mut self.words);
            self.ends.push(self.words.len());
        }
    }
}

/// A sweep over the ranges of neighbouring entries.
pub(super) struct Sweep<'a> {
    ranges: Peekable<Ranges<'a, Ipv4Net>>,
    /// Address bits below an entry.
    shift: u32,
    /// Next hop of the range that reaches into the next entry.
    nexthop: u16,
}

impl<'a> Sweep<'a> {
    /// Cuts `ranges`, which begin at the border of an entry.
    pub(super) fn new(ranges: Ranges<'a, Ipv4Net>, cut: Cut) -> Self {
        Self { ranges: ranges.peekable(), shift: cut.entry_shift(), nexthop: 0 }
    }

    /// Appends the list of `entry`: at least one range, the first at the entry's first address.
    fn entry(&mut self, entry: u32, words: &mut Vec<u32>) {
        let first = entry << self.shift;
        let last = first | ((1 << self.shift) - 1);
        if self.ranges.peek().is_none_or(|range| range.start != first) {
            words.push(range(first, self.nexthop));
        }
        while let Some(next) = self.ranges.next_if(|range| range.start <= last) {
            words.push(range(next.start, next.nexthop));
            self.nexthop = next.nexthop;
        }
    }
}
