//! [`Session`]: EAL, pool and ports of a run, from opening to closing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pmd::{
    Burst, CpuId, Eal, EalConfig, MbufPool, Port, PortConfig, PortStats, RxQueue, SocketId, TxQueue,
};
use wire::MacAddr;

use super::arp::{Frame, Responder};
use super::field::Prefix;
use super::plan::Plan;
use super::received::{Seen, look};
use super::sizes::FCS;

/// The rate of a line when neither the device nor the user says.
const LINE_BITS_DEFAULT: f64 = 10e9;
/// Buffers that each thread keeps for itself.
const CACHE: u32 = 256;
/// How often an ARP request is repeated.
const ARP_INTERVAL: Duration = Duration::from_millis(200);

/// After how long without a link a memif client is started again.
const MEMIF_PATIENCE: Duration = Duration::from_millis(500);

/// Both directions of a port.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) rx: RxQueue,
    pub(crate) tx: TxQueue,
}

/// The devices that are open while trials run. Fields are dropped in this order: queues before ports, ports before the pool.
#[derive(Debug)]
pub(crate) struct Session {
    /// One for each port; empty while a trial has them. The first sends, the last receives.
    pub(crate) wires: Vec<Wire>,
    ports: Vec<Port>,
    pub(crate) pool: MbufPool,
    /// Bits a second.
    pub(crate) line_bits: f64,
    /// The test packets' MAC addresses: source, destination.
    pub(crate) macs: (MacAddr, MacAddr),
    /// Where the threads run: one, or one for each port.
    pub(crate) cpus: Vec<CpuId>,
    /// The user wants an end.
    pub(crate) stop: Arc<AtomicBool>,
    /// The wishes that a device could not fulfil.
    pub(crate) notes: Vec<String>,
    _eal: Eal,
}

impl Session {
    /// Starts EAL, opens the ports, waits for their links, and finds the device under test.
    pub(crate) fn open(plan: &Plan, stop: Arc<AtomicBool>) -> Result<Self> {
        let cpus = cpus(plan)?;
        let eal = start_eal(plan, &cpus)?;
        let pool = MbufPool::create(&eal, "pktgen", plan.machine.mbufs, CACHE, SocketId::ANY)?;
        let devices = [Some(&plan.ports.tx_device), plan.ports.rx_device.as_ref()];
        let (mut ports, mut wires) = (Vec::new(), Vec::new());
        for (device, name) in
            devices.into_iter().zip(["tx", "rx"]).filter_map(|(d, n)| Some((d?, n)))
        {
            let (port, wire) = open(plan, &eal, &pool, device, name, &stop)?;
            ports.push(port);
            wires.push(wire);
        }
        let mut notes: Vec<String> = Vec::new();
        for port in &ports {
            let wanted = |note: &&String| !note.ends_with("done in software");
            notes.extend(
                port.notes().iter().filter(wanted).map(|note| format!("{}: {note}", port.name())),
            );
        }
        wait_for_links(&mut ports, &mut wires, plan.ports.link_timeout, &stop)?;
        let speed = ports[0].link().speed_mbps.map(|mbps| f64::from(mbps) * 1e6);
        let line_bits = plan.ports.line_rate.or(speed).unwrap_or(LINE_BITS_DEFAULT);
        let src_mac = plan.traffic.src_mac.unwrap_or_else(|| ports[0].mac());
        let mut session = Self {
            macs: (src_mac, MacAddr::ZERO),
            wires,
            ports,
            pool,
            line_bits,
            cpus,
            stop,
            notes,
            _eal: eal,
        };
        session.macs.1 = session.destination(plan)?;
        Ok(session)
    }

    /// Whose MAC address the test packets are sent to.
    fn destination(&mut self, plan: &Plan) -> Result<MacAddr> {
        match (plan.traffic.dst_mac, plan.arp.gateway) {
            (Some(mac), _) => Ok(mac),
            (None, Some(_)) => self.resolve(plan),
            // A cable, or a device that does not look at MAC addresses.
            (None, None) => Ok(self.ports[self.ports.len() - 1].mac()),
        }
    }

    /// Asks for the gateway's MAC address until it answers.
    fn resolve(&mut self, plan: &Plan) -> Result<MacAddr> {
        let (Some(gateway), Some(sender)) = (plan.arp.gateway, plan.arp.tx_address) else {
            bail!("a gateway needs --tx-address");
        };
        let vlan = plan.traffic.vlans.first().copied();
        let request = Frame::request(self.macs.0, sender, gateway, vlan);
        let (began, wire, mut burst) = (Instant::now(), &mut self.wires[0], Burst::new());
        let mut next = began;
        while began.elapsed() < plan.ports.link_timeout && !self.stop.load(Ordering::Relaxed) {
            if Instant::now() >= next {
                next += ARP_INTERVAL;
                let packet = self.pool.from_bytes(request.bytes()).context("no mbuf for ARP")?;
                let _full = burst.push(packet);
                let _sent = wire.tx.tx(&mut burst);
            }
            let _count = wire.rx.rx(&mut burst, 64);
            for packet in burst.drain() {
                if let Seen::Arp(message) = look(packet.data(), false)
                    && message.sender == gateway
                {
                    return Ok(message.sender_mac);
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        bail!(
            "{gateway} does not answer ARP requests of {sender} on the sending port: is it the device's address there? \
             --dst-mac does without ARP"
        )
    }

    /// Who answers ARP on a port: for our own address there, and for the addresses that test packets come from or go to.
    pub(crate) fn responder(&self, plan: &Plan, at: usize) -> Responder {
        if !plan.arp.answer {
            return Responder::default();
        }
        let sends = at == 0;
        let receives = at + 1 == self.ports.len();
        let own = |address: Option<std::net::Ipv4Addr>| address.map(Prefix::host);
        let addresses = [
            own(plan.arp.tx_address).filter(|_| sends),
            Some(plan.traffic.src).filter(|_| sends),
            own(plan.arp.rx_address).filter(|_| receives),
            Some(plan.traffic.dst).filter(|_| receives),
        ];
        let mac = if sends { self.macs.0 } else { self.ports[at].mac() };
        Responder { mac, addresses: addresses.into_iter().flatten().collect() }
    }

    /// Device, driver and the driver's counters of each port.
    pub(crate) fn port_facts(&self) -> Vec<(&str, &str, PortStats)> {
        self.ports.iter().map(|port| (port.name(), port.driver_name(), port.stats())).collect()
    }

    /// Stops the ports.
    pub(crate) fn close(self) -> Result<()> {
        for (mut port, wire) in self.ports.into_iter().zip(self.wires) {
            port.stop(vec![wire.rx], vec![wire.tx])?;
            port.close();
        }
        Ok(())
    }
}

/// The first usable CPU sends and, unless there is a second thread, receives.
fn cpus(plan: &Plan) -> Result<Vec<CpuId>> {
    let usable = pmd::affinity::current();
    let first = usable.iter().find(|cpu| Some(cpu.0) != plan.machine.rx_cpu);
    let cpu = plan.machine.cpu.map(CpuId).or(first.copied()).context("no CPU")?;
    let cpus: Vec<CpuId> = std::iter::once(cpu).chain(plan.machine.rx_cpu.map(CpuId)).collect();
    for cpu in &cpus {
        if !usable.contains(cpu) {
            bail!("CPU {cpu} cannot be used: it is offline or outside the process's cpuset");
        }
    }
    Ok(cpus)
}

fn start_eal(plan: &Plan, cpus: &[CpuId]) -> Result<Eal> {
    let is_pci = |device: &&String| matches!(pmd::Device::parse(device), pmd::Device::Pci { .. });
    let devices = std::iter::once(&plan.ports.tx_device).chain(&plan.ports.rx_device);
    let shares_memory = |device: &String| pmd::Device::parse(device).shares_memory();
    let pool_mib = pmd::pool::memory_mib(plan.machine.mbufs, pmd::pool::DATA_ROOM);
    Eal::init(EalConfig {
        hugepages: plan.machine.hugepages,
        memory_mib: u32::try_from(pool_mib).ok().map(|pool| pool + 128),
        // The thread that draws the table stays off the workers' CPUs where there is another.
        main_cpu: pmd::affinity::current().into_iter().find(|cpu| !cpus.contains(cpu)),
        eal_args: plan.machine.eal_args.clone(),
        shared_memory: devices.clone().any(shares_memory),
        pci_allow: devices.filter(is_pci).cloned().collect(),
        ..EalConfig::default()
    })
    .context("DPDK's EAL")
}

/// Starts a port. A memif client whose server is not there yet fails to start, so that is tried again for as long as a
/// link is waited for.
fn start(port: &mut Port, patience: Duration, stop: &AtomicBool) -> Result<Wire> {
    let began = Instant::now();
    loop {
        match port.start() {
            Ok((mut rx, mut tx)) => match (rx.pop(), tx.pop()) {
                (Some(rx), Some(tx)) => return Ok(Wire { rx, tx }),
                _ => bail!("the device has no queues"),
            },
            Err(error) => {
                let memif = port.driver_name() == "net_memif";
                if !memif || began.elapsed() >= patience || stop.load(Ordering::Relaxed) {
                    return Err(error.into());
                }
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn open(
    plan: &Plan,
    eal: &Eal,
    pool: &MbufPool,
    device: &str,
    name: &str,
    stop: &AtomicBool,
) -> Result<(Port, Wire)> {
    let largest = plan.traffic.sizes.shares.iter().map(|(size, _)| *size).max().unwrap_or(0);
    let config = PortConfig {
        name: name.to_owned(),
        device: device.to_owned(),
        rx_desc: plan.ports.descriptors,
        tx_desc: plan.ports.descriptors,
        // Frames have at most 2022 bytes, so this fits; 14 are the Ethernet header.
        mtu: (largest - 14 - FCS).max(1500) as u16,
        promiscuous: true,
        ..PortConfig::default()
    };
    let mut port =
        Port::open(eal, &config, pool).with_context(|| format!("{name} device {device}"))?;
    let wire = start(&mut port, plan.ports.link_timeout, stop)
        .with_context(|| format!("{name} device {device}"))?;
    Ok((port, wire))
}

fn wait_for_links(
    ports: &mut [Port],
    wires: &mut Vec<Wire>,
    timeout: Duration,
    stop: &AtomicBool,
) -> Result<()> {
    let began = Instant::now();
    let mut asked = began;
    while let Some(down) = ports.iter().position(|port| !port.link().up) {
        if began.elapsed() >= timeout || stop.load(Ordering::Relaxed) {
            bail!(
                "the {} device has no link after {:.1} s: is the other side running, and the cable in?",
                ports[down].name(),
                began.elapsed().as_secs_f64()
            );
        }
        if asked.elapsed() >= MEMIF_PATIENCE && ports[down].driver_name() == "net_memif" {
            let left = timeout.saturating_sub(began.elapsed());
            let wire = ask_again(&mut ports[down], wires.remove(down), left, stop)?;
            wires.insert(down, wire);
            asked = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Starts a memif client once more. A server that listens before its port is started refuses a client, and the client's
/// driver asks only when it starts.
fn ask_again(port: &mut Port, wire: Wire, left: Duration, stop: &AtomicBool) -> Result<Wire> {
    port.stop(vec![wire.rx], vec![wire.tx])
        .map_err(Into::into)
        .and_then(|()| start(port, left, stop))
        .with_context(|| format!("{} device", port.name()))
}
