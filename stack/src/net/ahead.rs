//! Prefetches the cache lines that a vnet's next run will read.
//!
//! With many vnets in turn, nothing of the next one is in the caches. The way from an interface to what its packets need is a
//! chain: the vnet, its variables, what is published there, the tables, and the counters of where packets leave. Each
//! link would be a miss that waits for the one before. So an interface knows where all of that is, the
//! beginning in its own first cache line and the rest in the second, and a worker asks for it together: some runs ahead of the
//! one that it processes, or, with many ports in turn, before the packets come.

use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use pmd::{CACHE_LINE, PortId, prefetch_at};
use vnet::Reader;

use super::{IfCounters, IfSlot, Interfaces};
use crate::net::graph::Output;

/// Bytes of what a family publishes that every run reads, two cache lines.
pub(crate) const FIRST_BYTES: usize = 128;
/// Bytes of it that runs of other vnets read.
pub(crate) const MORE_BYTES: usize = 256;
/// Interfaces that packets leave through and that are prefetched as well: most vnets have no more.
pub(crate) const FIRST_EGRESSES: usize = 4;

/// Where what a family has published for a vnet lies, as far as a run of packets may read it.
#[derive(Debug)]
pub(crate) struct Published<'a> {
    /// The address of its first [`MORE_BYTES`].
    pub(crate) address: usize,
    /// Whether a run reads no more than the first [`FIRST_BYTES`], as a rule.
    pub(crate) is_small: bool,
    /// The beginnings of tables beside it, as address and bytes.
    pub(crate) tables: [(usize, usize); 2],
    /// The table of the interfaces that packets leave through.
    pub(crate) egress_table: (usize, usize),
    /// Those interfaces: where the counters of the first worker are, and the port.
    pub(crate) egresses: &'a [(usize, PortId)],
}

/// Addresses of what the interface's vnet has. They are asked for and never followed: one that is out of date costs a
/// few cycles.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Ahead {
    /// Tables beside what is published for the vnet.
    tables: [Region; 3],
    egresses: [Egress; FIRST_EGRESSES],
}

/// Cache lines side by side: where they begin, and in the lower bits, which are zero in there, how many there are.
#[derive(Debug, Default)]
struct Region(AtomicUsize);

impl Region {
    fn set(&self, (address, bytes): (usize, usize)) {
        let first = address / CACHE_LINE * CACHE_LINE;
        let lines = (address + bytes - first).div_ceil(CACHE_LINE).min(CACHE_LINE - 1);
        self.0.store(first | lines, Ordering::Relaxed);
    }

    #[inline(always)]
    fn prefetch(&self) {
        let region = self.0.load(Ordering::Relaxed);
        if region != 0 {
            prefetch_at(region / CACHE_LINE * CACHE_LINE, region % CACHE_LINE * CACHE_LINE);
        }
    }
}

/// An interface that packets leave through.
#[derive(Debug, Default)]
struct Egress {
    /// Where its counters begin, those of the first worker; 0 is no such interface.
    counters: AtomicUsize,
    port: AtomicU16,
}

impl Ahead {
    /// Takes note of the tables that were published for the vnet of the interface whose own counters are at `counters`. False if
    /// a run reads none of them.
    pub(crate) fn set(&self, published: &Published<'_>, counters: usize) -> bool {
        // Packets that leave where they came in need no more than the counters of the interface.
        let mut ways = published.egresses.iter().filter(|(first, _)| *first != counters);
        let has_several = published.egresses.len() > 1;
        let egress_table = if has_several { published.egress_table } else { (0, 0) };
        let [first, second] = published.tables;
        for (region, new) in self.tables.iter().zip([first, second, egress_table]) {
            region.set(new);
        }
        for egress in &self.egresses {
            let (counters, port) = ways.next().copied().unwrap_or((0, PortId(0)));
            egress.counters.store(counters, Ordering::Relaxed);
            egress.port.store(port.0, Ordering::Relaxed);
        }
        !published.is_small || has_several
    }

    /// Asks for it.
    #[inline(never)]
    pub(crate) fn prefetch(&self, reader: &Reader, out: &Output) {
        self.tables.iter().for_each(Region::prefetch);
        for egress in &self.egresses {
            let counters = egress.counters.load(Ordering::Relaxed);
            if counters == 0 {
                return;
            }
            prefetch_at(IfCounters::block_at(counters, reader), CACHE_LINE);
            out.prefetch(PortId(egress.port.load(Ordering::Relaxed)));
        }
    }
}

/// Links of the way from a port to what its vnet has.
pub(crate) const LINKS: usize = 3;

impl Interfaces {
    /// Asks for the link of the way that `port` needs `turns` turns before its own: what was asked for in the turns before
    /// is there by now, and leads to the next. From `turns` = [`LINKS`] down to 1, the whole way, without waiting for any
    /// of it. The interface, once all was asked for.
    #[inline(always)]
    pub(crate) fn look_ahead(
        &self,
        reader: &Reader,
        out: &Output,
        port: PortId,
        turns: usize,
    ) -> Option<IfSlot> {
        let demux = self.port(reader, port)?;
        if turns == LINKS {
            pmd::prefetch(demux);
            return None;
        }
        let ifp = demux.untagged.as_deref()?;
        if turns > 1 {
            ifp.prefetch_first();
            return None;
        }
        ifp.prefetch(reader, out);
        Some(ifp.slot)
    }
}
