//! The interfaces that packets leave through, as the fast path wants them.

use std::sync::Arc;

use hashbrown::HashMap;
use pmd::PortId;
use vnet::Reader;

use super::Adjacency;
use crate::net::{IfCounterBlocks, IfCounters, block_of};

/// An interface that packets leave through: its port, and the counters that the fast path adds to, without the interface itself.
#[derive(Debug)]
pub struct Egress {
    /// Its port.
    pub port: PortId,
    counters: IfCounterBlocks,
}

impl Egress {
    /// The calling worker's counters of the interface.
    #[inline(always)]
    #[must_use]
    pub fn counters(&self, reader: &Reader) -> &IfCounters {
        &block_of(&self.counters, reader).counters
    }

    /// Where the counters of the first worker are; for prefetching.
    pub(crate) fn first_counters(&self) -> usize {
        Arc::as_ptr(&self.counters).addr()
    }

    /// The interfaces of adjacencies, each once, and for each adjacency the number of its own.
    pub(super) fn number(adjacencies: &[Adjacency]) -> (Box<[Self]>, Vec<u32>) {
        let (mut egresses, mut places) = (Vec::new(), HashMap::new());
        let numbers = adjacencies.iter().map(|adjacency| {
            *places.entry(adjacency.slot).or_insert_with(|| {
                let counters = adjacency.ifp.counter_blocks();
                egresses.push(Self { port: adjacency.port, counters });
                egresses.len() as u32 - 1
            })
        });
        let numbers = numbers.collect();
        (egresses.into(), numbers)
    }
}
