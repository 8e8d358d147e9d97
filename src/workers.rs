//! The workers: one pinned thread for each CPU of the configuration, each with its queues and its own stack.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use pmd::numa::{self, Pools};
use pmd::{CpuId, PortId, RxQueue, SocketId, TxQueue, worker};
use stack::net::Interfaces;
use stack::worker::{
    Clock, Datapath, DatapathParts, NodeStats, Output, Poll, PollCounters, PortDrops, Queues,
    TxCounters, TxPort, WorkerQueues,
};
use vnet::Domain;

/// Deals the queues of a port to the workers. A receive queue goes to the worker that has the fewest, so that ports with
/// one queue each keep all workers busy; a worker's transmit queue is the one with its number.
pub(crate) fn deal(shares: &mut [Queues], port: PortId, rx: Vec<RxQueue>, tx: Vec<TxQueue>) {
    let workers = shares.len();
    for queue in rx {
        if let Some(share) = shares.iter_mut().min_by_key(|share| share.rx.len()) {
            share.rx.push((port, queue));
        }
    }
    for (at, queue) in tx.into_iter().enumerate() {
        shares[at % workers].tx.push((port, queue));
    }
}

/// What all workers share.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    /// Slots of the readers.
    pub(crate) domain: Domain,
    /// All interfaces.
    pub(crate) interfaces: Arc<Interfaces>,
    /// By worker.
    pub(crate) queues: Vec<WorkerQueues>,
    /// For packets of our own.
    pub(crate) pools: Pools,
    /// Packets of one poll.
    pub(crate) burst: u16,
    /// Sleep after empty polls; zero is never.
    pub(crate) idle_sleep: Duration,
    /// Whether to keep distributions, and of one iteration in how many.
    pub(crate) sample: Option<u32>,
    /// The time.
    pub(crate) clock: Clock,
    /// Set when the workers shall end.
    pub(crate) stop: Arc<AtomicBool>,
}

/// What can be read of a worker while it runs, and after.
#[derive(Clone, Debug)]
pub(crate) struct Gauges {
    /// Where it runs.
    pub(crate) cpu: CpuId,
    /// Polls, packets, cycles.
    pub(crate) poll: Arc<PollCounters>,
    /// Frames that no vnet took.
    pub(crate) drops: Arc<PortDrops>,
    /// By node.
    pub(crate) nodes: Arc<NodeStats>,
    /// What it sent, by port.
    pub(crate) tx: Vec<(PortId, Arc<TxCounters>)>,
}

/// A worker that runs.
#[derive(Debug)]
pub(crate) struct Worker {
    handle: worker::JoinHandle<Result<Queues>>,
    /// What can be read of it.
    pub(crate) gauges: Gauges,
}

impl Worker {
    /// Starts worker `slot` on `cpu`. `ports` are all ports; one without a transmit queue in `share` is reached through
    /// the worker in `owners`.
    pub(crate) fn start(
        slot: usize,
        cpu: CpuId,
        share: Queues,
        owners: &[(PortId, usize)],
        common: &Common,
    ) -> Result<Self> {
        let (ready, gauges) = mpsc::sync_channel(1);
        let (common, owners) = (common.clone(), owners.to_vec());
        let stop = Arc::clone(&common.stop);
        let handle = worker::spawn(cpu, &format!("worker{slot}"), move |_| {
            let mut poll = build(slot, cpu, share, &owners, &common)?;
            let _program_is_gone = ready.send(gauges_of(cpu, &mut poll));
            poll.run(&stop);
            Ok(poll.into_queues())
        })
        .with_context(|| format!("worker {slot} on CPU {}", cpu.0))?;
        match gauges.recv() {
            Ok(gauges) => Ok(Self { handle, gauges }),
            Err(_) => match handle.join() {
                Ok(Err(error)) => Err(error.context(format!("worker {slot}"))),
                _ => Err(anyhow!("worker {slot} ended before it began")),
            },
        }
    }

    /// Whether it ended by itself, which it never should.
    #[must_use]
    pub(crate) fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Waits for its end, after `stop` was set; its queues.
    pub(crate) fn join(self) -> Result<Queues> {
        self.handle
            .join()
            .map_err(|_| anyhow!("the worker on CPU {} panicked", self.gauges.cpu.0))?
    }
}

fn build(
    slot: usize,
    cpu: CpuId,
    share: Queues,
    owners: &[(PortId, usize)],
    common: &Common,
) -> Result<Poll> {
    let reader = common.domain.reader(slot)?;
    let mut out: Vec<TxPort> = Vec::new();
    let mut own = Vec::new();
    for (port, queue) in share.tx {
        own.push(port);
        out.push(TxPort::queue(port, queue));
    }
    for (port, owner) in owners.iter().filter(|(port, _)| !own.contains(port)) {
        out.push(TxPort::handover(*port, Arc::clone(&common.queues[*owner].handover)));
    }
    let mut datapath = Datapath::new(DatapathParts {
        reader,
        interfaces: Arc::clone(&common.interfaces),
        queues: common.queues[slot].clone(),
        pool: common.pools.get(numa::of_cpu(cpu).unwrap_or(SocketId::ANY)).clone(),
        out: Output::new(out),
    });
    if let Some(every) = common.sample {
        datapath.keep_histograms(every);
    }
    Ok(Poll::new(datapath, share.rx, common.burst, common.idle_sleep, common.clock))
}

fn gauges_of(cpu: CpuId, poll: &mut Poll) -> Gauges {
    let counters = poll.counters();
    let datapath = poll.datapath();
    Gauges {
        cpu,
        poll: counters,
        drops: datapath.drops(),
        nodes: Arc::clone(datapath.nodes()),
        tx: datapath.out().counters(),
    }
}

/// Tells the workers to end, and waits for all of them, also when one of them failed.
pub(crate) fn stop(workers: Vec<Worker>, stop: &AtomicBool) -> Result<Vec<Queues>> {
    stop.store(true, Ordering::Relaxed);
    let ended: Vec<Result<Queues>> = workers.into_iter().map(Worker::join).collect();
    ended.into_iter().collect()
}
