//! The checked configuration. The types say what has been checked; see each field.

mod access;
mod names;
mod network;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use wire::MacAddr;

use crate::error::Report;
pub(crate) use access::is_canonical;
pub use access::{BadDeviceRule, DeviceAccess, DevicePermission, DeviceRule};
pub(crate) use names::check_name;
pub use names::{BadName, CpuId, IfName, PortName, VlanId, VnetName};
pub use network::{Device, PciAddress};

/// A configuration in which every rule holds.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[dpdk]`: what the EAL is started with.
    pub dpdk: Dpdk,
    /// `[workers]`: the polling threads.
    pub workers: Workers,
    /// `[control]`: the control socket.
    pub control: Control,
    /// `[log]`: what the program tells of itself.
    pub log: Log,
    /// `[histograms]`: what workers measure of themselves; nothing without the table.
    pub histograms: Option<Histograms>,
    /// `[metrics]`: what a monitoring system reads; nothing without the table.
    pub metrics: Metrics,
    /// `[[port]]`, in the order of the file. Names and devices are unique.
    pub ports: Vec<Port>,
    /// `[[vnet]]`, in the order of the file. Names are unique; `vnet0` is the base vnet.
    pub vnets: Vec<Vnet>,
    /// Settings that have no effect, for the operator to read; [`Report::render`] prints them.
    pub warnings: Report,
}

/// Where packet memory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Hugepages {
    /// Use hugepages if the machine has any, else ordinary memory.
    #[default]
    Auto,
    /// Refuse to start without hugepages.
    Required,
    /// Never use them (`--no-huge`).
    None,
}

/// The arguments that the EAL is started with.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Dpdk {
    /// Where packet memory comes from.
    pub hugepages: Hugepages,
    /// Arguments for `rte_eal_init`, verbatim, to stand after those that the program derives.
    pub eal_args: Vec<String>,
    /// Packet buffers per NUMA node; `None`: as many as queues, caches and bursts add up to.
    pub mbufs: Option<u32>,
}

/// The polling threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workers {
    /// One pinned worker per CPU; at least one; no CPU twice; all online.
    pub cpus: Vec<CpuId>,
    /// Most packets taken from a queue per poll, 1..=256.
    pub burst: u16,
    /// Microseconds to sleep after a run of empty polls; 0: never sleep.
    pub idle_sleep_us: u32,
}

/// Measurements that workers take of themselves: time of a burst, time of each node, cost of an access to a vnet's variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histograms {
    /// One iteration in this many is measured.
    pub sample: u32,
}

/// The control socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Path of the UNIX socket, at most 107 bytes.
    pub socket: PathBuf,
    /// The user that may use it beside root and the process's, by name or number; the process's if there is none.
    pub owner: Option<String>,
    /// The group whose members may use it, by name or number; the group of the process if there is none.
    pub group: Option<String>,
    /// The devices that users may name in requests who are neither root nor the owner: nothing by default.
    pub devices: Vec<DeviceRule>,
}

/// The program's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// Who gets them.
    pub target: LogTarget,
    /// `LEVEL` or `TARGET=LEVEL`, several with commas between; levels in small letters.
    pub level: String,
}

/// The form of a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// Who gets the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogTarget {
    /// Standard error.
    #[default]
    Stderr,
    /// systemd's journal, by its own protocol, so that levels and fields stay what they are.
    Journal,
}

/// The numbers that a monitoring system reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Metrics {
    /// Where OpenMetrics are served over HTTP: a loopback address, and a port from 1.
    pub listen: Option<SocketAddr>,
    /// Whether DPDK's telemetry socket is there, which `dpdk-telemetry.py` connects to.
    pub dpdk_telemetry: bool,
}

/// A device that workers poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Unique among the ports.
    pub name: PortName,
    /// NIC or virtual device; unique among the ports.
    pub device: Device,
    /// rx queues, fewer than `workers` if that is given, and at most one for each worker that polls the port. `None`: one for each,
    /// or as many as the device has if that is less.
    pub queues: Option<u16>,
    /// The workers that poll it, by their places in [`Workers::cpus`]; not empty. `None`: those that poll the fewest queues.
    pub workers: Option<Vec<usize>>,
    /// Bytes of the largest IP packet, 68..=9600.
    pub mtu: u16,
    /// Descriptors of each rx queue; the driver rounds.
    pub rx_descriptors: u16,
    /// Descriptors of each tx queue; the driver rounds.
    pub tx_descriptors: u16,
    /// Take packets for any destination MAC address.
    pub promiscuous: bool,
    /// Unicast address to program into the device; `None`: keep the device's own.
    pub mac: Option<MacAddr>,
}

impl Port {
    /// The keys that would make it.
    pub fn wish(&self) -> PortWish {
        let workers = self.workers.as_ref();
        PortWish {
            name: self.name.to_string(),
            device: self.device.to_string(),
            queues: self.queues.map(i64::from),
            workers: workers.map(|workers| workers.iter().map(|worker| *worker as i64).collect()),
            mtu: Some(i64::from(self.mtu)),
            rx_descriptors: Some(i64::from(self.rx_descriptors)),
            tx_descriptors: Some(i64::from(self.tx_descriptors)),
            promiscuous: Some(self.promiscuous),
            mac: self.mac.map(|mac| mac.to_string()),
        }
    }
}

/// The keys of a `[[port]]`, unchecked; those that are not given have the same defaults as in a file.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the keys of [[port]]")]
pub struct PortWish {
    pub name: String,
    pub device: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queues: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<Vec<i64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_descriptors: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_descriptors: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promiscuous: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}

/// One network stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vnet {
    /// Unique among the vnets.
    pub name: VnetName,
    /// Values to set, in the order of the file.
    pub sysctls: Vec<Sysctl>,
    /// In the order of the file. `lo0` exists in any case and is listed here only if the file
    /// gives it something.
    pub interfaces: Vec<Interface>,
    /// Static ARP entries.
    pub neighbors: Vec<Neighbor>,
    /// Static routes. No prefix twice, none equal to a connected prefix.
    pub routes: Vec<Route>,
}

/// A sysctl to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// Full dotted name of a sysctl that exists and can be set.
    pub name: String,
    /// A value of its type and range.
    pub value: SysctlValue,
}

/// A sysctl's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SysctlValue {
    /// A number within the sysctl's range.
    Integer(i64),
    /// A text.
    Text(String),
}

/// An interface of a vnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Unique in the vnet.
    pub name: IfName,
    /// The port, VLAN or epair that carries its packets.
    pub attachment: Attachment,
    /// Bytes of the largest IP packet; not above the port's.
    pub mtu: u16,
    /// Unicast. `None`: the port's address; for the end of an epair, one that is made up.
    pub mac: Option<MacAddr>,
    /// Addresses with their connected prefixes: host bits are kept. No address twice in a vnet, no
    /// prefix that overlaps one of another interface of the vnet.
    pub addresses: Vec<IpNet>,
    /// Whether it starts administratively up.
    pub up: bool,
}

/// The port, VLAN or epair that carries an interface's packets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attachment {
    /// The vnet itself; only `lo0`.
    Loopback,
    /// A port. No two interfaces share a port and VLAN.
    Port {
        /// One of [`Config::ports`].
        port: PortName,
        /// The VLAN of the packets; `None`: those without a tag.
        vlan: Option<VlanId>,
    },
    /// An epair, of which the other end is that interface, whose attachment is this one.
    Epair {
        /// The vnet that has the other end.
        vnet: VnetName,
        /// The other end's name.
        interface: IfName,
    },
}

/// A static ARP entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// An interface of the vnet, not `lo0`.
    pub interface: IfName,
    /// Within a connected prefix of the interface and none of the vnet's own addresses.
    pub address: IpAddr,
    /// Unicast.
    pub mac: MacAddr,
}

/// A static route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destinations; no host bits set.
    pub prefix: IpNet,
    /// Where packets for them go.
    pub target: RouteTarget,
}

/// Where a route leads: through 1..=64 gateways, none twice; onto the link of an interface, which is not `lo0`; or nowhere.
pub type RouteTarget = wire::RouteTarget<Gateway, IfName>;

/// A router on a connected network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gateway {
    /// Its address: within a connected prefix of `interface`, not one of the vnet's own.
    pub address: IpAddr,
    /// The interface that reaches it.
    pub interface: IfName,
}

impl Config {
    /// The port of this name.
    pub fn port(&self, name: &PortName) -> Option<&Port> {
        self.ports.iter().find(|port| port.name == *name)
    }
}
