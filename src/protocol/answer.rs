//! The answers. Counters are maps from FreeBSD's or DPDK's names to numbers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The answer to any command.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    /// Nothing to say.
    Done(Done),
    /// `vnet.list`
    Vnets(Page<VnetLine>),
    /// `vnet.traffic`
    Traffic(Page<VnetTraffic>),
    /// `vnet.drops`
    Drops(DropsShown),
    /// `vnet.show`
    Vnet(Box<VnetShown>),
    /// `interface.list`
    Interfaces(Page<InterfaceShown>),
    /// `epair.create`
    Epair(EpairMade),
    /// `route.list`
    Routes(Page<RouteShown>),
    /// `route.get`
    Route(RouteFound),
    /// `arp.list`
    Neighbors(Page<NeighborShown>),
    /// `sysctl.get`, `sysctl.set`
    Sysctls(Page<SysctlShown>),
    /// `port.list`
    Ports(Page<PortLine>),
    /// `probe.send`
    ProbeSent(ProbeSent),
    /// `probe.get`
    Probes(Page<ProbeShown>),
    /// `statistics`
    Statistics(BTreeMap<String, u64>),
    /// `stats`
    Stats(Box<Stats>),
    /// `stats.queues`
    Queues(Page<WorkerQueuesShown>),
    /// `features`
    Features(Box<Features>),
}

/// Done, and how many things it was done to where that is not obvious.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Done {
    /// How many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
    /// Whether there are more, so that the same command should be given again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) more: Option<bool>,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Page<T> {
    /// At most [`super::PAGE`] of them.
    pub(crate) list: Vec<T>,
    /// The argument `after` of the request for the next page; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<Value>,
}

impl<T> Page<T> {
    /// The only page.
    pub(crate) fn only(list: Vec<T>) -> Self {
        Self { list, next: None }
    }

    /// A page that is followed by another if it is full; `key` is of its last entry.
    pub(crate) fn of(list: Vec<T>, key: impl FnOnce(&T) -> Value) -> Self {
        let next = list.last().filter(|_| list.len() >= super::PAGE).map(key);
        Self { list, next }
    }
}

/// One vnet in the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct VnetLine {
    /// Its place; another vnet may have it later.
    pub(crate) index: u64,
    /// Unique among those that are alive.
    pub(crate) name: String,
    /// How many it has, lo0 included.
    pub(crate) interfaces: u64,
    /// How many it has, those of its addresses included.
    pub(crate) routes: u64,
}

/// The packets that one vnet received, sent and dropped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct VnetTraffic {
    /// Its place.
    pub(crate) index: u64,
    /// Its name.
    pub(crate) name: String,
    /// Packets that its interfaces received.
    pub(crate) received: u64,
    /// Bytes of them; those of interfaces that are gone are not among them.
    pub(crate) received_bytes: u64,
    /// Packets that its interfaces sent.
    pub(crate) sent: u64,
    /// Bytes of them.
    pub(crate) sent_bytes: u64,
    /// By reason, those that are not zero.
    pub(crate) drops: BTreeMap<String, u64>,
}

/// The drops of some vnets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DropsShown {
    /// By reason, those that are not zero.
    pub(crate) drops: BTreeMap<String, u64>,
    /// The argument `after` of the request for the vnets behind these, as in a [`Page`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<u64>,
}

/// One vnet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct VnetShown {
    /// As in the list.
    #[serde(flatten)]
    pub(crate) line: VnetLine,
    /// Neighbours, static ones included.
    pub(crate) neighbors: u64,
    /// Bytes of the modules' variables, not counting what they point to.
    pub(crate) container_bytes: u64,
    /// Bytes of the routing table: what the control thread keeps, and what workers read.
    pub(crate) route_bytes: (u64, u64),
    /// The use that it makes of its limits, by the names of `[vnet.limits]`.
    pub(crate) limits: BTreeMap<String, LimitShown>,
    /// The books of its packets.
    pub(crate) books: BooksShown,
}

/// The use that a vnet makes of a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LimitShown {
    /// How many there are.
    pub(crate) used: u64,
    /// How many there may be.
    pub(crate) limit: u64,
    /// Requests and packets that were refused because of it.
    pub(crate) refused: u64,
    /// The sysctl that sets it.
    pub(crate) sysctl: String,
}

/// The books of a vnet's packets. While traffic flows the counters are of slightly different moments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BooksShown {
    /// Packets that its interfaces received.
    pub(crate) received: u64,
    /// Packets that began here.
    pub(crate) originated: u64,
    /// Packets that its interfaces sent.
    pub(crate) sent: u64,
    /// Packets that were delivered here.
    pub(crate) delivered: u64,
    /// With the control thread.
    pub(crate) in_flight: u64,
    /// By reason, those that are not zero.
    pub(crate) drops: BTreeMap<String, u64>,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct InterfaceShown {
    /// Unique in the vnet.
    pub(crate) name: String,
    /// Its index in the vnet.
    pub(crate) index: u16,
    /// Whether it is administratively up.
    pub(crate) up: bool,
    /// Largest IP packet, bytes.
    pub(crate) mtu: u32,
    /// Its port; lo0 and the ends of epairs have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<String>,
    /// Its VLAN; none is untagged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vlan: Option<u16>,
    /// The other end, of an end of an epair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) peer: Option<PeerShown>,
    /// The vnet that it returns to when this one is destroyed, of an interface that was moved here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) home: Option<String>,
    /// Its MAC address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mac: Option<String>,
    /// Whether the port has a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) link: Option<bool>,
    /// Its addresses with the length of their networks' prefixes.
    pub(crate) addresses: Vec<IpNet>,
    /// FreeBSD's `if_data`.
    pub(crate) counters: BTreeMap<String, u64>,
}

/// The other end of an epair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PeerShown {
    /// The vnet that it is in.
    pub(crate) vnet: String,
    /// Its name there.
    pub(crate) interface: String,
}

/// The names of the ends of a new epair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EpairMade {
    /// One end.
    pub(crate) a: String,
    /// The other.
    pub(crate) b: String,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RouteShown {
    /// Its prefix.
    pub(crate) prefix: IpNet,
    /// FreeBSD's names in lower case: up, gateway, host, static, pinned, local, broadcast, reject, blackhole.
    pub(crate) flags: Vec<String>,
    /// The ways that it leads; none for blackhole and reject.
    pub(crate) paths: Vec<PathShown>,
}

/// One way of a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PathShown {
    /// The interface.
    pub(crate) interface: String,
    /// Its index in the vnet.
    pub(crate) index: u16,
    /// The gateway; none if the destinations are on the interface's link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<IpAddr>,
}

/// The route of one address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RouteFound {
    /// The address that was asked for.
    pub(crate) address: IpAddr,
    /// The route.
    #[serde(flatten)]
    pub(crate) route: RouteShown,
}

/// One neighbour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NeighborShown {
    /// Its address.
    pub(crate) address: IpAddr,
    /// Our interface.
    pub(crate) interface: String,
    /// Our interface's index in the vnet.
    pub(crate) index: u16,
    /// incomplete, reachable, probing, static or failed.
    pub(crate) state: String,
    /// Its MAC address, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mac: Option<String>,
    /// Seconds until the entry expires; a static one does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_s: Option<u64>,
}

/// One sysctl.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SysctlShown {
    /// Its dotted name.
    pub(crate) name: String,
    /// Its value: a number or a text.
    pub(crate) value: Value,
    /// The value before, if it was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) old: Option<Value>,
    /// A description of its purpose.
    pub(crate) description: String,
    /// Whether it can be changed now.
    pub(crate) writable: bool,
}

/// One port in the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PortLine {
    /// Unique among the ports.
    pub(crate) name: String,
    /// The device that it was opened with.
    pub(crate) device: String,
    /// Its driver.
    pub(crate) driver: String,
    /// Whether it has a link.
    pub(crate) link: bool,
    /// Its speed, Mbit/s, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) speed_mbps: Option<u32>,
    /// Its MAC address.
    pub(crate) mac: String,
    /// Largest IP packet, bytes.
    pub(crate) mtu: u16,
    /// Receive and transmit queues.
    pub(crate) queues: (u16, u16),
    /// Descriptors of each receive and each transmit queue.
    pub(crate) descriptors: (u16, u16),
    /// The interfaces that it carries, as `VNET.INTERFACE`.
    pub(crate) interfaces: Vec<String>,
}

/// A probe that was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProbeSent {
    /// Its number, by which the vnet's answer can be asked for.
    pub(crate) probe: u32,
    /// The address that it was sent from.
    pub(crate) source: IpAddr,
}

/// The state of a probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProbeShown {
    /// Its number.
    pub(crate) probe: u32,
    /// waiting, expired or answered.
    pub(crate) state: String,
    /// The answer.
    #[serde(flatten)]
    pub(crate) heard: Option<ProbeHeard>,
}

/// The answer to a probe: an ICMP message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProbeHeard {
    /// The address that sent it.
    pub(crate) address: IpAddr,
    /// ICMP type.
    #[serde(rename = "type")]
    pub(crate) kind: u8,
    /// ICMP code.
    pub(crate) code: u8,
    /// TTL that it arrived with.
    pub(crate) ttl: u8,
    /// Bytes of the message.
    pub(crate) bytes: u16,
    /// Next-hop MTU, if it needed fragmentation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mtu: Option<u16>,
    /// Nanoseconds from the probe to its answer.
    pub(crate) rtt_ns: u64,
    /// How many more of this type came.
    pub(crate) duplicates: u8,
}

/// Ports and workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stats {
    /// Seconds since the workers started.
    pub(crate) uptime_s: f64,
    /// By name.
    pub(crate) ports: BTreeMap<String, PortShown>,
    /// In the order of the configuration.
    pub(crate) workers: Vec<WorkerShown>,
}

/// One port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PortShown {
    /// Its driver.
    pub(crate) driver: String,
    /// Whether it has a link.
    pub(crate) link: bool,
    /// Its speed, Mbit/s, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) speed_mbps: Option<u32>,
    /// DPDK's `rte_eth_stats`, and what the port refused to send.
    pub(crate) counters: BTreeMap<String, u64>,
}

/// One worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WorkerShown {
    /// Its CPU.
    pub(crate) cpu: u64,
    /// Polls, packets, cycles.
    pub(crate) counters: BTreeMap<String, u64>,
    /// Packets by node, those that are not zero.
    pub(crate) nodes: BTreeMap<String, u64>,
    /// Frames that no vnet took, by reason, those that are not zero.
    pub(crate) drops: BTreeMap<String, u64>,
}

/// The queues of one worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WorkerQueuesShown {
    /// Its number: its place in `cpus` of `[workers]`.
    pub(crate) worker: u64,
    /// Its CPU.
    pub(crate) cpu: u64,
    /// The receive queues that it polls.
    pub(crate) receive: Vec<QueueShown>,
    /// The transmit queues that it sends through.
    pub(crate) transmit: Vec<QueueShown>,
}

/// A queue of a port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct QueueShown {
    /// The port's name.
    pub(crate) port: String,
    /// DPDK's number of the queue.
    pub(crate) queue: u64,
    /// Whether other workers have it, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) shared: bool,
}

/// The build and its features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Features {
    /// Version of the program.
    pub(crate) version: String,
    /// Git revision.
    pub(crate) git: String,
    /// The accessor arm.
    pub(crate) arm: Arm,
    /// DPDK's version.
    pub(crate) dpdk: String,
    /// Version of the protocol.
    pub(crate) protocol: u64,
    /// All commands of the protocol.
    pub(crate) commands: Vec<String>,
    /// The modules that a vnet consists of.
    pub(crate) modules: Vec<String>,
}

/// The accessor arm of the build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Arm {
    /// Its name.
    pub(crate) name: String,
    /// How many vnets it holds.
    pub(crate) vnets_max: u64,
}
