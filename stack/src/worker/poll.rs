//! One iteration of a worker: poll each receive queue, process, transmit, report a quiescent state.

use std::sync::Arc;
use std::time::Duration;

use pmd::{Burst, PortId, RxQueue, tsc};
use vnet::Counter;

use super::cpu_share::Iteration;
use super::datapath::Datapath;
use super::orders::{Orders, PortChange};
use crate::net::graph::{Node, TxPort, WorkerQueues};
use crate::time::Nanos;

/// The polls and packets of a worker.
#[derive(Debug, Default)]
pub struct PollCounters {
    /// Iterations.
    pub polls: Counter,
    /// Packets received.
    pub packets: Counter,
    /// Cycles of iterations that received or sent something.
    pub busy_cycles: Counter,
    /// Cycles of the others.
    pub idle_cycles: Counter,
    /// Cycles asleep.
    pub sleep_cycles: Counter,
}

/// Empty polls in a row before a worker that may sleep does.
const EMPTY_POLLS_BEFORE_SLEEP: u32 = 512;

/// Iterations without receiving at the end: enough for full queues from the control thread and from other workers.
const LAST_ITERATIONS: usize = 16;

/// Packets that one poll takes from a queue at most while those of one interface come in a row: they gain nothing from more of their
/// kind, and so many are in a core's first cache with their headers when each step of the way touches them.
const IN_A_ROW: u16 = 64;

/// A receive queue that a worker polls.
#[derive(Debug)]
pub(super) struct PolledQueue {
    port: PortId,
    queue: RxQueue,
    /// Whether packets of several interfaces came with the last poll that found any: then longer bursts make longer runs.
    is_interleaved: bool,
}

impl PolledQueue {
    /// A queue that was not polled yet.
    pub(super) fn new((port, queue): (PortId, RxQueue)) -> Self {
        Self { port, queue, is_interleaved: false }
    }

    /// The port that it belongs to.
    pub(super) fn port(&self) -> PortId {
        self.port
    }

    /// The port that it belongs to, and the queue itself.
    pub(super) fn into_parts(self) -> (PortId, RxQueue) {
        (self.port, self.queue)
    }
}

/// One worker's queues and stack.
#[derive(Debug)]
pub struct Poll {
    datapath: Datapath,
    rx: Vec<PolledQueue>,
    burst: Burst,
    burst_size: u16,
    idle_sleep: Duration,
    counters: Arc<PollCounters>,
    clock: Clock,
    empty_polls: u32,
}

/// The queues of a worker that has ended.
#[derive(Debug)]
pub struct Queues {
    /// Receive queues.
    pub rx: Vec<(PortId, RxQueue)>,
    /// Transmit queues.
    pub tx: Vec<TxPort>,
    /// To and from the control thread.
    pub control: WorkerQueues,
}

/// From TSC to nanoseconds since the process's workers started.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: u64,
    /// Nanoseconds per cycle, 32 bits of fraction.
    scale: u64,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: tsc::now(),
            scale: (1_000_000_000u64 << 32).checked_div(tsc::hz()).unwrap_or(1 << 32),
        }
    }

    /// Nanoseconds since the start at the TSC reading `cycles`.
    #[inline]
    #[must_use]
    pub fn at(self, cycles: u64) -> Nanos {
        let since = u128::from(cycles.saturating_sub(self.start));
        Nanos(((since * u128::from(self.scale)) >> 32) as u64)
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub fn now(self) -> Nanos {
        self.at(tsc::now())
    }
}

impl Poll {
    /// A worker that polls `rx` in bursts of at most `burst_size`, and of 64 while tenants do not interleave, and sleeps for `idle_sleep` when nothing comes; zero
    /// is never.
    #[must_use]
    pub fn new(
        datapath: Datapath,
        rx: Vec<(PortId, RxQueue)>,
        burst_size: u16,
        idle_sleep: Duration,
        clock: Clock,
    ) -> Self {
        Self {
            datapath,
            rx: rx.into_iter().map(PolledQueue::new).collect(),
            burst: Burst::new(),
            burst_size,
            idle_sleep,
            counters: Arc::default(),
            clock,
            empty_polls: 0,
        }
    }

    /// The counters of the worker; for a reader on another thread.
    #[must_use]
    pub fn counters(&self) -> Arc<PollCounters> {
        Arc::clone(&self.counters)
    }

    /// Gives the queues back.
    #[must_use]
    pub fn into_queues(self) -> Queues {
        let (out, control) = self.datapath.into_parts();
        let rx = self.rx.into_iter().map(PolledQueue::into_parts).collect();
        Queues { rx, tx: out.into_ports(), control }
    }

    /// The worker's stack.
    pub fn datapath(&mut self) -> &mut Datapath {
        &mut self.datapath
    }

    /// Polls until the orders say stop.
    pub fn run(&mut self, orders: &Orders) {
        let mut last = tsc::now();
        while !orders.are_pending() || orders.carry_out(|change| self.change_port(change)) {
            last = self.once(last);
        }
        // Packets that the control thread handed over before it said stop still leave.
        for _ in 0..LAST_ITERATIONS {
            self.datapath.finish(0);
        }
    }

    /// Takes or gives back the queues of a port, between two iterations.
    fn change_port(&mut self, change: &mut PortChange) {
        change.exchange(&mut self.rx);
        self.datapath.change_port(change);
    }

    /// One iteration; `last` is the TSC at the end of the one before.
    #[inline]
    fn once(&mut self, last: u64) -> u64 {
        let timed = self.datapath.begin(self.clock.at(last));
        let (mut packets, mut is_full) = (0, false);
        let turns = self.rx.len();
        for turn in 0..turns {
            let Some(polled) = self.rx.get_mut(turn) else { break };
            let port = polled.port;
            let start = if timed { tsc::now() } else { 0 };
            let most = self.burst_size;
            let most = if polled.is_interleaved { most } else { most.min(IN_A_ROW) };
            let received = polled.queue.rx(&mut self.burst, most);
            if received == 0 {
                continue;
            }
            let rx = self.datapath.nodes().get(Node::Rx);
            rx.calls.inc();
            rx.packets.add(received as u64);
            if timed {
                let cycles = tsc::now().saturating_sub(start);
                self.datapath.nodes().sample(Node::Rx, received as u64, cycles);
            }
            packets += received as u64;
            is_full |= received == usize::from(most);
            self.datapath.expect(turn, turns, |turn| self.rx.get(turn).map_or(port, |rx| rx.port));
            self.datapath.receive(port, &mut self.burst);
            if let Some(polled) = self.rx.get_mut(turn) {
                polled.is_interleaved = self.datapath.was_interleaved();
            }
        }
        self.datapath.finish(packets as usize);
        let now = self.account(last, packets, is_full);
        if timed
            && packets > 0
            && let Some(histograms) = self.datapath.nodes().histograms()
        {
            histograms.burst.record(now.saturating_sub(last));
        }
        now
    }

    fn account(&mut self, last: u64, packets: u64, is_full: bool) -> u64 {
        let now = tsc::now();
        let cycles = now.saturating_sub(last);
        self.datapath.end(Iteration { now, cycles, packets: packets as u32, is_full });
        let counters = &self.counters;
        counters.polls.inc();
        if packets > 0 {
            self.empty_polls = 0;
            counters.packets.add(packets);
            counters.busy_cycles.add(cycles);
            return now;
        }
        counters.idle_cycles.add(cycles);
        if self.datapath.holds_frames() {
            self.empty_polls = 0;
        }
        self.empty_polls = self.empty_polls.saturating_add(1);
        if !self.idle_sleep.is_zero() && self.empty_polls >= EMPTY_POLLS_BEFORE_SLEEP {
            return self.sleep(now);
        }
        now
    }

    #[cold]
    fn sleep(&mut self, before: u64) -> u64 {
        self.datapath.offline();
        std::thread::sleep(self.idle_sleep);
        self.datapath.online();
        let after = tsc::now();
        self.counters.sleep_cycles.add(after.saturating_sub(before));
        after
    }
}
