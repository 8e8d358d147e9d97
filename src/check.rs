//! `curvnet check`: parse and validate, and show what the configuration will take.

use std::path::Path;

use config::{Config, Host};
use pmd::budget::{Budget, Demand, PortDemand};

use crate::cli::{Failure, color, complain, print};
use crate::control::Socket;
use crate::host;
use crate::ports::replayed_mbufs;

/// Mbufs when the configuration names no number.
const MBUFS_DEFAULT: u32 = 65_535;

/// Reads a configuration; warnings go to standard error.
pub(crate) fn load(path: &Path, host: &Host) -> Result<Config, Failure> {
    let config =
        config::load(path, host).map_err(|errors| Failure::Config(errors.render(color())))?;
    let warnings = config.warnings.render(color());
    if !warnings.is_empty() {
        complain(warnings.trim_end());
    }
    Ok(config)
}

/// Mbufs of each pool.
#[must_use]
pub(crate) fn mbufs(config: &Config) -> u32 {
    config.dpdk.mbufs.unwrap_or(MBUFS_DEFAULT)
}

/// How many workers there are.
#[must_use]
pub(crate) fn worker_count(config: &Config) -> u16 {
    u16::try_from(config.workers.cpus.len()).unwrap_or(u16::MAX)
}

/// The mbufs that a port can hold; it has a transmit queue for each worker, and unless it says otherwise a receive queue for
/// each worker that polls it.
///
/// # Errors
///
/// Packets to replay do not fit; cause and cure.
pub(crate) fn demand_of(port: &config::Port, workers: u16) -> Result<PortDemand, (String, String)> {
    Ok(PortDemand {
        name: port.name.as_str().to_owned(),
        rx_queues: rx_queues(port, workers),
        tx_queues: workers,
        rx_desc: port.rx_descriptors,
        tx_desc: port.tx_descriptors,
        replayed: replayed_mbufs(&port.device)?,
    })
}

/// Receive queues to ask a device for.
pub(crate) fn rx_queues(port: &config::Port, workers: u16) -> u16 {
    let polling = port.workers.as_ref().and_then(|workers| u16::try_from(workers.len()).ok());
    port.queues.or(polling).unwrap_or(workers)
}

/// All that takes mbufs from a pool of so many.
pub(crate) fn demand(ports: Vec<PortDemand>, workers: u16, burst: u16, mbufs: u32) -> Demand {
    let queue = u32::try_from(stack::worker::QUEUE_PACKETS).unwrap_or(u32::MAX);
    // A worker that shares a port's transmit queue keeps frames while others send.
    let kept = u32::try_from(pmd::MAX_BURST).unwrap_or(u32::MAX);
    let sharing = ports.iter().map(|port| u32::from(workers.saturating_sub(port.tx_queues)));
    let sharing: u32 = sharing.sum();
    Demand {
        ports,
        workers,
        burst,
        cache: pmd::pool::cache_for(burst, mbufs),
        // To and from the control thread, and for transmit queues.
        queued: u32::from(workers) * 2 * queue + sharing * kept,
    }
}

/// Adds up the mbufs that the configuration takes. Bad arithmetic is a bad configuration; workers without a queue are worth
/// a warning.
pub(crate) fn arithmetic(path: &Path, config: &Config) -> Result<Budget, Failure> {
    let (workers, mbufs) = (worker_count(config), mbufs(config));
    let ports = config.ports.iter().map(|port| {
        demand_of(port, workers).map_err(|(cause, cure)| {
            let (path, name) = (path.display(), port.name.as_str());
            Failure::Config(format!("error: {path}: port {name}: {cause}: {cure}"))
        })
    });
    let ports = ports.collect::<Result<_, _>>()?;
    let demand = demand(ports, workers, config.workers.burst, mbufs);
    if let Some(warning) = pmd::budget::idle_workers(&demand) {
        complain(&format!("warning: {}: {warning}", path.display()));
    }
    pmd::budget(&demand, mbufs)
        .map_err(|error| Failure::Config(format!("error: {}: {error}", path.display())))
}

/// The command.
pub(crate) fn check(path: &Path) -> Result<(), Failure> {
    let config = load(path, &host::facts()?)?;
    let budget = arithmetic(path, &config)?;
    Socket::check(&config.control)
        .map_err(|error| Failure::Config(format!("error: {}: {error:#}", path.display())))?;
    print(format_args!("{}: good\n", path.display()))?;
    print(format_args!(
        "{} on {} for {} in {}\n",
        count(config.workers.cpus.len(), "worker"),
        config
            .workers
            .cpus
            .iter()
            .map(|cpu| format!("CPU {}", cpu.0))
            .collect::<Vec<_>>()
            .join(", "),
        count(config.vnets.len(), "vnet"),
        count(config.ports.len(), "port"),
    ))?;
    print(format_args!("{budget}\n"))?;
    for vnet in &config.vnets {
        print(format_args!(
            "vnet {}: {}, {}, {}, {}\n",
            vnet.name.as_str(),
            count(vnet.interfaces.len(), "interface"),
            count(
                vnet.interfaces.iter().map(|interface| interface.addresses.len()).sum(),
                "address"
            ),
            count(vnet.routes.len(), "route"),
            count(vnet.neighbors.len(), "static neighbor"),
        ))?;
    }
    Ok(())
}

fn count(n: usize, what: &str) -> String {
    match (n, what) {
        (1, _) => format!("1 {what}"),
        (_, "address") => format!("{n} addresses"),
        _ => format!("{n} {what}s"),
    }
}
