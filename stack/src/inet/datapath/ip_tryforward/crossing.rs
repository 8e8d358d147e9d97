//! Bursts that cross an epair, from one vnet's fast path to the next one's.
//!
//! The first vnet has read and checked all headers, and the second one writes over all that the first would write. So a
//! burst that goes to the other end of an epair as a whole is not touched: what was read of it stays in the columns, and
//! its headers are those that it was received with. New ones are written by the vnet that it leaves from; or, before a vnet
//! looks at its packets more closely, by whoever finds that it has to.

use pmd::{Burst, Mbuf, PortId};

use super::check::Columns;
use super::{HEADERS, load32};
use crate::net::route::FastHop;
use crate::wire::{MacAddr, decrement_ttl};

/// What a worker's fast path knows of the packets that it handled last.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    pub(crate) columns: Columns,
    /// Where they are, if they cross an epair.
    pub(crate) crossing: Option<Crossing>,
}

impl Headers {
    /// The crossing that has not come to its end, if there is one. Whoever asks goes on with it: to the end, or by
    /// [`Crossing::write_to`].
    #[inline(always)]
    pub(crate) fn take_crossing(&mut self) -> Option<Crossing> {
        self.crossing.take()
    }

    /// The same, if it leads to `port`.
    #[inline(always)]
    pub(crate) fn take_crossing_to(&mut self, port: PortId) -> Option<Crossing> {
        self.crossing.take_if(|crossing| crossing.port == port)
    }
}

/// A burst on its way, whose packets have yet to get the headers that the last vnet sent them with.
#[derive(Debug)]
#[must_use = "the frames still have the headers that they were received with"]
pub(crate) struct Crossing {
    /// The link header, as in [`FastHop::link`].
    link: [u8; 16],
    /// The end that receives them.
    port: PortId,
    /// How many there are.
    packets: u16,
    /// How many vnets they passed, each of which lowers the TTL.
    routers: u16,
}

impl Crossing {
    /// Of `packets` that leave through `hop`, by now with the headers of the crossing `before`.
    pub(super) fn new(hop: &FastHop, packets: usize, before: Option<&Self>) -> Self {
        Self {
            link: hop.link,
            port: hop.port,
            packets: packets as u16,
            routers: before.map_or(0, |before| before.routers) + 1,
        }
    }

    /// The end that receives.
    #[inline(always)]
    pub(crate) fn port(&self) -> PortId {
        self.port
    }

    /// The crossing of `frames`, which waited at the end. It goes on with them if they are its own alone; if others followed,
    /// all have headers afterwards.
    #[inline(always)]
    pub(crate) fn alone_in(self, frames: &mut Burst) -> Option<Self> {
        if frames.len() == usize::from(self.packets) {
            return Some(self);
        }
        self.write_to(frames.as_mut_slice());
        None
    }

    /// Whether the link header is one that `mac` receives from a single station.
    #[inline(always)]
    pub(super) fn leads_to(&self, mac: MacAddr) -> bool {
        let [a, b, c, d, e, f, source, ..] = self.link;
        [a, b, c, d, e, f] == mac.0 && source & 1 == 0
    }

    /// Writes the headers of its packets, or of some of them; what follows them in a queue is none of its own.
    #[cold]
    #[inline(never)]
    pub(crate) fn write_to(&self, frames: &mut [Mbuf]) {
        for mbuf in frames.iter_mut().take(usize::from(self.packets)) {
            // It had headers when the first vnet read them.
            let Some(h) = mbuf.data_mut().first_chunk_mut::<HEADERS>() else { continue };
            let ttl = (0..self.routers).fold(load32(h, 22), |ttl, _| decrement_ttl(ttl));
            write_headers(h, &self.link, ttl);
        }
    }
}

/// Writes the parts of a packet that forwarding changes: untagged link header, TTL and checksum.
#[inline(always)]
pub(super) fn write_headers(h: &mut [u8; HEADERS], link: &[u8; 16], ttl: u32) {
    // Two stores that overlap, of which each is one instruction.
    h[0..8].copy_from_slice(&link[0..8]);
    h[6..14].copy_from_slice(&link[6..14]);
    h[22..26].copy_from_slice(&ttl.to_le_bytes());
}
