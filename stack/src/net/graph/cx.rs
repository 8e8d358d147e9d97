//! The things that a node may touch while it handles a vector.

use std::sync::atomic::Ordering;

use pmd::{Mbuf, MbufPool};
use vnet::Reader;

use super::columns::Columns;
use super::nodes::{Node, NodeStats};
use super::output::Output;
use super::queues::{Punt, PuntReason, WorkerQueues, push_fairly};
use crate::drops::{DropReason, Drops};
use crate::net::bpf::tap_dropped;
use crate::net::{Account, IfSlot, Ifnet, held_limit, mbuf_limit, vnet_net};
use crate::time::Nanos;

/// Packets of the vnets to themselves in one iteration, of which one vnet has half at most.
pub const LOOPBACK_PACKETS: usize = 128;

/// The vnet that is being processed, and the worker's own things. Lives for one run of packets of one interface.
#[expect(
    missing_debug_implementations,
    reason = "lives for one run and holds bases, which have nothing to show"
)]
pub struct Cx<'a> {
    /// Proof that nothing loaded is kept across a quiescent state.
    pub reader: &'a Reader,
    /// The interface that the packets came in through, or those that they answer. Its vnet is curvnet.
    pub ingress: &'a Ifnet,
    /// Frames on their way out.
    pub out: &'a mut Output,
    /// The fields that the fast path read of the packets that it handled last.
    pub(crate) columns: &'a mut Box<Columns>,
    /// Packets of the vnet to itself, handled at the end of the iteration.
    pub loopback: &'a mut Vec<(IfSlot, Mbuf)>,
    /// To the control thread.
    pub queues: &'a mut WorkerQueues,
    /// For packets of our own.
    pub pool: &'a MbufPool,
    /// The nodes' counters.
    pub nodes: &'a NodeStats,
    /// The time of this iteration.
    pub now: Nanos,
    /// Whether this iteration is timed node by node.
    pub timed: bool,
}

impl<'a> Cx<'a> {
    /// Module `net` of this vnet. Taken where it is used: the fast path does without.
    #[inline]
    pub fn net(&self) -> vnet_net::Base<'a> {
        vnet_net::init(&self.ingress.vnet)
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

    /// Ends a packet: frees it and counts why.
    #[inline]
    pub fn drop(&self, reason: DropReason, mbuf: Mbuf) {
        self.drops().add(reason, 1);
        if self.ingress.is_captured() {
            tap_dropped(self, reason, &mbuf);
        }
        drop(mbuf);
    }

    /// Ends a packet that was for this vnet itself.
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

    /// Hands a packet to the control thread, or drops it by name. Of the worker's queue a vnet gets no more than what it
    /// leaves free (Choudhury and Hahne, Dynamic Queue Length Thresholds, 1998): however many flood, there is room for one
    /// more. Of its share of the mbufs that are free, half is for neighbours' messages alone: packets that wait for an answer do not keep it
    /// from coming.
    #[cold]
    pub fn punt(&mut self, reason: PuntReason, mbuf: Mbuf) {
        let net = self.net();
        let share = self.queues.mbuf_share.load(Ordering::Relaxed);
        let (limit, share, reached) = match reason {
            PuntReason::Neighbor { .. } => (mbuf_limit(net), share, DropReason::MbufLimit),
            PuntReason::Redirect | PuntReason::Unresolved { .. } => {
                (held_limit(net), share / 2, DropReason::PuntLimit)
            }
        };
        if !net.in_flight().enter(limit.min(share)) {
            let reason = if share < limit { DropReason::MbufLimit } else { reached };
            return self.drop(reason, mbuf);
        }
        let punt = Punt { ingress: self.ingress.slot, reason, mbuf };
        if let Err(punt) = push_fairly(&mut self.queues.punt, net.punted(), punt) {
            net.in_flight().leave(1);
            self.drop(DropReason::PuntQueueFull, punt.mbuf);
        }
    }
}
