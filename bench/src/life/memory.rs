//! The memory that is taken: mbufs, DPDK's heap, and the rest of the process.

use std::fmt;

use anyhow::Result;
use serde::Serialize;

use super::lab::Lab;
use crate::machine::resident_bytes;

/// Memory at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Memory {
    /// Packets that somebody has.
    pub(super) mbufs: u32,
    /// Taken from DPDK's heap: on hugepages where there are any, and then the containers of vnets are there.
    pub(super) heap_bytes: u64,
    /// Resident memory of the process. Hugepages are none of it; without them DPDK's heap is, as far as it was touched.
    pub(super) resident_bytes: u64,
}

impl Memory {
    /// Now.
    pub(super) fn now(lab: &Lab) -> Result<Self> {
        Ok(Self {
            mbufs: lab.pool.in_use(),
            heap_bytes: pmd::hugepage::heap_bytes(&lab.eal) as u64,
            resident_bytes: resident_bytes()?,
        })
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = |bytes: u64| bytes as f64 / 1024.0;
        write!(
            f,
            "{} mbufs, {:.1} KiB of DPDK's heap, {:.0} KiB resident",
            self.mbufs,
            kib(self.heap_bytes),
            kib(self.resident_bytes)
        )
    }
}
