//! The fields that a fast path read of the packets of a burst, a column each.

use pmd::MAX_BURST;

use crate::wire::decrement_ttl;

/// An exception's fields mean nothing.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Columns {
    /// Sources, as in the header.
    pub(crate) src: [u32; MAX_BURST],
    /// Destinations, host byte order.
    pub(crate) dst: [u32; MAX_BURST],
    /// The header's word of TTL, protocol and checksum as it will be after one hop, little-endian.
    pub(crate) ttl: [u32; MAX_BURST],
    /// Bytes of the frame, neither tag nor trailer counted.
    pub(crate) pkt_len: [u32; MAX_BURST],
    /// Bytes of the trailer that was taken off, of a packet that had one.
    pub(crate) trailer: [u32; MAX_BURST],
}

impl Default for Columns {
    fn default() -> Self {
        let column = [0; MAX_BURST];
        Self { src: column, dst: column, ttl: column, pkt_len: column, trailer: column }
    }
}

impl Columns {
    /// The first `packets` packets take one hop more.
    #[inline(always)]
    pub(crate) fn take_hop(&mut self, packets: usize) {
        for word in self.ttl.get_mut(..packets).unwrap_or_default() {
            *word = decrement_ttl(*word);
        }
    }
}
