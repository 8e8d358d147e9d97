//! Devices around the datapath: a file that is replayed, rings, shared memory.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use pmd::{Burst, CpuId, Eal, MbufPool, Port, PortConfig, PortId, RxQueue, TxQueue, tsc, worker};
use stack::worker::{Clock, Orders, Output, Poll, TxPort};
use vnet::Counter;

use super::frames::Feed;
use super::measure::{self, BURST, Devices, Job, Queues};
use super::result::{Measured, NodeCost};
use super::scenario::{Scenario, Wire};

/// How long shared memory may take to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// Time before the first sample counts.
const WARM_UP: Duration = Duration::from_millis(500);
/// Captures in a scenario's folder.
const FRAMES: &str = "frames.pcap";
const NO_FRAMES: &str = "nothing.pcap";
/// Longest wait for a worker's first packet after that.
const PATIENCE: Duration = Duration::from_secs(10);

/// The ports of one scenario, started.
#[derive(Debug)]
pub(super) struct Bench {
    /// Fed, polled, sent to, emptied. A ring is two of them at once, and a file that is replayed needs the two in the middle.
    ports: Vec<Port>,
    queues: Vec<(Vec<RxQueue>, Vec<TxQueue>)>,
    wire: Wire,
}

impl Bench {
    /// Opens the devices of `scenario`, whose files are in `folder`.
    pub(super) fn open(
        scenario: &Scenario,
        eal: &Eal,
        pool: &MbufPool,
        folder: &Path,
    ) -> Result<Self> {
        let wire = scenario.wire;
        let socket = |n: u8| folder.join(format!("memif{n}")).display().to_string();
        let memif = |n: u8, role: &str, socket: String| {
            format!("net_memif{n},role={role},socket={socket},socket-abstract=no,id=0,rsize=10")
        };
        let devices = match wire {
            Wire::Inside => vec![],
            Wire::Pcap => {
                let device =
                    |n, file| format!("net_pcap{n},rx_pcap={}", folder.join(file).display());
                let mut devices = vec![format!("{},infinite_rx=1", device(0, FRAMES))];
                if !scenario.hairpin {
                    // Only sent to. Such a device has a file to read all the same.
                    devices.push(device(1, NO_FRAMES));
                }
                devices
            }
            Wire::Ring => vec!["net_ring0".to_owned(), "net_ring1".to_owned()],
            Wire::Memif => vec![
                memif(0, "server", socket(0)),
                memif(1, "client", socket(0)),
                memif(2, "server", socket(1)),
                memif(3, "client", socket(1)),
            ],
        };
        let mut bench = Self { ports: Vec::new(), queues: Vec::new(), wire };
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
        if self.wire == Wire::Pcap {
            return self.replay(cpu, job);
        }
        let (devices, unused) = self.split()?;
        let worker = worker::spawn(cpu, "forward", move |_| measure::measure(job, Some(devices)))?;
        let Ok(done) = worker.join() else { bail!("the worker panicked") };
        let (measured, queues) = done?;
        let Some(Queues { feed, rx, sink, tx }) = queues else { bail!("the queues are gone") };
        let rx = unused.rx.into_iter().chain([rx, sink]).collect();
        let tx = unused.tx.into_iter().chain([feed]).chain(tx).collect();
        self.stop(rx, tx)?;
        Ok(measured)
    }

    /// Stops the ports, whose queues these are.
    fn stop(self, mut all_rx: Vec<RxQueue>, mut all_tx: Vec<TxQueue>) -> Result<()> {
        for mut port in self.ports {
            let (rx, other_rx) = all_rx.into_iter().partition(|queue| queue.port() == port.id());
            let (tx, other_tx) = all_tx.into_iter().partition(|queue| queue.port() == port.id());
            (all_rx, all_tx) = (other_rx, other_tx);
            port.stop(rx, tx)?;
            port.close();
        }
        Ok(())
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

    /// Forwards what the first device replays to the last, as the program does; the rate is that of all of it.
    fn replay(mut self, cpu: CpuId, job: Job) -> Result<Measured> {
        let (rx, tx): (Vec<_>, Vec<_>) = std::mem::take(&mut self.queues).into_iter().unzip();
        let (mut rx, mut tx) = (rx.into_iter().flatten(), tx.into_iter().rev().flatten());
        let (rx, unused_rx) = (rx.next().context("no queue to poll")?, rx.collect::<Vec<_>>());
        let (tx, unused_tx) = (tx.next().context("no queue to send to")?, tx.collect::<Vec<_>>());
        let time = job.time;
        let orders = Arc::new(Orders::default());
        let obeyed = Arc::clone(&orders);
        let (sender, counters) = std::sync::mpsc::channel();
        let worker = worker::spawn(cpu, "forward", move |_| -> Result<_> {
            let datapath = measure::checked(job, Output::new([TxPort::queue(tx.port(), tx)]))?;
            let rx = vec![(rx.port(), rx)];
            let mut poll = Poll::new(datapath, rx, BURST as u16, Duration::ZERO, Clock::start());
            sender.send(poll.counters())?;
            poll.run(&obeyed);
            let nodes = NodeCost::since(poll.datapath(), &Vec::new());
            Ok((poll.into_queues(), nodes))
        })?;
        let counted = counters.recv().map(|counters| {
            let counted = count(&counters.packets, time);
            orders.stop();
            counted
        });
        let Ok(done) = worker.join() else { bail!("the worker panicked") };
        let (queues, nodes) = done?;
        let (packets, cycles) = counted.context("the worker did not start")?;
        let received = self.ports.first().map_or(0, |port| port.stats().rx_packets);
        let sent = self.ports.last().map_or(0, |port| port.stats().tx_packets);
        let rx = queues.rx.into_iter().map(|(_, queue)| queue).chain(unused_rx).collect();
        let tx = queues.tx.into_iter().filter_map(TxPort::into_queue).chain(unused_tx).collect();
        self.stop(rx, tx)?;
        let lost = received.saturating_sub(sent);
        Ok(Measured { packets, cycles, lost, histogram: Histogram::new(3)?, nodes })
    }
}

/// The gain of a worker's counter in `time` or until its first packet, and the cycles that passed.
fn count(packets: &Counter, time: Duration) -> (u64, u64) {
    std::thread::sleep(WARM_UP);
    let read = || (tsc::now(), packets.get());
    let (begin, before) = read();
    std::thread::sleep(time);
    // At least one burst, however little of the CPU the worker got meanwhile.
    let patience = Instant::now() + PATIENCE;
    while packets.get() == before && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (end, after) = read();
    (after - before, end - begin)
}

/// Queues that a port has and nobody needs.
#[derive(Debug)]
struct Unused {
    rx: Vec<RxQueue>,
    tx: Vec<TxQueue>,
}

/// Writes the frames of `feed` as a capture file to be replayed, and an empty one, to this folder.
pub(super) fn write_captures(feed: &mut Feed, pool: &MbufPool, folder: &Path) -> Result<()> {
    /// pcap(5): magic, version 2.4, time zone, accuracy, snap length, Ethernet.
    const HEADER: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65535, 1];
    let mut bytes: Vec<u8> = HEADER.iter().flat_map(|word| word.to_ne_bytes()).collect();
    write(&folder.join(NO_FRAMES), &bytes)?;
    let mut burst = Burst::new();
    let period = feed.period();
    for at in (0..period).step_by(BURST) {
        burst.clear();
        feed.burst(pool, BURST.min(period - at), &mut burst)?;
        // Frames with tags know their VLANs here.
        feed.write(&mut burst, 0)?;
        for mbuf in burst.iter() {
            let len = mbuf.pkt_len();
            bytes.extend([0, 0, len, len].iter().flat_map(|word| word.to_ne_bytes()));
            bytes.extend(mbuf.data());
        }
    }
    write(&folder.join(FRAMES), &bytes)
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(file, bytes).with_context(|| format!("{}", file.display()))
}
