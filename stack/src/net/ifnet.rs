//! Interfaces of a vnet (FreeBSD: `struct ifnet`, sys/net/if_var.h).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};

use crossbeam::utils::CachePadded;
use pmd::{CACHE_LINE, Offloads, PortId, prefetch_at};
use vnet::{Bound, Counter, Reader, VnetId, VnetRef};

use super::ahead::{Ahead, FIRST_BYTES, MORE_BYTES, Published};
use super::{AF_MAX, AfData, AfDomain, EpairEnd};
use crate::counters;
use crate::net::graph::Output;
use crate::wire::MacAddr;

/// Index of an interface inside its vnet, from 1 (FreeBSD: `if_index`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfIndex(pub u16);

/// Names an interface to workers and control: its place in the process-wide table in the lower 20 bits, and above it
/// how often the place was used before. So a packet that waits in a queue when its vnet dies finds no interface, rather than
/// the vnet that has the place by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfSlot(pub u32);

impl IfSlot {
    const PLACE_BITS: u32 = 20;
    /// How many places there are.
    pub(crate) const PLACES: usize = 1 << Self::PLACE_BITS;

    /// The first use of a place; `None` beyond [`Self::PLACES`].
    pub(crate) fn first(place: usize) -> Option<Self> {
        u32::try_from(place).ok().filter(|place| place >> Self::PLACE_BITS == 0).map(Self)
    }

    /// The same place for the next interface.
    pub(crate) fn next(self) -> Self {
        Self(self.0.wrapping_add(1 << Self::PLACE_BITS))
    }

    /// The place in the table.
    #[inline]
    pub(crate) const fn place(self) -> usize {
        self.0 as usize % Self::PLACES
    }
}

/// The way that an interface sends and receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfKind {
    /// A port, or one VLAN of it.
    Ethernet {
        /// The port.
        port: PortId,
        /// The 802.1Q VLAN id, or untagged.
        vlan: Option<u16>,
    },
    /// One end of an epair: sends to the other end, and receives from it.
    Epair(EpairEnd),
    /// Packets of the vnet to itself.
    Loopback,
}

impl IfKind {
    /// The port that it receives from, and the VLAN; an end of an epair has a port to itself.
    #[must_use]
    pub fn receives(self) -> Option<(PortId, Option<u16>)> {
        match self {
            IfKind::Ethernet { port, vlan } => Some((port, vlan)),
            IfKind::Epair(end) => Some((end.port(), None)),
            IfKind::Loopback => None,
        }
    }
}

counters! {
    /// One worker's counters of one interface (FreeBSD: `struct if_data`).
    pub struct IfCounters {
        /// Packets received.
        ipackets,
        /// Bytes received, without the VLAN tag and the frame check sequence.
        ibytes,
        /// Packets sent.
        opackets,
        /// Bytes sent, without the VLAN tag and the frame check sequence.
        obytes,
        /// Received with a group destination address.
        imcasts,
    }
}

/// Everything that one worker counts of one interface: a cache line.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct IfBlock {
    pub(crate) counters: IfCounters,
    /// Packets from here that a family's fast path forwarded. The family's statistics are the sum over the interfaces, so that
    /// the fast path has one line to write to.
    pub(crate) fastforward: Counter,
}

/// An interface's counters, by reader.
pub(crate) type IfCounterBlocks = Arc<[CachePadded<IfBlock>]>;

/// The calling worker's block.
#[inline]
pub(crate) fn block_of<'a>(blocks: &'a IfCounterBlocks, reader: &Reader) -> &'a IfBlock {
    // A slot beyond the table cannot be: readers are numbered by the domain that the table was sized from. The
    // remainder costs nothing next to a panic path that kills every tenant.
    let last = blocks.len() - 1;
    &blocks[reader.slot().min(last)]
}

/// Bytes from the first worker's block of counters to the calling worker's: all are on cache lines of their own.
#[inline(always)]
fn counters_offset(reader: &Reader) -> usize {
    reader.slot() * size_of::<CachePadded<IfBlock>>()
}

impl IfCounters {
    /// Where the calling worker's block is, if that of the first worker is at `first`.
    #[inline(always)]
    pub(crate) fn block_at(first: usize, reader: &Reader) -> usize {
        first + counters_offset(reader)
    }
}

/// The interface is administratively up.
const UP: u8 = 1;
/// A capture runs in its vnet.
const CAPTURED: u8 = 2;
/// It is on its way to another vnet.
const MOVING: u8 = 4;

/// An interface inside a vnet.
// The fast path reads the first cache line, and the second one if the vnet has more than few routes and one gateway. What it
// reads of a family stands there itself, by family, and its other data behind a pointer.
#[repr(C, align(64))]
pub struct Ifnet {
    /// The vnet that owns it now, with the variables of each family at hand.
    pub vnet: Bound<AF_MAX>,
    /// By reader; shared with the books, which outlive the interface.
    counters: IfCounterBlocks,
    /// Own MAC address.
    pub mac: MacAddr,
    /// [`UP`], [`CAPTURED`] and [`MOVING`]: in one word, so that one comparison tells whether a packet may take the fast path.
    /// Written by the control thread.
    state: AtomicU8,
    /// Whether the port tells of each packet whether its IPv4 header checksum is good.
    rx_checksum: AtomicBool,
    mtu: AtomicU32,
    /// Place in the process-wide table.
    pub slot: IfSlot,
    /// By family: address of what it has published for the vnet, for prefetching alone; the lowest bit is set if `ahead` names
    /// more.
    published: [AtomicUsize; AF_MAX],
    /// By family: a run of packets from here may read these of the vnet.
    ahead: [Ahead; AF_MAX],
    /// Whether the port fills in the IPv4 header checksum of what it is asked to.
    tx_checksum: AtomicBool,
    /// Each family's own data (FreeBSD: `if_afdata`).
    af_data: [AfData; AF_MAX],
    /// Name, unique in the vnet.
    pub name: String,
    /// Index in the vnet.
    pub index: IfIndex,
    /// The port, VLAN or epair that it sends to.
    pub kind: IfKind,
    /// The vnet that it was made in, and returns to when its owner dies.
    pub home_vnet: VnetId,
}

const _: () = assert!(std::mem::offset_of!(Ifnet, ahead) == 64);

/// The parts of an interface.
#[derive(Clone, Debug)]
pub struct IfnetParts {
    /// Name, unique in the vnet.
    pub name: String,
    /// Index in the vnet.
    pub index: IfIndex,
    /// Place in the process-wide table.
    pub slot: IfSlot,
    /// The way that it sends and receives.
    pub kind: IfKind,
    /// Own MAC address.
    pub mac: MacAddr,
    /// Largest IP packet, bytes.
    pub mtu: u16,
    /// The vnet that owns it now.
    pub vnet: VnetRef,
    /// The vnet that it was made in, and returns to when its owner dies.
    pub home_vnet: VnetId,
}

impl Ifnet {
    /// An interface that is up and has no address, with data of all `families` and a block of counters for each of `slots`
    /// readers.
    #[must_use]
    pub fn new(parts: IfnetParts, families: [AfDomain; AF_MAX], slots: usize) -> Self {
        let IfnetParts { name, index, slot, kind, mac, mtu, vnet, home_vnet } = parts;
        Self {
            name,
            index,
            slot,
            kind,
            mac,
            vnet: Bound::new(vnet, families.map(|family| family.module)),
            home_vnet,
            mtu: AtomicU32::new(u32::from(mtu)),
            state: AtomicU8::new(UP),
            rx_checksum: AtomicBool::new(false),
            tx_checksum: AtomicBool::new(false),
            af_data: families.map(|family| (family.ifattach)()),
            published: Default::default(),
            ahead: Default::default(),
            counters: (0..slots).map(|_| CachePadded::default()).collect(),
        }
    }

    /// The own data of the family at place `af`, if they are of this type.
    pub(crate) fn af_data<T: 'static>(&self, af: usize) -> Option<&T> {
        self.af_data.get(af)?.downcast_ref()
    }

    /// Takes note of what the family at place `af` has published for the vnet.
    pub(crate) fn set_published(&self, af: usize, published: &Published<'_>) {
        let (Some(address), Some(ahead)) = (self.published.get(af), self.ahead.get(af)) else {
            return;
        };
        let more = ahead.set(published, Arc::as_ptr(&self.counters).addr());
        address.store(published.address | usize::from(more), Ordering::Relaxed);
    }

    /// Asks for the interface itself: the cache line that the fast path reads.
    #[inline(always)]
    pub(crate) fn prefetch_first(&self) {
        prefetch_at((&raw const *self).addr(), CACHE_LINE);
    }

    /// Asks for what a run from here will read, counters included.
    #[inline(always)]
    pub(crate) fn prefetch(&self, reader: &Reader, out: &Output) {
        // Of the vnet itself no more than whether it may be set as curvnet, which its first line tells.
        prefetch_at(Arc::as_ptr(&self.vnet).addr(), CACHE_LINE);
        prefetch_at(Arc::as_ptr(&self.counters).addr() + counters_offset(reader), CACHE_LINE);
        for ((af, published), ahead) in self.published.iter().enumerate().zip(&self.ahead) {
            if let Some(variables) = self.vnet.first_variable(af) {
                prefetch_at(variables, CACHE_LINE);
            }
            let published = published.load(Ordering::Relaxed);
            prefetch_at(published & !1, FIRST_BYTES);
            if published & 1 == 1 {
                prefetch_at((published & !1) + FIRST_BYTES, MORE_BYTES - FIRST_BYTES);
                ahead.prefetch(reader, out);
            }
        }
    }

    /// Largest IP packet that leaves unfragmented, bytes.
    #[inline]
    pub fn mtu(&self) -> u32 {
        self.mtu.load(Ordering::Relaxed)
    }

    /// Sets the MTU; the caller publishes what adjacencies copy of it.
    pub(crate) fn set_mtu(&self, mtu: u16) {
        self.mtu.store(u32::from(mtu), Ordering::Relaxed);
    }

    /// Whether the interface is administratively up.
    #[inline]
    pub fn is_up(&self) -> bool {
        self.state.load(Ordering::Relaxed) & UP != 0
    }

    /// Takes the interface up or down; the caller publishes what adjacencies copy of it.
    pub(crate) fn set_up(&self, up: bool) {
        self.set_state(UP, up);
    }

    /// Whether a capture runs in its vnet.
    #[inline]
    pub fn is_captured(&self) -> bool {
        self.state.load(Ordering::Relaxed) & CAPTURED != 0
    }

    /// A capture runs in its vnet, or none any more.
    pub(crate) fn set_captured(&self, captured: bool) {
        self.set_state(CAPTURED, captured);
    }

    /// Whether packets may take the fast path: it is up, and no capture runs.
    #[inline]
    pub fn is_fast(&self) -> bool {
        self.state.load(Ordering::Relaxed) == UP
    }

    fn set_state(&self, bit: u8, on: bool) {
        let others = self.state.load(Ordering::Relaxed) & !bit;
        self.state.store(others | if on { bit } else { 0 }, Ordering::Relaxed);
    }

    /// Whether it is on its way to another vnet; then it is not up.
    #[inline]
    pub fn is_moving(&self) -> bool {
        self.state.load(Ordering::Relaxed) & MOVING != 0
    }

    /// Has workers drop what it receives from now on.
    pub(crate) fn begin_move(&self) {
        let captured = self.state.load(Ordering::Relaxed) & CAPTURED;
        self.state.store(captured | MOVING, Ordering::Relaxed);
    }

    /// Whether the port verifies IPv4 header checksums.
    #[inline]
    pub fn has_rx_checksum(&self) -> bool {
        self.rx_checksum.load(Ordering::Relaxed)
    }

    /// Whether the port fills in IPv4 header checksums.
    #[inline]
    pub fn has_tx_checksum(&self) -> bool {
        self.tx_checksum.load(Ordering::Relaxed)
    }

    /// Takes note of the IPv4 header checksums that the port sees to (FreeBSD: `if_hwassist`): then the fast path asks the packet's
    /// descriptor, and packets of our own leave theirs to the port.
    pub fn set_offloads(&self, offloads: Offloads) {
        self.rx_checksum.store(offloads.rx_ip_checksum, Ordering::Relaxed);
        self.tx_checksum.store(offloads.tx_ip_checksum, Ordering::Relaxed);
    }

    /// The calling worker's counters.
    #[inline]
    pub fn counters(&self, reader: &Reader) -> &IfCounters {
        &self.block(reader).counters
    }

    /// All that the calling worker counts.
    #[inline(always)]
    pub(crate) fn block(&self, reader: &Reader) -> &IfBlock {
        block_of(&self.counters, reader)
    }

    /// Packets that were received here and that the fast path forwarded, over all workers.
    pub(crate) fn fastforwarded(&self) -> u64 {
        self.counters.iter().map(|block| block.fastforward.get()).sum()
    }

    /// The counters themselves, which outlive the interface.
    pub(crate) fn counter_blocks(&self) -> IfCounterBlocks {
        Arc::clone(&self.counters)
    }

    /// The counters summed over the workers.
    #[must_use]
    pub fn total(&self) -> Vec<(&'static str, u64)> {
        IfCounters::sum(self.counters.iter().map(|block| &block.counters))
    }

    /// The 802.1Q VLAN id of what it sends and receives, if that is tagged.
    #[inline]
    #[must_use]
    pub fn vlan(&self) -> Option<u16> {
        match self.kind {
            IfKind::Ethernet { vlan, .. } => vlan,
            IfKind::Epair(_) | IfKind::Loopback => None,
        }
    }

    /// The port this interface sends to, if any; an end of an epair sends to the port of the other end.
    #[must_use]
    pub fn port(&self) -> Option<PortId> {
        match self.kind {
            IfKind::Ethernet { port, .. } => Some(port),
            IfKind::Epair(end) => Some(end.peer().port()),
            IfKind::Loopback => None,
        }
    }
}

impl fmt::Debug for Ifnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ifnet")
            .field("name", &self.name)
            .field("slot", &self.slot)
            .field("kind", &self.kind)
            .finish()
    }
}
