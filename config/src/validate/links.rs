//! The connections of a vnet: its interfaces' names, addresses and prefixes. Neighbors and
//! routes are checked against it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Check, addresses};
use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::model::IfName;
use crate::nearest::list;

/// An address of an interface.
#[derive(Clone, Debug)]
pub(super) struct Connected {
    /// The address with the length of its prefix.
    pub(super) network: IpNet,
    pub(super) interface: IfName,
    pub(super) span: Span,
}

impl Connected {
    pub(super) fn is_loopback(&self) -> bool {
        self.interface.as_str() == IfName::LOOPBACK
    }
}

/// All links of one vnet.
#[derive(Debug)]
pub(super) struct Links {
    /// The vnet's name, for messages.
    pub(super) vnet: String,
    /// Names of the interfaces, `lo0` included.
    pub(super) interfaces: Vec<IfName>,
    connected: Vec<Connected>,
    /// The first entry of `connected` with an address.
    own: BTreeMap<IpAddr, usize>,
    /// The first entry of `connected` with a prefix.
    prefixes: BTreeMap<IpNet, usize>,
    /// False if an address could not be read: what it would reach is unknown.
    pub(super) complete: bool,
}

impl Links {
    pub(super) fn new(vnet: &str) -> Self {
        Self {
            vnet: vnet.to_owned(),
            interfaces: vec![IfName(IfName::LOOPBACK.to_owned())],
            connected: Vec::new(),
            own: BTreeMap::new(),
            prefixes: BTreeMap::new(),
            complete: true,
        }
    }

    /// Adds an address; reports it if the vnet has it already.
    pub(super) fn add(&mut self, check: &mut Check<'_>, new: Connected) {
        if let Some(first) = self.own.get(&new.network.addr()).map(|&at| &self.connected[at]) {
            check.report(
                Diagnostic::at(
                    Rule::AddressTwice,
                    new.span,
                    format!("vnet {} has {} twice", self.vnet, new.network.addr()),
                    "the address is taken",
                    "use another address; other vnets may use the same one",
                )
                .also(first.span.clone(), format!("first used here, by {}", first.interface)),
            );
            return;
        }
        let at = self.connected.len();
        let _ = self.own.insert(new.network.addr(), at);
        let _ = self.prefixes.entry(new.network.trunc()).or_insert(at);
        self.connected.push(new);
    }

    /// The vnet's own address, if it is one.
    pub(super) fn own(&self, address: IpAddr) -> Option<&Connected> {
        self.own.get(&address).map(|&at| &self.connected[at])
    }

    /// The entry whose connected prefix is exactly this one.
    pub(super) fn connected(&self, prefix: IpNet) -> Option<&Connected> {
        self.prefixes.get(&prefix).map(|&at| &self.connected[at])
    }

    /// The entry with the longest connected prefix that holds the address; `lo0` reaches nobody.
    pub(super) fn reach(&self, address: IpAddr) -> Option<&Connected> {
        (1..=IpNet::from(address).prefix_len())
            .rev()
            .filter_map(|length| IpNet::new(address, length).ok())
            .filter_map(|prefix| self.connected(prefix.trunc()))
            .find(|connected| !connected.is_loopback())
    }

    /// The entry that makes the route with this prefix: for its network, for the address itself, or for an end of its
    /// network. On `lo0` a network is nowhere.
    pub(super) fn routed(&self, prefix: IpNet) -> Option<&Connected> {
        let host = Some(prefix.addr()).filter(|_| prefix.prefix_len() == prefix.max_prefix_len());
        self.connected(prefix)
            .filter(|connected| !connected.is_loopback())
            .or_else(|| self.own(host?))
            .or_else(|| self.ends_at(host?))
    }

    /// An entry that has this address as the end of its network.
    fn ends_at(&self, address: IpAddr) -> Option<&Connected> {
        (1..=30)
            .filter_map(|length| IpNet::new(address, length).ok())
            .filter(|network| addresses::end_of_prefix(*network).is_some())
            .filter_map(|network| self.connected(network.trunc()))
            .find(|connected| !connected.is_loopback())
    }

    /// Reports addresses that are an end of another network of their interface.
    pub(super) fn check_ends(&self, check: &mut Check<'_>) {
        for own in &self.connected {
            let address = own.network.addr();
            let Some(other) = self.ends_at(address).filter(|other| {
                other.interface == own.interface && other.network.trunc() != own.network.trunc()
            }) else {
                continue;
            };
            let seen = IpNet::new(address, other.network.prefix_len()).unwrap_or(other.network);
            let (why, cure) = addresses::end_of_prefix(seen).unwrap_or_default();
            check.report(
                Diagnostic::at(
                    Rule::AddressNotHost,
                    own.span.clone(),
                    format!("{address} is an end of {}", seen.trunc()),
                    why,
                    cure,
                )
                .also(other.span.clone(), "in this network"),
            );
        }
    }

    /// The entries of one interface.
    pub(super) fn of<'a>(&'a self, interface: &'a str) -> impl Iterator<Item = &'a Connected> {
        self.connected.iter().filter(move |connected| connected.interface.as_str() == interface)
    }

    /// Whether the vnet has an interface of this name.
    pub(super) fn interface(&self, name: &str) -> Option<&IfName> {
        self.interfaces.iter().find(|interface| interface.as_str() == name)
    }

    /// The connected prefixes that reach others, for a cure.
    pub(super) fn reachable(&self) -> String {
        let mut prefixes: Vec<String> = Vec::new();
        for connected in self.connected.iter().filter(|connected| !connected.is_loopback()) {
            let text = format!("{} ({})", connected.network.trunc(), connected.interface);
            if !prefixes.contains(&text) {
                prefixes.push(text);
            }
        }
        list(prefixes)
    }

    /// Reports interfaces in overlapping prefixes: which one a destination is on would be unclear.
    ///
    /// Sorted by first address and length, the prefixes that hold a given one are those still open
    /// when it comes: each starts before it and none of them ended.
    pub(super) fn check_overlaps(&self, check: &mut Check<'_>) {
        let mut sorted: Vec<&Connected> = self.connected.iter().collect();
        sorted.sort_by_key(|connected| {
            (connected.network.network(), connected.network.prefix_len(), connected.span.start)
        });
        let mut open: Vec<&Connected> = Vec::new();
        for connected in sorted {
            while open.last().is_some_and(|outer| !outer.network.contains(&connected.network)) {
                let _ = open.pop();
            }
            let other = open.iter().rev().find(|outer| outer.interface != connected.interface);
            if let Some(other) = other {
                check.report(self.overlap(other, connected));
            }
            // Many addresses in one prefix of one interface count as one.
            let same = open.last().is_some_and(|outer| {
                outer.interface == connected.interface
                    && outer.network.trunc() == connected.network.trunc()
            });
            if !same {
                open.push(connected);
            }
        }
    }

    fn overlap(&self, one: &Connected, other: &Connected) -> Diagnostic {
        let (first, second) =
            if one.span.start <= other.span.start { (one, other) } else { (other, one) };
        let (first_prefix, second_prefix) = (first.network.trunc(), second.network.trunc());
        Diagnostic::at(
            Rule::PrefixOverlap,
            second.span.clone(),
            format!(
                "{} and {} of vnet {} are in overlapping prefixes",
                first.interface, second.interface, self.vnet
            ),
            format!("{second_prefix} overlaps {first_prefix}"),
            "give the interfaces prefixes that share no address, or put them in different vnets",
        )
        .also(first.span.clone(), format!("{first_prefix} is connected to {}", first.interface))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::Host;
    use crate::validate::Source;

    /// Links with one address per entry: interface, last byte, prefix length. All addresses are
    /// in a few bytes of space, so that most cases have something in common.
    fn links(entries: &[(u8, u8, u8)]) -> (Links, Vec<Rule>) {
        let (host, source) = (Host::default(), Source { file_name: "", text: "" });
        let mut found = Vec::new();
        let mut check =
            Check { source: &source, host: &host, loads_drivers: false, found: &mut found };
        let mut links = Links::new("red");
        for (at, (interface, byte, length)) in entries.iter().enumerate() {
            let address = IpAddr::from([10, 0, 0, *byte]);
            let network = IpNet::new(address, *length).expect("a prefix");
            let interface = IfName(format!("em{interface}"));
            links.add(&mut check, Connected { network, interface, span: at..at });
        }
        links.check_overlaps(&mut check);
        (links, found.into_iter().map(|diagnostic| diagnostic.rule).collect())
    }

    fn entries() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
        prop::collection::vec((0_u8..4, 0_u8..64, 24_u8..=32), 0..8)
    }

    proptest! {
        /// The sweep against a comparison of each pair.
        #[test]
        fn overlaps_are_found_exactly_if_there_are_any(entries in entries()) {
            let (links, rules) = links(&entries);
            let overlap = links.connected.iter().any(|one| {
                links.connected.iter().any(|other| {
                    one.interface != other.interface && one.network.contains(&other.network)
                })
            });
            prop_assert_eq!(rules.contains(&Rule::PrefixOverlap), overlap);
        }

        /// The lookup by length against a search through all entries.
        #[test]
        fn the_longest_prefix_reaches(entries in entries(), byte in 0_u8..128) {
            let (links, _) = links(&entries);
            let address = IpAddr::from([10, 0, 0, byte]);
            let longest = links
                .connected
                .iter()
                .map(|connected| connected.network)
                .filter(|network| network.contains(&address))
                .map(|network| network.trunc())
                .max_by_key(IpNet::prefix_len);
            let reached = links.reach(address).map(|connected| connected.network.trunc());
            prop_assert_eq!(reached, longest);
        }
    }

    #[test]
    fn lo0_reaches_nobody() {
        let (mut links, _) = links(&[]);
        let (host, source) = (Host::default(), Source { file_name: "", text: "" });
        let mut found = Vec::new();
        let network: IpNet = "10.0.0.1/24".parse().expect("a prefix");
        let interface = IfName(IfName::LOOPBACK.to_owned());
        let mut check =
            Check { source: &source, host: &host, loads_drivers: false, found: &mut found };
        links.add(&mut check, Connected { network, interface, span: 0..0 });
        assert!(links.reach([10, 0, 0, 2].into()).is_none());
        assert!(links.own([10, 0, 0, 1].into()).is_some());
    }
}
