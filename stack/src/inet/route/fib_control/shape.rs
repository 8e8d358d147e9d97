//! How the ranges of an entry lie in the arena: as a hit, as a list, or as a directory of smaller entries.
//!
//! Control side. The shape depends on nothing but the ranges, so that a table that was changed is like one that
//! was built afresh.

use super::super::fib::words::{LIST_RANGES_MAX, range_start};
use super::kind::Cut;

/// The addresses of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The low 16 bits of the first one.
    first: u32,
    /// How many bits tell them apart.
    bits: u8,
}

impl Span {
    /// The addresses of an entry with these ranges in the table (or in a node).
    pub(super) fn of(ranges: &[u32], cut: Cut) -> Self {
        let first = ranges.first().map_or(0, |range| range_start(*range));
        Self { first, bits: cut.entry_shift() as u8 }
    }
}

/// The shape of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One range.
    Hit,
    /// At most [`LIST_RANGES_MAX`] ranges.
    List,
    /// More: 2^bits entries.
    Directory(u8),
}

impl Shape {
    /// The shape of an entry for `span` that has so many ranges.
    ///
    /// A directory has about as many entries as there are ranges (three quarters to one and a half times as many), so that most of its
    /// entries are hits where routes are of one length; or, where at least every second address begins a range, an entry for each address, and
    /// no lists.
    pub(super) const fn of(span: Span, ranges: usize) -> Self {
        if ranges <= 1 {
            Self::Hit
        } else if ranges <= LIST_RANGES_MAX {
            Self::List
        } else if 1 << span.bits <= 2 * ranges {
            Self::Directory(span.bits)
        } else {
            // No more bits than the span has: it has more than twice as many addresses as ranges.
            Self::Directory((ranges + ranges / 2).ilog2() as u8)
        }
    }
}

/// The spans of the entries of a directory of 2^`bits` entries for `span`, and the ranges of each: those that begin in it,
/// and before them the one that reaches into it.
pub(super) fn entries(
    span: Span,
    bits: u8,
    ranges: &[u32],
) -> impl Iterator<Item = (Span, &[u32])> {
    let below = span.bits - bits;
    let mut end = 0;
    (0..1u32 << bits).map(move |slot| {
        let first = span.first + (slot << below);
        let last = first + (1 << below) - 1;
        let begins_here = ranges.get(end).is_some_and(|range| range_start(*range) == first);
        let begin = if begins_here { end } else { end.saturating_sub(1) };
        end += ranges[end..].iter().take_while(|range| range_start(**range) <= last).count();
        (Span { first, bits: below }, &ranges[begin..end])
    })
}

/// Words of arena that these ranges take.
pub(super) fn arena_words(span: Span, ranges: &[u32]) -> usize {
    match Shape::of(span, ranges.len()) {
        Shape::Hit => 0,
        Shape::List => ranges.len(),
        Shape::Directory(bits) => {
            let below: usize =
                entries(span, bits, ranges).map(|(span, ranges)| arena_words(span, ranges)).sum();
            (1 << bits) + below
        }
    }
}
