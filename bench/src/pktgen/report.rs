//! The report of a run: its machine and traffic, and the result of its one trial, or of a search.

use std::collections::BTreeMap;

use serde::Serialize;

use super::field::Order;
use super::ndr::Search;
use super::plan::Plan;
use super::result::Trial;
use super::session::Session;
use super::template::Protocol;
use crate::report::{Build, Machine};

/// The version of this object; counts up when a field changes its meaning.
const SCHEMA: u32 = 1;

/// The whole object of `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) schema: u32,
    pub(crate) command: &'static str,
    pub(crate) build: Build,
    pub(crate) machine: Machine,
    pub(crate) traffic: Traffic,
    /// The one trial, without a search.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) trial: Option<Trial>,
    /// The search and its trials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ndr: Option<Search>,
    /// As the drivers count.
    pub(crate) ports: BTreeMap<String, PortCounters>,
    /// The settings that could not be as they were asked for, a sentence each.
    pub(crate) notes: Vec<String>,
}

/// The packets.
#[derive(Debug, Serialize)]
pub(crate) struct Traffic {
    pub(crate) protocol: Protocol,
    pub(crate) sizes: String,
    pub(crate) mean_frame_bytes: f64,
    pub(crate) src: String,
    pub(crate) dst: String,
    pub(crate) sport: [u16; 2],
    pub(crate) dport: [u16; 2],
    pub(crate) order: Order,
    pub(crate) vlans: Vec<u16>,
    pub(crate) ttl: u8,
    pub(crate) seed: u64,
    pub(crate) line_bit_s: f64,
}

/// A driver's counters.
#[derive(Debug, Serialize)]
pub(crate) struct PortCounters {
    pub(crate) driver: String,
    pub(crate) rx_packets: u64,
    pub(crate) tx_packets: u64,
    pub(crate) rx_missed: u64,
    pub(crate) rx_nombuf: u64,
}

impl Report {
    /// Everything but trial and search.
    pub(crate) fn new(plan: &Plan, session: &Session, build: Build, machine: Machine) -> Self {
        let traffic = &plan.traffic;
        let ends = |range: &std::ops::RangeInclusive<u16>| [*range.start(), *range.end()];
        let ports = session.port_facts().into_iter().map(|(name, driver, stats)| {
            let counters = PortCounters {
                driver: driver.to_owned(),
                rx_packets: stats.rx_packets,
                tx_packets: stats.tx_packets,
                rx_missed: stats.rx_missed,
                rx_nombuf: stats.rx_nombuf,
            };
            (name.to_owned(), counters)
        });
        Self {
            schema: SCHEMA,
            command: "pktgen",
            build,
            machine: Machine { tsc_hz: pmd::tsc::hz(), ..machine },
            traffic: Traffic {
                protocol: traffic.protocol,
                sizes: traffic.sizes.text.clone(),
                mean_frame_bytes: traffic.sizes.mean(),
                src: traffic.src.to_string(),
                dst: traffic.dst.to_string(),
                sport: ends(&traffic.sport),
                dport: ends(&traffic.dport),
                order: traffic.order,
                vlans: traffic.vlans.clone(),
                ttl: traffic.ttl,
                seed: traffic.seed,
                line_bit_s: session.line_bits,
            },
            trial: None,
            ndr: None,
            ports: ports.collect(),
            notes: session.notes.clone(),
        }
    }
}
