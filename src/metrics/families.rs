//! The metrics of the process: build, ports, packet buffers, workers, nodes.

use std::io::{self, Write};

use pmd::tsc;
use stack::drops::DropReason;
use stack::worker::{CycleHistogram, Node, NodeCounters};

use super::request::Format;
use super::sample::{PoolSample, ProcessSample, VnetSample};
use super::text::{Exposition, Family, Kind, Labels};
use super::vnet_families;
use crate::build::Build;
use crate::protocol::PortShown;
use crate::workers::Gauges;

/// Bounds of distributions, as text and in seconds.
const BOUNDS: &[(&str, f64)] = &[
    ("1e-07", 1e-7),
    ("2e-07", 2e-7),
    ("5e-07", 5e-7),
    ("1e-06", 1e-6),
    ("2e-06", 2e-6),
    ("5e-06", 5e-6),
    ("1e-05", 1e-5),
    ("2e-05", 2e-5),
    ("5e-05", 5e-5),
    ("0.0001", 1e-4),
    ("0.001", 1e-3),
    ("0.01", 1e-2),
    ("+Inf", f64::INFINITY),
];

const fn counter(name: &'static str, unit: &'static str, help: &'static str) -> Family<'static> {
    Family { kind: Kind::Counter, name, unit, help }
}

const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Family<'static> {
    Family { kind: Kind::Gauge, name, unit, help }
}

/// DPDK's `rte_eth_stats`, and what the port refused: the counter and its family.
const OF_PORTS: &[(&str, Family<'_>)] = &[
    ("rx_packets", counter("port_received_packets", "packets", "Packets that the port received.")),
    ("rx_bytes", counter("port_received_bytes", "bytes", "Bytes that the port received.")),
    ("tx_packets", counter("port_sent_packets", "packets", "Packets that the port sent.")),
    ("tx_bytes", counter("port_sent_bytes", "bytes", "Bytes that the port sent.")),
    (
        "rx_missed",
        counter("port_missed_packets", "packets", "Packets that no worker took in time."),
    ),
    ("rx_errors", counter("port_receive_error_packets", "packets", "Packets received broken.")),
    (
        "rx_nombuf",
        counter(
            "port_nombuf_packets",
            "packets",
            "Receive buffers that the pool could not supply.",
        ),
    ),
    (
        "tx_errors",
        counter("port_send_error_packets", "packets", "Packets that the driver failed to send."),
    ),
    (
        "tx_dropped",
        counter(
            "port_refused_packets",
            "packets",
            "Packets that the transmit queues did not take.",
        ),
    ),
];

type OfNode = (Family<'static>, fn(&NodeCounters) -> u64);

const OF_NODES: &[OfNode] = &[
    (counter("node_calls", "calls", "Calls of the node with at least one packet."), |node| {
        node.calls.get()
    }),
    (counter("node_packets", "packets", "Packets that the node handled."), |node| {
        node.packets.get()
    }),
    (
        counter(
            "node_sampled_cycles",
            "cycles",
            "TSC cycles of the calls in the sample, nodes called from within included.",
        ),
        |node| node.sampled_cycles.get(),
    ),
    (counter("node_sampled_packets", "packets", "Packets of the calls in the sample."), |node| {
        node.sampled_packets.get()
    }),
];

/// Writes everything.
pub(super) fn write(
    out: impl Write,
    format: Format,
    process: &ProcessSample,
    vnets: &[VnetSample],
) -> io::Result<()> {
    let mut out = Exposition::new(out, format);
    build(&mut out)?;
    let one = |out: &mut Exposition<_>, family, value: f64| {
        out.family(family)?;
        out.sample(family, &[], value)
    };
    let ProcessSample { uptime_s, vnets: count, ports, workers, pools } = process;
    one(&mut out, gauge("uptime_seconds", "seconds", "Since the workers started."), *uptime_s)?;
    one(&mut out, gauge("tsc_hertz", "hertz", "TSC cycles a second."), tsc::hz() as f64)?;
    one(&mut out, gauge("vnets", "", "Vnets that are alive."), *count as f64)?;
    of_ports(&mut out, ports)?;
    of_pools(&mut out, pools)?;
    of_workers(&mut out, workers)?;
    of_nodes(&mut out, workers)?;
    distributions(&mut out, workers)?;
    vnet_families::write(&mut out, vnets)?;
    out.end()
}

fn build<W: Write>(out: &mut Exposition<W>) -> io::Result<()> {
    let Build { version, features, git, target_cpu, dpdk } = Build::this();
    let family = Family { kind: Kind::Info, name: "build", unit: "", help: "What this build is." };
    out.family(family)?;
    let arm = features.join(" ");
    let labels =
        [("version", version), ("git", git), ("arm", &arm), ("cpu", target_cpu), ("dpdk", &dpdk)];
    out.sample(family, &labels, 1)
}

fn of_ports<W: Write>(
    out: &mut Exposition<W>,
    ports: &std::collections::BTreeMap<String, PortShown>,
) -> io::Result<()> {
    for (counter, family) in OF_PORTS {
        out.family(*family)?;
        for (name, port) in ports {
            let value = port.counters.get(*counter).copied().unwrap_or(0);
            out.sample(*family, &[("port", name)], value)?;
        }
    }
    let family = gauge("port_link_up", "", "Whether the port has a link.");
    out.family(family)?;
    for (name, port) in ports {
        out.sample(family, &[("port", name)], u8::from(port.link))?;
    }
    Ok(())
}

fn of_pools<W: Write>(out: &mut Exposition<W>, pools: &[PoolSample]) -> io::Result<()> {
    let capacity =
        gauge("pool_capacity_mbufs", "mbufs", "Packet buffers that the pool was made with.");
    let in_use =
        gauge("pool_used_mbufs", "mbufs", "Packet buffers held by packets and descriptors.");
    out.family(capacity)?;
    for pool in pools {
        out.sample(capacity, &[("pool", &pool.name)], pool.capacity)?;
    }
    out.family(in_use)?;
    for pool in pools {
        out.sample(in_use, &[("pool", &pool.name)], pool.in_use)?;
    }
    Ok(())
}

fn of_workers<W: Write>(out: &mut Exposition<W>, workers: &[Gauges]) -> io::Result<()> {
    let polls = counter("worker_polls", "polls", "Iterations of the worker.");
    each_worker(out, polls, workers, |out, cpu, worker| {
        out.sample(polls, &[cpu], worker.poll.polls.get())
    })?;
    let packets = counter("worker_packets", "packets", "Packets that the worker took from ports.");
    each_worker(out, packets, workers, |out, cpu, worker| {
        out.sample(packets, &[cpu], worker.poll.packets.get())
    })?;
    let cycles = counter("worker_cycles", "cycles", "TSC cycles of the worker, by what it did.");
    each_worker(out, cycles, workers, |out, cpu, worker| {
        let poll = &worker.poll;
        out.sample(cycles, &[cpu, ("state", "busy")], poll.busy_cycles.get())?;
        out.sample(cycles, &[cpu, ("state", "idle")], poll.idle_cycles.get())?;
        out.sample(cycles, &[cpu, ("state", "sleep")], poll.sleep_cycles.get())
    })?;
    let drops = counter(
        "worker_drop_packets",
        "packets",
        "Frames that no vnet took, by reason; reasons that never occurred are left out.",
    );
    each_worker(out, drops, workers, |out, cpu, worker| {
        for reason in DropReason::ALL {
            if let packets @ 1.. = worker.dropped(*reason) {
                out.sample(drops, &[cpu, ("reason", reason.name())], packets)?;
            }
        }
        Ok(())
    })
}

fn of_nodes<W: Write>(out: &mut Exposition<W>, workers: &[Gauges]) -> io::Result<()> {
    for (family, value) in OF_NODES {
        each_worker(out, *family, workers, |out, cpu, worker| {
            Node::ALL.iter().try_for_each(|node| {
                let value = value(worker.nodes.get(*node));
                out.sample(*family, &[cpu, ("node", node.name())], value)
            })
        })?;
    }
    Ok(())
}

/// With `[histograms]` in the configuration.
fn distributions<W: Write>(out: &mut Exposition<W>, workers: &[Gauges]) -> io::Result<()> {
    let of = |name, help| Family { kind: Kind::Histogram, name, unit: "seconds", help };
    let burst =
        of("worker_burst_seconds", "How long iterations in the sample took that received packets.");
    each_worker(out, burst, workers, |out, cpu, worker| match worker.nodes.histograms() {
        Some(histograms) => distribution(out, burst, &[cpu], &histograms.burst),
        None => Ok(()),
    })?;
    let call = of("node_call_seconds", "How long calls of the node in the sample took.");
    each_worker(out, call, workers, |out, cpu, worker| {
        let Some(histograms) = worker.nodes.histograms() else { return Ok(()) };
        Node::ALL.iter().try_for_each(|node| {
            let labels = [cpu, ("node", node.name())];
            distribution(out, call, &labels, histograms.node(*node))
        })
    })
}

/// The values are known to within 1 part in 64, and so is their sum.
fn distribution<W: Write>(
    out: &mut Exposition<W>,
    family: Family<'_>,
    labels: &Labels<'_>,
    cycles: &CycleHistogram,
) -> io::Result<()> {
    let hz = (tsc::hz() as f64).max(1.0);
    let mut buckets: Vec<(&str, u64)> = BOUNDS.iter().map(|(text, _)| (*text, 0)).collect();
    let mut sum = 0.0;
    for (value, count) in cycles.values() {
        let seconds = value as f64 / hz;
        sum += seconds * count as f64;
        for ((_, bound), (_, below)) in BOUNDS.iter().zip(&mut buckets) {
            *below += if seconds <= *bound { count } else { 0 };
        }
    }
    out.histogram(family, labels, &buckets, sum)
}

/// A family, and what `samples` writes for each worker, which gets the label that names it.
fn each_worker<W: Write>(
    out: &mut Exposition<W>,
    family: Family<'_>,
    workers: &[Gauges],
    samples: impl Fn(&mut Exposition<W>, (&str, &str), &Gauges) -> io::Result<()>,
) -> io::Result<()> {
    out.family(family)?;
    for worker in workers {
        let cpu = worker.cpu.0.to_string();
        samples(out, ("cpu", &cpu), worker)?;
    }
    Ok(())
}
