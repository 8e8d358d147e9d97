//! The books of a vnet: whether every packet that came in, or began here, ended in one place.

use std::sync::Arc;

use crossbeam::utils::CachePadded;
use vnet::VnetRef;

use super::Stack;
use super::interface_table::InterfaceTable;
use crate::inet::vnet_inet;
use crate::net::{IfBlock, IfCounterBlocks, IfKind, Ifnet, vnet_net};

/// The fate of a vnet's packets, summed over the workers. Exact while the workers are at a quiescent state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VnetBooks {
    /// Packets that its interfaces received.
    pub received: u64,
    /// Packets that began here.
    pub originated: u64,
    /// Packets that its interfaces sent.
    pub sent: u64,
    /// Packets that were delivered here.
    pub delivered: u64,
    /// By reason, those that are not zero.
    pub drops: Vec<(&'static str, u64)>,
    /// Packets with the control thread, or between it and the workers.
    pub in_flight: u64,
}

impl VnetBooks {
    /// All drops.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.drops.iter().map(|(_, packets)| packets).sum()
    }

    /// Whether what came is what went.
    #[must_use]
    pub fn balance(&self) -> bool {
        self.received + self.originated
            == self.sent + self.delivered + self.dropped() + self.in_flight
    }
}

/// Frames between vnets and ports, or between the ends of epairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameTotals {
    /// Received by interfaces.
    pub received: u64,
    /// Sent by interfaces.
    pub sent: u64,
}

impl FrameTotals {
    fn add(&mut self, blocks: &[CachePadded<IfBlock>]) {
        for block in blocks {
            self.received += block.counters.ipackets.get();
            self.sent += block.counters.opackets.get();
        }
    }
}

/// The counts of interfaces that are gone.
#[derive(Debug, Default)]
pub(super) struct Departed {
    ports: DepartedFrames,
    epairs: DepartedFrames,
}

#[derive(Debug, Default)]
struct DepartedFrames {
    /// Of those in which a worker may still count, until it has let go of the interface.
    going: Vec<IfCounterBlocks>,
    /// Of all others.
    gone: FrameTotals,
}

impl Departed {
    /// `ifp` is about to go.
    pub(super) fn remember(&mut self, ifp: &Ifnet) {
        match ifp.kind {
            IfKind::Ethernet { .. } => self.ports.going.push(ifp.counter_blocks()),
            IfKind::Epair(_) => self.epairs.going.push(ifp.counter_blocks()),
            IfKind::Loopback => {}
        }
    }

    /// Adds up the counts that no worker can change any more.
    pub(super) fn settle(&mut self) {
        self.ports.settle();
        self.epairs.settle();
    }
}

impl DepartedFrames {
    fn settle(&mut self) {
        let Self { going, gone } = self;
        going.retain_mut(|blocks| {
            // The interface had the only other handle.
            let last = Arc::get_mut(blocks).map(|blocks| gone.add(blocks));
            last.is_none()
        });
    }
}

/// The books of all vnets, by name.
pub type Books = Vec<(String, VnetBooks)>;

/// FreeBSD's counters of one vnet: name and value.
pub type Statistics = Vec<(&'static str, u64)>;

impl Stack {
    /// The books of one vnet.
    #[must_use]
    pub fn books_of(&self, vnet: &VnetRef) -> VnetBooks {
        let (net, reader) = (vnet_net::init(vnet), self.control.reader());
        let mut books =
            VnetBooks { in_flight: u64::from(net.in_flight().get()), ..VnetBooks::default() };
        for ifp in self.interfaces_of(vnet) {
            for (name, value) in ifp.total() {
                match name {
                    "ipackets" => books.received += value,
                    "opackets" => books.sent += value,
                    _ => {}
                }
            }
        }
        net.interfaces().with(&self.control, |list| {
            if let Some(list) = list {
                books.received += list.departed_received;
                books.sent += list.departed_sent;
            }
        });
        for account in net.account().iter(reader) {
            books.originated += account.originated.get();
            books.delivered += account.delivered.get();
        }
        books.drops = self.drops_of(vnet);
        books
    }

    /// The frames that all vnets received from ports and sent to them, those that are gone included. Exact while the workers
    /// are at a quiescent state.
    #[must_use]
    pub fn frame_totals(&self) -> FrameTotals {
        let is_port = |kind: &IfKind| matches!(kind, IfKind::Ethernet { .. });
        totals(&self.interfaces, &self.interfaces.departed.ports, is_port)
    }

    /// The frames that the ends of all epairs received and sent, likewise.
    #[must_use]
    pub fn epair_totals(&self) -> FrameTotals {
        let is_epair = |kind: &IfKind| matches!(kind, IfKind::Epair(_));
        totals(&self.interfaces, &self.interfaces.departed.epairs, is_epair)
    }

    /// The books of all vnets.
    #[must_use]
    pub fn books(&self) -> Books {
        self.vnets.iter().map(|vnet| (vnet.name().to_owned(), self.books_of(vnet))).collect()
    }

    /// Packets that a vnet's fast path forwarded.
    fn fastforwarded_by(&self, vnet: &VnetRef) -> u64 {
        vnet_net::init(vnet).interfaces().with(&self.control, |list| {
            list.as_ref().map_or(0, |list| {
                let now: u64 = list.list.iter().map(|ifp| ifp.fastforwarded()).sum();
                now + list.departed_fastforwarded
            })
        })
    }

    /// `ipstat`, `icmpstat` and `arpstat` of one vnet.
    #[must_use]
    pub fn statistics_of(&self, vnet: &VnetRef) -> Statistics {
        let (inet, reader) = (vnet_inet::init(vnet), self.control.reader());
        let mut all = crate::inet::IpStat::sum(inet.ipstat().iter(reader));
        let fastforwarded = self.fastforwarded_by(vnet);
        for (name, value) in &mut all {
            if matches!(*name, "ips_total" | "ips_forward" | "ips_fastforward") {
                *value += fastforwarded;
            }
        }
        all.extend(crate::inet::IcmpStat::sum(inet.icmpstat().iter(reader)));
        all.extend(crate::inet::ArpStat::sum(inet.arpstat().iter(reader)));
        all
    }
}

/// The counts of all interfaces of one kind, those that are gone included.
fn totals(
    interfaces: &InterfaceTable,
    departed: &DepartedFrames,
    of: impl Fn(&IfKind) -> bool,
) -> FrameTotals {
    let mut totals = departed.gone;
    departed.going.iter().for_each(|blocks| totals.add(blocks));
    let there = interfaces.iter().filter(|ifp| of(&ifp.kind));
    there.for_each(|ifp| totals.add(&ifp.counter_blocks()));
    totals
}
