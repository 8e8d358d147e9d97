//! The bounded queues between workers and the control thread.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use crossbeam::queue::ArrayQueue;
use pmd::{Mbuf, PortId};

use crate::inet::ProbeNumber;
use crate::net::{IfSlot, InFlight};

/// Packets that may wait on the way to, or from, the control thread, or from other workers; per worker and each.
pub const QUEUE_PACKETS: usize = 1024;

/// Why a packet goes to the control thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PuntReason {
    /// An ARP packet that concerns our addresses or neighbours.
    Arp,
    /// An IP packet whose next hop (host byte order) has no MAC address yet.
    Unresolved {
        /// The interface that the next hop is on.
        egress: IfSlot,
        /// The next hop's address, host byte order.
        next_hop: u32,
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

/// What the control thread asks a worker to do with a packet.
#[derive(Debug)]
pub enum Inject {
    /// Send this frame on the interface as it is.
    Frame {
        /// The interface.
        egress: IfSlot,
        /// The frame, from the Ethernet header on.
        mbuf: Mbuf,
    },
    /// Route this IP packet again: its next hop may have become known.
    Route {
        /// Where it was received.
        ingress: IfSlot,
        /// The packet, with room for an Ethernet header at its front.
        mbuf: Mbuf,
    },
    /// Send this probe, and note when.
    Probe {
        /// The interface that it will probably leave through.
        ingress: IfSlot,
        /// Its number.
        number: ProbeNumber,
        /// The packet, with room for an Ethernet header at its front.
        mbuf: Mbuf,
    },
    /// Nobody answers for this packet's next hop: send the ICMP error and drop it.
    HostUnreachable {
        /// Where it was received.
        ingress: IfSlot,
        /// The packet.
        mbuf: Mbuf,
    },
}

/// A finished frame from a worker that has no transmit queue on the port.
#[derive(Debug)]
pub struct Handover {
    /// The port.
    pub port: PortId,
    /// The frame, ready for the wire.
    pub mbuf: Mbuf,
}

/// Puts an item into a queue that many share, unless its owner, who has `own` of them there, would then have more than what is
/// free.
pub(crate) fn push_fairly<T>(queue: &ArrayQueue<T>, own: &InFlight, item: T) -> Result<(), T> {
    let free = queue.capacity().saturating_sub(queue.len());
    if !own.enter(u32::try_from(free).unwrap_or(u32::MAX)) {
        return Err(item);
    }
    queue.push(item).inspect_err(|_| own.leave(1))
}

/// One worker's queues.
#[derive(Clone, Debug)]
pub struct WorkerQueues {
    /// From the worker to the control thread.
    pub punt: Arc<ArrayQueue<Punt>>,
    /// From the control thread to the worker.
    pub inject: Arc<ArrayQueue<Inject>>,
    /// From other workers. Apart from `inject`, so that no amount of traffic keeps ARP from being sent.
    pub handover: Arc<ArrayQueue<Handover>>,
    /// Mbufs that one vnet may occupy, of those that are free; the control thread looks.
    pub mbuf_share: Arc<AtomicU32>,
}

impl Default for WorkerQueues {
    fn default() -> Self {
        Self {
            punt: Arc::new(ArrayQueue::new(QUEUE_PACKETS)),
            inject: Arc::new(ArrayQueue::new(QUEUE_PACKETS)),
            handover: Arc::new(ArrayQueue::new(QUEUE_PACKETS)),
            mbuf_share: Arc::new(AtomicU32::new(u32::MAX)),
        }
    }
}
