//! The ports of the process, in one place: what `run`, the control socket and the application of a configuration open,
//! attach, detach and ask.
//!
//! | file | subject |
//! |---|---|
//! | `mod.rs` | [`Ports`]: those that are open, and what interfaces need to know of them |
//! | `attach.rs` | one more port while the workers run |
//! | `detach.rs` | one less |
//! | `replay.rs` | packets that a driver keeps to replay them |

mod attach;
mod detach;
mod place;
mod replay;

pub(crate) use replay::mbufs as replayed_mbufs;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use config::Config;
use pmd::numa::{self, Pools};
use pmd::{Eal, Offloads, Port, PortConfig, PortError, PortId, RxQueue, SocketId, TxQueue};
use stack::control::{Event, EventKind, Stack};
use tracing::info;
use wire::MacAddr;

use crate::check;
use crate::protocol::Refusal;
use crate::summary::PortSummary;
use crate::workers::{self, Placement, Share, Shares, Worker};

/// The facts of an open port that interfaces need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortFacts {
    /// DPDK's number.
    pub(crate) id: PortId,
    /// The device's MAC address.
    pub(crate) mac: MacAddr,
    /// The MTU that the device took.
    pub(crate) mtu: u16,
    /// The offloads of the device.
    pub(crate) offloads: Offloads,
}

/// A port, and what was wished of it.
#[derive(Debug)]
pub(crate) struct OpenPort {
    /// The port.
    pub(crate) port: Port,
    /// As the configuration, or who attached it, has it.
    pub(crate) config: config::Port,
    /// The facts that interfaces need.
    pub(crate) facts: PortFacts,
    /// The workers that have its queues, since it was started.
    pub(crate) placement: Placement,
    /// Packets that the driver keeps to replay them.
    replayed: u32,
    /// Whether its link was up at the last look, or when it was started.
    link: Option<bool>,
}

impl OpenPort {
    /// Starts it; each worker's part of it. The workers poll so many queues of other ports.
    fn start(&mut self, polled: &[usize]) -> Result<Vec<Share>, PortError> {
        let (rx, tx) = self.port.start()?;
        // From now on a change is an event, also within the second until the first look.
        self.link = Some(self.port.link().up);
        self.placement = Placement::new(
            (rx.len(), tx.len()),
            polled,
            self.config.workers.as_deref().unwrap_or_default(),
        );
        Ok(workers::deal(self.facts.id, &self.placement, (rx, tx)))
    }
}

/// All ports.
#[derive(Debug)]
pub(crate) struct Ports {
    /// In the order of opening; closed before what they hold is let go of.
    open: Vec<OpenPort>,
    /// Counters at the end of those that were detached, by name.
    gone: BTreeMap<String, PortSummary>,
    pools: Pools,
    /// Transmit queues of each port, and receive queues of one that says nothing.
    workers: u16,
    /// The burst, which takes mbufs as well: for the arithmetic.
    burst: u16,
    eal: Eal,
}

impl Ports {
    /// Opens the ports of a configuration.
    pub(crate) fn open(config: &Config, eal: &Eal, pools: &Pools) -> Result<Self> {
        let mut ports = Self {
            open: Vec::new(),
            gone: BTreeMap::new(),
            pools: pools.clone(),
            workers: check::worker_count(config),
            burst: config.workers.burst,
            eal: eal.clone(),
        };
        for port in &config.ports {
            let open =
                ports.open_one(port).with_context(|| format!("port {}", port.name.as_str()))?;
            ports.open.push(open);
        }
        Ok(ports)
    }

    fn open_one(&self, config: &config::Port) -> Result<OpenPort, PortError> {
        let node = numa::of_pci(&config.device.key()).unwrap_or(SocketId::ANY);
        let wish = PortConfig {
            name: config.name.as_str().to_owned(),
            device: config.device.to_string(),
            queues: check::rx_queues(config, self.workers),
            tx_queues: Some(self.workers),
            rx_desc: config.rx_descriptors,
            tx_desc: config.tx_descriptors,
            mtu: config.mtu,
            promiscuous: config.promiscuous,
            mac: config.mac,
            ..PortConfig::default()
        };
        // That the packets fit was checked before.
        let replayed = replay::mbufs(&config.device).unwrap_or(0);
        let port = Port::open(&self.eal, &wish, self.pools.get(node))?;
        log_notes(&port);
        let facts = PortFacts {
            id: port.id(),
            mac: stack_mac(&port),
            mtu: port.mtu(),
            offloads: port.offloads(),
        };
        let (placement, config) = (Placement::default(), config.clone());
        Ok(OpenPort { port, config, facts, placement, replayed, link: None })
    }

    /// Starts all of them. Each worker's part of them.
    pub(crate) fn start(&mut self) -> Result<Vec<Shares>> {
        let mut shares: Vec<Shares> = (0..self.workers).map(|_| Shares::default()).collect();
        let mut polled = vec![0; shares.len()];
        for open in &mut self.open {
            let name = open.port.name().to_owned();
            let dealt = open.start(&polled).with_context(|| format!("port {name}"))?;
            for ((share, all), polled) in dealt.into_iter().zip(&mut shares).zip(&mut polled) {
                *polled += share.polls();
                all.add(open.facts.id, share);
            }
        }
        Ok(shares)
    }

    /// Stops and closes all of them, with the queues that the workers gave back.
    pub(crate) fn stop(self, rx: Vec<(PortId, RxQueue)>, tx: Vec<TxQueue>) -> Result<()> {
        let mut queues: BTreeMap<PortId, (Vec<RxQueue>, Vec<TxQueue>)> = BTreeMap::new();
        for (port, queue) in rx {
            queues.entry(port).or_default().0.push(queue);
        }
        for queue in tx {
            queues.entry(queue.port()).or_default().1.push(queue);
        }
        for OpenPort { mut port, .. } in self.open {
            let (rx, tx) = queues.remove(&port.id()).unwrap_or_default();
            let name = port.name().to_owned();
            port.stop(rx, tx).with_context(|| format!("stopping port {name}"))?;
            port.close();
        }
        Ok(())
    }

    /// All ports that are open, in the order of opening.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &OpenPort> {
        self.open.iter()
    }

    /// The port of that name.
    pub(crate) fn find(&self, name: &str) -> Option<&OpenPort> {
        self.open.iter().find(|open| open.port.name() == name)
    }

    /// There is no port of this name.
    pub(crate) fn unknown(&self, name: &str) -> Refusal {
        let known = self.iter().map(|open| open.port.name());
        Refusal::not_found("port", name, known, "`port list` shows those that there are")
    }

    /// The port with DPDK's number.
    pub(crate) fn by_id(&self, id: PortId) -> Option<&OpenPort> {
        self.open.iter().find(|open| open.facts.id == id)
    }

    /// Counters at the end of ports that were detached.
    pub(crate) fn gone(&self) -> &BTreeMap<String, PortSummary> {
        &self.gone
    }

    /// Has the ports count and log what happened to their links, tells who listens, and detaches the ports whose device has
    /// gone away. Once a second.
    pub(crate) fn look(&mut self, stack: &mut Stack, workers: &mut [Worker]) {
        let mut vanished = Vec::new();
        for OpenPort { port, link, .. } in &mut self.open {
            if port.events().removals > 0 {
                vanished.push(port.name().to_owned());
            }
            let up = port.link().up;
            if link.replace(up).is_some_and(|was_up| was_up != up) {
                let kind = if up { EventKind::LinkUp } else { EventKind::LinkDown };
                stack.emit(|| Event::new(kind).port(port.name()));
            }
        }
        for name in vanished {
            self.detach_vanished(&name, stack, workers);
        }
    }
}

/// The MAC address of interfaces on the port that have none of their own: the device's. A tap has its kernel's end at the other
/// side of the wire, and gives that its own address; the two cannot have the same.
fn stack_mac(port: &Port) -> MacAddr {
    let mac = port.mac();
    if port.driver_name() == "net_tap" { beside(mac) } else { mac }
}

/// Another address, which no other device has: locally administered, with another last byte.
fn beside(MacAddr([first, rest @ .., last]): MacAddr) -> MacAddr {
    let [a, b, c, d] = rest;
    MacAddr([(first | 0x02) & !0x01, a, b, c, d, !last])
}

/// Logs what the device lacks: in one line what software does instead, and the rest each for itself.
fn log_notes(port: &Port) {
    const IN_SOFTWARE: &str = " is not offered: done in software";
    let (in_software, others): (Vec<_>, Vec<_>) =
        port.notes().iter().partition(|note| note.ends_with(IN_SOFTWARE));
    let names: Vec<&str> =
        in_software.iter().map(|note| note.trim_end_matches(IN_SOFTWARE)).collect();
    if !names.is_empty() {
        info!("port {}: not offered, done in software: {}", port.name(), names.join(", "));
    }
    for note in others {
        info!("port {}: {note}", port.name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_tap_have_different_addresses() {
        for mac in
            [[0; 6], [0x02, 1, 2, 3, 4, 5], [0x00, 0x1b, 0x21, 0, 0, 0xff], [0xfe, 0, 0, 0, 0, 1]]
        {
            let other = beside(MacAddr(mac));
            assert!(other.is_unicast() && other != MacAddr(mac), "{other}");
            assert_eq!(other.0[0] & 0x03, 0x02, "{other} is not locally administered");
        }
    }
}
