//! One capture as workers see it: what it wants, and a ring for each of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crossbeam::utils::CachePadded;
use vnet::{Counter, Reader};

use super::filter::{Filter, Packet};
use super::ring::{Ring, WORD, Writer};
use crate::drops::DropReason;
use crate::net::{IfSlot, Ifnet};
use crate::time::Nanos;

/// Bytes of all workers' rings of one capture, and of each.
const RINGS_BYTES: usize = 4 << 20;
const RING_BYTES_MIN: usize = 256 << 10;
const RING_BYTES_MAX: usize = 1 << 20;
/// Bytes of the control thread's, which drops few packets.
const CONTROL_RING_BYTES: usize = 64 << 10;
/// Words of a record before the packet: time, direction and lengths, the interface's name.
const HEAD_WORDS: usize = 5;
/// Bytes of an interface's name, without the zero that ends it in C (IFNAMSIZ, net/if.h).
const NAME_BYTES: usize = 2 * WORD;

/// All captures of one vnet, as its workers see them.
#[derive(Debug)]
pub struct Captures(pub(crate) Vec<Arc<Tap>>);

/// The wishes of a capture.
#[derive(Debug)]
pub struct TapSpec {
    /// Packets of this interface only.
    pub interface: Option<IfSlot>,
    /// And of these only those that it takes.
    pub filter: Filter,
    /// Bytes of a packet that are kept at most.
    pub snaplen: u32,
    /// Packets that are dropped, too, with the reason.
    pub drops: bool,
}

/// Which way a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It was received.
    In,
    /// It was sent.
    Out,
    /// It was dropped; the interface is the one that it, or what it answers, came in through.
    Dropped(DropReason),
}

/// A packet that was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// When: the beginning of the worker's iteration.
    pub time: Nanos,
    /// The interface's name.
    pub interface: String,
    /// Which way it went.
    pub direction: Direction,
    /// Its length on the wire, without a VLAN tag, bytes.
    pub wire_len: u32,
    /// Its first bytes, from the Ethernet header on.
    pub bytes: Vec<u8>,
}

/// Why a capture ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TapEnd {
    /// Its vnet was destroyed.
    VnetDestroyed = 1,
    /// Its interface was destroyed.
    InterfaceDestroyed,
    /// Its interface is in another vnet now.
    InterfaceMoved,
}

/// One capture.
#[derive(Debug)]
pub struct Tap {
    spec: TapSpec,
    /// By reader, the control thread's last.
    lanes: Box<[CachePadded<Lane>]>,
    end: AtomicU8,
}

/// One reader's part, with that reader as the only writer.
#[derive(Debug)]
struct Lane {
    ring: Ring,
    received: Counter,
    dropped: Counter,
}

impl Tap {
    /// A capture with rings for `slots` readers.
    #[must_use]
    pub(crate) fn new(spec: TapSpec, slots: usize) -> Self {
        let workers = slots.saturating_sub(1);
        let share = RINGS_BYTES / workers.max(1);
        let bytes = |slot| match slot == workers {
            true => CONTROL_RING_BYTES,
            false => share.clamp(RING_BYTES_MIN, RING_BYTES_MAX),
        };
        let lane = |slot| {
            let ring = Ring::new(bytes(slot) / WORD);
            CachePadded::new(Lane { ring, received: Counter::ZERO, dropped: Counter::ZERO })
        };
        Self { spec, lanes: (0..slots).map(lane).collect(), end: AtomicU8::new(0) }
    }

    /// The only interface that it wants, if there is one.
    pub(crate) fn interface(&self) -> Option<IfSlot> {
        self.spec.interface
    }

    /// Takes a packet of `ifp`, if it is wanted and there is room (FreeBSD: `bpf_mtap`, `catchpacket`).
    pub(super) fn offer(
        &self,
        reader: &Reader,
        now: Nanos,
        ifp: &Ifnet,
        direction: Direction,
        packet: &impl Pieces,
    ) {
        if self.spec.interface.is_some_and(|slot| slot != ifp.slot)
            || (matches!(direction, Direction::Dropped(_)) && !self.spec.drops)
        {
            return;
        }
        let wanted = self.spec.filter.run(packet);
        let Some(lane) = self.lanes.get(reader.slot()).filter(|_| wanted > 0) else { return };
        lane.received.inc();
        let kept = wanted.min(self.spec.snaplen).min(packet.len());
        match lane.ring.begin(HEAD_WORDS + (kept as usize).div_ceil(WORD)) {
            Some(mut writer) => {
                write_head(&mut writer, now, &ifp.name, direction, packet.len(), kept);
                write_bytes(&mut writer, packet, kept as usize);
                writer.done();
            }
            None => lane.dropped.inc(),
        }
    }

    /// The next packet, worker after worker; none when nothing waits. `words` is scratch memory. For one thread.
    pub fn read(&self, words: &mut Vec<u64>) -> Option<Captured> {
        self.lanes.iter().find_map(|lane| lane.ring.take(words).then(|| captured(words))?)
    }

    /// Packets that the filter took.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.received.get()).sum()
    }

    /// Packets of these for which there was no room.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.dropped.get()).sum()
    }

    pub(crate) fn set_end(&self, end: TapEnd) {
        self.end.store(end as u8, Ordering::Relaxed);
    }

    /// Why it ended, if it did so by itself. What it took before may still be read.
    #[must_use]
    pub fn end(&self) -> Option<TapEnd> {
        const ALL: [TapEnd; 3] =
            [TapEnd::VnetDestroyed, TapEnd::InterfaceDestroyed, TapEnd::InterfaceMoved];
        let end = self.end.load(Ordering::Relaxed);
        ALL.into_iter().find(|one| *one as u8 == end)
    }
}

/// A packet whose bytes lie in several places.
pub(super) trait Pieces: Packet {
    /// They, in order.
    fn pieces(&self) -> impl Iterator<Item = &[u8]>;
}

impl Pieces for [u8] {
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self)
    }
}

const IN: u64 = 0;
const OUT: u64 = 1;
/// And above it the drop reasons.
const DROPPED: u64 = 2;

fn write_head(
    writer: &mut Writer<'_>,
    now: Nanos,
    name: &str,
    direction: Direction,
    wire_len: u32,
    kept: u32,
) {
    let direction = match direction {
        Direction::In => IN,
        Direction::Out => OUT,
        Direction::Dropped(reason) => DROPPED + reason as u64,
    };
    let mut text = [0; NAME_BYTES];
    text.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
    writer.word(now.0);
    writer.word(direction);
    writer.word(u64::from(wire_len) << 32 | u64::from(kept));
    let (words, _) = text.as_chunks::<WORD>();
    words.iter().for_each(|word| writer.word(u64::from_le_bytes(*word)));
}

/// Writes the first `left` bytes, word for word across the pieces.
fn write_bytes(writer: &mut Writer<'_>, packet: &impl Pieces, mut left: usize) {
    let mut word = [0u8; WORD];
    let mut filled = 0;
    for piece in packet.pieces() {
        let (mut piece, _) = piece.split_at(piece.len().min(left));
        left -= piece.len();
        if filled > 0 {
            let (begin, rest) = piece.split_at(piece.len().min(WORD - filled));
            word[filled..].iter_mut().zip(begin).for_each(|(to, from)| *to = *from);
            filled += begin.len();
            piece = rest;
            if filled < WORD {
                continue;
            }
            writer.word(u64::from_le_bytes(word));
        }
        let (words, rest) = piece.as_chunks::<WORD>();
        words.iter().for_each(|word| writer.word(u64::from_le_bytes(*word)));
        word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        filled = rest.len();
    }
    if filled > 0 {
        writer.word(u64::from_le_bytes(word));
    }
}

/// A record's packet; none if the record is spoiled, which cannot be.
fn captured(words: &[u64]) -> Option<Captured> {
    let (head, words) = words.split_first_chunk::<HEAD_WORDS>()?;
    let [time, direction, lengths, name @ ..] = head;
    let direction = match *direction {
        IN => Direction::In,
        OUT => Direction::Out,
        dropped => {
            let reason = usize::try_from(dropped - DROPPED).ok()?;
            Direction::Dropped(*DropReason::ALL.get(reason)?)
        }
    };
    let name: Vec<u8> = name.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.truncate((lengths & u64::from(u32::MAX)) as usize);
    Some(Captured {
        time: Nanos(*time),
        interface: String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned(),
        direction,
        wire_len: (lengths >> 32) as u32,
        bytes,
    })
}
