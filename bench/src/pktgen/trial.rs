//! One trial: the threads that send and receive, and what came of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use pmd::{CpuId, MbufPool, tsc, worker};

use super::generator::{self, Generator, Step, Variation, Work};
use super::live::Live;
use super::pacer::Pacer;
use super::plan::Plan;
use super::session::{Session, Wire};
use super::sink::{self, Received, Sink};

/// How often the control thread looks whether the threads are done.
const TICK: Duration = Duration::from_millis(5);
/// A queue that takes nothing for so long is given up.
const PATIENCE_S: u64 = 5;
/// When all packets are back nothing more is waited for than this part of a second, in which duplicates may come.
const QUIET_PART: u64 = 100;
/// The share of the packets asked for that must have been sent.
const RATE_MET: f64 = 0.99;

/// The conditions of a trial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// Packets a second; `None`: as many as possible.
    pub(crate) pps: Option<f64>,
    /// For how long; `None`: until `count`.
    pub(crate) duration: Option<Duration>,
    /// How many at most.
    pub(crate) count: Option<u64>,
}

impl Asked {
    /// How many packets that makes, if it is known.
    pub(crate) fn packets(&self) -> Option<u64> {
        let in_time =
            self.pps.zip(self.duration).map(|(pps, time)| (pps * time.as_secs_f64()) as u64);
        match (in_time, self.count) {
            (Some(in_time), Some(count)) => Some(in_time.min(count)),
            (in_time, count) => in_time.or(count),
        }
    }
}

/// The outcome of a trial.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) asked: Asked,
    /// For how long packets were sent.
    pub(crate) seconds: f64,
    /// Packets that the device took.
    pub(crate) sent: u64,
    /// Their bytes, without FCS.
    pub(crate) sent_bytes: u64,
    /// Times at which the device did not take all.
    pub(crate) queue_full: u64,
    /// Times at which there were no buffers.
    pub(crate) no_buffers: u64,
    /// Packets that were due in pauses and given up.
    pub(crate) missed: u64,
    /// The packets that came in on the receiving port; `None` if nothing was looked at.
    pub(crate) received: Option<Received>,
    /// The packets that came in on the sending port, if that is another.
    pub(crate) returned: Option<Received>,
    /// TSC cycles a second.
    pub(crate) hz: u64,
    /// The user ended it.
    pub(crate) interrupted: bool,
}

impl Outcome {
    /// Packets that were sent and did not come back.
    pub(crate) fn lost(&self) -> Option<u64> {
        let unique = self.received.as_ref()?.sequence.unique;
        Some(self.sent.saturating_sub(unique))
    }

    /// Whether as much was sent as was asked for, to a percent.
    pub(crate) fn rate_met(&self) -> bool {
        let met = |asked: u64| self.sent as f64 >= asked as f64 * RATE_MET;
        self.interrupted || self.asked.packets().is_none_or(met)
    }
}

/// The state that the threads of a trial share.
#[derive(Debug)]
struct Shared {
    stop: Arc<AtomicBool>,
    /// TSC at the end of sending; 0 while packets are sent.
    sent_at: AtomicU64,
    /// How long to wait after that, in cycles.
    drain: u64,
    hz: u64,
    tx: Arc<generator::Gauge>,
    rx: Arc<sink::Gauge>,
}

/// A port in a thread's hands.
#[derive(Debug)]
struct Lane {
    wire: Wire,
    generator: Option<Generator>,
    sink: Option<Sink>,
}

/// A thread at work; it gives back when it began (TSC) and its lanes.
type Running = worker::JoinHandle<(u64, Vec<Lane>)>;

impl Session {
    /// Runs a trial with packets of `stream`, while `live` shows it.
    pub(crate) fn trial(
        &mut self,
        plan: &Plan,
        asked: Asked,
        stream: u16,
        live: &mut Live,
    ) -> Result<Outcome> {
        let hz = tsc::hz();
        let tx = Arc::new(generator::Gauge::default());
        let rx = Arc::new(sink::Gauge::default());
        let drain = (plan.timing.drain.as_secs_f64() * hz as f64) as u64;
        let shared = Arc::new(Shared {
            stop: Arc::clone(&self.stop),
            sent_at: AtomicU64::new(0),
            drain,
            hz,
            tx: Arc::clone(&tx),
            rx: Arc::clone(&rx),
        });
        let lanes = self.lanes(plan, asked, stream, &shared)?;
        let began = std::time::Instant::now();
        live.begin(asked.pps);
        let workers = self.start(lanes, asked, &shared)?;
        while !workers.iter().all(worker::JoinHandle::is_finished) {
            std::thread::sleep(TICK);
            live.look(&tx, &rx, began.elapsed(), hz);
        }
        live.end();
        let mut times = Vec::new();
        let mut lanes = Vec::new();
        for worker in workers {
            let (time, done) = worker.join().map_err(|_| anyhow!("a worker panicked"))?;
            times.push(time);
            lanes.extend(done);
        }
        let missed =
            lanes.iter().filter_map(|lane| lane.generator.as_ref()).map(Generator::missed).sum();
        let mut seen = Vec::new();
        for lane in lanes {
            self.wires.push(lane.wire);
            seen.extend(lane.sink.map(Sink::finish));
        }
        let sending = shared.sent_at.load(Ordering::Relaxed).saturating_sub(times[0]);
        let received = seen.pop();
        Ok(Outcome {
            asked,
            seconds: sending as f64 / hz as f64,
            sent: tx.packets.get(),
            sent_bytes: tx.bytes.get(),
            queue_full: tx.queue_full.get(),
            no_buffers: tx.no_buffers.get(),
            missed,
            received,
            returned: seen.pop(),
            hz,
            interrupted: self.stop.load(Ordering::Relaxed),
        })
    }

    fn lanes(
        &mut self,
        plan: &Plan,
        asked: Asked,
        stream: u16,
        shared: &Shared,
    ) -> Result<Vec<Lane>> {
        let mut lanes = Vec::new();
        let last = self.wires.len() - 1;
        for (at, wire) in std::mem::take(&mut self.wires).into_iter().enumerate() {
            let gauge = if at == last { Arc::clone(&shared.rx) } else { Arc::default() };
            let responder = self.responder(plan, at);
            let sink = if plan.ports.tx_only {
                None
            } else {
                Some(Sink::new(stream, plan.traffic.verify, responder, gauge, shared.hz)?)
            };
            let generator = (at == 0).then(|| self.generator(plan, asked, stream, shared));
            lanes.push(Lane { wire, generator, sink });
        }
        Ok(lanes)
    }

    fn generator(&self, plan: &Plan, asked: Asked, stream: u16, shared: &Shared) -> Generator {
        let traffic = &plan.traffic;
        let depth = asked.pps.unwrap_or(0.0) * plan.timing.catch_up.as_secs_f64();
        let pacer = Pacer::new(asked.pps, shared.hz, depth.max(plan.machine.burst as f64), 0);
        let work = Work {
            headers: plan.headers(self.macs.0, self.macs.1, stream),
            sizes: traffic.sizes.clone(),
            variation: Variation::new(
                [&traffic.src, &traffic.dst],
                [&traffic.sport, &traffic.dport],
                traffic.order,
                traffic.seed,
            ),
            burst_size: plan.machine.burst,
            limit: asked.count.unwrap_or(u64::MAX),
            patience: PATIENCE_S * shared.hz,
        };
        Generator::new(work, self.pool.clone(), pacer, Arc::clone(&shared.tx))
    }

    /// One thread with all lanes, or one for each.
    fn start(&self, lanes: Vec<Lane>, asked: Asked, shared: &Arc<Shared>) -> Result<Vec<Running>> {
        let shares: Vec<Vec<Lane>> = if self.cpus.len() == 1 {
            vec![lanes]
        } else {
            lanes.into_iter().map(|lane| vec![lane]).collect()
        };
        let mut workers = Vec::new();
        for (cpu, lanes) in self.cpus.iter().zip(shares) {
            workers.push(spawn(*cpu, lanes, asked, Arc::clone(shared), self.pool.clone())?);
        }
        Ok(workers)
    }
}

fn spawn(
    cpu: CpuId,
    mut lanes: Vec<Lane>,
    asked: Asked,
    shared: Arc<Shared>,
    pool: MbufPool,
) -> Result<Running> {
    let cycles = asked.duration.map(|time| (time.as_secs_f64() * shared.hz as f64) as u64);
    worker::spawn(cpu, "pktgen", move |_| {
        let start = tsc::now();
        let end = cycles.map_or(u64::MAX, |cycles| start.saturating_add(cycles));
        for generator in lanes.iter_mut().filter_map(|lane| lane.generator.as_mut()) {
            generator.begin(start, end);
        }
        run(&mut lanes, &shared, &pool);
        (start, lanes)
    })
    .context("a worker")
}

/// Sends and receives until all is sent and back, or waited for. No heap, no lock, no system call.
fn run(lanes: &mut [Lane], shared: &Shared, pool: &MbufPool) {
    let mut last_arrival = tsc::now();
    loop {
        let now = tsc::now();
        let sent_at = shared.sent_at.load(Ordering::Acquire);
        for lane in &mut *lanes {
            if sent_at == 0
                && let Some(generator) = &mut lane.generator
                && (generator.step(now, &mut lane.wire.tx) == Step::Done
                    || shared.stop.load(Ordering::Relaxed))
            {
                shared.sent_at.store(now, Ordering::Release);
            }
            if let Some(sink) = &mut lane.sink
                && sink.poll(&mut lane.wire.rx, &mut lane.wire.tx, pool) > 0
            {
                last_arrival = now;
            }
        }
        if sent_at != 0 && is_over(lanes, shared, sent_at.max(last_arrival), sent_at, now) {
            return;
        }
    }
}

fn is_over(lanes: &[Lane], shared: &Shared, quiet_since: u64, sent_at: u64, now: u64) -> bool {
    let all_back = shared.rx.unique.get() >= shared.tx.packets.get();
    let quiet = now.saturating_sub(quiet_since) > shared.hz / QUIET_PART;
    let waited = now.saturating_sub(sent_at) > shared.drain;
    waited || (all_back && quiet) || lanes.iter().all(|lane| lane.sink.is_none())
}
