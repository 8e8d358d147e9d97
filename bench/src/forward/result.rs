//! The results, and how they are printed.

use hdrhistogram::Histogram;
use pmd::tsc;
use serde::Serialize;
use serde_json::json;
use stack::worker::{Datapath, Node};

use super::scenario::{self, Order, Wire};
use crate::report::{Better, Percentiles, Point, Scenario};

/// One scenario's result.
#[derive(Debug)]
pub(super) struct Measured {
    /// Packets that came out.
    pub(super) packets: u64,
    /// Cycles of the datapath for them.
    pub(super) cycles: u64,
    /// Packets that went in and did not come out.
    pub(super) lost: u64,
    /// Cycles of a burst.
    pub(super) histogram: Histogram<u64>,
    pub(super) nodes: Vec<NodeCost>,
}

/// The curve that a scenario is a point of.
fn series(scenario: &scenario::Scenario) -> Option<&'static str> {
    match (scenario.order, scenario.wire) {
        (Order::Interleaved, Wire::Pcap) => Some("forward-mix-net_pcap"),
        (Order::Interleaved, _) => Some("forward-mix"),
        (Order::Blocks, _) if !scenario.name.contains("-vnet") => None,
        (Order::Blocks, _) if scenario.tagged => Some("forward-dot1q"),
        (Order::Blocks, _) => Some("forward"),
    }
}

/// The work of a node.
#[derive(Debug, Serialize)]
pub(super) struct NodeCost {
    pub(super) name: &'static str,
    pub(super) cycles_per_packet: f64,
    pub(super) packets_per_call: f64,
}

/// Calls, packets, sampled cycles and sampled packets of each node.
pub(super) type NodeCounters = Vec<[u64; 4]>;

impl NodeCost {
    /// The counters now.
    pub(super) fn counters(datapath: &Datapath) -> NodeCounters {
        let of = |node: &Node| {
            let counters = datapath.nodes().get(*node);
            [
                &counters.calls,
                &counters.packets,
                &counters.sampled_cycles,
                &counters.sampled_packets,
            ]
            .map(|counter| counter.get())
        };
        Node::ALL.iter().map(of).collect()
    }

    /// The work of the nodes since `before`, of those that did some.
    pub(super) fn since(datapath: &Datapath, before: &NodeCounters) -> Vec<Self> {
        let now = Self::counters(datapath);
        let costs = Node::ALL.iter().zip(now).enumerate().map(|(at, (node, now))| {
            let before = before.get(at).copied().unwrap_or_default();
            let [calls, packets, cycles, sampled] =
                std::array::from_fn(|n| now[n].saturating_sub(before[n]) as f64);
            Self {
                name: node.name(),
                cycles_per_packet: ratio(cycles, sampled),
                packets_per_call: ratio(packets, calls),
            }
        });
        costs.filter(|cost| cost.packets_per_call > 0.0).collect()
    }
}

fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

impl Measured {
    /// Cycles that the datapath needs for a packet.
    pub(super) fn cycles_per_packet(&self) -> f64 {
        ratio(self.cycles as f64, self.packets as f64)
    }

    /// Packets that one worker forwards in a second, if it does nothing else.
    pub(super) fn pps(&self) -> f64 {
        ratio(tsc::hz() as f64, self.cycles_per_packet())
    }

    /// The result in the schema of all results.
    pub(super) fn report(&self, scenario: &scenario::Scenario) -> Scenario {
        let details = json!({
            "cycles_per_packet": self.cycles_per_packet(),
            "packets": self.packets,
            "lost": self.lost,
            "nodes": self.nodes,
        });
        let of_curve = series(scenario).map(|series| Point {
            series: series.to_owned(),
            axis: "vnets".to_owned(),
            x: scenario.vnets as f64,
        });
        // Where a device decides how long a burst takes, there is none.
        let percentiles = (scenario.wire != Wire::Pcap)
            .then(|| Percentiles::of(&self.histogram, "cycles/burst", 1.0));
        Scenario {
            name: scenario.name.clone(),
            value: self.pps(),
            unit: "pps".to_owned(),
            better: Better::Higher,
            percentiles,
            point: of_curve,
            details: details.as_object().cloned().unwrap_or_default(),
        }
    }

    /// A line for people.
    pub(super) fn line(&self, name: &str) -> String {
        let at = |percentile| self.histogram.value_at_percentile(percentile);
        let nodes: Vec<String> = self
            .nodes
            .iter()
            .filter(|node| node.cycles_per_packet > 0.0)
            .map(|node| format!("{} {:.1}", node.name, node.cycles_per_packet))
            .collect();
        format!(
            "{name:<44}{:>8.2}{:>9.1}{:>8}{:>8}{:>8}{:>7}   {}",
            self.pps() / 1e6,
            self.cycles_per_packet(),
            at(50.0),
            at(99.0),
            at(99.9),
            self.lost,
            nodes.join(", ")
        )
    }

    /// The line of headings.
    pub(super) fn header() -> String {
        format!(
            "{:<44}{:>8}{:>9}{:>8}{:>8}{:>8}{:>7}   {}",
            "scenario", "Mpps", "cycles/p", "p50", "p99", "p99.9", "lost", "cycles/packet of nodes"
        )
    }
}
