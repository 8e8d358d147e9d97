//! What a worker has for each port: the frames that wait for the end of the iteration, and the transmit queue.

use std::sync::Arc;

use crossbeam::queue::ArrayQueue;
use pmd::{Burst, MAX_BURST, MAX_PORTS, Mbuf, PortId, TxQueue, prefetch_at};
use vnet::Counter;

use super::epairs::Epairs;
use super::queues::{Handover, push_fairly};
use crate::net::{EpairEnd, InFlight};

/// How frames leave through a port.
#[derive(Debug)]
enum Via {
    /// This worker's own transmit queue.
    Queue(TxQueue),
    /// The worker that has one, by its handover queue.
    Handover(Arc<ArrayQueue<Handover>>),
    /// Nobody: frames stay until somebody takes them. Tests and the forwarding lab read them here.
    Collect,
    /// The other end of an epair, which takes them from here. With the frames that found no room.
    Epair {
        /// How many.
        refused: u64,
    },
}

/// What became of the frames for one port of one worker.
#[derive(Debug, Default)]
pub struct TxCounters {
    /// Taken by the port.
    pub sent: Counter,
    /// Freed because the port, or the worker that owns its queue, took no more.
    pub dropped: Counter,
}

/// Frames for one port.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct TxPort {
    // What is read before a frame is added is in the first cache lines.
    port: PortId,
    /// Whether the port is among those that wait.
    waiting: bool,
    via: Via,
    /// How many of its frames wait in the queue between workers; shared by all that send through it.
    handed_over: Option<Arc<InFlight>>,
    counters: Arc<TxCounters>,
    frames: Burst,
}

/// Bytes of a [`TxPort`] in front of most of its frames.
const FIRST: usize = 128;

impl TxPort {
    /// Frames leave through `queue`.
    #[must_use]
    pub fn queue(port: PortId, queue: TxQueue) -> Self {
        Self::new(port, Via::Queue(queue))
    }

    /// Frames leave through the worker that reads `owner`.
    #[must_use]
    pub fn handover(port: PortId, owner: Arc<ArrayQueue<Handover>>) -> Self {
        Self::new(port, Via::Handover(owner))
    }

    /// Frames stay until the caller of [`Output::frames`] takes them.
    #[must_use]
    pub fn collect(port: PortId) -> Self {
        Self::new(port, Via::Collect)
    }

    /// Frames wait for an end of an epair, for none yet.
    pub(super) fn epair(counters: Arc<TxCounters>) -> Self {
        Self { counters, ..Self::new(PortId(u16::MAX), Via::Epair { refused: 0 }) }
    }

    fn new(port: PortId, via: Via) -> Self {
        let (frames, counters) = (Burst::new(), Arc::default());
        Self { port, frames, waiting: false, via, handed_over: None, counters }
    }

    /// Of the queue between workers the port gets its share only. All workers that have the port, the owner of its queue
    /// among them, are given the same count.
    #[must_use]
    pub fn sharing(self, handed_over: Arc<InFlight>) -> Self {
        Self { handed_over: Some(handed_over), ..self }
    }

    /// A frame that another worker handed over.
    pub(super) fn take_handed_over(&mut self, mbuf: Mbuf) {
        if let Some(handed_over) = &self.handed_over {
            handed_over.leave(1);
        }
        self.push(mbuf);
    }

    /// What became of its frames; for a reader on another thread.
    #[must_use]
    pub fn counters(&self) -> Arc<TxCounters> {
        Arc::clone(&self.counters)
    }

    /// Gives its transmit queue back, if it has one of its own.
    #[must_use]
    pub fn into_queue(self) -> Option<TxQueue> {
        match self.via {
            Via::Queue(queue) => Some(queue),
            Via::Handover(_) | Via::Collect | Via::Epair { .. } => None,
        }
    }

    /// The port.
    #[inline]
    pub(super) fn port(&self) -> PortId {
        self.port
    }

    pub(super) fn set_port(&mut self, port: PortId) {
        self.port = port;
    }

    /// The frames that wait for an end of an epair, and how many more there were that found no room.
    #[inline]
    pub(super) fn take_epair(&mut self) -> (&mut Burst, u64) {
        let refused = match &mut self.via {
            Via::Epair { refused } => std::mem::take(refused),
            Via::Queue(_) | Via::Handover(_) | Via::Collect => 0,
        };
        (&mut self.frames, refused)
    }

    /// The frames that wait.
    #[inline]
    pub(super) fn frames(&mut self) -> &mut Burst {
        &mut self.frames
    }

    /// Ends the frames that wait for an end of an epair; how many there were, with those that found no room.
    pub(super) fn discard(&mut self) -> u64 {
        let (frames, refused) = self.take_epair();
        let count = frames.len() as u64 + refused;
        frames.clear();
        count
    }

    /// Appends one frame.
    #[inline]
    pub fn push(&mut self, mbuf: Mbuf) {
        if self.frames.len() == MAX_BURST {
            self.flush();
        }
        if let Err(mbuf) = self.frames.push(mbuf) {
            self.refuse(mbuf);
        }
    }

    /// Only a port that nobody collects from is still full after a flush, and the other end of an epair.
    #[cold]
    fn refuse(&mut self, mbuf: Mbuf) {
        match &mut self.via {
            Via::Epair { refused } => *refused += 1,
            Via::Queue(_) | Via::Handover(_) | Via::Collect => self.counters.dropped.inc(),
        }
        drop(mbuf);
    }

    /// Moves the frames whose bit is set, `count` of them, out of `burst`.
    #[inline]
    pub fn extract(&mut self, burst: &mut Burst, mask: &[u64; MAX_BURST / 64], count: usize) {
        if self.frames.len() + count > MAX_BURST {
            self.flush();
            if self.frames.len() + count > MAX_BURST {
                return self.extract_what_fits(burst, mask);
            }
        }
        let _moved: usize = burst.extract(mask, &mut self.frames);
    }

    #[cold]
    fn extract_what_fits(&mut self, burst: &mut Burst, mask: &[u64; MAX_BURST / 64]) {
        let mut leaving = Burst::new();
        let _moved: usize = burst.extract(mask, &mut leaving);
        leaving.drain().for_each(|mbuf| self.push(mbuf));
    }

    /// Hands the waiting frames to the port; what it does not take is freed and counted.
    #[inline]
    pub fn flush(&mut self) {
        if self.frames.is_empty() {
            return;
        }
        match &mut self.via {
            Via::Queue(queue) => {
                let offered = self.frames.len();
                let sent = queue.tx(&mut self.frames);
                self.counters.sent.add(sent as u64);
                self.counters.dropped.add((offered - sent) as u64);
            }
            Via::Handover(_) => self.hand_over(),
            Via::Collect | Via::Epair { .. } => {}
        }
    }

    #[cold]
    fn hand_over(&mut self) {
        let Via::Handover(owner) = &self.via else { return };
        for mbuf in self.frames.drain() {
            let frame = Handover { port: self.port, mbuf };
            let pushed = match &self.handed_over {
                Some(own) => push_fairly(owner, own, frame),
                None => owner.push(frame),
            };
            if let Err(refused) = pushed {
                self.counters.dropped.inc();
                drop(refused);
            }
        }
    }
}

/// All ports of one worker, by port id, and the ends of epairs.
#[derive(Debug, Default)]
pub struct Output {
    ports: Vec<Option<TxPort>>,
    /// What ends of epairs shall receive.
    epairs: Epairs,
    /// Those with frames that wait, so that the end of an iteration costs nothing for the others. One place for each port:
    /// it never grows.
    waiting: Vec<PortId>,
}

impl Output {
    /// The ports given, each at its id.
    #[must_use]
    pub fn new(ports: impl IntoIterator<Item = TxPort>) -> Self {
        let mut output = Self { ports: Vec::with_capacity(MAX_PORTS), ..Self::default() };
        for tx in ports {
            let _none = output.insert(tx);
        }
        output.waiting.reserve_exact(output.ports.len().max(MAX_PORTS));
        output
    }

    /// Frames for its port leave through `tx` from now on; what they left through before. Takes no memory for ports that
    /// DPDK can have.
    pub(super) fn insert(&mut self, tx: TxPort) -> Option<TxPort> {
        let at = usize::from(tx.port.0);
        if self.ports.len() <= at {
            self.ports.resize_with(at + 1, || None);
        }
        self.ports[at].replace(tx)
    }

    /// Sends what waits; no frame leaves through `port` any more.
    pub(super) fn remove(&mut self, port: PortId) -> Option<TxPort> {
        self.flush();
        self.ports.get_mut(usize::from(port.0))?.take()
    }

    /// The frames for `port`, to which the caller adds some.
    #[inline]
    pub fn port(&mut self, port: PortId) -> Option<&mut TxPort> {
        if let Some(end) = EpairEnd::of_port(port) {
            return Some(self.epairs.queue(end));
        }
        let tx = self.ports.get_mut(usize::from(port.0))?.as_mut()?;
        if !tx.waiting {
            tx.waiting = true;
            self.waiting.push(port);
        }
        Some(tx)
    }

    /// Asks for what frames for `port` need.
    #[inline(always)]
    pub(crate) fn prefetch(&self, port: PortId) {
        if let Some(tx) = self.ports.get(usize::from(port.0)) {
            prefetch_at((&raw const *tx).addr(), FIRST);
        }
    }

    /// Whether frames can leave through `port`.
    #[must_use]
    pub fn has(&self, port: PortId) -> bool {
        EpairEnd::of_port(port).is_some()
            || self.ports.get(usize::from(port.0)).is_some_and(Option::is_some)
    }

    /// Whether `port` is the other end of an epair for which nothing waits yet, but could.
    #[inline(always)]
    pub(crate) fn can_cross(&self, port: PortId) -> bool {
        EpairEnd::of_port(port).is_some_and(|end| self.epairs.is_idle(end))
    }

    /// What ends of epairs shall receive.
    #[inline]
    pub(super) fn epairs(&mut self) -> &mut Epairs {
        &mut self.epairs
    }

    /// Takes the frames that wait for `port`, one after the other; not for an epair, whose frames may be without their
    /// headers.
    pub fn frames(&mut self, port: PortId) -> impl Iterator<Item = Mbuf> + '_ {
        debug_assert!(EpairEnd::of_port(port).is_none(), "{port:?} is an end of an epair");
        let frames = self.port(port).map(|tx| &mut tx.frames);
        frames.into_iter().flat_map(Burst::drain)
    }

    /// What became of the frames, by port.
    #[must_use]
    pub fn counters(&self) -> Vec<(PortId, Arc<TxCounters>)> {
        self.ports.iter().flatten().map(|tx| (tx.port, Arc::clone(&tx.counters))).collect()
    }

    /// Gives the transmit queues back.
    #[must_use]
    pub fn into_queues(self) -> Vec<(PortId, TxQueue)> {
        let own = |tx: TxPort| Some((tx.port, tx.into_queue()?));
        self.ports.into_iter().flatten().filter_map(own).collect()
    }

    /// Hands all waiting frames to their ports.
    #[inline]
    pub fn flush(&mut self) {
        for port in self.waiting.drain(..) {
            if let Some(Some(tx)) = self.ports.get_mut(usize::from(port.0)) {
                tx.waiting = false;
                tx.flush();
            }
        }
    }
}
