//! The workers: one pinned thread for each CPU of the configuration, each with its queues and its own stack.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use crossbeam::queue::ArrayQueue;
use pmd::numa::{self, Pools};
use pmd::{CpuId, PortId, RxQueue, SocketId, TxQueue, worker};
use stack::net::{InFlight, Interfaces};
use stack::worker::{
    Clock, Datapath, DatapathParts, Handover, NodeStats, Orders, Output, Poll, PollCounters,
    PortChange, PortDrops, Queues, TxCounters, TxPort, WorkerQueues,
};
use vnet::Domain;

use crate::log;

/// The worker that has the first transmit queue of each port, and sends for those that have none.
const OWNER: usize = 0;
/// How often the control thread looks whether a worker has made a change.
const LOOK: Duration = Duration::from_micros(20);

/// Deals the queues of a port to the workers. A receive queue goes to the worker that has the fewest, so that ports with
/// one queue each keep all workers busy; a worker's transmit queue is the one with its number.
pub(crate) fn deal(shares: &mut [Queues], port: PortId, rx: Vec<RxQueue>, tx: Vec<TxQueue>) {
    let workers = shares.len();
    let mut polled: Vec<usize> = shares.iter().map(|share| share.rx.len()).collect();
    for queue in rx {
        shares[fewest(&mut polled)].rx.push((port, queue));
    }
    for (at, queue) in tx.into_iter().enumerate() {
        shares[at % workers].tx.push((port, queue));
    }
}

/// The worker that polls the fewest queues; it polls one more from now on.
fn fewest(polled: &mut [usize]) -> usize {
    let fewest = polled.iter_mut().enumerate().min_by_key(|(_, queues)| **queues);
    fewest.map_or(0, |(worker, queues)| {
        *queues += 1;
        worker
    })
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
    /// Frames that it had for ports that were detached since: taken by them, or refused.
    pub(crate) departed_tx: u64,
}

/// A worker that runs.
#[derive(Debug)]
pub(crate) struct Worker {
    handle: worker::JoinHandle<Result<Queues>>,
    orders: Arc<Orders>,
    /// From other workers.
    handover: Arc<ArrayQueue<Handover>>,
    /// The ports of its receive queues.
    polled: Vec<PortId>,
    /// What can be read of it.
    pub(crate) gauges: Gauges,
}

impl Worker {
    /// Starts worker `slot` on `cpu`. One of `ports`, which are all ports, without a transmit queue in `share` is reached
    /// through the first worker; with each the count of frames on that way, which all workers share.
    pub(crate) fn start(
        slot: usize,
        cpu: CpuId,
        share: Queues,
        ports: &[(PortId, Arc<InFlight>)],
        common: &Common,
    ) -> Result<Self> {
        let (ready, gauges) = mpsc::sync_channel(1);
        let (common, ports) = (common.clone(), ports.to_vec());
        let orders = Arc::new(Orders::default());
        let (obeyed, handover) = (Arc::clone(&orders), Arc::clone(&common.queues[slot].handover));
        let polled = share.rx.iter().map(|(port, _)| *port).collect();
        let handle = worker::spawn(cpu, &format!("worker{slot}"), move |_| {
            let _silence = log::silence();
            let mut poll = build(slot, cpu, share, &ports, &common)?;
            let _program_is_gone = ready.send(gauges_of(cpu, &mut poll));
            poll.run(&obeyed);
            Ok(poll.into_queues())
        })
        .with_context(|| format!("worker {slot} on CPU {}", cpu.0))?;
        match gauges.recv() {
            Ok(gauges) => Ok(Self { handle, orders, handover, polled, gauges }),
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

    /// Waits for its end, after it was told to; its queues.
    fn join(self) -> Result<Queues> {
        self.handle
            .join()
            .map_err(|_| anyhow!("the worker on CPU {} panicked", self.gauges.cpu.0))?
    }

    /// Sends a change and waits until the worker has made it: for an iteration, or until it wakes.
    fn change(&self, change: Box<PortChange>) -> Result<Box<PortChange>> {
        let cpu = self.gauges.cpu.0;
        if self.orders.change(change).is_err() {
            return Err(anyhow!("the worker on CPU {cpu} takes no orders"));
        }
        loop {
            if let Some(done) = self.orders.take_done() {
                return Ok(done);
            }
            if self.is_finished() {
                return Err(anyhow!("the worker on CPU {cpu} has ended"));
            }
            std::thread::sleep(LOOK);
        }
    }
}

fn build(
    slot: usize,
    cpu: CpuId,
    share: Queues,
    ports: &[(PortId, Arc<InFlight>)],
    common: &Common,
) -> Result<Poll> {
    let reader = common.domain.reader(slot)?;
    let mut own: BTreeMap<PortId, TxQueue> = share.tx.into_iter().collect();
    let out = ports.iter().map(|(port, handed_over)| {
        let tx = match own.remove(port) {
            Some(queue) => TxPort::queue(*port, queue),
            None => TxPort::handover(*port, Arc::clone(&common.queues[OWNER].handover)),
        };
        tx.sharing(Arc::clone(handed_over))
    });
    let out: Vec<TxPort> = out.collect();
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
        departed_tx: 0,
    }
}

/// Hands the queues of a port that was started to workers that run.
pub(crate) fn attach(
    workers: &mut [Worker],
    port: PortId,
    rx: Vec<RxQueue>,
    tx: Vec<TxQueue>,
) -> Result<()> {
    let mut polled: Vec<usize> = workers.iter().map(|worker| worker.polled.len()).collect();
    let mut receive: Vec<Vec<RxQueue>> = workers.iter().map(|_| Vec::new()).collect();
    for queue in rx {
        receive[fewest(&mut polled)].push(queue);
    }
    let Some(owner) = workers.get(OWNER).map(|owner| Arc::clone(&owner.handover)) else {
        return Err(anyhow!("there is no worker"));
    };
    // The owner is the first: it has its queue before others hand frames over.
    let handed_over = Arc::new(InFlight::default());
    let mut tx = tx.into_iter();
    for (worker, rx) in workers.iter_mut().zip(receive) {
        let out = match tx.next() {
            Some(queue) => TxPort::queue(port, queue),
            None => TxPort::handover(port, Arc::clone(&owner)),
        };
        let out = out.sharing(Arc::clone(&handed_over));
        worker.gauges.tx.push((port, out.counters()));
        let (before, new) = (worker.polled.len(), rx.len());
        drop(worker.change(PortChange::attach(port, rx, before, out))?);
        worker.polled.extend(std::iter::repeat_n(port, new));
    }
    Ok(())
}

/// Takes the queues of a port, to which no interface sends any more, from workers that run.
pub(crate) fn detach(workers: &mut [Worker], port: PortId) -> Result<(Vec<RxQueue>, Vec<TxQueue>)> {
    let (mut rx, mut tx) = (Vec::new(), Vec::new());
    // The owner is the last: it sends what others have handed over.
    for worker in workers.iter_mut().rev() {
        let change = worker.change(PortChange::detach(port, worker.polled.len()))?;
        let (receive, transmit) = change.into_queues();
        rx.extend(receive);
        tx.extend(transmit);
        worker.polled.retain(|of| *of != port);
    }
    Ok((rx, tx))
}

/// Moves what was sent through a port that is detached to where its number, which another may have next, does not matter.
pub(crate) fn forget(workers: &mut [Worker], port: PortId) {
    for Worker { gauges, .. } in workers {
        let of_port = gauges.tx.iter().filter(|(of, _)| *of == port);
        gauges.departed_tx += of_port.map(|(_, tx)| tx.sent.get() + tx.dropped.get()).sum::<u64>();
        gauges.tx.retain(|(of, _)| *of != port);
    }
}

/// What can be read of each.
pub(crate) fn gauges(workers: &[Worker]) -> Vec<Gauges> {
    workers.iter().map(|worker| worker.gauges.clone()).collect()
}

/// Tells the workers to end, and waits for all of them, also when one of them failed.
pub(crate) fn stop(workers: Vec<Worker>) -> Result<Vec<Queues>> {
    workers.iter().for_each(|worker| worker.orders.stop());
    let ended: Vec<Result<Queues>> = workers.into_iter().map(Worker::join).collect();
    ended.into_iter().collect()
}
