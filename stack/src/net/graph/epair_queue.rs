//! The queue of one end of an epair: frames on their way from one vnet to another one, on one worker.
//!
//! The vnet that sends a burst to an epair has read and checked all headers, and the vnet that receives it writes over all that
//! the first one would write. So a burst that crosses as a whole is not touched: the queue keeps what was read of it
//! ([`Columns`]) and the link header that it was sent with, beside frames that still have the headers that they were received
//! with. No such frame comes out of the queue: the receiver gets [`Unwritten`] frames, and every way from there to an mbuf
//! writes the headers. A frame that is added to them writes them, too.

use pmd::{Burst, Mask, Mbuf};

use super::columns::Columns;
use super::output::Output;
use crate::net::EpairEnd;
use crate::wire::{ETHER_HDR_LEN, IP_HDR_LEN, MacAddr};

/// The bytes of an untagged frame that forwarding changes are among so many.
pub(crate) const HEADERS: usize = ETHER_HDR_LEN + IP_HDR_LEN;

/// The first 16 bytes of a link header; of an untagged one, 14 count.
pub(crate) type Link = [u8; 16];

/// Frames for one end of an epair.
#[derive(Debug)]
pub(crate) struct EpairQueue {
    /// The end that receives them.
    end: Option<EpairEnd>,
    frames: Burst,
    /// How many more there were that found no room.
    refused: u64,
    /// Of the frames that crossed last.
    crossed: Option<Crossed>,
}

/// A burst that was sent without being touched.
#[derive(Debug)]
struct Crossed {
    /// The fields that the sender's fast path read of its frames.
    columns: Box<Columns>,
    /// The link header that they were sent with.
    link: Link,
    /// Whether the frames in the queue are those, and have the headers that they were received with.
    unwritten: bool,
}

impl EpairQueue {
    /// Nothing, for no end yet.
    pub(super) fn new() -> Self {
        Self { end: None, frames: Burst::new(), refused: 0, crossed: None }
    }

    /// The end that receives.
    #[inline(always)]
    pub(super) fn end(&self) -> Option<EpairEnd> {
        self.end
    }

    /// Frames are for `end` from now on.
    pub(super) fn turn_to(&mut self, end: EpairEnd) {
        self.end = Some(end);
    }

    /// Appends one frame.
    #[inline]
    pub(super) fn push(&mut self, mbuf: Mbuf) {
        self.write_headers();
        if let Err(mbuf) = self.frames.push(mbuf) {
            self.refused += 1;
            drop(mbuf);
        }
    }

    /// Moves the frames whose bit is set out of `burst`, as far as there is room.
    #[inline]
    pub(super) fn extract(&mut self, burst: &mut Burst, mask: &Mask, count: usize) {
        if self.frames.room() < count {
            let mut leaving = Burst::new();
            let _moved: usize = burst.extract(mask, &mut leaving);
            return leaving.drain().for_each(|mbuf| self.push(mbuf));
        }
        self.write_headers();
        let _moved: usize = burst.extract(mask, &mut self.frames);
    }

    /// Takes a whole burst, of which `columns` were read and which was sent with this link header, as it is. The queue is empty.
    #[inline]
    pub(super) fn cross(&mut self, burst: &mut Burst, columns: Box<Columns>, link: Link) {
        let _moved: usize = self.frames.append(burst);
        self.crossed = Some(Crossed { columns, link, unwritten: true });
    }

    /// Writes the headers of frames that crossed: others follow.
    #[inline(always)]
    fn write_headers(&mut self) {
        if self.crossed.as_ref().is_some_and(|crossed| crossed.unwritten) {
            self.write_unwritten();
        }
    }

    #[cold]
    fn write_unwritten(&mut self) {
        let Received::Unwritten(frames) = self.receive() else { return };
        let (_frames, _columns) = frames.written();
    }

    /// The frames, as the end receives them.
    #[inline]
    pub(crate) fn receive(&mut self) -> Received<'_> {
        let Self { frames, crossed, .. } = self;
        match crossed {
            Some(crossed) if crossed.unwritten => {
                Received::Unwritten(Unwritten { frames, crossed })
            }
            _ => Received::Written(frames),
        }
    }

    /// How many frames found no room since this was last asked.
    pub(crate) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    /// Ends the frames; how many there were, with those that found no room.
    pub(crate) fn discard(&mut self) -> u64 {
        let count = self.frames.len() as u64;
        self.frames.clear();
        count + self.take_refused()
    }

    /// The memory of the columns, for the next burst that crosses; the queue is empty.
    pub(super) fn take_columns(&mut self) -> Option<Box<Columns>> {
        self.crossed.take().map(|crossed| crossed.columns)
    }
}

/// Frames that an interface received.
#[derive(Debug)]
pub(crate) enum Received<'q> {
    /// As they came from a port, or with the headers that another vnet sent them with.
    Written(&'q mut Burst),
    /// Another vnet sent them, and their headers are still to be written.
    Unwritten(Unwritten<'q>),
}

impl<'q> Received<'q> {
    /// How many there are.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Written(frames) => frames.len(),
            Self::Unwritten(unwritten) => unwritten.frames.len(),
        }
    }

    /// Ends the frames behind the first `packets`.
    pub(crate) fn truncate(&mut self, packets: usize) {
        let frames = match self {
            Self::Written(frames) => frames,
            Self::Unwritten(unwritten) => &mut *unwritten.frames,
        };
        while frames.len() > packets {
            drop(frames.pop());
        }
    }

    /// The frames with their headers.
    #[inline(always)]
    pub(crate) fn written(self) -> &'q mut Burst {
        match self {
            Self::Written(frames) => frames,
            Self::Unwritten(unwritten) => unwritten.written().0,
        }
    }
}

/// Frames that still have the headers that they were received with by the first of the vnets that they passed.
#[derive(Debug)]
pub(crate) struct Unwritten<'q> {
    frames: &'q mut Burst,
    crossed: &'q mut Crossed,
}

impl<'q> Unwritten<'q> {
    /// How many there are.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// The fields that were read of them.
    #[inline(always)]
    pub(crate) fn columns(&self) -> &Columns {
        &self.crossed.columns
    }

    /// They take one hop more: the columns' words of the TTL are then those that they leave the next vnet with.
    #[inline(always)]
    pub(crate) fn take_hop(&mut self) {
        self.crossed.columns.take_hop(self.frames.len());
    }

    /// Whether the link header that they were sent with is one that `mac` receives from a single station.
    #[inline(always)]
    pub(crate) fn are_for(&self, mac: MacAddr) -> bool {
        let [a, b, c, d, e, f, source, ..] = self.crossed.link;
        [a, b, c, d, e, f] == mac.0 && source & 1 == 0
    }

    /// Writes the headers that they were sent with; the frames, and what was read of them.
    #[cold]
    #[inline(never)]
    pub(crate) fn written(self) -> (&'q mut Burst, &'q mut Columns) {
        let link = self.crossed.link;
        self.write(&link)
    }

    /// Writes the headers that they leave the next vnet with: this link header, and the word of the TTL as the columns have it.
    /// The frames, and what was read of them.
    #[inline(always)]
    pub(crate) fn write(self, link: &Link) -> (&'q mut Burst, &'q mut Columns) {
        let Self { frames, crossed } = self;
        for (mbuf, ttl) in frames.as_mut_slice().iter_mut().zip(&crossed.columns.ttl) {
            // It had headers when the first vnet read them.
            let Some(h) = mbuf.data_mut().first_chunk_mut::<HEADERS>() else { continue };
            write_headers(h, link, *ttl);
        }
        crossed.unwritten = false;
        (frames, &mut crossed.columns)
    }

    /// Sends them on to the end of an epair that [`Output::can_cross`] names, without touching them: with this link header, and
    /// the word of the TTL as the columns have it. The burst that they were in.
    #[inline(always)]
    pub(crate) fn cross(self, out: &mut Output, end: EpairEnd, link: Link) -> &'q mut Burst {
        let Self { frames, crossed } = self;
        crossed.unwritten = false;
        out.cross(end, frames, &mut crossed.columns, link);
        frames
    }
}

/// Writes the parts of a packet that forwarding changes: untagged link header, TTL and checksum.
#[inline(always)]
pub(crate) fn write_headers(h: &mut [u8; HEADERS], link: &Link, ttl: u32) {
    // Two stores that overlap, of which each is one instruction.
    h[0..8].copy_from_slice(&link[0..8]);
    h[6..14].copy_from_slice(&link[6..14]);
    h[22..26].copy_from_slice(&ttl.to_le_bytes());
}
