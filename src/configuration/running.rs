//! The running state, as the configuration that would lead to it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use config::{
    Attachment, Config, Gateway, IfName, Interface, Neighbor, Route, RouteTarget, Sysctl,
    SysctlValue, VlanId, VnetName,
};
use ipnet::{IpNet, Ipv4Net};
use stack::control::{RouteView, Stack};
use stack::net::neighbor::NeighborState;
use stack::net::route::Hop;
use stack::net::{IfKind, IfSlot, Ifnet};
use vnet::sysctl::{Flags, Value};
use vnet::{VnetId, VnetRef};
use wire::MacAddr;

use crate::ports::Ports;
use crate::protocol::PAGE;

/// Facts of an instance that files are compared by.
#[derive(Debug)]
pub(super) struct Facts {
    /// The ports that are open.
    pub(super) ports: Vec<config::Port>,
    /// The MAC address that each device has, and the MTU that it took.
    devices: BTreeMap<String, (MacAddr, u16)>,
    /// The values of sysctls that nobody has set.
    defaults: BTreeMap<String, Value>,
    /// Sysctls that only a new vnet takes.
    pub(super) tunables: BTreeSet<String>,
}

impl Facts {
    pub(super) fn of(stack: &Stack, ports: &Ports) -> Self {
        let device = |open: &crate::ports::OpenPort| {
            let mac = Some(open.facts.mac).filter(|mac| mac.is_unicast())?;
            Some((open.port.name().to_owned(), (mac, open.facts.mtu)))
        };
        let defaults = stack.sysctl_defaults().iter();
        let tree = stack.vnets().registry().sysctl();
        let tunables = tree.iter().filter(|oid| !oid.flags().contains(Flags::WR));
        Self {
            ports: ports.iter().map(|open| open.config.clone()).collect(),
            devices: ports.iter().filter_map(device).collect(),
            defaults: defaults.map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            tunables: tunables.map(|oid| oid.name().to_owned()).collect(),
        }
    }

    /// Says what a file says in the words in which what runs is read: a value that is the default, a MAC address that is
    /// the device's, and an MTU that the device did not take are no differences.
    pub(super) fn settle(&self, config: &mut Config) {
        for vnet in &mut config.vnets {
            let is_default = |sysctl: &Sysctl| {
                let default = self.defaults.get(&sysctl.name);
                default.and_then(sysctl_value).is_some_and(|default| default == sysctl.value)
            };
            vnet.sysctls.retain(|sysctl| !is_default(sysctl));
            for interface in &mut vnet.interfaces {
                let Attachment::Port { port, .. } = &interface.attachment else { continue };
                let Some((mac, mtu)) = self.devices.get(port.as_str()) else { continue };
                interface.mac = interface.mac.filter(|own| own != mac);
                interface.mtu = interface.mtu.min(*mtu);
            }
        }
    }
}

/// The vnets, read in steps.
#[derive(Debug)]
pub(super) struct Reading {
    /// Those to come, the next one last.
    left: Vec<VnetId>,
    /// One whose routes are being read, and the last of them.
    begun: Option<(VnetId, config::Vnet, Option<Ipv4Net>)>,
    /// Those that are read.
    pub(super) vnets: Vec<config::Vnet>,
}

impl Reading {
    pub(super) fn new(stack: &Stack) -> Self {
        let mut left: Vec<VnetId> = stack.vnets().iter().map(|vnet| vnet.id()).collect();
        left.reverse();
        Self { left, begun: None, vnets: Vec::new() }
    }

    /// Reads on until then; false when nothing is left.
    pub(super) fn go_on(&mut self, stack: &mut Stack, ports: &Ports, until: Instant) -> bool {
        while Instant::now() < until {
            let Some((id, mut vnet, after)) = self.begun.take() else {
                let Some(id) = self.left.pop() else { return false };
                let begun = stack.vnets().get(id).cloned();
                // One that is gone meanwhile does not run.
                self.begun = begun.and_then(|vnet| Some((id, content(stack, ports, &vnet)?, None)));
                continue;
            };
            let Some(found) = stack.vnets().get(id).cloned() else { continue };
            let page = stack.routes_after(&found, after, PAGE);
            vnet.routes.extend(page.iter().filter_map(|view| route(stack, view)));
            match page.last().filter(|_| page.len() == PAGE) {
                Some(last) => self.begun = Some((id, vnet, Some(last.prefix))),
                None => self.vnets.push(vnet),
            }
        }
        true
    }
}

/// All of a vnet but its routes.
fn content(stack: &mut Stack, ports: &Ports, vnet: &VnetRef) -> Option<config::Vnet> {
    let mut content = config::Vnet::empty(VnetName::new(vnet.name()).ok()?);
    for (name, value) in stack.changed_sysctls(vnet) {
        let value = sysctl_value(&value);
        content.sysctls.extend(value.map(|value| Sysctl { name: name.to_owned(), value }));
    }
    for ifp in stack.interfaces_of(vnet) {
        let interface = interface(stack, ports, vnet, &ifp);
        content.interfaces.extend(interface.filter(|one| *one != Interface::loopback()));
    }
    for view in stack.neighbors_after(vnet, None, usize::MAX) {
        if let NeighborState::Static(mac) = view.state {
            let interface = name_of(stack, view.key.slot).filter(|_| mac.is_unicast());
            let address = view.key.addr.into();
            let neighbor = interface.map(|interface| Neighbor { interface, address, mac });
            content.neighbors.extend(neighbor);
        }
    }
    Some(content)
}

fn interface(stack: &Stack, ports: &Ports, vnet: &VnetRef, ifp: &Ifnet) -> Option<Interface> {
    let own = Some(ifp.mac).filter(|mac| mac.is_unicast());
    let (attachment, mac) = match ifp.kind {
        IfKind::Epair(end) => {
            let peer = stack.epair_end(end.peer())?;
            let vnet = VnetName::new(peer.vnet.name()).ok()?;
            let attachment = Attachment::Epair { vnet, interface: IfName::new(&peer.name).ok()? };
            (attachment, own)
        }
        IfKind::Loopback => (Attachment::Loopback, None),
        IfKind::Ethernet { port, vlan } => {
            let open = ports.by_id(port)?;
            let vlan = vlan.and_then(VlanId::new);
            let attachment = Attachment::Port { port: open.config.name.clone(), vlan };
            (attachment, own.filter(|_| open.facts.mac != ifp.mac))
        }
    };
    let addresses = stack.addresses_of(vnet, ifp.slot);
    Some(Interface {
        name: IfName::new(&ifp.name).ok()?,
        attachment,
        mtu: u16::try_from(ifp.mtu()).unwrap_or(u16::MAX),
        mac,
        addresses: addresses.into_iter().map(IpNet::from).collect(),
        up: ifp.is_up(),
    })
}

/// The name of an interface that a file can have.
fn name_of(stack: &Stack, slot: IfSlot) -> Option<IfName> {
    IfName::new(&stack.interface(slot)?.name).ok()
}

/// A route that a request or a file added; those that came with an address are made with it.
fn route(stack: &Stack, view: &RouteView) -> Option<Route> {
    let RouteView { prefix, flags, hop } = view;
    let target = match hop {
        Hop::Blackhole => RouteTarget::Blackhole,
        Hop::Reject => RouteTarget::Reject,
        Hop::Connected(slot) => RouteTarget::Interface(name_of(stack, *slot)?),
        Hop::Gateway(paths) => {
            let hops = paths.iter().map(|path| {
                let interface = name_of(stack, path.slot)?;
                Some(Gateway { address: path.gateway, interface })
            });
            RouteTarget::Via(hops.collect::<Option<_>>()?)
        }
        Hop::Local(_) | Hop::Broadcast(_) => return None,
    };
    (!flags.is_of_address()).then_some(Route { prefix: (*prefix).into(), target })
}

/// As a configuration has it.
fn sysctl_value(value: &Value) -> Option<SysctlValue> {
    match value {
        Value::Str(text) => Some(SysctlValue::Text(text.clone())),
        Value::Opaque(_) => None,
        number => i64::try_from(number.as_number()?).ok().map(SysctlValue::Integer),
    }
}

/// Takes out the parts that a file cannot say, and says them in words: routes through gateways whose network an address
/// was taken from meanwhile, which stay as on FreeBSD, and lead nowhere.
pub(super) fn take_out_unreachable(config: &mut Config) -> Vec<String> {
    let mut notes = Vec::new();
    for vnet in &mut config.vnets {
        let networks = vnet.interfaces.iter().flat_map(|one| &one.addresses).copied();
        let networks: Vec<IpNet> = networks.collect();
        vnet.routes.retain(|Route { prefix, target }| {
            let RouteTarget::Via(gateways) = target else { return true };
            let reachable = gateways.iter().all(|Gateway { address, .. }| {
                networks.iter().any(|network| network.contains(address))
            });
            if !reachable {
                notes.push(format!("vnet {}: route {prefix} {target}", vnet.name));
            }
            reachable
        });
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::super::steps::value_of;
    use super::*;

    #[test]
    fn values_are_the_same_in_both_directions() {
        for value in [SysctlValue::Integer(-1), SysctlValue::Text("text".to_owned())] {
            assert_eq!(sysctl_value(&value_of(&value)), Some(value));
        }
    }

    #[test]
    fn what_leads_nowhere_is_said_in_words() {
        let host = config::Host {
            online_cpus: [config::CpuId(0)].into(),
            max_vnets: 2,
            ..config::Host::default()
        };
        let text = "[[port]]\nname = 'p0'\ndevice = 'net_null0'\n[[vnet]]\nname = 'red'\n\
                    [[vnet.interface]]\nname = 'em0'\nport = 'p0'\naddresses = ['10.1.0.1/24']\n\
                    [[vnet.route]]\nprefix = '10.2.0.0/16'\nvia = ['10.1.0.2']\n";
        let mut config = config::parse("a.toml", text, &host).expect("a configuration");
        assert_eq!(take_out_unreachable(&mut config), Vec::<String>::new());
        config.vnets[0].interfaces[0].addresses.clear();
        assert_eq!(take_out_unreachable(&mut config), ["vnet red: route 10.2.0.0/16 via 10.1.0.2"]);
        assert!(config.vnets[0].routes.is_empty());
    }
}
