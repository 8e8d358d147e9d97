//! Random configurations of a small world, so that two of them have much in common.

use std::net::{IpAddr, Ipv4Addr};

use config::{
    Attachment, Config, CpuId, Dpdk, Gateway, Histograms, Hugepages, IfName, Interface, LogFormat,
    LogTarget, Neighbor, Port, PortName, Route, RouteTarget, Sysctl, SysctlValue, VlanId, Vnet,
    VnetName,
};
use ipnet::{IpNet, Ipv4Net};
use proptest::prelude::*;
use wire::MacAddr;

const VNETS: [&str; 3] = ["vnet0", "red", "blue"];
const INTERFACES: [&str; 4] = ["em0", "em1", "em2", "lo0"];
const PORTS: [&str; 3] = ["p0", "p1", "p2"];

/// One thing that a configuration may have: what kind, and numbers that choose.
type Piece = (u8, [u8; 5]);

/// A configuration in which every rule of the parser holds.
pub(crate) fn config() -> impl Strategy<Value = Config> {
    prop::collection::vec((0_u8..=9, any::<[u8; 5]>()), 0..50).prop_map(|pieces| {
        let mut pieces: Vec<Piece> = pieces;
        // Pieces that others stand on come first.
        pieces.sort_by_key(|(kind, _)| *kind);
        let mut config = Config::clone(&start());
        pieces.into_iter().for_each(|(kind, with)| add(&mut config, kind, with));
        config
    })
}

/// The least that can be: one vnet.
fn start() -> Config {
    config::parse(
        "start.toml",
        "[workers]\ncpus = [1, 2]\n[[vnet]]\nname = 'vnet0'\n",
        &super::common::host(),
    )
    .expect("a small configuration")
}

/// Adds a piece if it fits.
fn add(config: &mut Config, kind: u8, with: [u8; 5]) {
    let [a, b, c, d, e] = with;
    match kind {
        0 => process(config, with),
        1 => port(config, with),
        2 => {
            let name = VnetName::new(of(&VNETS, a)).expect("a name");
            if config.vnets.iter().all(|vnet| vnet.name != name) {
                config.vnets.insert(usize::from(b) % (config.vnets.len() + 1), Vnet::empty(name));
            }
        }
        3 => interface(config, with),
        4 => epair(config, with),
        _ => {
            let at = usize::from(a) % config.vnets.len();
            let vnet = &mut config.vnets[at];
            match kind {
                5 | 6 => address(vnet, [b, c, d]),
                7 => sysctl(vnet, [b, c]),
                8 => neighbor(vnet, [b, c, d]),
                _ => route(vnet, [b, c, d, e]),
            }
        }
    }
}

fn of<'a>(words: &[&'a str], number: u8) -> &'a str {
    words[usize::from(number) % words.len()]
}

fn mac(number: u8) -> Option<MacAddr> {
    number.is_multiple_of(3).then_some(MacAddr([2, 0, 0, 0, 0, number]))
}

fn process(config: &mut Config, [a, b, c, d, e]: [u8; 5]) {
    config.workers.cpus = (0..=1 + usize::from(a % 3)).map(CpuId).collect();
    config.workers.burst = 1 + u16::from(b);
    config.workers.idle_sleep_us = u32::from(c % 3) * 50;
    config.dpdk = Dpdk {
        hugepages: [Hugepages::Auto, Hugepages::None, Hugepages::Required][usize::from(d % 3)],
        eal_args: (0..d % 4).map(|n| format!("--arg=\"{n}\\é")).collect(),
        mbufs: e.is_multiple_of(2).then_some(1000 + u32::from(e)),
    };
    config.metrics.listen = a.is_multiple_of(2).then(|| ([127, 0, 0, 1], 1 + u16::from(e)).into());
    config.metrics.dpdk_telemetry = e.is_multiple_of(2);
    config.histograms = e.is_multiple_of(3).then(|| Histograms { sample: 1 + u32::from(a) });
    config.control.socket = ["/run/curvnet.sock", "other.sock"][usize::from(b % 2)].into();
    config.control.owner = d.is_multiple_of(2).then(|| "0".to_owned());
    config.log.format = [LogFormat::Text, LogFormat::Json][usize::from(e % 2)];
    // The journal has a form of its own.
    if e.is_multiple_of(4) {
        config.log.target = LogTarget::Journal;
    }
    config.log.level = ["info", "warn,pmd=debug"][usize::from(c % 2)].to_owned();
    config.control.group = c.is_multiple_of(2).then(|| "wheel".to_owned());
}

fn port(config: &mut Config, [a, b, c, d, e]: [u8; 5]) {
    let name = PortName::new(of(&PORTS, a)).expect("a name");
    if config.ports.iter().any(|port| port.name == name) {
        return;
    }
    let device = match b % 3 {
        0 => config::Device::Pci {
            address: format!("0000:03:00.{}", a % 3).parse().expect("an address"),
            args: None,
        },
        args => config::Device::Vdev {
            name: format!("net_null{}", a % 3),
            args: (args == 1).then(|| format!("size={b}")),
        },
    };
    let first = usize::from(d / 4 % 2);
    let workers = match d % 4 {
        0 => Some(vec![first]),
        1 => Some(vec![first, 1 - first]),
        _ => None,
    };
    // One queue for one worker goes without saying.
    let says_queues = c.is_multiple_of(2) && workers.as_ref().is_none_or(|all| all.len() > 1);
    config.ports.push(Port {
        name,
        device,
        queues: says_queues.then_some(1),
        workers,
        mtu: if c.is_multiple_of(3) { 1500 } else { 1000 + u16::from(c) },
        rx_descriptors: if d.is_multiple_of(3) { 1024 } else { 512 },
        tx_descriptors: if d.is_multiple_of(5) { 1024 } else { 256 },
        promiscuous: e.is_multiple_of(2),
        mac: mac(e),
    });
}

fn interface(config: &mut Config, [a, b, c, d, e]: [u8; 5]) {
    let name = IfName::new(of(&INTERFACES, b)).expect("a name");
    let attachment = if name.as_str() == IfName::LOOPBACK {
        Attachment::Loopback
    } else if config.ports.is_empty() {
        return;
    } else {
        let port = &config.ports[usize::from(c) % config.ports.len()];
        Attachment::Port { port: port.name.clone(), vlan: VlanId::new(u16::from(d % 3)) }
    };
    let loopback = attachment == Attachment::Loopback;
    let taken = config.vnets.iter().flat_map(|vnet| &vnet.interfaces);
    if !loopback && taken.into_iter().any(|other| other.attachment == attachment) {
        return;
    }
    let most = match &attachment {
        Attachment::Port { port, .. } => config.port(port).map_or(1500, |port| port.mtu),
        _ => 16384,
    };
    let at = usize::from(a) % config.vnets.len();
    let vnet = &mut config.vnets[at];
    if vnet.interfaces.iter().all(|other| other.name != name) {
        vnet.interfaces.push(Interface {
            name,
            attachment,
            mtu: if e.is_multiple_of(2) { most } else { 900 },
            mac: if loopback { None } else { mac(e) },
            addresses: Vec::new(),
            up: e % 4 != 1,
        });
    }
}

/// Both ends, where two names are free.
fn epair(config: &mut Config, [a, b, c, d, e]: [u8; 5]) {
    let ends = [(a, b), (c, d)].map(|(vnet, name)| {
        let name = IfName::new(of(&INTERFACES[..3], name)).expect("a name");
        (usize::from(vnet) % config.vnets.len(), name)
    });
    let free = |(at, name): &(usize, IfName)| {
        config.vnets[*at].interfaces.iter().all(|other| other.name != *name)
    };
    if ends[0] == ends[1] || !ends.iter().all(free) {
        return;
    }
    let macs = [mac(e), mac(b)];
    for (((at, name), (far, interface)), mac) in
        [(&ends[0], &ends[1]), (&ends[1], &ends[0])].into_iter().zip(macs)
    {
        let vnet = config.vnets[*far].name.clone();
        config.vnets[*at].interfaces.push(Interface {
            name: name.clone(),
            attachment: Attachment::Epair { vnet, interface: interface.clone() },
            mtu: if e.is_multiple_of(2) { 1500 } else { 65535 },
            mac,
            addresses: Vec::new(),
            up: e % 4 != 1,
        });
    }
}

/// One of six networks, of which an interface has each once, and a vnet none on two interfaces.
fn address(vnet: &mut Vnet, [a, b, c]: [u8; 3]) {
    let network = Ipv4Addr::new(10, b % 6, 0, 1 + c % 2);
    let network = IpNet::new(network.into(), 24).expect("a length");
    let overlaps = |interface: &Interface| {
        interface.addresses.iter().any(|other| other.contains(&network.addr()))
    };
    if vnet.interfaces.is_empty() || vnet.interfaces.iter().any(overlaps) {
        return;
    }
    let at = usize::from(a) % vnet.interfaces.len();
    vnet.interfaces[at].addresses.push(network);
}

fn sysctl(vnet: &mut Vnet, [a, b]: [u8; 2]) {
    let (name, value) = match a % 4 {
        0 => ("net.inet.ip.forwarding", SysctlValue::Integer(i64::from(b % 2))),
        1 => ("net.inet.ip.ttl", SysctlValue::Integer(1 + i64::from(b % 3))),
        2 => ("net.link.comment", SysctlValue::Text(format!("\"{b}\"\n\u{7f}\\"))),
        _ => ("net.link.owner", SysctlValue::Text("é".repeat(usize::from(b % 3)))),
    };
    if vnet.sysctls.iter().all(|sysctl| sysctl.name != name) {
        vnet.sysctls.push(Sysctl { name: name.to_owned(), value });
    }
}

/// A host of one of the vnet's networks, and the interface that reaches it.
fn host(vnet: &Vnet, number: u8) -> Option<(IpAddr, IfName)> {
    let links = vnet.interfaces.iter().filter(|one| one.attachment != Attachment::Loopback);
    let networks = links.flat_map(|one| one.addresses.iter().map(|network| (*network, &one.name)));
    let networks: Vec<_> = networks.collect();
    let (network, name) = networks.get(usize::from(number) % networks.len().max(1))?;
    let IpAddr::V4(address) = network.addr() else { return None };
    let [a, b, c, _] = address.octets();
    Some((Ipv4Addr::new(a, b, c, 100 + number % 4).into(), (*name).clone()))
}

fn neighbor(vnet: &mut Vnet, [a, b, c]: [u8; 3]) {
    let Some((address, interface)) = host(vnet, a) else { return };
    if vnet.neighbors.iter().all(|other| other.address != address) {
        let mac = MacAddr([2, 0, 0, 0, b % 2, c % 2]);
        vnet.neighbors.push(Neighbor { interface, address, mac });
    }
}

fn route(vnet: &mut Vnet, [a, b, c, d]: [u8; 4]) {
    let prefix = match a % 6 {
        0 => Ipv4Net::default().into(),
        1 => "10.5.0.0/24".parse().expect("a prefix"),
        n => IpNet::new(Ipv4Addr::new(172, 16 + n, 0, 0).into(), 16).expect("a length"),
    };
    let connected = vnet.interfaces.iter().flat_map(|interface| &interface.addresses);
    if connected.into_iter().any(|network| network.trunc() == prefix)
        || vnet.routes.iter().any(|route| route.prefix == prefix)
    {
        return;
    }
    let gateways = [c, c / 2, d].map(|number| host(vnet, number)).into_iter().flatten();
    let mut hops: Vec<Gateway> = Vec::new();
    for (address, interface) in gateways.take(usize::from(1 + d % 3)) {
        let hop = Gateway { address, interface };
        if !hops.contains(&hop) {
            hops.push(hop);
        }
    }
    let target = match b % 5 {
        0 => RouteTarget::Blackhole,
        1 => RouteTarget::Reject,
        2 => match host(vnet, c) {
            Some((_, interface)) => RouteTarget::Interface(interface),
            None => return,
        },
        _ if hops.is_empty() => return,
        _ => RouteTarget::Via(hops),
    };
    vnet.routes.push(Route { prefix, target });
}

/// The same with one interface in another vnet, where it has no address; its name, and the vnet that it was in.
pub(crate) fn moved(
    old: &Config,
    which: prop::sample::Index,
    to: prop::sample::Index,
) -> Option<(IfName, VnetName, Config)> {
    let mut new = old.clone();
    let all = new.vnets.iter().enumerate();
    let all = all.flat_map(|(at, vnet)| vnet.interfaces.iter().map(move |one| (at, one)));
    let all = all.filter(|(_, one)| one.attachment != Attachment::Loopback);
    let all: Vec<(usize, IfName)> = all.map(|(at, one)| (at, one.name.clone())).collect();
    let (from, name) = (!all.is_empty()).then(|| all[which.index(all.len())].clone())?;
    let to = to.index(new.vnets.len());
    if new.vnets[to].interfaces.iter().any(|one| one.name == name) {
        return None;
    }
    let (vnet, origin) = (new.vnets[to].name.clone(), new.vnets[from].name.clone());
    let was = &mut new.vnets[from];
    was.neighbors.retain(|neighbor| neighbor.interface != name);
    was.routes.retain(|route| match &route.target {
        RouteTarget::Via(hops) => hops.iter().all(|hop| hop.interface != name),
        RouteTarget::Interface(interface) => *interface != name,
        RouteTarget::Blackhole | RouteTarget::Reject => true,
    });
    let at = was.interfaces.iter().position(|one| one.name == name)?;
    let mut one = was.interfaces.remove(at);
    one.addresses.clear();
    if let Attachment::Epair { vnet: far, interface: peer } = &one.attachment {
        let far = new.vnets.iter_mut().find(|one| one.name == *far)?;
        let peer = far.interfaces.iter_mut().find(|one| one.name == *peer)?;
        peer.attachment = Attachment::Epair { vnet, interface: name.clone() };
    }
    new.vnets[to].interfaces.push(one);
    Some((name, origin, new))
}
