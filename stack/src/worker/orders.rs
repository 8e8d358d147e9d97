//! Orders of the control thread to a worker: to end, or to take or give back queues of a port.
//!
//! A worker looks at one flag in each iteration. Memory that a change needs comes with it and goes back with the answer:
//! the worker neither allocates nor frees.

use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::queue::ArrayQueue;
use pmd::{PortId, RxQueue, TxQueue};

use super::poll::PolledQueue;

/// Changes on their way to a worker, and as many on their way back. The control thread waits for each.
const CHANGES: usize = 4;

/// The orders to one worker.
#[derive(Debug)]
pub struct Orders {
    /// Whether there is anything to look at; all that an iteration costs.
    pending: AtomicBool,
    stop: AtomicBool,
    changes: ArrayQueue<Box<PortChange>>,
    done: ArrayQueue<Box<PortChange>>,
}

impl Default for Orders {
    fn default() -> Self {
        Self {
            pending: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            changes: ArrayQueue::new(CHANGES),
            done: ArrayQueue::new(CHANGES),
        }
    }
}

impl Orders {
    /// The worker shall end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.pending.store(true, Ordering::Release);
    }

    /// The worker shall take or give back a port's queues. The change comes back when there is no room.
    pub fn change(&self, change: Box<PortChange>) -> Result<(), Box<PortChange>> {
        self.changes.push(change)?;
        self.pending.store(true, Ordering::Release);
        Ok(())
    }

    /// A change that the worker made.
    #[must_use]
    pub fn take_done(&self) -> Option<Box<PortChange>> {
        self.done.pop()
    }

    /// Whether the worker should look.
    #[inline(always)]
    pub(super) fn are_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed)
    }

    /// Makes the changes that wait; false when the worker shall end.
    #[cold]
    pub(super) fn carry_out(&self, mut make: impl FnMut(&mut PortChange)) -> bool {
        // First, so that what comes from now on is looked at in the next iteration.
        let _asked: bool = self.pending.swap(false, Ordering::AcqRel);
        for _ in 0..CHANGES {
            let Some(mut change) = self.changes.pop() else { break };
            make(&mut change);
            // There is room: the control thread takes each answer before it sends the next change.
            let _room: Result<(), Box<PortChange>> = self.done.push(change);
        }
        !self.stop.load(Ordering::Acquire)
    }
}

/// Which way the queues go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// To the worker.
    Attach,
    /// Back, all of them.
    Detach,
    /// Back, those that it receives from; it goes on sending.
    Release,
}

/// The queues of a port on their way to a worker, or from it.
#[derive(Debug)]
pub struct PortChange {
    pub(super) port: PortId,
    pub(super) direction: Direction,
    /// To attach: the new receive queues, with room for those that the worker has; it keeps this list and gives its old
    /// one back. Otherwise: room for all that it has.
    pub(super) rx: Vec<PolledQueue>,
    pub(super) tx: Option<TxPort>,
}

impl PortChange {
    /// A worker that polls `polled` receive queues shall poll these as well, and send through `tx`.
    #[must_use]
    pub fn attach(port: PortId, rx: Vec<RxQueue>, polled: usize, tx: Option<TxPort>) -> Box<Self> {
        let mut all = Vec::with_capacity(polled + rx.len());
        all.extend(rx.into_iter().map(|queue| PolledQueue::new((port, queue))));
        Box::new(Self { port, direction: Direction::Attach, rx: all, tx })
    }

    /// A worker that polls `polled` receive queues shall give back what it has of the port.
    #[must_use]
    pub fn detach(port: PortId, polled: usize) -> Box<Self> {
        let rx = Vec::with_capacity(polled);
        Box::new(Self { port, direction: Direction::Detach, rx, tx: None })
    }

    /// A worker that polls `polled` receive queues shall give back those of the port, and go on sending through it.
    #[must_use]
    pub fn release(port: PortId, polled: usize) -> Box<Self> {
        let rx = Vec::with_capacity(polled);
        Box::new(Self { port, direction: Direction::Release, rx, tx: None })
    }

    /// The queues that came back.
    #[must_use]
    pub fn into_queues(self) -> (Vec<RxQueue>, Option<TxQueue>) {
        let rx = self.rx.into_iter().map(|polled| polled.into_parts().1).collect();
        (rx, self.tx.and_then(TxPort::into_queue))
    }

    /// Carries the orders out on the worker's list of receive queues.
    pub(super) fn exchange(&mut self, polled: &mut Vec<PolledQueue>) {
        match self.direction {
            // Neither list grows beyond its room, which the control thread has counted.
            Direction::Attach => {
                std::mem::swap(polled, &mut self.rx);
                polled.append(&mut self.rx);
            }
            Direction::Detach | Direction::Release => {
                let port = self.port;
                self.rx.extend(polled.extract_if(.., |queue| queue.port() == port));
            }
        }
    }
}
use crate::net::graph::TxPort;
