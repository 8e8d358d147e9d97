//! `statistics`, `stats`, `features`

use std::collections::BTreeMap;

use pmd::Port;
use stack::drops::DropReason;
use stack::worker::Node;
use vnet::{VnetRef, Vnets};

use super::{Service, counters, nonzero};
use crate::build::Build;
use crate::ports::Ports;
use crate::protocol::{Answer, Arm, Command, Features, PortShown, Stats, VERSION, WorkerShown};
use crate::workers::{Gauges, Worker};

impl Service<'_> {
    pub(super) fn statistics(&self, vnet: &VnetRef) -> Answer {
        Answer::Statistics(counters(self.stack.statistics_of(vnet)))
    }

    pub(super) fn stats(&self) -> Answer {
        let gauges: Vec<Gauges> =
            self.workers.iter().map(|worker: &Worker| worker.gauges.clone()).collect();
        Answer::Stats(Box::new(Stats {
            uptime_s: self.stack.now().0 as f64 / 1e9,
            ports: ports(self.ports, &gauges),
            workers: gauges.iter().map(of_worker).collect(),
        }))
    }

    pub(super) fn features(&self) -> Answer {
        let build = Build::this();
        let modules = self.stack.vnets().registry().modules();
        Answer::Features(Box::new(Features {
            version: build.version.to_owned(),
            git: build.git.to_owned(),
            arm: Arm { name: vnet::ARM.to_owned(), vnets_max: Vnets::MAX_VNETS as u64 },
            dpdk: build.dpdk,
            protocol: VERSION,
            commands: Command::names().map(str::to_owned).collect(),
            modules: modules.map(|module| module.name().to_owned()).collect(),
        }))
    }
}

/// The ports by name, with what the workers sent.
pub(crate) fn ports(ports: &Ports, gauges: &[Gauges]) -> BTreeMap<String, PortShown> {
    let ports = ports.iter().map(|open| &open.port);
    ports.map(|port| (port.name().to_owned(), of_port(port, gauges))).collect()
}

fn of_port(port: &Port, gauges: &[Gauges]) -> PortShown {
    let stats = port.stats();
    let link = port.link();
    let of_this = gauges.iter().flat_map(|worker| &worker.tx).filter(|(id, _)| *id == port.id());
    let refused = of_this.map(|(_, tx)| tx.dropped.get()).sum();
    PortShown {
        driver: port.driver_name().to_owned(),
        link: link.up,
        speed_mbps: link.speed_mbps,
        counters: counters([
            ("rx_packets", stats.rx_packets),
            ("rx_bytes", stats.rx_bytes),
            ("tx_packets", stats.tx_packets),
            ("tx_bytes", stats.tx_bytes),
            ("rx_missed", stats.rx_missed),
            ("rx_errors", stats.rx_errors),
            ("rx_nombuf", stats.rx_nombuf),
            ("tx_errors", stats.tx_errors),
            ("tx_dropped", refused),
        ]),
    }
}

fn of_worker(gauges: &Gauges) -> WorkerShown {
    let poll = &gauges.poll;
    WorkerShown {
        cpu: gauges.cpu.0 as u64,
        counters: counters([
            ("polls", poll.polls.get()),
            ("packets", poll.packets.get()),
            ("busy_cycles", poll.busy_cycles.get()),
            ("idle_cycles", poll.idle_cycles.get()),
            ("sleep_cycles", poll.sleep_cycles.get()),
        ]),
        nodes: nonzero(
            Node::ALL.iter().map(|node| (node.name(), gauges.nodes.get(*node).packets.get())),
        ),
        drops: nonzero(
            DropReason::ALL.iter().map(|reason| (reason.name(), gauges.dropped(*reason))),
        ),
    }
}
