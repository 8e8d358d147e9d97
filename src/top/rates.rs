//! Rates: what two snapshots differ by, for each second between them. What one of them lacks has no rate.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::ask::Snapshot;
use crate::protocol::{InterfaceShown, PortShown, Stats, VnetTraffic, WorkerShown};

/// A rate a second; none until there are two values.
type Rate = Option<f64>;

/// The numbers that are shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct View {
    /// Between the two snapshots.
    pub(super) interval_s: f64,
    /// Since the instance's workers started.
    pub(super) uptime_s: f64,
    /// All ports together.
    pub(super) total: Traffic,
    /// By name.
    pub(super) ports: BTreeMap<String, Traffic>,
    /// By place.
    pub(super) vnets: Vec<VnetRow>,
    /// Of the vnet that is looked into.
    pub(super) interfaces: Vec<InterfaceRow>,
    /// In the order of the configuration.
    pub(super) workers: Vec<WorkerRow>,
    /// By name, of all workers.
    pub(super) nodes: BTreeMap<String, CountRow>,
    /// By reason: of the vnets, and, if no vnet is looked into, of the workers.
    pub(super) drops: BTreeMap<String, CountRow>,
}

/// In and out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Traffic {
    pub(super) in_pps: Rate,
    pub(super) in_bps: Rate,
    pub(super) out_pps: Rate,
    pub(super) out_bps: Rate,
    pub(super) drops_pps: Rate,
}

/// A vnet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct VnetRow {
    pub(super) index: u64,
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) traffic: Traffic,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct InterfaceRow {
    pub(super) name: String,
    pub(super) up: bool,
    pub(super) received: u64,
    pub(super) sent: u64,
    #[serde(flatten)]
    pub(super) traffic: Traffic,
}

/// A worker. Shares are of its time, 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct WorkerRow {
    pub(super) cpu: u64,
    pub(super) pps: Rate,
    pub(super) polls_ps: Rate,
    pub(super) cycles_per_packet: Option<f64>,
    pub(super) busy: Option<f64>,
    pub(super) idle: Option<f64>,
    pub(super) sleep: Option<f64>,
}

/// Packets of a node, or of a drop reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct CountRow {
    pub(super) pps: Rate,
    pub(super) packets: u64,
}

impl View {
    /// The numbers of `now`, with rates since `before`. A snapshot of an instance that has started anew since has none.
    pub(super) fn between(before: Option<&Snapshot>, now: &Snapshot) -> Self {
        let before = before.filter(|before| before.stats.uptime_s <= now.stats.uptime_s);
        let seconds = before.map_or(0.0, |before| (now.at - before.at).as_secs_f64());
        let rates = Rates { seconds };
        let ports: BTreeMap<_, _> = now
            .stats
            .ports
            .iter()
            .map(|(name, port)| {
                let before = before.and_then(|before| before.stats.ports.get(name));
                (name.clone(), rates.of_port(before, port))
            })
            .collect();
        let of_interface = |interface: &InterfaceShown| {
            let same_vnet = before.filter(|before| before.wish.vnet == now.wish.vnet);
            let mut all = same_vnet.into_iter().flat_map(|before| &before.interfaces);
            rates.of_interface(all.find(|before| before.name == interface.name), interface)
        };
        let same_vnets = before.filter(|before| before.wish.same_vnets(&now.wish));
        let old = before.map(|before| before.stats.workers.as_slice()).unwrap_or_default();
        let workers =
            now.stats.workers.iter().map(|worker| {
                rates.of_worker(old.iter().find(|old| old.cpu == worker.cpu), worker)
            });
        Self {
            interval_s: seconds,
            uptime_s: now.stats.uptime_s,
            total: ports.values().fold(Traffic::default(), Traffic::plus),
            vnets: rates.of_vnets(before, now),
            interfaces: now.interfaces.iter().map(of_interface).collect(),
            workers: workers.collect(),
            nodes: rates.counts(before.map(nodes), nodes(now)),
            drops: rates.counts(same_vnets.map(drops), drops(now)),
            ports,
        }
    }
}

impl Traffic {
    /// Added up; of what has rates.
    fn plus(self, other: &Self) -> Self {
        let add = |a: Rate, b: Rate| a.map_or(b, |a| Some(a + b.unwrap_or(0.0)));
        Self {
            in_pps: add(self.in_pps, other.in_pps),
            in_bps: add(self.in_bps, other.in_bps),
            out_pps: add(self.out_pps, other.out_pps),
            out_bps: add(self.out_bps, other.out_bps),
            drops_pps: add(self.drops_pps, other.drops_pps),
        }
    }
}

/// How rates are made.
struct Rates {
    seconds: f64,
}

impl Rates {
    /// None without a value before, and for a counter that began anew.
    fn rate(&self, before: Option<u64>, now: u64) -> Rate {
        let grown = now.checked_sub(before?)?;
        (self.seconds > 0.0).then(|| grown as f64 / self.seconds)
    }

    /// The rates of counters by their names: packets and bytes in, packets and bytes out, drops.
    fn traffic<const N: usize>(
        &self,
        before: Option<&BTreeMap<String, u64>>,
        now: &BTreeMap<String, u64>,
        [in_packets, in_bytes, out_packets, out_bytes]: [&str; 4],
        drops: [&str; N],
    ) -> Traffic {
        let value =
            |counters: &BTreeMap<String, u64>, name: &str| counters.get(name).copied().unwrap_or(0);
        let rate = |name| self.rate(before.map(|before| value(before, name)), value(now, name));
        let sum = drops.into_iter().map(rate).try_fold(0.0, |sum, rate| Some(sum + rate?));
        Traffic {
            in_pps: rate(in_packets),
            in_bps: rate(in_bytes).map(|bytes| bytes * 8.0),
            out_pps: rate(out_packets),
            out_bps: rate(out_bytes).map(|bytes| bytes * 8.0),
            drops_pps: sum.filter(|_| N > 0),
        }
    }

    fn of_port(&self, before: Option<&PortShown>, now: &PortShown) -> Traffic {
        let names = ["rx_packets", "rx_bytes", "tx_packets", "tx_bytes"];
        let drops = ["rx_missed", "tx_dropped"];
        self.traffic(before.map(|before| &before.counters), &now.counters, names, drops)
    }

    fn of_interface(&self, before: Option<&InterfaceShown>, now: &InterfaceShown) -> InterfaceRow {
        let names = ["ipackets", "ibytes", "opackets", "obytes"];
        let count = |name: &str| now.counters.get(name).copied().unwrap_or(0);
        InterfaceRow {
            name: now.name.clone(),
            up: now.up,
            received: count("ipackets"),
            sent: count("opackets"),
            traffic: self.traffic(before.map(|before| &before.counters), &now.counters, names, []),
        }
    }

    fn of_vnets(&self, before: Option<&Snapshot>, now: &Snapshot) -> Vec<VnetRow> {
        // Another vnet may have the place by now.
        let key = |vnet: &VnetTraffic| (vnet.index, vnet.name.clone());
        let old: HashMap<_, _> = before
            .into_iter()
            .flat_map(|before| &before.vnets)
            .map(|vnet| (key(vnet), vnet))
            .collect();
        let row = |vnet: &VnetTraffic| {
            let before = old.get(&key(vnet));
            let rate = |of: fn(&VnetTraffic) -> u64| self.rate(before.map(|old| of(old)), of(vnet));
            let traffic = Traffic {
                in_pps: rate(|vnet| vnet.received),
                in_bps: rate(|vnet| vnet.received_bytes).map(|bytes| bytes * 8.0),
                out_pps: rate(|vnet| vnet.sent),
                out_bps: rate(|vnet| vnet.sent_bytes).map(|bytes| bytes * 8.0),
                drops_pps: rate(|vnet| vnet.drops.values().sum()),
            };
            VnetRow { index: vnet.index, name: vnet.name.clone(), traffic }
        };
        now.vnets.iter().map(row).collect()
    }

    fn of_worker(&self, before: Option<&WorkerShown>, now: &WorkerShown) -> WorkerRow {
        let count =
            |worker: &WorkerShown, name: &str| worker.counters.get(name).copied().unwrap_or(0);
        let rate = |name| self.rate(before.map(|before| count(before, name)), count(now, name));
        let cycles = ["busy_cycles", "idle_cycles", "sleep_cycles"].map(rate);
        let all = cycles.iter().try_fold(0.0, |sum, cycles| Some(sum + (*cycles)?));
        let [busy, idle, sleep] =
            cycles.map(|cycles| Some(cycles? / all.filter(|all| *all > 0.0)?));
        let pps = rate("packets");
        let cycles_per_packet =
            cycles[0].zip(pps.filter(|pps| *pps > 0.0)).map(|(busy, pps)| busy / pps);
        WorkerRow {
            cpu: now.cpu,
            pps,
            polls_ps: rate("polls"),
            cycles_per_packet,
            busy,
            idle,
            sleep,
        }
    }

    fn counts(
        &self,
        before: Option<BTreeMap<String, u64>>,
        now: BTreeMap<String, u64>,
    ) -> BTreeMap<String, CountRow> {
        let row = |(name, packets): (String, u64)| {
            // An answer leaves out counters that were zero.
            let before = before.as_ref().map(|before| before.get(&name).copied().unwrap_or(0));
            (name, CountRow { pps: self.rate(before, packets), packets })
        };
        now.into_iter().map(row).collect()
    }
}

fn nodes(snapshot: &Snapshot) -> BTreeMap<String, u64> {
    let Stats { workers, .. } = &snapshot.stats;
    sum(workers.iter().flat_map(|worker| &worker.nodes))
}

fn drops(snapshot: &Snapshot) -> BTreeMap<String, u64> {
    let of_workers = snapshot.stats.workers.iter().filter(|_| snapshot.wish.vnet.is_none());
    let of_workers = of_workers.flat_map(|worker| &worker.drops);
    sum(snapshot.vnets.iter().flat_map(|vnet| &vnet.drops).chain(of_workers))
}

fn sum<'a>(counts: impl Iterator<Item = (&'a String, &'a u64)>) -> BTreeMap<String, u64> {
    let mut total = BTreeMap::new();
    for (name, count) in counts {
        *total.entry(name.clone()).or_default() += count;
    }
    total
}
