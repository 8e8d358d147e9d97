//! `curvnet-bench flood`: a tenant beside one that floods, through one queue of a port that cannot wait.
//!
//! The victim's packets are forwarded; each of the flood's asks for an ICMP error. Packets arrive at times of a plan, whether the
//! worker comes to poll or not, and what finds the queue full is lost, as on a NIC. To make frames and to look at what left takes the
//! same CPU, so the clock stands still meanwhile. The rates are by default those of 64-byte frames on a port of 10 Gbit/s.

mod line;

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use pmd::{Burst, MbufPool, PortId, tsc};
use serde_json::{Map, json};
use stack::control::{InterfaceSpec, Stack};
use stack::time::Nanos;
use stack::worker::{CpuShares, Datapath, DatapathParts, Iteration, Output, TxPort};
use vnet::{Value, Vnets};
use wire::MacAddr;

use self::line::{Arrivals, FLOOD, Frames, QUEUE, VICTIM};
use crate::forward::frames::{IN_MAC, OUT_MAC, SENDER_MAC, gateway_mac};
use crate::forward::measure::LONGEST;
use crate::host::{Host, Options, check_seconds};
use crate::life::lab::{House, Lab};
use crate::report::{Better, Build, Scenario};

const MBUFS: u32 = 16_383;
const MEMORY_MIB: u32 = 512;
const BURST: usize = 64;
/// Before what becomes of packets is counted: the worker finds out who costs what.
const WARM_UP: Duration = Duration::from_millis(300);
const IN: PortId = PortId(0);
const OUT: PortId = PortId(1);

/// Measures what a tenant loses to one that floods.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// How long each case runs.
    #[arg(long, default_value_t = 2.0, value_name = "S")]
    seconds: f64,
    /// Packets of the victim, millions a second.
    #[arg(long, default_value_t = 1.35, value_name = "MPPS")]
    rate: f64,
    /// How many packets of the flood come with each of the victim's.
    #[arg(long, default_value_t = 10.0, value_name = "N")]
    times: f64,
    #[command(flatten)]
    options: Options,
}

/// The conditions of a case.
#[derive(Clone, Copy, Debug)]
struct Case {
    name: &'static str,
    floods: bool,
    shares: bool,
}

const CASES: [Case; 3] = [
    Case { name: "victim-alone", floods: false, shares: true },
    Case { name: "victim-flood-no-shares", floods: true, shares: false },
    Case { name: "victim-flood", floods: true, shares: true },
];

/// Runs the command.
pub(crate) fn run(args: &Args, build: Build) -> Result<()> {
    if args.options.list {
        CASES.iter().for_each(|case| println!("{}", case.name));
        return Ok(());
    }
    ensure!(Vnets::MAX_VNETS > 1, "this build has one vnet");
    check_seconds(args.seconds)?;
    ensure!((0.001..=1000.0).contains(&args.rate), "--rate {}: 0.001 to 1000", args.rate);
    ensure!((0.0..=1000.0).contains(&args.times), "--times {}: 0 to 1000", args.times);
    pmd::malloc::use_huge_pages();
    let Host { cpu, pool, eal } = Host::start(&args.options, MBUFS, MEMORY_MIB)?;
    pmd::affinity::pin(cpu)?;
    let lab = Lab::of(cpu, eal, pool);
    let mut findings = args.options.findings();
    findings.say(Outcome::header());
    let period = tsc::hz() as f64 / (args.rate * 1e6);
    for case in CASES {
        let flood = if case.floods { period / args.times } else { f64::INFINITY };
        let outcome = Bench::new(&lab, case.shares)?.run([period, flood], args.seconds)?;
        findings.say(outcome.line(case.name));
        findings.add([outcome.report(case.name)]);
    }
    findings.finish("flood", build)
}

/// Two tenants on one port, and their worker.
struct Bench {
    datapath: Datapath,
    pool: MbufPool,
    frames: Frames,
    _house: House,
}

/// The ends of the packets of each tenant.
#[derive(Debug)]
struct Outcome {
    cycles: u64,
    offered: [u64; 2],
    /// The queue was full.
    lost: [u64; 2],
    /// Forwarded, and answered.
    left: [u64; 2],
    /// Cycles from the arrival of a packet of the victim to the end of the iteration in which it left.
    latency: Histogram<u64>,
}

impl Bench {
    fn new(lab: &Lab, shares: bool) -> Result<Self> {
        let mut house = lab.house(1)?;
        for (tenant, vlan) in line::VLANS.into_iter().enumerate() {
            tenant_of(&mut house.stack, &format!("t{tenant}"), vlan)?;
        }
        let parts = DatapathParts {
            reader: house.domain.reader(0)?,
            interfaces: house.stack.interfaces(),
            queues: house.queues.take().ok_or_else(|| anyhow::anyhow!("no queues"))?,
            pool: lab.pool.clone(),
            out: Output::new([IN, OUT].map(TxPort::collect)),
        };
        let mut datapath = Datapath::new(parts);
        if !shares {
            *datapath.cpu() = CpuShares::new(u64::MAX, Vnets::MAX_VNETS);
        }
        Ok(Self { datapath, pool: lab.pool.clone(), frames: Frames::new(), _house: house })
    }

    /// Has a packet of each tenant arrive every so many cycles.
    fn run(&mut self, periods: [f64; 2], seconds: f64) -> Result<Outcome> {
        let hz = tsc::hz() as f64;
        let warm = (WARM_UP.as_secs_f64() * hz) as u64;
        let end = warm + (seconds * hz) as u64;
        let mut arrivals = Arrivals::new(periods);
        let mut outcome = Outcome::new(end - warm)?;
        let (mut now, mut counting, mut taken) = (0, false, Vec::with_capacity(BURST));
        while now < end {
            if !counting && now >= warm {
                counting = true;
                arrivals.count_from_here();
            }
            arrivals.until(now);
            arrivals.take(BURST, &mut taken);
            let mut burst = Burst::new();
            self.frames.write(&self.pool, &taken, &mut burst)?;
            let began = tsc::serialized();
            let _timed = self.datapath.begin(Nanos((now as f64 * 1e9 / hz) as u64));
            if !burst.is_empty() {
                self.datapath.receive(IN, &mut burst);
            }
            self.datapath.finish(taken.len());
            let cycles = tsc::serialized().saturating_sub(began);
            now += cycles;
            let (packets, is_full) = (taken.len() as u32, taken.len() == BURST);
            self.datapath.end(Iteration { now, cycles, packets, is_full });
            let left = [OUT, IN].map(|port| self.datapath.out().frames(port).count() as u64);
            if counting {
                outcome.add(now, left, &taken);
            }
        }
        (outcome.offered, outcome.lost) = (arrivals.offered, arrivals.lost);
        Ok(outcome)
    }
}

/// A router from VLAN `vlan` of the one port to that of the other.
fn tenant_of(stack: &mut Stack, name: &str, vlan: u16) -> Result<()> {
    let vnet = stack.create_vnet(name)?;
    stack.set_sysctl(&vnet, "net.inet.ip.forwarding", Value::Int(1))?;
    // The worst that a vnet can be told to do.
    stack.set_sysctl(&vnet, "net.inet.icmp.icmplim", Value::Int(0))?;
    for (name, port, mac, net) in [("em0", IN, IN_MAC, 16), ("em1", OUT, OUT_MAC, 17)] {
        let spec = InterfaceSpec {
            name: name.to_owned(),
            port,
            vlan: Some(vlan),
            mac: MacAddr(mac),
            mtu: 1500,
        };
        let slot = stack.create_interface(&vnet, spec)?;
        stack.add_address(slot, ipnet::Ipv4Net::new(Ipv4Addr::new(172, net, 0, 1), 16)?)?;
        let (host, mac) =
            if port == IN { (line::SENDER, SENDER_MAC) } else { (line::GATEWAY, gateway_mac(0)) };
        stack.add_neighbor(&vnet, slot, host, MacAddr(mac))?;
    }
    let route = (line::NETWORK.parse()?, stack::net::route::RouteTarget::via([line::GATEWAY]));
    stack.add_routes(&vnet, [route])?;
    Ok(())
}

impl Outcome {
    fn new(cycles: u64) -> Result<Self> {
        let latency = Histogram::new_with_bounds(1, LONGEST, 3)?;
        Ok(Self { cycles, offered: [0; 2], lost: [0; 2], left: [0; 2], latency })
    }

    fn add(&mut self, now: u64, left: [u64; 2], taken: &[(usize, u64)]) {
        self.left[VICTIM] += left[VICTIM];
        self.left[FLOOD] += left[FLOOD];
        let victims = taken.iter().filter(|(tenant, _)| *tenant == VICTIM);
        for (_, arrived) in victims.take(left[VICTIM] as usize) {
            self.latency.saturating_record(now.saturating_sub(*arrived).max(1));
        }
    }

    fn header() -> String {
        format!(
            "{:<24}{:>10}{:>8}{:>10}{:>10}{:>12}{:>10}{:>10}",
            "flood", "victim", "lost", "p50", "p99.9", "flood", "answered", "in queue"
        )
    }

    fn us(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 * 1e6 / tsc::hz() as f64
    }

    /// Packets a second.
    fn mpps(&self, packets: u64) -> f64 {
        packets as f64 * tsc::hz() as f64 / self.cycles as f64 / 1e6
    }

    /// The part of the victim's packets that did not leave. Those that wait at the end count for none.
    fn victim_lost(&self) -> f64 {
        let gone = self.offered[VICTIM].saturating_sub(self.left[VICTIM] + QUEUE as u64);
        gone as f64 / self.offered[VICTIM].max(1) as f64
    }

    fn line(&self, name: &str) -> String {
        format!(
            "{name:<24}{:>5.2} Mpps{:>7.2}%{:>7.1} us{:>7.1} us{:>7.2} Mpps{:>9.1}%{:>9.1}%",
            self.mpps(self.offered[VICTIM]),
            self.victim_lost() * 100.0,
            self.us(0.5),
            self.us(0.999),
            self.mpps(self.offered[FLOOD]),
            self.left[FLOOD] as f64 * 100.0 / self.offered[FLOOD].max(1) as f64,
            self.lost[FLOOD] as f64 * 100.0 / self.offered[FLOOD].max(1) as f64,
        )
    }

    fn report(&self, name: &str) -> Scenario {
        let details = json!({
            "victim_lost": self.victim_lost(),
            "victim_pps": self.mpps(self.offered[VICTIM]) * 1e6,
            "victim_us_p50": self.us(0.5),
            "flood_pps": self.mpps(self.offered[FLOOD]) * 1e6,
            "flood_answered_pps": self.mpps(self.left[FLOOD]) * 1e6,
        });
        Scenario {
            name: name.to_owned(),
            value: self.us(0.999),
            unit: "us".to_owned(),
            better: Better::Lower,
            percentiles: None,
            point: None,
            details: details.as_object().cloned().unwrap_or_else(Map::new),
        }
    }
}
