//! The layout `few`: a handful of address ranges, kept in vector registers.
//!
//! Datapath side. An idle vnet has one to three interfaces (connected prefix, own address, broadcast)
//! and perhaps a default route: that is about 5 to 20 ranges. Comparing a destination with *every* range
//! start costs less than walking any tree, because the compiler does it for eight packets at a time and
//! because there is no branch and no load that depends on the traffic.

use std::hint::select_unpredictable;

/// The most ranges that fit. Beyond this the layout `split` is as fast.
pub(super) const RANGES_MAX: usize = 24;

/// Packets handled together: four SSE registers of destinations, two of answers.
const LANES: usize = 16;

/// Starts that a single lookup reads first, with their next hops: one cache line, and all that most vnets have.
const NEAR: usize = 8;

/// The first ranges as a single lookup wants them: how many starts are at or below the destination tells the place of its next
/// hop. In one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(in super::super) struct Near {
    /// Where the ranges behind the first one start, as in [`Few`]; unused ones are above every address but the last.
    start: [i32; NEAR],
    /// The next hops of the ranges, and copies of the last one.
    hop: [u16; NEAR + 1],
    /// A bit for each range: no packet may come from there.
    no_source: u16,
}

impl Near {
    /// Leads nowhere.
    pub(in super::super) const NONE: Self =
        Self { start: [i32::MAX; NEAR], hop: [0; NEAR + 1], no_source: 0 };

    /// The range of an address.
    #[inline(always)]
    fn range(&self, address: u32) -> usize {
        let address = ordered(address);
        self.start.iter().map(|start| usize::from(address >= *start)).sum()
    }

    /// One destination.
    #[inline(always)]
    pub(in super::super) fn lookup(&self, dst: u32) -> u16 {
        self.hop.get(self.range(dst)).copied().unwrap_or_default()
    }

    /// Whether no packet may come from an address.
    #[inline(always)]
    pub(in super::super) fn is_no_source(&self, src: u32) -> bool {
        self.no_source >> self.range(src) & 1 == 1
    }

    /// No packet may come from the ranges whose next hops are such.
    pub(in super::super) fn refuse_sources(&mut self, are_such: impl Fn(u16) -> bool) {
        let ranges = self.hop.iter().enumerate().filter(|(_, hop)| are_such(**hop));
        self.no_source = ranges.fold(0, |ranges, (at, _)| ranges | 1 << at);
    }
}

/// Address ranges as steps: the next hop is the sum of all steps at or below the destination.
#[derive(Debug, Default)]
pub(in super::super) struct Few {
    /// Next hop of the range that starts at 0.0.0.0.
    first: u16,
    /// How many of `start` and `step` are in use.
    len: usize,
    /// Where each further range starts, as an order-preserving i32 (see [`ordered`]).
    start: [i32; RANGES_MAX - 1],
    /// Next hop of the range less that of the range before it, modulo 2^16.
    step: [u16; RANGES_MAX - 1],
}

/// Maps u32 order to i32 order: SSE2 compares signed integers only.
#[inline]
const fn ordered(address: u32) -> i32 {
    (address ^ 0x8000_0000).cast_signed()
}

impl Few {
    /// Builds the table from `(start, next hop)` in ascending order, the first start being 0.0.0.0.
    ///
    /// `None` if there are more ranges than fit.
    pub(in super::super) fn new(ranges: impl Iterator<Item = (u32, u16)>) -> Option<Self> {
        let mut few = Self::default();
        let mut previous = 0;
        for (start, nexthop) in ranges {
            if start == 0 {
                few.first = nexthop;
            } else {
                *few.start.get_mut(few.len)? = ordered(start);
                *few.step.get_mut(few.len)? = nexthop.wrapping_sub(previous);
                few.len += 1;
            }
            previous = nexthop;
        }
        Some(few)
    }

    /// The ranges in one cache line, if they fit.
    pub(in super::super) fn near(&self) -> Option<Near> {
        if self.len > NEAR {
            return None;
        }
        let mut near = Near { hop: [self.first; NEAR + 1], ..Near::NONE };
        for (at, (start, step)) in self.steps().enumerate() {
            near.start[at] = start;
            let hop = near.hop[at].wrapping_add(step);
            near.hop[at + 1..].fill(hop);
        }
        Some(near)
    }

    /// The steps in use.
    #[inline]
    fn steps(&self) -> impl Iterator<Item = (i32, u16)> {
        self.start.iter().zip(&self.step).take(self.len).map(|(&start, &step)| (start, step))
    }

    /// One destination.
    #[inline]
    pub(super) fn lookup(&self, dst: u32) -> u16 {
        let dst = ordered(dst);
        self.steps().fold(self.first, |nexthop, (start, step)| {
            nexthop.wrapping_add(select_unpredictable(dst >= start, step, 0))
        })
    }

    /// A vector of destinations.
    #[inline]
    pub(super) fn lookup_bulk(&self, dst: &[u32], out: &mut [u16]) {
        let (dst_blocks, dst_rest) = dst.as_chunks::<LANES>();
        let (out_blocks, out_rest) = out.as_chunks_mut::<LANES>();
        for (dst, out) in dst_blocks.iter().zip(out_blocks) {
            *out = self.lookup_block(dst);
        }
        for (&dst, out) in dst_rest.iter().zip(out_rest) {
            *out = self.lookup(dst);
        }
    }

    /// Sixteen destinations; the loops over `LANES` become vector instructions.
    #[inline]
    fn lookup_block(&self, dst: &[u32; LANES]) -> [u16; LANES] {
        let dst = dst.map(ordered);
        let mut out = [self.first; LANES];
        for (start, step) in self.steps() {
            for lane in 0..LANES {
                let taken = if dst[lane] >= start { step } else { 0 };
                out[lane] = out[lane].wrapping_add(taken);
            }
        }
        out
    }
}
