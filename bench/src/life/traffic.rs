//! The worker: bursts of one flow after the other through the real datapath, timed, counted and checked, while the control
//! thread does what the scenario is about.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use pmd::{Burst, Mbuf, MbufPool, PortId, tsc, worker};
use stack::time::Nanos;
use stack::worker::{Datapath, DatapathParts, Output, TxPort, WorkerQueues};

use super::lab::{House, Lab};
use crate::forward::frames::{Feed, gateway_mac};
use crate::forward::measure::{BURST, LONGEST, baseline};
use crate::random::Random;

/// Longer than the worker takes for anything.
const LONG: Duration = Duration::from_secs(30);

/// The frames that are sent, and where they must come out.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) into: PortId,
    pub(super) out: PortId,
    /// In and out.
    pub(super) vlan: Option<u16>,
    /// Which of the plan's frames.
    pub(super) feed: usize,
    /// Gateways that frames may leave to.
    pub(super) gateways: Range<usize>,
    /// The vnet may not be there; then frames end in a drop.
    pub(super) may_drop: bool,
}

/// The frames that the worker is fed with.
#[derive(Debug)]
pub(super) struct Plan {
    /// Numbers of ports, none of which any device has.
    pub(super) ports: u16,
    pub(super) flows: Vec<Flow>,
    pub(super) feeds: Vec<Feed>,
    /// Phase by phase, which of the flows there are. With none the worker has no packets.
    pub(super) phases: Vec<Range<usize>>,
    /// Which flow comes next is random; in turn otherwise.
    pub(super) random: bool,
    /// One burst in so many is checked byte by byte; all are counted.
    pub(super) check_every: u64,
}

/// The fate of the bursts of one phase.
#[derive(Debug)]
pub(super) struct Tally {
    /// Of a burst that left whole.
    pub(super) cycles: Histogram<u64>,
    pub(super) total_cycles: u64,
    pub(super) left: u64,
    /// Of them, by feed.
    pub(super) left_of: Vec<u64>,
    /// Frames that did not leave, of flows that must not be dropped.
    pub(super) lost: u64,
    /// Frames that did not leave, of the others.
    pub(super) dropped: u64,
}

impl Tally {
    fn new(feeds: usize) -> Result<Self> {
        let cycles = Histogram::new_with_bounds(1, LONGEST, 3)?;
        Ok(Self { cycles, total_cycles: 0, left: 0, left_of: vec![0; feeds], lost: 0, dropped: 0 })
    }

    /// Cycles of a packet.
    pub(super) fn cycles_per_packet(&self) -> f64 {
        self.total_cycles as f64 / self.left.max(1) as f64
    }

    /// Nanoseconds of a burst.
    pub(super) fn burst_ns(&self, quantile: f64) -> f64 {
        self.cycles.value_at_quantile(quantile) as f64 * 1e9 / tsc::hz() as f64
    }
}

/// The state that worker and control thread share.
#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    phase: AtomicUsize,
    bursts: AtomicU64,
    /// Frames that left of flows that may be dropped.
    guests: AtomicU64,
}

/// A worker that runs.
pub(super) struct Traffic {
    thread: worker::JoinHandle<Result<(Vec<Tally>, WorkerQueues)>>,
    shared: Arc<Shared>,
}

impl Traffic {
    /// Starts the worker, in phase 0.
    pub(super) fn start(lab: &Lab, house: &mut House, plan: Plan) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let known = Arc::clone(&shared);
        let (domain, interfaces) = (house.domain.clone(), house.stack.interfaces());
        let queues = house.queues.take().context("the house has its worker already")?;
        let pool = lab.pool.clone();
        let thread = worker::spawn(lab.cpu, "life", move |_| {
            let out = Output::new((0..plan.ports).map(|n| TxPort::collect(PortId(n))));
            let (reader, pool_of_ours) = (domain.reader(0)?, pool.clone());
            let parts = DatapathParts { reader, interfaces, queues, pool, out };
            let worker = Worker::new(Datapath::new(parts), plan, pool_of_ours)?;
            worker.run(&known)
        })?;
        Ok(Self { thread, shared })
    }

    /// Begins a phase, and waits until the worker is in it.
    pub(super) fn phase(&self, phase: usize) -> Result<()> {
        self.shared.phase.store(phase, Ordering::Release);
        self.bursts(2)
    }

    /// Waits for so many bursts.
    pub(super) fn bursts(&self, count: u64) -> Result<()> {
        self.wait(&self.shared.bursts, count)
    }

    /// Waits until so many frames of flows that may be dropped have left.
    pub(super) fn guests(&self, count: u64) -> Result<()> {
        self.wait(&self.shared.guests, count)
    }

    fn wait(&self, counter: &AtomicU64, count: u64) -> Result<()> {
        let (start, target) = (Instant::now(), counter.load(Ordering::Acquire) + count);
        while counter.load(Ordering::Acquire) < target && !self.thread.is_finished() {
            ensure!(start.elapsed() < LONG, "no packet came through for {LONG:?}");
            std::thread::yield_now();
        }
        // Why it ended is said at the end.
        Ok(())
    }

    /// Stops the worker: what became of its packets, by phase.
    pub(super) fn stop(self, house: &mut House) -> Result<Vec<Tally>> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let Ok(done) = self.thread.join() else { bail!("the worker panicked") };
        let (tallies, queues) = done?;
        house.queues = Some(queues);
        Ok(tallies)
    }
}

/// The worker's own.
struct Worker {
    datapath: Datapath,
    plan: Plan,
    pool: MbufPool,
    /// Frames that left and are sent again.
    burst: Burst,
    tallies: Vec<Tally>,
    random: Random,
    turn: u64,
    baseline: u64,
}

impl Worker {
    fn new(datapath: Datapath, plan: Plan, pool: MbufPool) -> Result<Self> {
        let tallies =
            plan.phases.iter().map(|_| Tally::new(plan.feeds.len())).collect::<Result<_>>()?;
        let (burst, random) = (Burst::new(), Random::new(0x7475_726e));
        Ok(Self { datapath, plan, pool, burst, tallies, random, turn: 0, baseline: baseline() })
    }

    fn run(mut self, shared: &Shared) -> Result<(Vec<Tally>, WorkerQueues)> {
        while !shared.stop.load(Ordering::Relaxed) {
            let phase = shared.phase.load(Ordering::Acquire);
            let flows = self.plan.phases.get(phase).cloned().unwrap_or_default();
            if flows.is_empty() {
                self.rest();
            } else {
                let guests = self.work(phase, flows)?;
                let _before = shared.guests.fetch_add(guests, Ordering::Release);
            }
            let _before = shared.bursts.fetch_add(1, Ordering::Release);
        }
        // Packets that the control thread handed over before it said stop still leave.
        self.rest();
        Ok((self.tallies, self.datapath.into_parts().1))
    }

    /// An iteration without packets.
    fn rest(&mut self) {
        self.burst.clear();
        let _timed = self.datapath.begin(Nanos(tsc::now()));
        self.datapath.finish(0);
        let _strays = self.put_aside();
    }

    /// A burst of one of `flows`; how many of its frames left, if they could be dropped.
    fn work(&mut self, phase: usize, flows: Range<usize>) -> Result<u64> {
        let turn = if self.plan.random { self.random.next() } else { self.turn };
        let flow = self.plan.flows[flows.start + (turn % flows.len() as u64) as usize].clone();
        let feed = &mut self.plan.feeds[flow.feed];
        feed.burst(&self.pool, BURST, &mut self.burst)?;
        let vlan = flow.vlan.unwrap_or(0);
        feed.write(&mut self.burst, vlan)?;

        let begin = tsc::serialized();
        let _timed = self.datapath.begin(Nanos(begin));
        self.datapath.receive(flow.into, &mut self.burst);
        self.datapath.finish(BURST);
        let took = tsc::serialized().saturating_sub(begin + self.baseline);

        let frames = self.datapath.out().frames(flow.out).filter(is_ipv4);
        frames.for_each(|mbuf| drop(self.burst.push(mbuf)));
        let strays = self.put_aside();
        ensure!(strays == 0, "{strays} packets left through other ports than {:?}", flow.out);
        let left = self.burst.len();
        let whole = left == BURST;
        if whole && self.turn.is_multiple_of(self.plan.check_every) {
            let leads_to = |_, mac| flow.gateways.clone().any(|n| mac == gateway_mac(n));
            let (feed, frames) = (&self.plan.feeds[flow.feed], self.burst.iter());
            feed.check_in_any_order(frames, BURST, vlan, leads_to)?;
        }
        self.turn += 1;
        let tally = &mut self.tallies[phase];
        tally.left += left as u64;
        tally.left_of[flow.feed] += left as u64;
        let missing = (BURST - left) as u64;
        if flow.may_drop {
            tally.dropped += missing
        } else {
            tally.lost += missing
        }
        if whole {
            tally.total_cycles += took;
            tally.cycles.saturating_record(took);
        }
        Ok(if flow.may_drop { left as u64 } else { 0 })
    }

    /// Announcements, and whatever else vnets send of themselves; how many IPv4 packets are among it.
    fn put_aside(&mut self) -> usize {
        let Self { datapath, plan, .. } = self;
        let ports = (0..plan.ports).map(PortId);
        ports.map(|port| datapath.out().frames(port).filter(is_ipv4).count()).sum()
    }
}

/// Whether a frame, tagged or not, holds IPv4.
fn is_ipv4(mbuf: &Mbuf) -> bool {
    let frame = mbuf.data();
    let at = if frame.get(12..14) == Some(&[0x81, 0x00]) { 16 } else { 12 };
    frame.get(at..at + 2) == Some(&[0x08, 0x00])
}
