//! Devices around the datapath: a file that is replayed, rings, shared memory.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use pmd::{Burst, CpuId, Eal, MbufPool, Port, PortConfig, PortId, RxQueue, TxQueue, tsc, worker};
use stack::worker::{Clock, Orders, Output, Poll, TxPort};

use super::frames::Feed;
use super::measure::{self, BURST, Devices, Job, Queues, vlan_of};
use super::result::{Measured, NodeCost};
use super::scenario::Wire;

/// How long shared memory may take to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// Time before the first sample counts.
const WARM_UP: Duration = Duration::from_millis(500);
/// Longest wait for a worker's first packet after that.
const PATIENCE: Duration = Duration::from_secs(10);

/// The ports of one scenario, started.
#[derive(Debug)]
pub(super) struct Bench {
    /// Fed, polled, sent to, emptied. A ring is two of them at once.
    ports: Vec<Port>,
    queues: Vec<(Vec<RxQueue>, Vec<TxQueue>)>,
}

impl Bench {
    /// Opens the devices of `wire`, whose files are in `folder`.
    pub(super) fn open(wire: Wire, eal: &Eal, pool: &MbufPool, folder: &Path) -> Result<Self> {
        let socket = |n: u8| folder.join(format!("memif{n}")).display().to_string();
        let memif = |n: u8, role: &str, socket: String| {
            format!("net_memif{n},role={role},socket={socket},socket-abstract=no,id=0,rsize=10")
        };
        let devices = match wire {
            Wire::Inside => vec![],
            Wire::Pcap => {
                let file = folder.join("frames.pcap");
                vec![format!("net_pcap0,rx_pcap={},infinite_rx=1", file.display())]
            }
            Wire::Ring => vec!["net_ring0".to_owned(), "net_ring1".to_owned()],
            Wire::Memif => vec![
                memif(0, "server", socket(0)),
                memif(1, "client", socket(0)),
                memif(2, "server", socket(1)),
                memif(3, "client", socket(1)),
            ],
        };
        let mut bench = Self { ports: Vec::new(), queues: Vec::new() };
        for device in devices {
            let name = device.split(',').next().unwrap_or_default().to_owned();
            let config = PortConfig { name, device, queues: 1, ..PortConfig::default() };
            let mut port = Port::open(eal, &config, pool)?;
            bench.queues.push(port.start()?);
            bench.ports.push(port);
        }
        bench.connect()?;
        Ok(bench)
    }

    fn connect(&self) -> Result<()> {
        let start = Instant::now();
        while !self.ports.iter().all(|port| port.link().up) {
            ensure!(start.elapsed() < CONNECT, "the devices have no link after {CONNECT:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// The ports that the datapath receives from and sends to.
    pub(super) fn inner(&self) -> Result<(PortId, PortId)> {
        let id = |at: usize| self.ports.get(at).map(Port::id);
        let ids = match self.ports.len() {
            1 => id(0).zip(id(0)),
            2 => id(0).zip(id(1)),
            _ => id(0).zip(id(2)),
        };
        ids.context("there are no devices")
    }

    /// Forwards on `cpu`, and stops the ports.
    pub(super) fn run(mut self, cpu: CpuId, job: Job) -> Result<Measured> {
        if self.ports.len() == 1 {
            return self.replay(cpu, job);
        }
        let (devices, unused) = self.split()?;
        let worker = worker::spawn(cpu, "forward", move |_| measure::measure(job, Some(devices)))?;
        let Ok(done) = worker.join() else { bail!("the worker panicked") };
        let (measured, queues) = done?;
        let Some(Queues { feed, rx, sink, tx }) = queues else { bail!("the queues are gone") };
        let mut all_rx: Vec<RxQueue> = unused.rx.into_iter().chain([rx, sink]).collect();
        let mut all_tx: Vec<TxQueue> = unused.tx.into_iter().chain([feed]).chain(tx).collect();
        for mut port in self.ports {
            let (rx, other_rx) = all_rx.into_iter().partition(|queue| queue.port() == port.id());
            let (tx, other_tx) = all_tx.into_iter().partition(|queue| queue.port() == port.id());
            (all_rx, all_tx) = (other_rx, other_tx);
            port.stop(rx, tx)?;
            port.close();
        }
        Ok(measured)
    }

    /// Which queue is for what, and those that nobody uses.
    fn split(&mut self) -> Result<(Devices, Unused)> {
        // Fed and polled at one port each: of a ring, these are the same.
        let (feed, rx, tx, sink) = if self.ports.len() == 2 { (0, 0, 1, 1) } else { (1, 0, 2, 3) };
        let mut queues = std::mem::take(&mut self.queues);
        let take_tx = |queues: &mut Vec<(_, Vec<TxQueue>)>, at: usize| queues[at].1.pop();
        let feed = take_tx(&mut queues, feed).context("no queue to feed")?;
        let tx = take_tx(&mut queues, tx).context("no queue to send to")?;
        let rx = queues[rx].0.pop().context("no queue to poll")?;
        let sink = queues[sink].0.pop().context("no queue to empty")?;
        let (rest_rx, rest_tx): (Vec<_>, Vec<_>) = queues.into_iter().unzip();
        let rest = Unused {
            rx: rest_rx.into_iter().flatten().collect(),
            tx: rest_tx.into_iter().flatten().collect(),
        };
        Ok((Devices { feed, rx, tx, sink }, rest))
    }

    /// Forwards what the one device replays, as the program does; the rate is that of both.
    fn replay(mut self, cpu: CpuId, job: Job) -> Result<Measured> {
        let (rx, tx) = self.queues.pop().context("no device")?;
        let mut port = self.ports.pop().context("no device")?;
        let (id, time) = (port.id(), job.time);
        let orders = Arc::new(Orders::default());
        let obeyed = Arc::clone(&orders);
        let (sender, counters) = std::sync::mpsc::channel();
        let worker = worker::spawn(cpu, "forward", move |_| -> Result<_> {
            let out = Output::new(tx.into_iter().map(|queue| TxPort::queue(id, queue)));
            let datapath = job.parts.datapath(out)?;
            let rx = rx.into_iter().map(|queue| (id, queue)).collect();
            let mut poll = Poll::new(datapath, rx, BURST as u16, Duration::ZERO, Clock::start());
            sender.send(poll.counters())?;
            poll.run(&obeyed);
            let nodes = NodeCost::since(poll.datapath(), &Vec::new());
            Ok((poll.into_queues(), nodes))
        })?;
        let counters = counters.recv().context("the worker did not start")?;
        std::thread::sleep(WARM_UP);
        let read = || (tsc::now(), counters.packets.get());
        let (begin, before) = read();
        std::thread::sleep(time);
        // At least one burst, however little of the CPU the worker got meanwhile.
        let patience = Instant::now() + PATIENCE;
        while counters.packets.get() == before && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        let (end, after) = read();
        orders.stop();
        let Ok(done) = worker.join() else { bail!("the worker panicked") };
        let (queues, nodes) = done?;
        let stats = port.stats();
        let rx = queues.rx.into_iter().map(|(_, queue)| queue).collect();
        port.stop(rx, queues.tx.into_iter().map(|(_, queue)| queue).collect())?;
        port.close();
        Ok(Measured {
            packets: after - before,
            cycles: end - begin,
            lost: stats.rx_packets.saturating_sub(stats.tx_packets),
            histogram: Histogram::new(3)?,
            nodes,
        })
    }
}

/// Queues that a port has and nobody needs.
#[derive(Debug)]
struct Unused {
    rx: Vec<RxQueue>,
    tx: Vec<TxQueue>,
}

/// Writes the frames of `feed` as a capture file to be replayed.
pub(super) fn write_capture(feed: &mut Feed, pool: &MbufPool, file: &Path) -> Result<()> {
    /// pcap(5): magic, version 2.4, time zone, accuracy, snap length, Ethernet.
    const HEADER: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65535, 1];
    /// As many as there are flows.
    const BURSTS: usize = 1024 / BURST;
    let mut bytes: Vec<u8> = HEADER.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let mut burst = Burst::new();
    for _ in 0..BURSTS {
        feed.burst(pool, BURST, &mut burst)?;
        feed.write(&mut burst, vlan_of(0))?;
        for mbuf in burst.iter() {
            let len = mbuf.pkt_len();
            bytes.extend([0, 0, len, len].iter().flat_map(|word| word.to_ne_bytes()));
            bytes.extend(mbuf.data());
        }
    }
    std::fs::write(file, bytes).with_context(|| format!("{}", file.display()))
}
