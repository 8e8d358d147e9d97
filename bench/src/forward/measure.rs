//! The timed loop: a burst in, through the datapath, out; what is before and after it is not timed.

use std::time::{Duration, Instant};

use std::sync::Arc;

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use pmd::{Burst, MbufPool, PortId, RxQueue, TxQueue, tsc};
use stack::net::Interfaces;
use stack::time::Nanos;
use stack::worker::{Datapath, DatapathParts, Output, TxPort, WorkerQueues};
use vnet::Domain;

use super::frames::Feed;
use super::result::{Measured, NodeCost};
use super::scenario::{Order, Scenario};
use super::table::{self, Table};
use crate::random::Random;

/// Frames of a burst.
pub(crate) const BURST: usize = 64;
/// One burst in this many is checked byte by byte; all are counted.
const CHECK_EVERY: u64 = 16;
/// Time before the first sample counts.
const WARM_UP: Duration = Duration::from_millis(200);
/// VLANs in random order before the order repeats, or a few more.
const INTERLEAVED: usize = 1024;
/// The longest burst that the histogram tells apart from longer ones, in cycles.
pub(crate) const LONGEST: u64 = 1 << 32;

/// The things that a worker thread needs to forward.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) scenario: Scenario,
    pub(super) parts: Parts,
    pub(super) table: Arc<Table>,
    /// In and out, by vnet; vnets with VLANs share them.
    pub(super) ports: Vec<(PortId, PortId)>,
    pub(super) time: Duration,
}

/// The parts of its stack.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) domain: Domain,
    pub(super) interfaces: Arc<Interfaces>,
    pub(super) queues: WorkerQueues,
    pub(super) pool: MbufPool,
}

impl Parts {
    /// The stack of the calling thread.
    pub(super) fn datapath(self, out: Output) -> Result<Datapath> {
        let Self { domain, interfaces, queues, pool } = self;
        let reader = domain.reader(0)?;
        Ok(Datapath::new(DatapathParts { reader, interfaces, queues, pool, out }))
    }
}

/// Devices on both sides of the datapath, of which it has the inner queues and the caller the outer ones.
#[derive(Debug)]
pub(super) struct Devices {
    /// Where frames are fed in, and polled.
    pub(super) feed: TxQueue,
    pub(super) rx: RxQueue,
    /// Where they leave, and come out.
    pub(super) tx: TxQueue,
    pub(super) sink: RxQueue,
}

/// Cycles of two readings of the clock with nothing between them.
pub(crate) fn baseline() -> u64 {
    let mut readings: Vec<u64> = (0..1001)
        .map(|_| {
            let begin = tsc::serialized();
            tsc::serialized().saturating_sub(begin)
        })
        .collect();
    readings.sort_unstable();
    readings[readings.len() / 2]
}

/// Forwards bursts for a while on the calling thread, by hand or through `devices`. Both sides of these are returned.
pub(super) fn measure(job: Job, devices: Option<Devices>) -> Result<(Measured, Option<Queues>)> {
    let Job { scenario, parts, table, ports, time } = job;
    let pool = parts.pool.clone();
    let (out, mut devices) = match devices {
        None => (Output::new(ports.iter().map(|(_, out)| TxPort::collect(*out))), None),
        Some(Devices { feed, rx, tx, sink }) => {
            let out = TxPort::queue(ports[0].1, tx);
            (Output::new([out]), Some((feed, rx, sink)))
        }
    };
    let mut datapath = parts.datapath(out)?;
    let baseline = baseline();
    let mut feed = feed(&scenario, &table);
    let mut burst = Burst::new();
    let mut histogram = Histogram::new_with_bounds(1, LONGEST, 3)?;
    let (mut cycles, mut packets, mut lost, mut bursts) = (0u64, 0u64, 0u64, 0u64);
    let (start, mut nodes_before) = (Instant::now(), None);
    loop {
        let elapsed = start.elapsed();
        // At least one look, however little of the CPU this thread got meanwhile.
        if elapsed > WARM_UP + time && nodes_before.is_some() {
            break;
        }
        let warm = elapsed > WARM_UP;
        if warm && nodes_before.is_none() {
            nodes_before = Some(NodeCost::counters(&datapath));
        }
        // So many between two looks at the clock.
        for _ in 0..CHECK_EVERY {
            let (vnet, port, out) = turn(&scenario, &ports, bursts);
            feed.burst(&pool, BURST, &mut burst)?;
            feed.write(&mut burst, scenario.vlan_of(vnet))?;
            if let Some((feed, ..)) = &mut devices {
                let _sent = feed.tx(&mut burst);
            }
            let begin = tsc::serialized();
            let _timed = datapath.begin(Nanos(begin));
            let received = match &mut devices {
                None => BURST,
                Some((_, rx, _)) => rx.rx(&mut burst, BURST as u16),
            };
            // As a worker does that polls so many ports in this order.
            datapath.expect(vnet % ports.len(), ports.len(), |n| ports[n].0);
            datapath.receive(port, &mut burst);
            datapath.finish(received);
            let took = tsc::serialized().saturating_sub(begin + baseline);

            match &mut devices {
                None => collect(&mut datapath, out, &feed, &mut burst),
                Some((.., sink)) => drop(sink.rx(&mut burst, BURST as u16)),
            }
            if bursts.is_multiple_of(CHECK_EVERY) && burst.len() == BURST {
                check(&scenario, &table, &feed, &burst, vnet)?;
            }
            bursts += 1;
            if warm {
                cycles += took;
                packets += burst.len() as u64;
                lost += (BURST - burst.len()) as u64;
                histogram.saturating_record(took);
            }
        }
    }
    ensure!(packets > 0, "{}: nothing was forwarded", scenario.name);
    // Without devices there is nowhere to lose them.
    ensure!(devices.is_some() || lost == 0, "{}: {lost} packets did not leave", scenario.name);
    let nodes = NodeCost::since(&datapath, &nodes_before.unwrap_or_default());
    let queues = devices.map(|(feed, rx, sink)| Queues {
        feed,
        rx,
        sink,
        tx: datapath
            .into_parts()
            .0
            .into_ports()
            .into_iter()
            .filter_map(TxPort::into_queue)
            .collect(),
    });
    Ok((Measured { packets, cycles, lost, histogram, nodes }, queues))
}

/// Takes the frames of `feed` that left through `port`; what the stack says of its own accord ends here.
fn collect(datapath: &mut Datapath, port: PortId, feed: &Feed, burst: &mut Burst) {
    let frames = datapath.out().frames(port).filter(|frame| feed.made(frame));
    frames.for_each(|mbuf| drop(burst.push(mbuf)));
}

/// The stack of the calling thread, which sends to `out`: after it has forwarded each frame of the job's capture once, right.
pub(super) fn checked(job: Job, out: Output) -> Result<Datapath> {
    let Job { scenario, parts, table, ports, .. } = job;
    let ((port, to), pool) = (ports[0], parts.pool.clone());
    let mut datapath = parts.datapath(Output::new([TxPort::collect(to)]))?;
    let (mut feed, mut burst) = (feed(&scenario, &table), Burst::new());
    for _ in 0..feed.period().div_ceil(BURST) {
        feed.burst(&pool, BURST, &mut burst)?;
        feed.write(&mut burst, 0)?;
        let _timed = datapath.begin(Nanos(tsc::now()));
        datapath.receive(port, &mut burst);
        datapath.finish(BURST);
        collect(&mut datapath, to, &feed, &mut burst);
        let left = burst.len();
        ensure!(left == BURST, "{}: of {BURST} packets, {left} left", scenario.name);
        check(&scenario, &table, &feed, &burst, 0)?;
    }
    *datapath.out() = out;
    Ok(datapath)
}

/// Queues that go back to their ports.
#[derive(Debug)]
pub(super) struct Queues {
    pub(super) feed: TxQueue,
    pub(super) rx: RxQueue,
    pub(super) sink: RxQueue,
    pub(super) tx: Vec<TxQueue>,
}

/// The frames of a scenario.
pub(super) fn feed(scenario: &Scenario, table: &Table) -> Feed {
    let mut feed = Feed::new(&scenario.sizes, scenario.tagged, table.destinations.clone());
    if scenario.order == Order::Interleaved {
        feed = feed.interleaved(interleaved(scenario));
    }
    if scenario.hairpin {
        feed = feed.hairpin();
    }
    if scenario.senders_on_link {
        feed = feed.sent_from(table::SENDERS);
    }
    feed
}

/// VLANs in random order, each equally often.
fn interleaved(scenario: &Scenario) -> Vec<u16> {
    let rounds = INTERLEAVED.div_ceil(scenario.vnets);
    let mut vlans: Vec<u16> =
        (0..rounds * scenario.vnets).map(|n| scenario.vlan_of(n % scenario.vnets)).collect();
    Random::new(0x766c_616e).shuffle(&mut vlans);
    vlans
}

/// Whether the last burst of `feed`, all of which left as `burst`, is what a router makes of it.
pub(super) fn check(
    scenario: &Scenario,
    table: &Table,
    feed: &Feed,
    burst: &Burst,
    vnet: usize,
) -> Result<()> {
    let leads_to = |dst, mac| table.leads_to(dst, mac);
    match scenario.order {
        Order::Interleaved => feed.check_each_vlan_in_order(burst.iter(), burst.len(), leads_to),
        // Those that the sender is told a better way for leave behind the others.
        Order::Blocks if scenario.senders_on_link => {
            feed.check_in_any_order(burst.iter(), burst.len(), scenario.vlan_of(vnet), leads_to)
        }
        Order::Blocks => feed.check(burst.iter(), burst.len(), scenario.vlan_of(vnet), leads_to),
    }
}

/// The vnet whose turn it is, and its ports.
fn turn(scenario: &Scenario, ports: &[(PortId, PortId)], bursts: u64) -> (usize, PortId, PortId) {
    let vnet = match scenario.order {
        Order::Blocks => bursts as usize % scenario.vnets,
        Order::Interleaved => 0,
    };
    let (port, out) = ports[vnet % ports.len()];
    (vnet, port, out)
}
