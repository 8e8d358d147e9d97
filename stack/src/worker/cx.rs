//! What a node may touch while it handles a vector.

use pmd::{Mbuf, MbufPool};
use vnet::{Reader, Vnet};

use super::nodes::{Node, NodeStats};
use super::output::Output;
use super::queues::{Punt, PuntReason, WorkerQueues};
use crate::drops::{DropReason, Drops};
use crate::inet::{Forwarding, IpStat, vnet_inet};
use crate::net::{Account, IfSlot, Ifnet, vnet_net};
use crate::time::Nanos;

/// The vnet that is being processed, and the worker's own things. Lives for one run of packets of one interface.
#[expect(
    missing_debug_implementations,
    reason = "lives for one run and holds bases, which have nothing to show"
)]
pub struct Cx<'a> {
    /// Proof that nothing loaded is kept across a quiescent state.
    pub reader: &'a Reader,
    /// The vnet: equal to curvnet.
    pub vnet: &'a Vnet,
    /// Module `inet` of this vnet.
    pub inet: vnet_inet::Base<'a>,
    /// Routes and adjacencies of this vnet; none before the control side published them.
    pub forwarding: Option<&'a Forwarding>,
    /// Frames on their way out.
    pub out: &'a mut Output,
    /// Packets of the vnet to itself, handled at the end of the iteration.
    pub loopback: &'a mut Vec<(IfSlot, Mbuf)>,
    /// To the control thread.
    pub queues: &'a WorkerQueues,
    /// For packets of our own.
    pub pool: &'a MbufPool,
    /// What each node did.
    pub nodes: &'a NodeStats,
    /// The time of this iteration.
    pub now: Nanos,
    /// Whether this iteration is timed node by node.
    pub timed: bool,
}

/// Packets of one vnet that may be with the control thread at a time; beyond it they are dropped by name, so that a
/// flood in one vnet leaves the queue to the others.
pub const IN_FLIGHT_LIMIT: u32 = 256;
/// The same for ARP. Above the other, because packets that wait for an address stay with the control thread for
/// seconds: a stranger who scans a network would otherwise keep out the answers that they wait for.
pub const ARP_IN_FLIGHT_LIMIT: u32 = 2 * IN_FLIGHT_LIMIT;

impl<'a> Cx<'a> {
    /// Module `net` of this vnet. Taken where it is used: the fast path does without.
    #[inline]
    pub fn net(&self) -> vnet_net::Base<'a> {
        vnet_net::init(self.vnet)
    }

    /// The drop counters of this vnet and worker.
    #[inline]
    pub fn drops(&self) -> &'a Drops {
        self.net().drops().get(self.reader)
    }

    /// The books of this vnet and worker.
    #[inline]
    pub fn account(&self) -> &'a Account {
        self.net().account().get(self.reader)
    }

    /// The IPv4 counters of this vnet and worker.
    #[inline]
    pub fn ipstat(&self) -> &'a IpStat {
        self.inet.ipstat().get(self.reader)
    }

    /// Ends a packet: frees it and counts why.
    #[inline]
    pub fn drop(&self, reason: DropReason, mbuf: Mbuf) {
        self.drops().add(reason, 1);
        drop(mbuf);
    }

    /// Ends a packet that somebody here took.
    #[inline]
    pub fn deliver(&self, mbuf: Mbuf) {
        self.account().delivered.inc();
        drop(mbuf);
    }

    /// Runs a node over `packets` packets.
    #[inline(always)]
    pub fn node<R>(&mut self, node: Node, packets: usize, work: impl FnOnce(&mut Self) -> R) -> R {
        let (nodes, timed) = (self.nodes, self.timed);
        nodes.run(node, packets, timed, || work(self))
    }

    /// Hands a packet to the control thread, or drops it by name.
    #[cold]
    pub fn punt(&self, ingress: &Ifnet, reason: PuntReason, mbuf: Mbuf) {
        let in_flight = self.net().in_flight();
        let limit = match reason {
            PuntReason::Arp => ARP_IN_FLIGHT_LIMIT,
            PuntReason::Unresolved { .. } => IN_FLIGHT_LIMIT,
        };
        if !in_flight.enter(limit) {
            return self.drop(DropReason::PuntLimit, mbuf);
        }
        if let Err(punt) = self.queues.punt.push(Punt { ingress: ingress.slot, reason, mbuf }) {
            in_flight.leave(1);
            self.drop(DropReason::PuntQueueFull, punt.mbuf);
        }
    }
}
