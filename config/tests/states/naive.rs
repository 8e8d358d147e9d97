//! A configuration as sets, and changes done to it by the letter. It is as strict as a stack: what is made must not be
//! there, what goes must be there, and what something needs goes after it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use config::{
    Attachment, Change, Config, EpairEnd, Gateway, IfName, RouteTarget, SysctlValue, Vnet,
    VnetChange, VnetName,
};
use ipnet::IpNet;
use wire::MacAddr;

/// A configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    ports: BTreeSet<String>,
    settings: BTreeMap<(String, String), String>,
    vnets: BTreeMap<String, Content>,
}

/// A vnet.
#[derive(Clone, Debug, PartialEq)]
struct Content {
    sysctls: BTreeMap<String, SysctlValue>,
    interfaces: BTreeMap<String, Link>,
    neighbors: BTreeMap<(String, IpAddr), MacAddr>,
    routes: BTreeMap<IpNet, Target>,
}

#[derive(Clone, Debug, PartialEq)]
struct Link {
    attachment: Attachment,
    mac: Option<MacAddr>,
    mtu: u16,
    up: bool,
    addresses: Vec<IpNet>,
}

#[derive(Clone, Debug, PartialEq)]
enum Target {
    Word(&'static str),
    Hops(BTreeSet<String>, BTreeSet<String>),
}

fn target(target: &RouteTarget) -> Target {
    match target {
        RouteTarget::Blackhole => Target::Word("blackhole"),
        RouteTarget::Reject => Target::Word("reject"),
        RouteTarget::Via(hops) => {
            let interface = |hop: &Gateway| hop.interface.to_string();
            let words = |hop: &Gateway| format!("{hop:?}");
            Target::Hops(hops.iter().map(words).collect(), hops.iter().map(interface).collect())
        }
        RouteTarget::Interface(name) => {
            let name = BTreeSet::from([name.to_string()]);
            Target::Hops(name.clone(), name)
        }
    }
}

fn link(interface: &config::Interface) -> Link {
    let config::Interface { name: _, attachment, mtu, mac, addresses, up } = interface.clone();
    Link { attachment, mac, mtu, up, addresses }
}

impl Content {
    fn new() -> Self {
        let attachment = Attachment::Loopback;
        let lo0 = Link { attachment, mac: None, mtu: 16384, up: true, addresses: Vec::new() };
        Self {
            sysctls: BTreeMap::new(),
            interfaces: [("lo0".to_owned(), lo0)].into(),
            neighbors: BTreeMap::new(),
            routes: BTreeMap::new(),
        }
    }

    fn of(vnet: &Vnet) -> Self {
        let mut content = Self::new();
        let Vnet { name: _, sysctls, interfaces, neighbors, routes } = vnet;
        content.sysctls.extend(sysctls.iter().map(|one| (one.name.clone(), one.value.clone())));
        content.interfaces.extend(interfaces.iter().map(|one| (one.name.to_string(), link(one))));
        let neighbors =
            neighbors.iter().map(|one| ((one.interface.to_string(), one.address), one.mac));
        content.neighbors.extend(neighbors);
        content.routes.extend(routes.iter().map(|one| (one.prefix, target(&one.target))));
        content
    }

    fn change(&mut self, change: &VnetChange) {
        match change {
            VnetChange::Create | VnetChange::Destroy(_) => unreachable!("of the whole vnet"),
            VnetChange::Sysctl { name, from, to } => {
                swap(&mut self.sysctls, name.clone(), from.clone(), to.clone())
            }
            VnetChange::InterfaceCreate(new) => {
                assert_eq!(self.interfaces.insert(new.name.to_string(), link(new)), None);
                self.check_networks();
            }
            VnetChange::InterfaceDestroy(old) => {
                assert_eq!(self.take(old.name.as_str()), link(old))
            }
            VnetChange::Mtu { interface, from, to } => {
                let link = self.link(interface.as_str());
                assert_eq!(std::mem::replace(&mut link.mtu, *to), *from);
            }
            VnetChange::Up { interface, to } => {
                let link = self.link(interface.as_str());
                assert_ne!(std::mem::replace(&mut link.up, *to), *to);
            }
            VnetChange::Addresses { interface, from, to } => {
                let (old, new): (BTreeSet<_>, BTreeSet<_>) =
                    (from.iter().collect(), to.iter().collect());
                let lost: Vec<_> = old.difference(&new).collect();
                assert!(
                    lost.len() + new.difference(&old).count() <= 1 && from != to,
                    "several at once"
                );
                let goes = |(on, addr): &(String, IpAddr)| {
                    on == interface.as_str() && lost.iter().any(|network| network.contains(addr))
                };
                assert!(!self.neighbors.keys().any(goes), "a neighbour would go along");
                let link = self.link(interface.as_str());
                assert_eq!(&link.addresses, from);
                link.addresses.clone_from(to);
                self.check_networks();
            }
            VnetChange::Neighbor { interface, address, from, to } => {
                let link = self.link(interface.as_str());
                assert!(
                    to.is_none() || link.addresses.iter().any(|network| network.contains(address))
                );
                swap(&mut self.neighbors, (interface.to_string(), *address), *from, *to);
            }
            VnetChange::Route { prefix, from, to } => {
                let (from, to) = (from.as_ref().map(target), to.as_ref().map(target));
                if let Some(Target::Hops(_, through)) = &to {
                    assert!(through.iter().all(|name| self.interfaces.contains_key(name)));
                }
                let connected = self.interfaces.values().flat_map(|link| &link.addresses);
                assert!(
                    to.is_none() || connected.into_iter().all(|network| network.trunc() != *prefix)
                );
                swap(&mut self.routes, *prefix, from, to);
            }
        }
    }

    /// Takes an interface that nothing needs.
    fn take(&mut self, name: &str) -> Link {
        assert_ne!(name, "lo0");
        assert!(self.neighbors.keys().all(|(interface, _)| interface != name));
        let through =
            |one: &Target| matches!(one, Target::Hops(_, through) if through.contains(name));
        assert!(!self.routes.values().any(through), "a route leads through it");
        self.interfaces.remove(name).expect("an interface")
    }

    fn link(&mut self, name: &str) -> &mut Link {
        self.interfaces.get_mut(name).expect("an interface")
    }

    fn check_networks(&self) {
        let networks: Vec<_> = self.interfaces.values().flat_map(|link| &link.addresses).collect();
        let all: BTreeSet<_> = networks.iter().map(|network| network.trunc()).collect();
        assert_eq!(all.len(), networks.len(), "networks overlap");
        let routed = networks.iter().any(|network| self.routes.contains_key(&network.trunc()));
        assert!(!routed, "a route has an interface's network");
    }
}

fn swap<K: Ord, V: PartialEq + std::fmt::Debug>(
    map: &mut BTreeMap<K, V>,
    key: K,
    from: Option<V>,
    to: Option<V>,
) {
    assert_ne!(from, to);
    let old = match to {
        Some(to) => map.insert(key, to),
        None => map.remove(&key),
    };
    assert_eq!(old, from);
}

impl State {
    /// A configuration, of which the keys of its process and its ports are read from its text.
    pub(crate) fn of(config: &Config) -> Self {
        let mut state = Self::default();
        let text = config.to_toml();
        let mut table = String::new();
        for line in text.lines().take_while(|line| *line != "[[vnet]]") {
            match line.split_once(" = ") {
                None => line.clone_into(&mut table),
                Some(("name", name)) => table = format!("port {}", name.trim_matches('"')),
                Some((key, value)) => {
                    let _new =
                        state.settings.insert((table.clone(), key.to_owned()), value.to_owned());
                }
            }
        }
        for port in &config.ports {
            let _new = state.ports.insert(port.name.to_string());
        }
        let vnets = config.vnets.iter().map(|vnet| (vnet.name.to_string(), Content::of(vnet)));
        state.vnets.extend(vnets);
        // It is there, named or not.
        let _base = state.vnets.entry("vnet0".to_owned()).or_insert_with(Content::new);
        state
    }

    /// Does one change.
    pub(crate) fn change(&mut self, change: &Change) {
        match change {
            Change::Setting { table, key, from, to } => {
                let key = (table.clone(), (*key).to_owned());
                swap(&mut self.settings, key, from.clone(), to.clone());
            }
            Change::PortAttach(port) => {
                assert!(self.ports.insert(port.name.to_string()));
                let only = Config { ports: vec![port.clone()], vnets: Vec::new(), ..empty() };
                self.settings.extend(
                    Self::of(&only)
                        .settings
                        .into_iter()
                        .filter(|((of, _), _)| of.starts_with("port")),
                );
            }
            Change::PortWorkers { port, from, to } => {
                let key = (format!("port {port}"), "workers".to_owned());
                let text = |workers| Some(format!("{workers:?}"));
                swap(&mut self.settings, key, text(from), text(to));
            }
            Change::PortDetach(port) => {
                assert!(self.ports.remove(port.name.as_str()));
                let table = format!("port {}", port.name);
                self.settings.retain(|(of, _), _| *of != table);
            }
            Change::InterfaceMove { interface, from, to } => {
                self.move_interface(interface.as_str(), from, to)
            }
            Change::Vnet { vnet, change: VnetChange::Create } => {
                assert_eq!(self.vnets.insert(vnet.to_string(), Content::new()), None);
            }
            Change::Vnet { vnet, change: VnetChange::Destroy(content) } => {
                assert_ne!(vnet.as_str(), "vnet0");
                assert_eq!(self.vnets.remove(vnet.as_str()), Some(Content::of(content)));
            }
            Change::EpairCreate(ends) => {
                for EpairEnd { vnet, interface } in ends.iter() {
                    self.vnet(vnet.as_str())
                        .change(&VnetChange::InterfaceCreate(interface.clone()));
                }
            }
            Change::EpairDestroy(ends) => {
                for EpairEnd { vnet, interface } in ends.iter() {
                    self.vnet(vnet.as_str())
                        .change(&VnetChange::InterfaceDestroy(interface.clone()));
                }
            }
            Change::Vnet { vnet, change } => {
                self.vnet(vnet.as_str()).change(change);
            }
        }
        self.check_claims();
        self.check_epairs();
    }

    /// Moves an interface that nothing needs; the other end of an epair is told.
    fn move_interface(&mut self, name: &str, from: &VnetName, to: &VnetName) {
        let moved = self.vnet(from.as_str()).take(name);
        assert_eq!(moved.addresses, [], "it has addresses");
        if let Attachment::Epair { vnet: far, interface } = &moved.attachment {
            let attachment = Attachment::Epair {
                vnet: to.clone(),
                interface: IfName::new(name).expect("a name"),
            };
            self.vnet(far.as_str()).link(interface.as_str()).attachment = attachment;
        }
        assert_eq!(self.vnet(to.as_str()).interfaces.insert(name.to_owned(), moved), None);
    }

    fn vnet(&mut self, name: &str) -> &mut Content {
        self.vnets.get_mut(name).expect("a vnet")
    }

    /// Forgets addresses that were made up where `wish` leaves them open.
    pub(crate) fn forget_made_up(&mut self, wish: &Self) {
        for (name, content) in &mut self.vnets {
            for (interface, link) in &mut content.interfaces {
                let wish = wish.vnets.get(name).and_then(|vnet| vnet.interfaces.get(interface));
                let is_open = |wish: &Link| {
                    matches!(wish.attachment, Attachment::Epair { .. }) && wish.mac.is_none()
                };
                link.mac = link.mac.filter(|_| !wish.is_some_and(is_open));
            }
        }
    }

    /// No end of an epair is without the other.
    fn check_epairs(&self) {
        for (name, content) in &self.vnets {
            for (end, link) in &content.interfaces {
                let Attachment::Epair { vnet, interface } = &link.attachment else { continue };
                let far = self.vnets.get(vnet.as_str()).expect("the vnet of the other end");
                let other = far.interfaces.get(interface.as_str()).expect("the other end");
                let Attachment::Epair { vnet, interface } = &other.attachment else {
                    panic!("{interface} is no end of an epair")
                };
                assert_eq!((vnet.as_str(), interface.as_str()), (name.as_str(), end.as_str()));
            }
        }
    }

    /// Nobody takes another's packets, or those of a port that is not there.
    fn check_claims(&self) {
        let links = self.vnets.values().flat_map(|vnet| vnet.interfaces.values());
        let mut claims = BTreeSet::new();
        for attachment in links.map(|link| &link.attachment) {
            if let Attachment::Port { port, .. } = attachment {
                assert!(self.ports.contains(port.as_str()), "no port {port}");
                assert!(claims.insert(attachment), "{attachment:?} twice");
            }
        }
    }
}

fn empty() -> Config {
    config::parse(
        "e.toml",
        "[workers]\ncpus = [1, 2]\n[[vnet]]\nname = 'vnet0'\n",
        &super::common::host(),
    )
    .expect("a small configuration")
}
