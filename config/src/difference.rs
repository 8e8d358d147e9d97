//! The way from one configuration to another. What is equal in both is not touched, and what cannot stay while something
//! else changes goes before and comes back after.
//!
//! The order holds at each step: no route leads through an interface that is not there, no two interfaces take the same
//! packets, no two networks of a vnet overlap. What is made can be undone, so vnets go last, when nothing else can fail.
//! Changes that belong to two vnets, epairs and interfaces that move, are found in `difference/devices.rs`.

mod devices;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::change::{Change, VnetChange};
use crate::defaults::LOOPBACK_MTU_DEFAULT;
use crate::model::{
    Attachment, Config, Gateway, IfName, Interface, Neighbor, Port, Route, RouteTarget, Vnet,
    VnetName,
};
use crate::write::{Table, port_table};
use devices::{Devices, Move};

/// When a change comes, and what it is.
type Step = (Stage, Change);

/// The order of changes over all vnets; within one, that of the vnets' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Setting,
    PortAttach,
    PortWorkers,
    RouteRemove,
    NeighborRemove,
    AddressRemove,
    InterfaceDestroy,
    VnetCreate,
    Sysctl,
    InterfaceMove,
    InterfaceCreate,
    EpairCreate,
    InterfaceChange,
    AddressAdd,
    AddressOrder,
    NeighborSet,
    RouteSet,
    VnetDestroy,
    PortDetach,
}

/// The changes that lead from `old` to `new`, in an order in which they can be made. Equal configurations have none:
/// the order of vnets, interfaces, sysctls, neighbours, routes and next hops means nothing.
pub fn difference(old: &Config, new: &Config) -> Vec<Change> {
    let mut steps = Vec::new();
    settings(&old.process(), &new.process(), &mut steps);
    ports(old, new, &mut steps);
    let devices = Devices::between(old, new);
    devices.epairs(&mut steps);
    let by_name = |config: &'_ Config| -> BTreeMap<VnetName, Vnet> {
        config.vnets.iter().map(|vnet| (vnet.name.clone(), vnet.clone())).collect()
    };
    let (mut old_vnets, mut new_vnets) = (by_name(old), by_name(new));
    // The base vnet cannot go: one that is not configured has nothing.
    if let Some((base, _)) = old_vnets.iter().find(|(name, _)| name.is_base()) {
        let _there = new_vnets.entry(base.clone()).or_insert_with(|| Vnet::empty(base.clone()));
    }
    let claims = claims(&new_vnets);
    for (name, mut vnet) in std::mem::take(&mut old_vnets) {
        match new_vnets.remove(&name) {
            Some(wish) => changes(Some(&vnet), &wish, &devices, &mut steps),
            None => {
                release(&mut vnet, &claims, &devices, &mut steps);
                put(&mut steps, Stage::VnetDestroy, &name, VnetChange::Destroy(Box::new(vnet)));
            }
        }
    }
    // In the order of the file, which is that of their numbers.
    let to_come = new.vnets.iter().filter(|vnet| new_vnets.contains_key(&vnet.name));
    to_come.for_each(|vnet| changes(None, vnet, &devices, &mut steps));
    steps.sort_by_key(|(stage, _)| *stage);
    steps.into_iter().map(|(_, change)| change).collect()
}

/// The changes that make a vnet without ends of epairs.
pub(crate) fn creation(name: VnetName, content: &Vnet) -> Vec<Change> {
    let mut steps = Vec::new();
    changes(None, &Vnet { name, ..content.clone() }, &Devices::default(), &mut steps);
    steps.sort_by_key(|(stage, _)| *stage);
    steps.into_iter().map(|(_, change)| change).collect()
}

fn put(steps: &mut Vec<Step>, stage: Stage, vnet: &VnetName, change: VnetChange) {
    steps.push((stage, Change::Vnet { vnet: vnet.clone(), change }));
}

fn settings(old: &[Table], new: &[Table], steps: &mut Vec<Step>) {
    let headers: BTreeSet<&str> = old.iter().chain(new).map(|table| table.header).collect();
    for header in headers {
        let of = |tables: &[Table]| {
            let table = tables.iter().find(|table| table.header == header);
            table.map(|table| table.keys.clone()).unwrap_or_default()
        };
        keys(header, of(old), of(new), steps);
    }
}

fn keys(
    table: &str,
    old: Vec<(&'static str, String)>,
    new: Vec<(&'static str, String)>,
    steps: &mut Vec<Step>,
) {
    let mut old: BTreeMap<_, _> = old.into_iter().collect();
    let mut setting = |key, from, to| {
        let table = table.to_owned();
        steps.push((Stage::Setting, Change::Setting { table, key, from, to }));
    };
    for (key, value) in new {
        match old.remove(key) {
            Some(same) if same == value => {}
            from => setting(key, from, Some(value)),
        }
    }
    old.into_iter().for_each(|(key, value)| setting(key, Some(value), None));
}

fn ports(old: &Config, new: &Config, steps: &mut Vec<Step>) {
    for port in &old.ports {
        match new.port(&port.name) {
            Some(same) => {
                let table = format!("port {}", port.name);
                let old = workers(port, same, steps);
                keys(&table, port_table(&old).keys, port_table(same).keys, steps);
            }
            None => steps.push((Stage::PortDetach, Change::PortDetach(port.clone()))),
        }
    }
    for port in new.ports.iter().filter(|port| old.port(&port.name).is_none()) {
        steps.push((Stage::PortAttach, Change::PortAttach(port.clone())));
    }
}

/// The change of the workers that poll a port, if as many queues go to as many workers as before, which leaves it running; the port
/// behind it.
fn workers(old: &Port, new: &Port, steps: &mut Vec<Step>) -> Port {
    let (Some(from), Some(to)) = (&old.workers, &new.workers) else { return old.clone() };
    if from == to || from.len() != to.len() || old.queues != new.queues {
        return old.clone();
    }
    let (port, from, to) = (old.name.clone(), from.clone(), to.clone());
    steps.push((Stage::PortWorkers, Change::PortWorkers { port, from, to }));
    Port { workers: new.workers.clone(), ..old.clone() }
}

/// The attachments that interfaces take packets of, in the new configuration.
fn claims(vnets: &BTreeMap<VnetName, Vnet>) -> BTreeSet<Attachment> {
    let interfaces = vnets.values().flat_map(|vnet| &vnet.interfaces);
    interfaces.map(|interface| interface.attachment.clone()).collect()
}

/// A vnet that goes in the end gives up at once the interfaces that move, or whose packets others will take, and its ends
/// of epairs, which go with the other ends.
fn release(
    vnet: &mut Vnet,
    claims: &BTreeSet<Attachment>,
    devices: &Devices<'_>,
    steps: &mut Vec<Step>,
) {
    let claimed = |interface: &Interface| match &interface.attachment {
        Attachment::Loopback => false,
        Attachment::Port { .. } => claims.contains(&interface.attachment),
        Attachment::Epair { .. } => true,
    };
    if !vnet.interfaces.iter().any(claimed) {
        return;
    }
    let mut rest = vnet.clone();
    rest.interfaces.retain(|interface| !claimed(interface));
    let stays =
        |name: &IfName| !vnet.interfaces.iter().any(|gone| claimed(gone) && gone.name == *name);
    rest.neighbors.retain(|neighbor| stays(&neighbor.interface));
    rest.routes.retain(|route| interfaces_of(&route.target).all(stays));
    changes(Some(vnet), &rest, devices, steps);
    *vnet = rest;
}

/// The changes within one vnet, or those that make it.
fn changes(old: Option<&Vnet>, new: &Vnet, devices: &Devices<'_>, steps: &mut Vec<Step>) {
    let name = &new.name;
    let nothing = Vnet::empty(name.clone());
    if old.is_none() {
        put(steps, Stage::VnetCreate, name, VnetChange::Create);
    }
    let old = old.unwrap_or(&nothing);
    sysctls(old, new, steps);
    let kept = interfaces(old, new, devices, steps);
    neighbors(old, new, &kept, steps);
    routes(old, new, &kept, steps);
}

fn sysctls(old: &Vnet, new: &Vnet, steps: &mut Vec<Step>) {
    let values = |vnet: &Vnet| -> BTreeMap<_, _> {
        let pairs = vnet.sysctls.iter().map(|sysctl| (sysctl.name.clone(), sysctl.value.clone()));
        pairs.collect()
    };
    let mut before = values(old);
    let mut set = |name, from, to| {
        put(steps, Stage::Sysctl, &new.name, VnetChange::Sysctl { name, from, to });
    };
    for sysctl in &new.sysctls {
        match before.remove(&sysctl.name) {
            Some(same) if same == sysctl.value => {}
            from => set(sysctl.name.clone(), from, Some(sysctl.value.clone())),
        }
    }
    before.into_iter().for_each(|(name, value)| set(name, Some(value), None));
}

/// Interfaces that stay, each with the addresses that it loses.
type Kept = BTreeMap<IfName, Vec<IpNet>>;

/// Interfaces by name; `lo0` is there in any case.
fn by_name(vnet: &Vnet) -> BTreeMap<IfName, Interface> {
    let interfaces = std::iter::once(Interface::loopback()).chain(vnet.interfaces.iter().cloned());
    interfaces.map(|interface| (interface.name.clone(), interface)).collect()
}

fn interfaces(old: &Vnet, new: &Vnet, devices: &Devices<'_>, steps: &mut Vec<Step>) -> Kept {
    let (vnet, mut wishes) = (&new.name, by_name(new));
    let is_epair = |interface: &Interface| matches!(interface.attachment, Attachment::Epair { .. });
    let mut kept = Kept::new();
    for (name, interface) in by_name(old) {
        let same = |wish: &Interface| match is_epair(&interface) {
            true => devices.stays(vnet, &name),
            false => (&wish.attachment, wish.mac) == (&interface.attachment, interface.mac),
        };
        if wishes.get(&name).is_some_and(same) {
            let lost = wishes.remove(&name).map(|wish| change(vnet, &interface, &wish, steps));
            let _new = kept.insert(name, lost.unwrap_or_default());
        } else if devices.leaves(vnet, &name) {
            let bare = Interface { addresses: Vec::new(), ..interface.clone() };
            let _lost = change(vnet, &interface, &bare, steps);
        } else if !is_epair(&interface) {
            let destroy = VnetChange::InterfaceDestroy(interface);
            put(steps, Stage::InterfaceDestroy, vnet, destroy);
        }
    }
    // In the order of the file, which is that of their indices.
    for wish in new.interfaces.iter().filter(|wish| wishes.contains_key(&wish.name)) {
        if let Some(arrival) = devices.arrives(vnet, &wish.name) {
            arrive(vnet, &arrival, wish, steps);
        } else if !is_epair(wish) {
            let create = VnetChange::InterfaceCreate(wish.clone());
            put(steps, Stage::InterfaceCreate, vnet, create);
        }
    }
    kept
}

/// An interface moves without addresses, and is changed where it then is.
fn arrive(to: &VnetName, arrival: &Move<'_>, wish: &Interface, steps: &mut Vec<Step>) {
    let (interface, from) = (wish.name.clone(), arrival.from.clone());
    steps.push((Stage::InterfaceMove, Change::InterfaceMove { interface, from, to: to.clone() }));
    let bare = Interface { addresses: Vec::new(), ..arrival.interface.clone() };
    let _none = change(to, &bare, wish, steps);
}

/// The changes of an interface that stays; the addresses that it loses.
fn change(vnet: &VnetName, old: &Interface, new: &Interface, steps: &mut Vec<Step>) -> Vec<IpNet> {
    let interface = || old.name.clone();
    if old.mtu != new.mtu {
        let mtu = VnetChange::Mtu { interface: interface(), from: old.mtu, to: new.mtu };
        put(steps, Stage::InterfaceChange, vnet, mtu);
    }
    if old.up != new.up {
        let up = VnetChange::Up { interface: interface(), to: new.up };
        put(steps, Stage::InterfaceChange, vnet, up);
    }
    let mut now = old.addresses.clone();
    let mut set = |stage, from: &[IpNet], to: &[IpNet]| {
        let (from, to) = (from.to_vec(), to.to_vec());
        put(steps, stage, vnet, VnetChange::Addresses { interface: interface(), from, to });
    };
    let lost = now.iter().filter(|address| !new.addresses.contains(address)).copied();
    let lost: Vec<_> = lost.collect();
    for gone in &lost {
        let before = now.clone();
        now.retain(|address| address != gone);
        set(Stage::AddressRemove, &before, &now);
    }
    for address in new.addresses.iter().filter(|address| !old.addresses.contains(address)) {
        let before = now.clone();
        now.push(*address);
        set(Stage::AddressAdd, &before, &now);
    }
    if now != new.addresses {
        set(Stage::AddressOrder, &now, &new.addresses);
    }
    lost
}

/// A static neighbour goes with its interface, and with the address whose network it is in.
fn neighbors(old: &Vnet, new: &Vnet, kept: &Kept, steps: &mut Vec<Step>) {
    let key = |neighbor: &Neighbor| (neighbor.interface.clone(), neighbor.address);
    let mut wishes: BTreeMap<_, _> =
        new.neighbors.iter().map(|neighbor| (key(neighbor), neighbor.mac)).collect();
    let mut set = |stage, (interface, address), from, to| {
        let change = VnetChange::Neighbor { interface, address, from, to };
        put(steps, stage, &new.name, change);
    };
    for neighbor in &old.neighbors {
        let stays = kept
            .get(&neighbor.interface)
            .is_some_and(|lost| !lost.iter().any(|network| network.contains(&neighbor.address)));
        let (key, mac) = (key(neighbor), neighbor.mac);
        match wishes.get(&key).copied().filter(|_| stays) {
            Some(wish) => {
                let _settled = wishes.remove(&key);
                if wish != mac {
                    set(Stage::NeighborSet, key, Some(mac), Some(wish));
                }
            }
            None => set(Stage::NeighborRemove, key, Some(mac), None),
        }
    }
    wishes.into_iter().for_each(|(key, mac)| set(Stage::NeighborSet, key, None, Some(mac)));
}

/// A route goes with an interface that it leads through. One that leads elsewhere is replaced, which loses no packet.
fn routes(old: &Vnet, new: &Vnet, kept: &Kept, steps: &mut Vec<Step>) {
    let mut wishes: BTreeMap<IpNet, RouteTarget> =
        new.routes.iter().map(|route| (route.prefix, route.target.clone())).collect();
    let mut set = |stage, prefix, from, to| {
        put(steps, stage, &new.name, VnetChange::Route { prefix, from, to });
    };
    for Route { prefix, target } in &old.routes {
        let stays = interfaces_of(target).all(|name| kept.contains_key(name));
        match wishes.get(prefix).filter(|_| stays).cloned() {
            Some(wish) => {
                let _settled = wishes.remove(prefix);
                if !same_target(&wish, target) {
                    set(Stage::RouteSet, *prefix, Some(target.clone()), Some(wish));
                }
            }
            None => set(Stage::RouteRemove, *prefix, Some(target.clone()), None),
        }
    }
    wishes.into_iter().for_each(|(prefix, wish)| set(Stage::RouteSet, prefix, None, Some(wish)));
}

/// The interfaces that a route leads through.
fn interfaces_of(target: &RouteTarget) -> impl Iterator<Item = &IfName> {
    let (gateways, link): (&[Gateway], _) = match target {
        RouteTarget::Via(gateways) => (gateways, None),
        RouteTarget::Interface(name) => (&[], Some(name)),
        RouteTarget::Blackhole | RouteTarget::Reject => (&[], None),
    };
    gateways.iter().map(|gateway| &gateway.interface).chain(link)
}

/// Flows are shared between gateways whatever their order.
fn same_target(one: &RouteTarget, other: &RouteTarget) -> bool {
    match (one, other) {
        (RouteTarget::Via(one), RouteTarget::Via(other)) => {
            let set = |gateways: &'_ [Gateway]| gateways.iter().cloned().collect::<BTreeSet<_>>();
            set(one) == set(other)
        }
        _ => one == other,
    }
}

impl Vnet {
    /// A vnet of that name that has nothing.
    pub fn empty(name: VnetName) -> Self {
        let (sysctls, interfaces) = (Vec::new(), Vec::new());
        Self { name, sysctls, interfaces, neighbors: Vec::new(), routes: Vec::new() }
    }
}

impl Interface {
    /// The `lo0` that every vnet has, as it begins.
    pub fn loopback() -> Self {
        Self {
            name: IfName(IfName::LOOPBACK.to_owned()),
            attachment: Attachment::Loopback,
            mtu: LOOPBACK_MTU_DEFAULT,
            mac: None,
            addresses: Vec::new(),
            up: true,
        }
    }
}
