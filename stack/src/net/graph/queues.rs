//! The bounded queues between a worker and the control thread.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use pmd::Mbuf;
use rtrb::{Consumer, Producer, PushError, RingBuffer};

use crate::net::{IfSlot, InFlight};

/// Packets that may wait on the way to, or from, the control thread; per worker and each.
pub const QUEUE_PACKETS: usize = 1024;

/// Why a packet goes to the control thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PuntReason {
    /// A message between neighbours (ARP) that concerns our addresses or our neighbours.
    Neighbor {
        /// Whether it asks for an address that we answer for, but do not have.
        is_proxied: bool,
    },
    /// An ICMP redirect that is to be logged.
    Redirect,
    /// A packet whose next hop has no MAC address yet.
    Unresolved {
        /// The interface that the next hop is on.
        egress: IfSlot,
        /// The next hop's address, which may be of another family than the packet.
        next_hop: IpAddr,
    },
}

/// A packet on its way to the control thread; the Ethernet header stands at its front.
#[derive(Debug)]
pub struct Punt {
    /// Where it was received.
    pub ingress: IfSlot,
    /// Why it goes.
    pub reason: PuntReason,
    /// The packet.
    pub mbuf: Mbuf,
}

/// A packet on its way from the control thread.
#[derive(Debug)]
pub struct Inject {
    /// The interface that a frame leaves through; of the other packets, the one that they came in through, or that a probe will
    /// probably leave through. Its vnet is the packet's.
    pub slot: IfSlot,
    /// The packet. Its Ethernet header is that of a frame, or room for one.
    pub mbuf: Mbuf,
    /// The work to be done with it.
    pub work: InjectWork,
}

/// A probe's number: never the same twice while an answer may still come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeNumber(pub u32);

/// The work that the control thread asks a worker to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InjectWork {
    /// Send this frame on the interface as it is.
    Frame,
    /// Route this IP packet again: its next hop may have become known.
    Route,
    /// Send this probe, and note when.
    Probe(ProbeNumber),
    /// No neighbour answers for this packet's next hop: send the ICMP error and drop it.
    HostUnreachable,
}

/// Puts an item into a queue that many share, unless its owner, which has `own` of them there, would then have more than what is
/// free.
pub(crate) fn push_fairly<T>(queue: &mut Producer<T>, own: &InFlight, item: T) -> Result<(), T> {
    if !own.enter(u32::try_from(queue.slots()).unwrap_or(u32::MAX)) {
        return Err(item);
    }
    queue.push(item).map_err(|PushError::Full(item)| {
        own.leave(1);
        item
    })
}

/// A worker's ends of the queues between it and the control thread.
///
/// Each queue has one producer and one consumer, so that neither of them waits for the other one when the kernel has
/// preempted it in the middle of a packet.
#[derive(Debug)]
pub struct WorkerQueues {
    /// To the control thread.
    pub punt: Producer<Punt>,
    /// From the control thread.
    pub inject: Consumer<Inject>,
    /// Mbufs that one vnet may occupy, of those that are free; the control thread looks.
    pub mbuf_share: Arc<AtomicU32>,
}

/// The control thread's ends of the queues between it and one worker.
#[derive(Debug)]
pub struct ControlQueues {
    /// From the worker.
    pub punt: Consumer<Punt>,
    /// To the worker.
    pub inject: Producer<Inject>,
    /// Mbufs that one vnet may occupy.
    pub mbuf_share: Arc<AtomicU32>,
}

impl ControlQueues {
    /// Packets that the worker has not taken yet.
    #[must_use]
    pub fn injected(&self) -> usize {
        QUEUE_PACKETS - self.inject.slots()
    }
}

/// The queues between a worker and the control thread.
#[must_use]
pub fn control_queues() -> (WorkerQueues, ControlQueues) {
    let (punt, punted) = RingBuffer::new(QUEUE_PACKETS);
    let (inject, injected) = RingBuffer::new(QUEUE_PACKETS);
    let share = Arc::new(AtomicU32::new(u32::MAX));
    let worker = WorkerQueues { punt, inject: injected, mbuf_share: Arc::clone(&share) };
    (worker, ControlQueues { punt: punted, inject, mbuf_share: share })
}
