//! [`Plan`]: the settings, checked, each by itself (`parts.rs`) and together. Whoever holds one needs no further checks of it.

mod parts;

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

use wire::MacAddr;

use super::field::{Order, Prefix};
use super::rate::Rate;
use super::settings::Settings;
use super::sizes::Sizes;
use super::template::{Headers, Protocol};
use super::value::ParseError;
use crate::Usage;

/// The work to be done.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) ports: Ports,
    pub(crate) traffic: Traffic,
    pub(crate) arp: Arp,
    pub(crate) timing: Timing,
    /// The search for the non-drop rate, if that is what is asked for.
    pub(crate) ndr: Option<Ndr>,
    pub(crate) machine: Machine,
    /// One JSON object at the end, and nothing else on standard output.
    pub(crate) json: bool,
}

/// The devices.
#[derive(Debug)]
pub(crate) struct Ports {
    /// Where packets leave.
    pub(crate) tx_device: String,
    /// Where they come back, if that is another.
    pub(crate) rx_device: Option<String>,
    /// Nothing is received.
    pub(crate) tx_only: bool,
    /// Bits a second; `None`: what the device says.
    pub(crate) line_rate: Option<f64>,
    /// Of each queue.
    pub(crate) descriptors: u16,
    pub(crate) link_timeout: Duration,
}

/// The packets.
#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) rate: Rate,
    /// Each holds the headers and a signature.
    pub(crate) sizes: Sizes,
    pub(crate) protocol: Protocol,
    /// Of the same family as `dst`.
    pub(crate) src: Prefix,
    pub(crate) dst: Prefix,
    pub(crate) sport: RangeInclusive<u16>,
    pub(crate) dport: RangeInclusive<u16>,
    pub(crate) order: Order,
    /// Two at most, outermost first.
    pub(crate) vlans: Vec<u16>,
    pub(crate) ttl: u8,
    pub(crate) src_mac: Option<MacAddr>,
    pub(crate) dst_mac: Option<MacAddr>,
    pub(crate) seed: u64,
    /// Checksums above IP are looked at.
    pub(crate) verify: bool,
}

/// Who answers whom.
#[derive(Debug)]
pub(crate) struct Arp {
    pub(crate) answer: bool,
    pub(crate) tx_address: Option<Ipv4Addr>,
    pub(crate) rx_address: Option<Ipv4Addr>,
    /// To be asked for; then `tx_address` is there.
    pub(crate) gateway: Option<Ipv4Addr>,
}

/// How long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// `None`: until all packets are sent; then `count` is there.
    pub(crate) duration: Option<Duration>,
    pub(crate) count: Option<u64>,
    pub(crate) drain: Duration,
    pub(crate) catch_up: Duration,
}

/// The search.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ndr {
    /// `None`: 1 % of the highest.
    pub(crate) min: Option<Rate>,
    pub(crate) max: Rate,
    /// A share of the answer, above 0.
    pub(crate) resolution: f64,
    pub(crate) trial: Duration,
    /// A share of what was sent.
    pub(crate) loss: f64,
}

/// Threads and memory.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) cpu: Option<usize>,
    /// A second thread receives; then there are two devices.
    pub(crate) rx_cpu: Option<usize>,
    pub(crate) burst: usize,
    pub(crate) mbufs: u32,
    pub(crate) hugepages: pmd::Hugepages,
    pub(crate) eal_args: Vec<String>,
}

impl Plan {
    /// Checks all settings.
    pub(crate) fn new(given: &Settings) -> Result<Self, Usage> {
        let plan = Self {
            ports: parts::ports(given)?,
            traffic: parts::traffic(given)?,
            arp: parts::arp(given)?,
            timing: parts::timing(given)?,
            ndr: parts::ndr(given)?,
            machine: parts::machine(given)?,
            json: parts::switch(given, "json", false)?,
        };
        plan.fits_together(given)?;
        Ok(plan)
    }

    /// The rules that concern several settings.
    fn fits_together(&self, given: &Settings) -> Result<(), Usage> {
        let Plan { ports, machine, arp, ndr, traffic, .. } = self;
        let fail =
            |key, what: &str, cure: &str| Err(given.error(key, &ParseError::new(what, cure)));
        if machine.rx_cpu.is_some() && (ports.rx_device.is_none() || ports.tx_only) {
            return fail(
                "rx-cpu",
                "a second thread receives from a second device, and there is none",
                "give --rx-device as well, or leave --rx-cpu out",
            );
        }
        if machine.rx_cpu.is_some() && machine.rx_cpu == machine.cpu {
            return fail("rx-cpu", "the CPU of --cpu", "give each thread a CPU of its own");
        }
        if ndr.is_some() && ports.tx_only {
            return fail(
                "ndr",
                "without receiving nothing is known of loss",
                "leave --tx-only out",
            );
        }
        if arp.gateway.is_some() && arp.tx_address.is_none() {
            return fail(
                "gateway",
                "whoever asks by ARP needs an address",
                "give --tx-address, an address in the gateway's network",
            );
        }
        if arp.gateway.is_some() && traffic.vlans.len() > 1 {
            return fail("gateway", "ARP behind two tags is not here", "give --dst-mac instead");
        }
        let needed = 2 * (u64::from(ports.descriptors) * 2 + 1024);
        if u64::from(machine.mbufs) < needed {
            return fail(
                "mbufs",
                &format!("{} buffers do not fill the queues", machine.mbufs),
                &format!("with {} descriptors give {needed} at least", ports.descriptors),
            );
        }
        Ok(())
    }

    /// The headers that all packets of a trial share.
    pub(crate) fn headers(&self, src_mac: MacAddr, dst_mac: MacAddr, stream: u16) -> Headers {
        let Traffic { vlans, src, protocol, ttl, .. } = &self.traffic;
        let (vlans, v6) = (vlans.clone(), src.network.is_ipv6());
        Headers { src_mac, dst_mac, vlans, v6, protocol: *protocol, ttl: *ttl, stream }
    }
}
