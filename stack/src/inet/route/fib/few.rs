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
