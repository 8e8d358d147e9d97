//! The differences between two configurations, each change with all that it takes to undo it.

use std::net::IpAddr;

use ipnet::IpNet;
use wire::MacAddr;

use crate::model::{
    Attachment, IfName, Interface, Port, PortName, RouteTarget, SysctlValue, Vnet, VnetName,
};

/// One step from a configuration to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A key of a table that is there once, such as `burst` of `[workers]`, or of a port that is in both. `None`: the
    /// key has its default.
    Setting {
        /// `[workers]`, or `port p0`.
        table: String,
        /// The key.
        key: &'static str,
        /// As it stands in the one.
        from: Option<String>,
        /// As it shall stand in the other.
        to: Option<String>,
    },
    /// A port that is not there yet.
    PortAttach(Port),
    /// A port that is there no more.
    PortDetach(Port),
    /// Has the queues of a port polled by as many other workers.
    PortWorkers {
        /// Which port.
        port: PortName,
        /// The workers that poll it.
        from: Vec<usize>,
        /// The workers that shall.
        to: Vec<usize>,
    },
    /// Makes an epair: both ends, with their addresses.
    EpairCreate(Box<[EpairEnd; 2]>),
    /// Destroys an epair: both ends, with their addresses; no static neighbour and no route needs one of them then.
    EpairDestroy(Box<[EpairEnd; 2]>),
    /// Moves an interface, which has no address then, and which no static neighbour and no route needs.
    InterfaceMove {
        /// Which interface.
        interface: IfName,
        /// The vnet that it is in.
        from: VnetName,
        /// The vnet that it gets into.
        to: VnetName,
    },
    /// A change of one vnet.
    Vnet {
        /// Which.
        vnet: VnetName,
        /// The change.
        change: VnetChange,
    },
}

/// One end of an epair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpairEnd {
    /// The vnet that has it.
    pub vnet: VnetName,
    /// The interface as it is there.
    pub interface: Interface,
}

/// A change of one vnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VnetChange {
    /// Makes it, with nothing but its `lo0`.
    Create,
    /// Destroys it, with all that it has then.
    Destroy(Box<Vnet>),
    /// Sets a sysctl. `None`: the value that it begins with.
    Sysctl {
        /// Its dotted name.
        name: String,
        /// The value that it has.
        from: Option<SysctlValue>,
        /// The value that it gets.
        to: Option<SysctlValue>,
    },
    /// Makes an interface with its addresses.
    InterfaceCreate(Interface),
    /// Destroys an interface with its addresses; no static neighbour and no route needs it then.
    InterfaceDestroy(Interface),
    /// Changes the bytes of its largest IP packet.
    Mtu {
        /// Which interface.
        interface: IfName,
        /// The present MTU.
        from: u16,
        /// The new MTU.
        to: u16,
    },
    /// Takes an interface up or down.
    Up {
        /// Which interface.
        interface: IfName,
        /// Whether up.
        to: bool,
    },
    /// Gives an interface an address, behind those that it has; or takes one from it, in whose prefix no static neighbour
    /// is then; or brings them into another order, of which the first is what it answers with. Never two at once.
    Addresses {
        /// Which interface.
        interface: IfName,
        /// Those that it has, with the lengths of their prefixes.
        from: Vec<IpNet>,
        /// Those that it gets.
        to: Vec<IpNet>,
    },
    /// Sets a static neighbour.
    Neighbor {
        /// On which interface.
        interface: IfName,
        /// Its address.
        address: IpAddr,
        /// The present MAC address; `None`: not there.
        from: Option<MacAddr>,
        /// The new MAC address.
        to: Option<MacAddr>,
    },
    /// Sets a route.
    Route {
        /// Its destinations.
        prefix: IpNet,
        /// Where it leads; `None`: it is not there.
        from: Option<RouteTarget>,
        /// Where it shall lead.
        to: Option<RouteTarget>,
    },
}

/// Whether something comes, goes, or becomes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `+`
    Add,
    /// `-`
    Remove,
    /// `~`
    Change,
}

/// A change in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The change.
    pub action: Action,
    /// The kind of thing: `route`, `interface`, `[workers]`.
    pub object: String,
    /// Its name or key.
    pub name: String,
    /// The present value, for things that go or change.
    pub from: Option<String>,
    /// The new value, for things that come or change.
    pub to: Option<String>,
}

impl Change {
    /// The vnet that it is about: of an epair, the one that has its first end; of a move, the one that it leads to.
    pub fn vnet(&self) -> Option<&VnetName> {
        match self {
            Self::Vnet { vnet, .. } | Self::InterfaceMove { to: vnet, .. } => Some(vnet),
            Self::EpairCreate(ends) | Self::EpairDestroy(ends) => Some(&ends[0].vnet),
            Self::Setting { .. }
            | Self::PortAttach(_)
            | Self::PortDetach(_)
            | Self::PortWorkers { .. } => None,
        }
    }

    /// The changes that lead back, in their order.
    pub fn inverse(self) -> Vec<Self> {
        match self {
            Self::Setting { table, key, from, to } => {
                vec![Self::Setting { table, key, from: to, to: from }]
            }
            Self::PortAttach(port) => vec![Self::PortDetach(port)],
            Self::PortDetach(port) => vec![Self::PortAttach(port)],
            Self::PortWorkers { port, from, to } => {
                vec![Self::PortWorkers { port, from: to, to: from }]
            }
            Self::EpairCreate(ends) => vec![Self::EpairDestroy(ends)],
            Self::EpairDestroy(ends) => vec![Self::EpairCreate(ends)],
            Self::InterfaceMove { interface, from, to } => {
                vec![Self::InterfaceMove { interface, from: to, to: from }]
            }
            Self::Vnet { vnet, change: VnetChange::Destroy(content) } => {
                crate::difference::creation(vnet, &content)
            }
            Self::Vnet { vnet, change } => {
                let change = change.inverse(&vnet);
                vec![Self::Vnet { vnet, change }]
            }
        }
    }

    /// The change in words.
    pub fn describe(&self) -> Described {
        match self {
            Self::Setting { table, key, from, to } => {
                let text = |value: &Option<String>| value.clone().unwrap_or_else(default);
                described(Action::Change, table, key, Some(text(from)), Some(text(to)))
            }
            Self::PortAttach(port) => come("port", &port.name, format!("on {}", port.device)),
            Self::PortDetach(port) => go("port", &port.name, format!("on {}", port.device)),
            Self::PortWorkers { port, from, to } => {
                let text = |workers: &[usize]| Some(format!("{workers:?}"));
                described(Action::Change, &format!("port {port}"), "workers", text(from), text(to))
            }
            Self::EpairCreate(ends) => come("epair", &ends[0].interface.name, joint(ends)),
            Self::EpairDestroy(ends) => go("epair", &ends[0].interface.name, joint(ends)),
            Self::InterfaceMove { interface, from, to } => {
                turn("interface", interface, format!("vnet {from}"), format!("vnet {to}"))
            }
            Self::Vnet { vnet, change } => change.describe(vnet),
        }
    }
}

impl VnetChange {
    fn inverse(self, vnet: &VnetName) -> Self {
        match self {
            Self::Create => Self::Destroy(Box::new(Vnet::empty(vnet.clone()))),
            Self::Destroy(_) => Self::Create,
            Self::Sysctl { name, from, to } => Self::Sysctl { name, from: to, to: from },
            Self::InterfaceCreate(interface) => Self::InterfaceDestroy(interface),
            Self::InterfaceDestroy(interface) => Self::InterfaceCreate(interface),
            Self::Mtu { interface, from, to } => Self::Mtu { interface, from: to, to: from },
            Self::Up { interface, to } => Self::Up { interface, to: !to },
            Self::Addresses { interface, from, to } => {
                Self::Addresses { interface, from: to, to: from }
            }
            Self::Neighbor { interface, address, from, to } => {
                Self::Neighbor { interface, address, from: to, to: from }
            }
            Self::Route { prefix, from, to } => Self::Route { prefix, from: to, to: from },
        }
    }

    fn describe(&self, vnet: &VnetName) -> Described {
        match self {
            Self::Create => described(Action::Add, "vnet", vnet, None, None),
            Self::Destroy(_) => described(Action::Remove, "vnet", vnet, None, None),
            Self::Sysctl { name, from, to } => {
                let text = |value: &Option<SysctlValue>| {
                    value.as_ref().map_or_else(default, SysctlValue::to_string)
                };
                described(Action::Change, "sysctl", name, Some(text(from)), Some(text(to)))
            }
            Self::InterfaceCreate(interface) => {
                come("interface", &interface.name, interface.to_string())
            }
            Self::InterfaceDestroy(interface) => {
                go("interface", &interface.name, interface.to_string())
            }
            Self::Mtu { interface, from, to } => {
                turn("interface", interface, format!("mtu {from}"), format!("mtu {to}"))
            }
            Self::Up { interface, to } => {
                let word = |up: bool| if up { "up" } else { "down" }.to_owned();
                turn("interface", interface, word(!to), word(*to))
            }
            Self::Addresses { interface, from, to } => {
                let on = || format!("on {interface}");
                let without = |all: &[IpNet], others: &[IpNet]| {
                    all.iter().find(|address| !others.contains(address)).copied()
                };
                match (without(from, to), without(to, from)) {
                    (_, Some(new)) => come("address", new, on()),
                    (Some(old), None) => go("address", old, on()),
                    (None, None) => turn("interface", interface, joined(from), joined(to)),
                }
            }
            Self::Neighbor { interface, address, from, to } => {
                let text =
                    |mac: &Option<MacAddr>| mac.map(|mac| format!("at {mac} on {interface}"));
                either("neighbor", address, text(from), text(to))
            }
            Self::Route { prefix, from, to } => {
                let text = |target: &Option<RouteTarget>| target.as_ref().map(ToString::to_string);
                either("route", prefix, text(from), text(to))
            }
        }
    }
}

fn described(
    action: Action,
    object: &str,
    name: impl ToString,
    from: Option<String>,
    to: Option<String>,
) -> Described {
    Described { action, object: object.to_owned(), name: name.to_string(), from, to }
}

fn come(object: &str, name: impl ToString, to: String) -> Described {
    described(Action::Add, object, name, None, Some(to))
}

fn go(object: &str, name: impl ToString, from: String) -> Described {
    described(Action::Remove, object, name, Some(from), None)
}

fn turn(object: &str, name: impl ToString, from: String, to: String) -> Described {
    described(Action::Change, object, name, Some(from), Some(to))
}

fn either(
    object: &str,
    name: impl ToString,
    from: Option<String>,
    to: Option<String>,
) -> Described {
    let action = match (&from, &to) {
        (None, _) => Action::Add,
        (_, None) => Action::Remove,
        _ => Action::Change,
    };
    described(action, object, name, from, to)
}

fn default() -> String {
    "default".to_owned()
}

fn joined(addresses: &[IpNet]) -> String {
    addresses.iter().map(IpNet::to_string).collect::<Vec<_>>().join(", ")
}

/// Both ends of an epair, without the first one's name.
fn joint([one, other]: &[EpairEnd; 2]) -> String {
    let EpairEnd { vnet, interface } = other;
    format!("{}; to {} of {vnet} {interface}", one.interface, interface.name)
}

impl std::fmt::Display for Interface {
    /// All but its name and the other end of an epair, in a few words.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name: _, attachment, mtu, mac, addresses, up } = self;
        match attachment {
            Attachment::Loopback => write!(f, "loopback ")?,
            Attachment::Port { port: PortName(port), vlan: None } => write!(f, "on {port} ")?,
            Attachment::Port { port: PortName(port), vlan: Some(vlan) } => {
                write!(f, "on {port} vlan {vlan} ")?;
            }
            Attachment::Epair { .. } => {}
        }
        write!(f, "mtu {mtu}")?;
        if let Some(mac) = mac {
            write!(f, " mac {mac}")?;
        }
        if !up {
            write!(f, " down")?;
        }
        match addresses.as_slice() {
            [] => Ok(()),
            some => write!(f, ": {}", joined(some)),
        }
    }
}

impl std::fmt::Display for SysctlValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(number) => number.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}
