//! The summary of a run: the JSON object of `--json` and the text for people.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use numbers::{group, rate};
use pmd::{Port, tsc};
use serde::Serialize;
use stack::control::{FrameTotals, Stack};
use stack::drops::DropReason;
use stack::worker::Node;

use crate::build::Build;
use crate::distribution::Distributions;
use crate::ports::Ports;
use crate::workers::Gauges;

/// The final summary.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    build: Build,
    duration_s: f64,
    tsc_hz: u64,
    ports: BTreeMap<String, PortSummary>,
    vnets: BTreeMap<String, VnetSummary>,
    workers: Vec<WorkerSummary>,
    books: Books,
    /// Mbufs that did not come back after everything stopped.
    pub(crate) mbufs_leaked: u32,
    /// Vnets that something still held after everything stopped.
    pub(crate) vnets_leaked: usize,
}

/// Counters of a port at its end.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PortSummary {
    rx_packets: u64,
    rx_bytes: u64,
    tx_packets: u64,
    tx_bytes: u64,
    rx_missed: u64,
    tx_dropped: u64,
    rx_errors: u64,
    rx_nombuf: u64,
    link_changes: u64,
    removed: bool,
}

#[derive(Debug, Serialize)]
struct VnetSummary {
    interfaces: BTreeMap<String, BTreeMap<&'static str, u64>>,
    drops: BTreeMap<&'static str, u64>,
    received: u64,
    originated: u64,
    sent: u64,
    delivered: u64,
    in_flight: u64,
    /// Whether received + originated = sent + delivered + drops + in flight.
    balanced: bool,
    statistics: BTreeMap<&'static str, u64>,
    container_bytes: usize,
}

#[derive(Debug, Serialize)]
struct WorkerSummary {
    cpu: usize,
    polls: u64,
    packets: u64,
    busy_cycles: u64,
    idle_cycles: u64,
    sleep_cycles: u64,
    cycles_per_packet: f64,
    /// Frames that no vnet took.
    drops: BTreeMap<&'static str, u64>,
    nodes: BTreeMap<&'static str, NodeSummary>,
    /// With `[histograms]` in the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    histograms: Option<Distributions>,
}

#[derive(Debug, Serialize)]
struct NodeSummary {
    calls: u64,
    packets: u64,
    /// Of a sample of the calls, what the node called included.
    cycles_per_packet: f64,
}

/// The books of the whole process.
#[derive(Debug, Serialize)]
struct Books {
    /// Packets that the workers took from the ports.
    polled: u64,
    /// Packets that vnets received, those that are gone included, and frames that no vnet took.
    accounted: u64,
    /// Packets that vnets sent to ports, those that are gone included.
    sent: u64,
    /// Packets that ports took, and those they refused.
    transmitted: u64,
    /// Packets that ends of epairs sent.
    epairs_sent: u64,
    /// Packets that the other ends received, and those that were dropped between them.
    epairs_accounted: u64,
    balanced: bool,
}

fn per_packet(cycles: u64, packets: u64) -> f64 {
    if packets == 0 { 0.0 } else { cycles as f64 / packets as f64 }
}

impl Summary {
    /// Reads everything; the workers have stopped.
    pub(crate) fn collect(
        stack: &Stack,
        ports: &Ports,
        gauges: &[Gauges],
        elapsed: Duration,
    ) -> Self {
        let vnets = vnets_of(stack);
        let books = Books::close(stack, gauges);
        let open = ports.iter().map(|open| &open.port);
        let open = open.map(|port| (port.name().to_owned(), PortSummary::of(port, gauges)));
        Self {
            build: Build::this(),
            duration_s: elapsed.as_secs_f64(),
            tsc_hz: tsc::hz(),
            // One that has the name of a port that was detached stands for both.
            ports: ports.gone().clone().into_iter().chain(open).collect(),
            vnets,
            workers: gauges.iter().map(WorkerSummary::of).collect(),
            books,
            mbufs_leaked: 0,
            vnets_leaked: 0,
        }
    }

    /// An error when something is wrong with the run itself: books that do not balance, packets that were lost.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        let unbalanced: Vec<&str> = self
            .vnets
            .iter()
            .filter(|(_, vnet)| !vnet.balanced)
            .map(|(name, _)| name.as_str())
            .collect();
        if !unbalanced.is_empty() {
            return Err(format!(
                "packets are unaccounted for in vnet {}: this is a bug",
                unbalanced.join(", ")
            ));
        }
        if !self.books.balanced {
            return Err(
                "packets are unaccounted for between ports and vnets: this is a bug".to_owned()
            );
        }
        if self.mbufs_leaked > 0 {
            return Err(format!(
                "{} mbufs did not come back to their pool: this is a bug",
                self.mbufs_leaked
            ));
        }
        if self.vnets_leaked > 0 {
            return Err(format!("{} vnets could not be freed: this is a bug", self.vnets_leaked));
        }
        Ok(())
    }
}

fn vnets_of(stack: &Stack) -> BTreeMap<String, VnetSummary> {
    let of = |vnet: &vnet::VnetRef| {
        let books = stack.books_of(vnet);
        let interfaces = stack
            .interfaces_of(vnet)
            .into_iter()
            .map(|ifp| (ifp.name.clone(), ifp.total().into_iter().collect()))
            .collect();
        let summary = VnetSummary {
            interfaces,
            balanced: books.balance(),
            drops: books.drops.iter().copied().collect(),
            received: books.received,
            originated: books.originated,
            sent: books.sent,
            delivered: books.delivered,
            in_flight: books.in_flight,
            statistics: stack
                .statistics_of(vnet)
                .into_iter()
                .filter(|(_, value)| *value > 0)
                .collect(),
            container_bytes: vnet.container_bytes(),
        };
        (vnet.name().to_owned(), summary)
    };
    stack.vnets().iter().map(of).collect()
}

impl PortSummary {
    /// The counts of the port itself and of the workers.
    pub(crate) fn of(port: &Port, gauges: &[Gauges]) -> Self {
        let stats = port.stats();
        let events = port.events();
        let refused: u64 = sent_by(gauges)
            .filter(|(id, ..)| *id == port.id())
            .map(|(_, _, dropped)| dropped)
            .sum();
        Self {
            rx_packets: stats.rx_packets,
            rx_bytes: stats.rx_bytes,
            tx_packets: stats.tx_packets,
            tx_bytes: stats.tx_bytes,
            rx_missed: stats.rx_missed,
            tx_dropped: refused,
            rx_errors: stats.rx_errors,
            rx_nombuf: stats.rx_nombuf,
            link_changes: events.link_changes,
            removed: port.is_removed(),
        }
    }
}

/// Port, sent and dropped, for each worker's share of each port.
fn sent_by(gauges: &[Gauges]) -> impl Iterator<Item = (pmd::PortId, u64, u64)> + '_ {
    gauges
        .iter()
        .flat_map(|worker| worker.tx.iter())
        .map(|(port, tx)| (*port, tx.sent.get(), tx.dropped.get()))
}

impl WorkerSummary {
    fn of(gauges: &Gauges) -> Self {
        let poll = &gauges.poll;
        let nodes = Node::ALL
            .iter()
            .map(|node| (node.name(), gauges.nodes.get(*node)))
            .filter(|(_, counters)| counters.calls.get() > 0)
            .map(|(name, counters)| {
                let summary = NodeSummary {
                    calls: counters.calls.get(),
                    packets: counters.packets.get(),
                    cycles_per_packet: per_packet(
                        counters.sampled_cycles.get(),
                        counters.sampled_packets.get(),
                    ),
                };
                (name, summary)
            })
            .collect();
        Self {
            cpu: gauges.cpu.0,
            polls: poll.polls.get(),
            packets: poll.packets.get(),
            busy_cycles: poll.busy_cycles.get(),
            idle_cycles: poll.idle_cycles.get(),
            sleep_cycles: poll.sleep_cycles.get(),
            cycles_per_packet: per_packet(poll.busy_cycles.get(), poll.packets.get()),
            drops: DropReason::ALL
                .iter()
                .map(|reason| (reason.name(), gauges.dropped(*reason)))
                .filter(|(_, packets)| *packets > 0)
                .collect(),
            nodes,
            histograms: gauges.nodes.histograms().map(Distributions::of),
        }
    }
}

impl Books {
    fn close(stack: &Stack, gauges: &[Gauges]) -> Self {
        let FrameTotals { received: taken, sent } = stack.frame_totals();
        let polled = gauges.iter().map(|worker| worker.poll.packets.get()).sum();
        let untaken: u64 = gauges.iter().map(|worker| worker.drops.received.total()).sum();
        let ended = gauges.iter().flat_map(|worker| worker.tx.iter().map(|(_, tx)| tx.total()));
        let transmitted =
            gauges.iter().map(|worker| worker.departed_tx).sum::<u64>() + ended.sum::<u64>();
        let accounted = taken + untaken;
        let FrameTotals { received: crossed, sent: epairs_sent } = stack.epair_totals();
        let lost: u64 = gauges.iter().map(|worker| worker.drops.crossing.total()).sum();
        let epairs_accounted = crossed + lost;
        Self {
            polled,
            accounted,
            sent,
            transmitted,
            epairs_sent,
            epairs_accounted,
            balanced: polled == accounted && sent == transmitted && epairs_sent == epairs_accounted,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "ran {:.1} s, build {} {} for {}",
            self.duration_s,
            self.build.features.join(" "),
            self.build.git,
            self.build.target_cpu
        )?;
        for (name, port) in &self.ports {
            writeln!(
                f,
                "port {name}: received {} ({}), sent {} ({}), missed {}, refused {}",
                group(port.rx_packets),
                self.rate(port.rx_packets),
                group(port.tx_packets),
                self.rate(port.tx_packets),
                group(port.rx_missed),
                group(port.tx_dropped),
            )?;
        }
        let in_use = |vnet: &VnetSummary| vnet.received + vnet.originated > 0;
        for (name, vnet) in self.vnets.iter().filter(|(_, vnet)| in_use(vnet)) {
            writeln!(
                f,
                "vnet {name}: received {}, sent {}, delivered {}, originated {}, in flight {}{}",
                group(vnet.received),
                group(vnet.sent),
                group(vnet.delivered),
                group(vnet.originated),
                group(vnet.in_flight),
                if vnet.balanced { "" } else { "  ** the books do not balance **" },
            )?;
            for (reason, packets) in &vnet.drops {
                writeln!(f, "  dropped {:>14}  {reason}", group(*packets))?;
            }
        }
        for worker in &self.workers {
            let total = worker.busy_cycles + worker.idle_cycles + worker.sleep_cycles;
            let share = |cycles| 100.0 * per_packet(cycles, total.max(1));
            let (busy, asleep) = (share(worker.busy_cycles), share(worker.sleep_cycles));
            writeln!(
                f,
                "worker on CPU {}: {} packets, {:.1} cycles a packet, busy {busy:.0} %, asleep {asleep:.0} %",
                worker.cpu,
                group(worker.packets),
                worker.cycles_per_packet
            )?;
            for (name, node) in &worker.nodes {
                writeln!(
                    f,
                    "  node {name:<14} {:>16} packets {:>8.1} cycles a packet",
                    group(node.packets),
                    node.cycles_per_packet
                )?;
            }
            for (reason, packets) in &worker.drops {
                writeln!(f, "  dropped {:>14}  {reason}", group(*packets))?;
            }
            if let Some(histograms) = &worker.histograms {
                write!(f, "{histograms}")?;
            }
        }
        Ok(())
    }
}

impl Summary {
    fn rate(&self, packets: u64) -> String {
        rate(packets as f64 / self.duration_s.max(f64::MIN_POSITIVE), "pps")
    }
}
