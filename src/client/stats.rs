//! `curvnet stats`, `curvnet stats queues`, `curvnet features`

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Subcommand;
use numbers::group;
use serde::Serialize;

use super::Client;
use crate::cli::Failure;
use crate::protocol::{
    DropsShown, Features, Page, PortShown, ProcessCommand, QueueShown, Stats as AllStats,
    WorkerQueuesShown, WorkerShown,
};

/// The subjects that `stats` shows instead of the counters.
#[derive(Subcommand, Debug)]
pub(crate) enum Stats {
    /// Which worker polls, and which one sends through, each queue of the ports.
    Queues,
}

pub(super) fn stats(client: &Client) -> Result<(), Failure> {
    let mut instance = client.connect()?;
    let stats: AllStats = instance.ask(ProcessCommand::Stats {})?;
    let mut drops = BTreeMap::new();
    for worker in &stats.workers {
        add(&mut drops, &worker.drops);
    }
    let mut after = None;
    loop {
        let some: DropsShown = instance.ask(ProcessCommand::VnetDrops { after })?;
        add(&mut drops, &some.drops);
        after = some.next;
        if after.is_none() {
            return client.show(&Everything { stats, drops }, show);
        }
    }
}

fn add(sums: &mut BTreeMap<String, u64>, some: &BTreeMap<String, u64>) {
    for (reason, packets) in some {
        *sums.entry(reason.clone()).or_default() += packets;
    }
}

/// The output of the command.
#[derive(Debug, Serialize)]
struct Everything {
    #[serde(flatten)]
    stats: AllStats,
    /// Drops of all vnets and workers by reason, those that are not zero.
    drops: BTreeMap<String, u64>,
}

pub(super) fn queues(client: &Client) -> Result<(), Failure> {
    client.show(&client.connect()?.ask(ProcessCommand::StatsQueues {})?, show_queues)
}

fn show_queues(workers: &Page<WorkerQueuesShown>) -> String {
    let mut text = String::new();
    for WorkerQueuesShown { worker, cpu, receive, transmit } in &workers.list {
        let _infallible = write!(
            text,
            "worker {worker} on CPU {cpu}\n\treceives {}\n\tsends    {}\n",
            in_words(receive),
            in_words(transmit)
        );
    }
    text
}

fn in_words(queues: &[QueueShown]) -> String {
    let words = queues.iter().map(|QueueShown { port, queue, shared }| {
        format!("{port} queue {queue}{}", if *shared { " (shared)" } else { "" })
    });
    if queues.is_empty() { "nothing".to_owned() } else { words.collect::<Vec<_>>().join(", ") }
}

pub(super) fn features(client: &Client) -> Result<(), Failure> {
    client.show(&client.connect()?.ask(ProcessCommand::Features {})?, show_features)
}

fn show(Everything { stats, drops }: &Everything) -> String {
    let AllStats { uptime_s, ports, workers } = stats;
    let mut text = format!("up {uptime_s:.0} s\n");
    for (name, PortShown { driver, link, speed_mbps, counters }) in ports {
        let link = if *link { "up" } else { "down" };
        let speed = speed_mbps.map(|speed| format!(", {speed} Mbit/s")).unwrap_or_default();
        let _infallible = writeln!(text, "port {name}: {driver}, link {link}{speed}");
        rows(&mut text, "", counters);
    }
    for WorkerShown { cpu, counters, nodes, drops } in workers {
        let _infallible = writeln!(text, "worker on CPU {cpu}:");
        rows(&mut text, "", counters);
        rows(&mut text, "packets in node ", nodes);
        rows(&mut text, "frames that no vnet took: ", drops);
    }
    if !drops.is_empty() {
        text.push_str("drops of all vnets and workers:\n");
        rows(&mut text, "", drops);
    }
    text
}

fn rows(text: &mut String, prefix: &str, counters: &BTreeMap<String, u64>) {
    for (name, value) in counters {
        let _infallible = writeln!(text, "\t{:>20} {prefix}{name}", group(*value));
    }
}

fn show_features(features: &Features) -> String {
    let Features { version, git, arm, dpdk, protocol, commands, modules } = features;
    let vnets = match arm.vnets_max {
        1 => "one vnet".to_owned(),
        most => format!("up to {most} vnets"),
    };
    format!(
        "curvnet {version} ({git}), {dpdk}\nbuild {}: {vnets}\nmodules: {}\nprotocol {protocol}: {}\n",
        arm.name,
        modules.join(" "),
        commands.join(" ")
    )
}
