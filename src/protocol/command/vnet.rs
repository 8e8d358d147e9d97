//! Commands that concern one vnet: its interfaces, addresses, routes, neighbours, sysctls, probes and packets. The names are
//! those of FreeBSD's commands where there is one.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wire::MacAddr;

use super::arguments::{InterfaceChanges, NewRoute, NewSysctl, ProbeRequest};
use crate::protocol::prefix;

commands! {
    /// A command to the vnet that the request names, or else to the first one of the process.
    pub(crate) enum VnetCommand {
        /// The vnet's interfaces, one page, or one of them.
        "interface.list" => InterfaceList {
            /// Only this one.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            interface: Option<String>,
            /// The index of the last interface of the page before.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            after: Option<u64>,
        },
        /// Makes an interface on a port.
        "interface.create" => InterfaceCreate {
            interface: String,
            port: String,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            vlan: Option<u16>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            mac: Option<MacAddr>,
        },
        /// Destroys an interface, with its addresses and neighbours, and the routes through it.
        "interface.destroy" => InterfaceDestroy { interface: String },
        /// Takes an interface up or down, changes its MTU and its addresses; all or nothing.
        "interface.set" => InterfaceSet(InterfaceChanges),
        /// Moves an interface to another vnet, without its addresses, its neighbours and the routes through it: from the
        /// request's vnet, or to it.
        "interface.move" => InterfaceMove {
            interface: String,
            /// The vnet that it goes to.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            to: Option<String>,
            /// The vnet that it comes from.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            from: Option<String>,
        },
        /// Makes an epair, both ends in the request's vnet.
        "epair.create" => EpairCreate {
            /// Its name, to which the ends add `a` and `b`; the next free one without it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            epair: Option<String>,
        },
        /// Gives an interface an address.
        "address.add" => AddressAdd {
            interface: String,
            #[serde(deserialize_with = "prefix::one")]
            address: IpNet,
        },
        /// Takes an address from an interface, with the routes and neighbours of its network.
        "address.delete" => AddressDelete { interface: String, address: IpAddr },
        /// The vnet's routes, one page.
        "route.list" => RouteList {
            /// The last prefix of the page before.
            #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "prefix::any")]
            after: Option<IpNet>,
        },
        /// Adds routes, all or none.
        "route.add" => RouteAdd { routes: Vec<NewRoute> },
        /// Deletes routes, all or none.
        "route.delete" => RouteDelete {
            #[serde(deserialize_with = "prefix::all")]
            prefixes: Vec<IpNet>,
        },
        /// The route that a packet to this address would take.
        "route.get" => RouteGet {
            address: IpAddr,
            /// Rather the route of exactly the prefix of this length.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            prefix_len: Option<u8>,
        },
        /// Deletes all routes but those of interfaces' addresses, up to a page of them.
        "route.flush" => RouteFlush {},
        /// The vnet's neighbours, one page.
        "arp.list" => ArpList {
            /// Interface index and address of the last neighbour of the page before.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            after: Option<(u16, IpAddr)>,
        },
        /// Sets a neighbour, for which ARP never asks.
        "arp.set" => ArpSet { address: IpAddr, mac: MacAddr },
        /// Deletes a neighbour.
        "arp.delete" => ArpDelete { address: IpAddr },
        /// The sysctl of that name, or all below it.
        "sysctl.get" => SysctlGet {
            #[serde(default)]
            name: String,
        },
        /// Changes a sysctl, or several: all or none.
        "sysctl.set" => SysctlSet {
            #[serde(default, skip_serializing_if = "Option::is_none")]
            name: Option<String>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            value: Option<Value>,
            /// Those besides this one.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            values: Vec<NewSysctl>,
        },
        /// Sends an echo request or a UDP datagram, whose answer can be asked for.
        "probe.send" => ProbeSend(ProbeRequest),
        /// The states of probes.
        "probe.get" => ProbeGet { probes: Vec<u32> },
        /// FreeBSD's counters of the vnet.
        "statistics" => Statistics {},
        /// Begins a stream of the vnet's packets.
        "capture" => Capture {
            /// Of this interface only.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            interface: Option<String>,
            /// A BPF program: code, jt, jf and k of each instruction; none takes all.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            filter: Vec<(u16, u8, u8, u32)>,
            /// Bytes of each packet that are wanted.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            snaplen: Option<u32>,
            /// Whether packets that are dropped are wanted, too.
            #[serde(default, skip_serializing_if = "is_false")]
            drops: bool,
        },
    }
}

impl VnetCommand {
    /// Whether it is refused while a configuration is being applied, because it changes what a configuration does.
    pub(crate) fn is_refused_during_apply(&self) -> bool {
        match self {
            Self::InterfaceCreate { .. }
            | Self::InterfaceDestroy { .. }
            | Self::InterfaceSet(_)
            | Self::InterfaceMove { .. }
            | Self::EpairCreate { .. }
            | Self::AddressAdd { .. }
            | Self::AddressDelete { .. }
            | Self::RouteAdd { .. }
            | Self::RouteDelete { .. }
            | Self::RouteFlush {}
            | Self::ArpSet { .. }
            | Self::ArpDelete { .. }
            | Self::SysctlSet { .. } => true,
            Self::InterfaceList { .. }
            | Self::RouteList { .. }
            | Self::RouteGet { .. }
            | Self::ArpList { .. }
            | Self::SysctlGet { .. }
            | Self::ProbeSend(_)
            | Self::ProbeGet { .. }
            | Self::Statistics {}
            | Self::Capture { .. } => false,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}
