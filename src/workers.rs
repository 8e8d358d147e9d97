//! The workers: one pinned thread for each CPU of the configuration, each with its queues and its own stack.

mod placement;

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use pmd::numa::{self, Pools};
use pmd::{CpuId, PortId, RxQueue, SocketId, TxQueue, worker};
use stack::drops::DropReason;
use stack::net::Interfaces;
use stack::worker::{
    Clock, Datapath, DatapathParts, NodeStats, Orders, Output, Poll, PollCounters, PortChange,
    PortDrops, Queues, TxCounters, TxPort, WorkerQueues,
};
use vnet::Domain;

use crate::log;

pub(crate) use placement::Placement;

/// How often the control thread looks whether a worker has made a change.
const LOOK: Duration = Duration::from_micros(20);

/// The queues of a port for each worker. One that several workers send through is shared.
pub(crate) fn deal(
    port: PortId,
    placement: &Placement,
    (rx, tx): (Vec<RxQueue>, Vec<TxQueue>),
) -> Vec<Share> {
    let mut tx: Vec<Vec<TxPort>> = tx
        .into_iter()
        .enumerate()
        .map(|(at, queue)| match placement.senders(at) {
            1 => vec![TxPort::queue(port, queue)],
            several => {
                let queue = Arc::new(Mutex::new(queue));
                (0..several).map(|_| TxPort::shared(port, Arc::clone(&queue))).collect()
            }
        })
        .collect();
    let out = placement.tx.iter().map(|queue| tx.get_mut(*queue).and_then(Vec::pop));
    let mut shares: Vec<Share> = out.map(|out| Share { rx: Vec::new(), out }).collect();
    for (worker, queue) in placement.rx.iter().zip(rx) {
        shares[*worker].rx.push(queue);
    }
    shares
}

/// One worker's part of a port.
#[derive(Debug, Default)]
pub(crate) struct Share {
    /// The receive queues that it polls.
    rx: Vec<RxQueue>,
    /// Its way out; none through a port without transmit queues, which DPDK does not have.
    out: Option<TxPort>,
}

impl Share {
    /// How many queues it polls.
    pub(crate) fn polls(&self) -> usize {
        self.rx.len()
    }

    /// Whether it has no queue.
    fn is_empty(&self) -> bool {
        self.rx.is_empty() && self.out.is_none()
    }
}

/// One worker's part of all ports.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    /// The receive queues that it polls.
    rx: Vec<(PortId, RxQueue)>,
    /// Its ways out.
    out: Vec<TxPort>,
}

impl Shares {
    /// Adds its part of another port.
    pub(crate) fn add(&mut self, port: PortId, Share { rx, out }: Share) {
        self.rx.extend(rx.into_iter().map(|queue| (port, queue)));
        self.out.extend(out);
    }
}

/// The state that all workers share.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    /// Slots of the readers.
    pub(crate) domain: Domain,
    /// All interfaces.
    pub(crate) interfaces: Arc<Interfaces>,
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

/// The counters of a worker that can be read while it runs, and after.
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
    /// The counters of transmission, by port.
    pub(crate) tx: Vec<(PortId, Arc<TxCounters>)>,
    /// Frames that it had for ports that were detached since: taken by them, or refused.
    pub(crate) departed_tx: u64,
    /// Of these, the frames that were dropped because other workers were sending.
    pub(crate) departed_handover_full: u64,
}

impl Gauges {
    /// The packets that ended at this worker outside of any vnet.
    pub(crate) fn dropped(&self, reason: DropReason) -> u64 {
        let of_ports = match reason {
            DropReason::HandoverFull => {
                let full = self.tx.iter().map(|(_, tx)| tx.handover_full.get());
                self.departed_handover_full + full.sum::<u64>()
            }
            _ => 0,
        };
        self.drops.get(reason) + of_ports
    }
}

/// A worker that runs.
#[derive(Debug)]
pub(crate) struct Worker {
    handle: worker::JoinHandle<Result<Queues>>,
    orders: Arc<Orders>,
    /// The ports of its receive queues.
    polled: Vec<PortId>,
    /// The counters that can be read of it.
    pub(crate) gauges: Gauges,
}

impl Worker {
    /// Starts worker `slot` on `cpu`.
    pub(crate) fn start(
        slot: usize,
        cpu: CpuId,
        (shares, queues): (Shares, WorkerQueues),
        common: &Common,
    ) -> Result<Self> {
        let (ready, gauges) = mpsc::sync_channel(1);
        let common = common.clone();
        let orders = Arc::new(Orders::default());
        let obeyed = Arc::clone(&orders);
        let polled = shares.rx.iter().map(|(port, _)| *port).collect();
        let handle = worker::spawn(cpu, &format!("worker{slot}"), move |_| {
            let _silence = log::silence();
            let mut poll = build(slot, cpu, (shares, queues), &common)?;
            let _program_is_gone = ready.send(gauges_of(cpu, &mut poll));
            poll.run(&obeyed);
            Ok(poll.into_queues())
        })
        .with_context(|| format!("worker {slot} on CPU {}", cpu.0))?;
        match gauges.recv() {
            Ok(gauges) => Ok(Self { handle, orders, polled, gauges }),
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
    (shares, queues): (Shares, WorkerQueues),
    common: &Common,
) -> Result<Poll> {
    let reader = common.domain.reader(slot)?;
    let mut datapath = Datapath::new(DatapathParts {
        reader,
        interfaces: Arc::clone(&common.interfaces),
        queues,
        pool: common.pools.get(numa::of_cpu(cpu).unwrap_or(SocketId::ANY)).clone(),
        out: Output::new(shares.out),
    });
    if let Some(every) = common.sample {
        datapath.keep_histograms(every);
    }
    Ok(Poll::new(datapath, shares.rx, common.burst, common.idle_sleep, common.clock))
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
        departed_handover_full: 0,
    }
}

/// How many receive queues each worker polls.
pub(crate) fn polled(workers: &[Worker]) -> Vec<usize> {
    workers.iter().map(|worker| worker.polled.len()).collect()
}

/// Hands its part of a port that was started to each of the workers, which run.
pub(crate) fn attach(workers: &mut [Worker], port: PortId, shares: Vec<Share>) -> Result<()> {
    let shares = workers.iter_mut().zip(shares);
    for (worker, Share { rx, out }) in shares.filter(|(_, share)| !share.is_empty()) {
        worker.gauges.tx.extend(out.iter().map(|out| (port, out.counters())));
        let (before, new) = (worker.polled.len(), rx.len());
        drop(worker.change(PortChange::attach(port, rx, before, out))?);
        worker.polled.extend(std::iter::repeat_n(port, new));
    }
    Ok(())
}

/// Has the receive queues of a port polled by other workers, all of which run: the first queue by the first of `to`, and so on.
/// All go on sending as before. Meanwhile packets wait in the queues.
pub(crate) fn move_rx(workers: &mut [Worker], port: PortId, to: &[usize]) -> Result<()> {
    let mut rx = Vec::new();
    for worker in workers.iter_mut().filter(|worker| worker.polled.contains(&port)) {
        let change = worker.change(PortChange::release(port, worker.polled.len()))?;
        rx.extend(change.into_queues().0);
        worker.polled.retain(|of| *of != port);
    }
    rx.sort_unstable_by_key(RxQueue::queue);
    let mut shares: Vec<Share> = workers.iter().map(|_| Share::default()).collect();
    for (queue, worker) in rx.into_iter().zip(to.iter().cycle()) {
        if let Some(share) = shares.get_mut(*worker) {
            share.rx.push(queue);
        }
    }
    attach(workers, port, shares)
}

/// Takes the queues of a port, to which no interface sends any more, from workers that run.
pub(crate) fn detach(workers: &mut [Worker], port: PortId) -> Result<(Vec<RxQueue>, Vec<TxQueue>)> {
    let (mut rx, mut tx) = (Vec::new(), Vec::new());
    for worker in workers {
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
        for (_, tx) in gauges.tx.extract_if(.., |(of, _)| *of == port) {
            gauges.departed_tx += tx.total();
            gauges.departed_handover_full += tx.handover_full.get();
        }
    }
}

/// The counters that can be read of each.
pub(crate) fn gauges(workers: &[Worker]) -> Vec<Gauges> {
    workers.iter().map(|worker| worker.gauges.clone()).collect()
}

/// The things that workers gave back when they ended.
#[derive(Debug, Default)]
pub(crate) struct Stopped {
    /// Receive queues.
    pub(crate) rx: Vec<(PortId, RxQueue)>,
    /// Transmit queues.
    pub(crate) tx: Vec<TxQueue>,
    /// Ends of the queues to and from the control thread.
    pub(crate) control: Vec<WorkerQueues>,
}

/// Tells the workers to end, and waits for all of them, also when one of them failed.
pub(crate) fn stop(workers: Vec<Worker>) -> Result<Stopped> {
    workers.iter().for_each(|worker| worker.orders.stop());
    let ended: Vec<Result<Queues>> = workers.into_iter().map(Worker::join).collect();
    let mut stopped = Stopped::default();
    for Queues { rx, tx, control } in ended.into_iter().collect::<Result<Vec<_>>>()? {
        stopped.rx.extend(rx);
        stopped.control.push(control);
        stopped.tx.extend(tx.into_iter().filter_map(TxPort::into_queue));
    }
    Ok(stopped)
}
