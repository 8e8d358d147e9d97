//! What can be asked. The names are those of FreeBSD's commands where there is one.

use std::net::IpAddr;

use config::PortWish;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::MacAddr;

use super::Id;
use super::refusal::{Code, Refusal, nearest};

/// Declares the commands, and the list of their names.
macro_rules! commands {
    ($($(#[$doc:meta])* $name:literal => $variant:ident
        $({ $($(#[$field_meta:meta])* $field:ident: $type:ty),* $(,)? })?
        $(($arguments:ty))?,
    )*) => {
        /// A command with its arguments.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "command", deny_unknown_fields)]
        pub(crate) enum Command {
            $($(#[$doc])* #[serde(rename = $name)] $variant
                $({ $($(#[$field_meta])* $field: $type),* })?
                $(($arguments))?,
            )*
        }

        impl Command {
            /// The names of all commands.
            pub(crate) const NAMES: &'static [&'static str] = &[$($name),*];
        }
    };
}

commands! {
    /// All vnets, one page.
    "vnet.list" => VnetList {
        /// The index of the last vnet of the page before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    },
    /// One vnet with its books.
    "vnet.show" => VnetShow { name: String },
    /// What vnets received, sent and dropped, a short page.
    "vnet.traffic" => VnetTraffic {
        /// The index of the last vnet of the page before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
        /// Only vnets whose names hold this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holds: Option<String>,
        /// At most so many; a page has no more than 64 in any case.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
    },
    /// What some vnets dropped, added up.
    "vnet.drops" => VnetDrops {
        /// The index of the last vnet that was added up before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    },
    /// Makes a vnet.
    "vnet.create" => VnetCreate { name: String },
    /// Destroys a vnet with all that is in it.
    "vnet.destroy" => VnetDestroy { name: String },
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
    /// Takes an interface up or down, or changes its MTU; all or nothing.
    "interface.set" => InterfaceSet {
        interface: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        up: Option<bool>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mtu: Option<u16>,
    },
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
    "address.add" => AddressAdd { interface: String, address: IpNet },
    /// Takes an address from an interface, with the routes and neighbours of its network.
    "address.delete" => AddressDelete { interface: String, address: IpAddr },
    /// The vnet's routes, one page.
    "route.list" => RouteList {
        /// The last prefix of the page before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<IpNet>,
    },
    /// Adds routes, all or none.
    "route.add" => RouteAdd { routes: Vec<NewRoute> },
    /// Deletes routes, all or none.
    "route.delete" => RouteDelete { prefixes: Vec<IpNet> },
    /// The route that a packet to this address would take.
    "route.get" => RouteGet { address: IpAddr },
    /// Deletes routes that somebody added, up to a page of them.
    "route.flush" => RouteFlush {},
    /// The vnet's neighbours, one page.
    "arp.list" => ArpList {
        /// Interface index and address of the last neighbour of the page before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<(u16, IpAddr)>,
    },
    /// Sets a neighbour that is never asked for.
    "arp.set" => ArpSet { address: IpAddr, mac: MacAddr },
    /// Deletes a neighbour.
    "arp.delete" => ArpDelete { address: IpAddr },
    /// The sysctl of that name, or all below it.
    "sysctl.get" => SysctlGet {
        #[serde(default)]
        name: String,
    },
    /// Changes a sysctl.
    "sysctl.set" => SysctlSet { name: String, value: Value },
    /// All ports, one page.
    "port.list" => PortList {
        /// The last port of the page before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// Opens a device and has the workers poll it; the arguments are the keys of `[[port]]`.
    "port.attach" => PortAttach(PortWish),
    /// Takes a port from the workers and closes it.
    "port.detach" => PortDetach {
        name: String,
        /// Destroys the interfaces that are on it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        force: bool,
    },
    /// Sends an echo request or a UDP datagram, whose answer can be asked for.
    "probe.send" => ProbeSend {
        address: IpAddr,
        #[serde(default)]
        kind: Probe,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ttl: Option<std::num::NonZeroU8>,
        /// Bytes of data.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u16>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<IpAddr>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        dont_fragment: bool,
        /// How long somebody waits for the answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_ms: Option<u32>,
    },
    /// What is known of probes.
    "probe.get" => ProbeGet { probes: Vec<u32> },
    /// FreeBSD's counters of the vnet.
    "statistics" => Statistics {},
    /// The running configuration; begins a stream of its text.
    "config.show" => ConfigShow {},
    /// What a configuration would change; begins a stream of changes, once its text is there.
    "config.diff" => ConfigDiff {
        /// Its name in messages.
        file: String,
        /// Whether messages may have ANSI colours.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        color: bool,
    },
    /// Changes what runs to what a configuration says, all or nothing; begins a stream of the changes, once they are made.
    "config.apply" => ConfigApply {
        /// Its name in messages.
        file: String,
        /// Whether messages may have ANSI colours.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        color: bool,
        /// Only checks whether it could be done.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        dry_run: bool,
    },
    /// A part of a configuration's text.
    "config.put" => ConfigPut {
        /// The id of the request that the text belongs to.
        stream: Id,
        text: String,
        /// Whether it is the last part.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        last: bool,
    },
    /// Ports, workers, nodes.
    "stats" => Stats {},
    /// What this build is and can do.
    "features" => Features {},
    /// Begins a stream of what happens.
    "events" => Events {},
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
    /// Ends a stream of this client's.
    "stop" => Stop {
        /// The id of the request that began it.
        stream: Id,
    },
}

impl Command {
    /// Whether it only looks. What is not known to do so may change something.
    pub(crate) fn only_looks(&self) -> bool {
        matches!(
            self,
            Self::VnetList { .. }
                | Self::VnetShow { .. }
                | Self::VnetTraffic { .. }
                | Self::VnetDrops { .. }
                | Self::Capture { .. }
                | Self::ProbeSend { .. }
                | Self::ProbeGet { .. }
                | Self::InterfaceList { .. }
                | Self::RouteList { .. }
                | Self::RouteGet { .. }
                | Self::ArpList { .. }
                | Self::SysctlGet { .. }
                | Self::PortList { .. }
                | Self::Statistics {}
                | Self::ConfigShow {}
                | Self::ConfigDiff { .. }
                | Self::ConfigApply { .. }
                | Self::ConfigPut { .. }
                | Self::Stats {}
                | Self::Features {}
                | Self::Events {}
                | Self::Stop { .. }
        )
    }

    /// From the fields of a request, without those of the envelope.
    pub(super) fn parse(fields: Map<String, Value>) -> Result<Self, Refusal> {
        let Some(Value::String(name)) = fields.get("command") else {
            let cure = "add \"command\", for example \"features\", which lists the commands";
            return Err(Refusal::new(Code::BadRequest, "the request has no command", cure));
        };
        if !Self::NAMES.contains(&name.as_str()) {
            let cure = nearest(name, Self::NAMES.iter().copied());
            let cure = cure.unwrap_or_else(|| "ask for \"features\", which lists them".to_owned());
            return Err(Refusal::new(
                Code::UnknownCommand,
                format!("there is no command {name}"),
                cure,
            ));
        }
        let name = name.clone();
        serde_json::from_value(Value::Object(fields)).map_err(|error| {
            let cure = format!("docs/protocol.md has the arguments of {name}");
            Refusal::new(Code::BadRequest, format!("{name}: {error}"), cure)
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A route to add.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRoute {
    /// Its prefix.
    pub(crate) prefix: IpNet,
    /// Where it leads.
    pub(crate) target: Target,
}

/// Where a route leads; interfaces have names.
pub(crate) type Target = wire::RouteTarget<IpAddr, String>;

/// What a probe is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Probe {
    /// An ICMP echo request.
    #[default]
    Echo,
    /// A UDP datagram to a port that nobody should listen on.
    Udp,
}
