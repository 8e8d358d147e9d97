//! Frames for one port of one worker, and the way that they leave by.

use std::sync::{Arc, Mutex, PoisonError};

use pmd::{Burst, MAX_BURST, Mbuf, PortId, TxQueue};
use rtrb::Producer;
use vnet::Counter;

/// How frames leave through a port.
#[derive(Debug)]
enum Via {
    /// This worker's own transmit queue.
    Queue(TxQueue),
    /// A transmit queue that other workers send through as well.
    Shared(Arc<Mutex<TxQueue>>),
    /// A ring.
    Ring(Producer<Mbuf>),
    /// Nowhere: frames stay until the caller of [`Output::frames`](super::Output::frames) takes them.
    Collect,
}

/// Counts what became of the frames for one port of one worker.
#[derive(Debug, Default)]
pub struct TxCounters {
    /// Taken by the port.
    pub sent: Counter,
    /// Freed because the port took no more.
    pub dropped: Counter,
    /// Freed because other workers were sending through the transmit queue until no more frames could be kept.
    pub handover_full: Counter,
}

impl TxCounters {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.sent.get() + self.dropped.get() + self.handover_full.get()
    }
}

/// Frames for one port.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct TxPort {
    // The fields that are read before a frame is added are in the first cache lines.
    port: PortId,
    /// Whether the port is among those that wait.
    waiting: bool,
    via: Via,
    counters: Arc<TxCounters>,
    frames: Burst,
}

/// How often a worker that gives a port back tries to send what it kept for it: a millisecond, or less.
const LAST_TRIES: usize = 10_000;

/// Bytes of a [`TxPort`] in front of most of its frames.
pub(super) const FIRST_BYTES: usize = 128;

impl TxPort {
    /// Frames leave through `queue`.
    #[must_use]
    pub fn queue(port: PortId, queue: TxQueue) -> Self {
        Self::new(port, Via::Queue(queue))
    }

    /// Frames leave through `queue` when no other worker is sending through it, and are kept until then. A worker never
    /// waits for another one, which the kernel may have preempted.
    #[must_use]
    pub fn shared(port: PortId, queue: Arc<Mutex<TxQueue>>) -> Self {
        Self::new(port, Via::Shared(queue))
    }

    /// Frames go to a reader on another thread; those that find no room are dropped.
    #[must_use]
    pub fn ring(port: PortId, ring: Producer<Mbuf>) -> Self {
        Self::new(port, Via::Ring(ring))
    }

    /// Frames stay until the caller of [`Output::frames`](super::Output::frames) takes them.
    #[must_use]
    pub fn collect(port: PortId) -> Self {
        Self::new(port, Via::Collect)
    }

    fn new(port: PortId, via: Via) -> Self {
        let (frames, counters) = (Burst::new(), Arc::default());
        Self { port, waiting: false, via, counters, frames }
    }

    /// The counters of its frames; for a reader on another thread.
    #[must_use]
    pub fn counters(&self) -> Arc<TxCounters> {
        Arc::clone(&self.counters)
    }

    /// Gives its transmit queue back, unless it has none, or other workers still have it, too. Frames that it kept are
    /// dropped.
    #[must_use]
    pub fn into_queue(mut self) -> Option<TxQueue> {
        let kept = self.frames.len() as u64;
        self.frames.clear();
        match self.via {
            Via::Queue(queue) => Some(queue),
            Via::Shared(queue) => {
                self.counters.handover_full.add(kept);
                let last = Arc::into_inner(queue)?;
                Some(last.into_inner().unwrap_or_else(PoisonError::into_inner))
            }
            Via::Ring(_) | Via::Collect => None,
        }
    }

    /// Notes that it waits for the end of the iteration. True unless it did so before.
    #[inline(always)]
    pub(super) fn begins_to_wait(&mut self) -> bool {
        !std::mem::replace(&mut self.waiting, true)
    }

    /// Sends what waited for the end of the iteration. True if frames are kept for the next one.
    #[inline(always)]
    pub(super) fn end_wait(&mut self) -> bool {
        self.flush();
        self.waiting = matches!(self.via, Via::Shared(_)) && !self.frames.is_empty();
        self.waiting
    }

    /// Sends what it keeps, also if other workers send meanwhile: it is not asked again. They send for as long as a burst
    /// takes, unless the kernel preempts them.
    pub(super) fn send_all(&mut self) {
        for _ in 0..LAST_TRIES {
            self.flush();
            if self.frames.is_empty() {
                return;
            }
            std::hint::spin_loop();
        }
    }

    /// The port.
    #[inline]
    pub(super) fn port(&self) -> PortId {
        self.port
    }

    /// The frames that wait.
    #[inline]
    pub(super) fn frames(&mut self) -> &mut Burst {
        &mut self.frames
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

    /// After a flush only these are still full: a port that others send through, and one whose frames are not collected.
    #[cold]
    fn refuse(&mut self, mbuf: Mbuf) {
        match self.via {
            Via::Shared(_) => self.counters.handover_full.inc(),
            Via::Queue(_) | Via::Ring(_) | Via::Collect => self.counters.dropped.inc(),
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

    /// Hands the waiting frames to the port; what it does not take is freed and counted. Keeps them while another worker sends
    /// through the same queue.
    #[inline]
    pub fn flush(&mut self) {
        if self.frames.is_empty() {
            return;
        }
        let offered = self.frames.len();
        let sent = match &mut self.via {
            Via::Queue(queue) => queue.tx(&mut self.frames),
            Via::Shared(queue) => match queue.try_lock() {
                Ok(mut queue) => queue.tx(&mut self.frames),
                Err(_) => return,
            },
            Via::Ring(ring) => send_to_ring(ring, &mut self.frames),
            Via::Collect => return,
        };
        self.counters.sent.add(sent as u64);
        self.counters.dropped.add((offered - sent) as u64);
    }
}

/// Moves the frames that find room into the ring, and frees the others; how many were moved.
fn send_to_ring(ring: &mut Producer<Mbuf>, frames: &mut Burst) -> usize {
    let count = frames.len().min(ring.slots());
    let sent = ring.write_chunk_uninit(count).map_or(0, |room| room.fill_from_iter(frames.drain()));
    frames.clear();
    sent
}
