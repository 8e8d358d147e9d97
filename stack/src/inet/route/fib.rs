//! The forwarding table that workers read: a destination in, a next hop index out.
//!
//! Datapath side. A [`Fib`] is only ever read here; [`FibControl`](super::FibControl) writes it. Like
//! FreeBSD's `fib_algo`, there are several layouts and the control side chooses one by the size of the
//! table (see [`FibPolicy`](super::FibPolicy)):
//!
//! | layout | holds | one lookup | memory |
//! |---|---|---|---|
//! | few    | up to 24 address ranges | one compare a range, eight packets at a time | 160 bytes |
//! | split  | thousands of routes | root of 2^10, node of 2^6, directories, a list | 5 KiB + at most 310 bytes a route |
//! | direct | millions of routes | table of 2^16, 2^18 or 2^20, directories, a list | 4 bytes an entry + about 9 to 12 a route, at most 28 |
//!
//! Split and direct are DXR (`sys/netinet/in_fib_dxr.c`; Zec, Rizzo, Mikuc: "DXR: towards a billion
//! routing lookups per second in software", CCR 2012): a table indexed by the leading bits of the
//! destination answers at once, or names a sorted list of address ranges. A list has at most 16 ranges here, which one
//! instruction compares with the destination. Where there are more, the entry names a *directory*, a smaller table that is indexed by the
//! next bits, and whose entries are like those of the table; so a search takes as many dependent loads as there are levels, one as a
//! rule, and not one for each halving of a long list.
//!
//! # Reading while the control thread writes
//!
//! Every answer is the one before or the one after the change that is under way, never a third:
//!
//! 1. A list of ranges is written to arena words that no entry refers to, and then the one entry that
//!    covers those addresses is switched to it by a Release store. A reader loads that entry once, with
//!    Acquire: it has the old list or the new one, and both are whole.
//! 2. The old list stays as it is until a grace period has passed (each reader was quiescent after the
//!    switch); only then are its words handed out again. See [`GraceToken`](super::GraceToken).
//! 3. A destination is covered by exactly one entry at each level, and each level is one load. A directory that keeps its size stays
//!    where it is, and its entries are switched one by one, as those of the table are; one that does not is written anew with all
//!    that is below it, and switched to as a list is. The old one and all below it are left alone until the grace period has passed, so a
//!    reader that is on its way down finds what was there before.
//! 4. A change of the layout or of the arena makes another `Fib`, which the caller publishes.

mod dxr;
mod few;
#[cfg(any(test, not(all(target_feature = "avx2", target_feature = "bmi2"))))]
mod rank;
#[cfg(all(target_feature = "avx2", target_feature = "bmi2"))]
mod rank_avx2;
pub(super) mod words;

pub(super) use dxr::{NODE_BITS, ROOT_BITS, Tables};
pub(super) use few::Few;
use few::Near;

/// The most ranges that the layout `few` can hold.
pub const FEW_RANGES_MAX: usize = few::RANGES_MAX;

/// What a lookup found: the id of a next-hop group, or [`NextHopIndex::NONE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct NextHopIndex(pub u16);

impl NextHopIndex {
    /// No route covers the destination.
    pub const NONE: Self = Self(0);

    /// Whether no route covers the destination.
    #[inline]
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Longest-prefix match over IPv4 destinations, safe to read while the control thread changes it.
#[derive(Debug)]
pub struct Fib(pub(super) Layout);

/// How a [`Fib`] holds its routes.
#[derive(Debug)]
pub(super) enum Layout {
    /// All ranges in a few vector registers.
    Few(Few),
    /// Root of 2^10 entries, nodes of 2^6 entries, ranges.
    Split(Tables),
    /// Table of 2^16 entries, ranges.
    Direct16(Tables),
    /// Table of 2^18 entries, ranges.
    Direct18(Tables),
    /// Table of 2^20 entries, ranges.
    Direct20(Tables),
}

/// A copy of a small [`Fib`] for lookups of single destinations: one cache line.
#[derive(Clone, Copy, Debug)]
pub struct NearFib(Near);

impl NearFib {
    /// No route.
    pub const NONE: Self = Self(Near::NONE);

    /// The next hop for `dst` (host byte order), as [`Fib::lookup`] finds it.
    #[inline(always)]
    #[must_use]
    pub fn lookup(&self, dst: u32) -> NextHopIndex {
        NextHopIndex(self.0.lookup(dst))
    }

    /// Whether an address (host byte order) leads to a next hop that no packet may come from.
    #[inline(always)]
    #[must_use]
    pub fn is_no_source(&self, src: u32) -> bool {
        self.0.is_no_source(src)
    }
}

impl Fib {
    /// A copy of the table, if it is small enough; no packet may come from next hops that `are_no_sources`. The layout `few` never
    /// changes in place, so the copy is as good as the table.
    #[must_use]
    pub fn near(&self, are_no_sources: impl Fn(NextHopIndex) -> bool) -> Option<NearFib> {
        match &self.0 {
            Layout::Few(few) => few.near().map(|mut near| {
                near.refuse_sources(|hop| are_no_sources(NextHopIndex(hop)));
                NearFib(near)
            }),
            Layout::Split(_) | Layout::Direct16(_) | Layout::Direct18(_) | Layout::Direct20(_) => {
                None
            }
        }
    }

    /// The next hop for `dst` (host byte order).
    #[inline]
    #[must_use]
    pub fn lookup(&self, dst: u32) -> NextHopIndex {
        NextHopIndex(match &self.0 {
            Layout::Few(few) => few.lookup(dst),
            Layout::Split(tables) => tables.lookup::<{ dxr::SPLIT }>(dst),
            Layout::Direct16(tables) => tables.lookup::<16>(dst),
            Layout::Direct18(tables) => tables.lookup::<18>(dst),
            Layout::Direct20(tables) => tables.lookup::<20>(dst),
        })
    }

    /// The next hops for a vector of destinations (host byte order); 0 means that no route covers it.
    ///
    /// Fills as many answers as the shorter of the two slices holds; callers pass slices of the same
    /// length, of any size (a worker's vector is 64 as a rule and 256 at most).
    #[inline]
    pub fn lookup_bulk(&self, dst: &[u32], out: &mut [u16]) {
        debug_assert_eq!(dst.len(), out.len());
        match &self.0 {
            Layout::Few(few) => few.lookup_bulk(dst, out),
            Layout::Split(tables) => tables.lookup_bulk::<{ dxr::SPLIT }>(dst, out),
            Layout::Direct16(tables) => tables.lookup_bulk::<16>(dst, out),
            Layout::Direct18(tables) => tables.lookup_bulk::<18>(dst, out),
            Layout::Direct20(tables) => tables.lookup_bulk::<20>(dst, out),
        }
    }

    /// Bytes of memory that this table holds, its own struct included.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + match &self.0 {
                Layout::Few(_) => 0,
                Layout::Split(tables)
                | Layout::Direct16(tables)
                | Layout::Direct18(tables)
                | Layout::Direct20(tables) => tables.memory_bytes(),
            }
    }

    /// The name of the layout in use: `few`, `split`, `direct16`, `direct18` or `direct20`.
    #[must_use]
    pub const fn layout_name(&self) -> &'static str {
        match &self.0 {
            Layout::Few(_) => "few",
            Layout::Split(_) => "split",
            Layout::Direct16(_) => "direct16",
            Layout::Direct18(_) => "direct18",
            Layout::Direct20(_) => "direct20",
        }
    }
}
