//! `curvnet port`

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use config::PortWish;

use super::Client;
use super::connection::key;
use crate::cli::Failure;
use crate::protocol::{Page, PortLine, ProcessCommand};

/// The commands about ports.
#[derive(Subcommand, Debug)]
pub(crate) enum Port {
    /// All ports and what they carry.
    List,
    /// Open a device and have the workers poll it, while the other ports go on.
    Attach(Attach),
    /// Take a port from the workers and close it.
    Detach {
        /// Its name.
        name: String,
        /// Destroy the interfaces that are on it.
        #[arg(long)]
        force: bool,
    },
    /// Have the receive queues of a port polled by other workers, while packets come.
    Workers {
        /// The name of the port.
        name: String,
        /// The worker of each queue, as `stats queues` numbers them, with commas.
        #[arg(value_delimiter = ',', required = true, value_name = "WORKER")]
        workers: Vec<i64>,
    },
}

/// The keys of `[[port]]`.
#[derive(Args, Debug)]
pub(crate) struct Attach {
    /// The name of the port.
    name: String,
    /// PCI address, or driver and number of a virtual device with its arguments, e.g. net_tap0,iface=tap0
    device: String,
    /// Receive queues; one for each worker that polls the port unless given.
    #[arg(long)]
    queues: Option<i64>,
    /// Workers that poll it, as `stats queues` numbers them, with commas; those that poll the fewest queues unless given.
    #[arg(long, value_delimiter = ',', value_name = "WORKER")]
    workers: Option<Vec<i64>>,
    /// Largest IP packet, bytes.
    #[arg(long)]
    mtu: Option<i64>,
    /// Descriptors of each receive queue.
    #[arg(long)]
    rx_descriptors: Option<i64>,
    /// Descriptors of each transmit queue.
    #[arg(long)]
    tx_descriptors: Option<i64>,
    /// Take packets for any destination MAC address.
    #[arg(long)]
    promiscuous: bool,
    /// MAC address to program into the device.
    #[arg(long)]
    mac: Option<String>,
}

pub(super) fn run(client: &Client, command: Port) -> Result<(), Failure> {
    let mut instance = client.connect()?;
    match command {
        Port::List => {
            let ports =
                instance.pages(|after| Ok(ProcessCommand::PortList { after: key(after)? }))?;
            client.show(&ports, list)
        }
        Port::Attach(Attach {
            name,
            device,
            queues,
            workers,
            mtu,
            rx_descriptors,
            tx_descriptors,
            promiscuous,
            mac,
        }) => client.done(&instance.ask(ProcessCommand::PortAttach(PortWish {
            name,
            device,
            queues,
            workers,
            mtu,
            rx_descriptors,
            tx_descriptors,
            promiscuous: promiscuous.then_some(true),
            mac,
        }))?),
        Port::Detach { name, force } => {
            client.done(&instance.ask(ProcessCommand::PortDetach { name, force })?)
        }
        Port::Workers { name, workers } => {
            client.done(&instance.ask(ProcessCommand::PortWorkers { name, workers })?)
        }
    }
}

fn list(ports: &Page<PortLine>) -> String {
    let mut text = String::new();
    for port in &ports.list {
        let PortLine { name, device, driver, link, speed_mbps, mac, mtu, .. } = port;
        let link = if *link { "up" } else { "down" };
        let speed = speed_mbps.map(|speed| format!(", {speed} Mbit/s")).unwrap_or_default();
        let (rx, tx) = port.queues;
        let (rx_desc, tx_desc) = port.descriptors;
        let carries = match port.interfaces.as_slice() {
            [] => "nothing".to_owned(),
            names => names.join(" "),
        };
        let _infallible = write!(
            text,
            "{name}: {driver}, link {link}{speed}, mtu {mtu}\n\tdevice {device}\n\tether {mac}\n\t\
             queues: {rx} rx of {rx_desc} descriptors, {tx} tx of {tx_desc}\n\tcarries {carries}\n"
        );
    }
    text
}
