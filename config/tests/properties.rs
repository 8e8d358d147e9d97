//! No text, however broken, makes the parser or the renderer panic, and what is reported can be
//! shown. Mutations of the shipped files reach the rules; arbitrary strings mostly do not.

mod common;

use config::{Attachment, Config, Diagnostic, Gateway, RouteTarget, Severity, Vnet, parse};
use proptest::prelude::*;

const SHIPPED: [&str; 5] = [
    include_str!("../demo.toml"),
    include_str!("../router.toml"),
    include_str!("../vlan-tenants.toml"),
    include_str!("../tap-lab.toml"),
    include_str!("../service.toml"),
];

/// Pieces that mean something to the rules, to be put where they do not belong.
const PIECES: &[&str] = &[
    "0",
    "-1",
    "65536",
    "99999999999999999999",
    "1.5",
    "true",
    "\"\"",
    "''",
    "[",
    "]",
    "{",
    "}",
    "=",
    "\n",
    "\r\n",
    "\"",
    "#",
    "é",
    "\u{1F980}",
    "\u{feff}",
    "\0",
    "0.0.0.0/0",
    "10.0.0.1/32",
    "255.255.255.255/1",
    "::/0",
    "fe80::1/64",
    "lo0",
    "em0",
    "p0",
    "[[port]]\n",
    "[[vnet]]\n",
    "[[vnet.interface]]\n",
    "[[vnet.route]]\n",
    "[vnet.sysctl]\n",
    "name = \"lo0\"\n",
    "via = []\n",
    "kind = \"loopback\"\n",
    "vlan = 100\n",
    "epair = \"epair0\"\n",
    "1979-05-27T07:32:00Z",
    "0x7f",
];

/// A change that a mutation makes to a text.
#[derive(Clone, Debug)]
enum Mutation {
    /// Deletes some characters.
    Delete(prop::sample::Index, usize),
    /// Puts a piece somewhere.
    Insert(prop::sample::Index, &'static str),
    /// Replaces one line by another one of the text.
    Copy(prop::sample::Index, prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = || any::<prop::sample::Index>();
    prop_oneof![
        (place(), 1_usize..40).prop_map(|(at, count)| Mutation::Delete(at, count)),
        (place(), prop::sample::select(PIECES)).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        (place(), place()).prop_map(|(from, to)| Mutation::Copy(from, to)),
    ]
}

fn mutate(text: &str, mutation: &Mutation) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    match mutation {
        Mutation::Delete(at, count) => {
            let start = at.index(chars.len().max(1)).min(chars.len());
            let end = (start + count).min(chars.len());
            let _ = chars.drain(start..end);
            chars.into_iter().collect()
        }
        Mutation::Insert(at, piece) => {
            let start = at.index(chars.len() + 1);
            let _ = chars.splice(start..start, piece.chars());
            chars.into_iter().collect()
        }
        Mutation::Copy(from, to) => {
            let mut lines: Vec<&str> = text.lines().collect();
            let (from, to) = (from.index(lines.len().max(1)), to.index(lines.len().max(1)));
            if let (Some(line), true) = (lines.get(from).copied(), to < lines.len()) {
                lines[to] = line;
            }
            lines.join("\n")
        }
    }
}

/// Checks the promises of [`Config`]'s documentation the slow way.
fn sound(config: &Config) -> Result<(), TestCaseError> {
    let host = common::host();
    prop_assert!(!config.workers.cpus.is_empty());
    prop_assert!(config.workers.cpus.iter().all(|cpu| host.online_cpus.contains(cpu)));
    prop_assert!(all_different(config.ports.iter().map(|port| &port.name)));
    prop_assert!(all_different(config.ports.iter().map(|port| port.device.key())));
    prop_assert!(all_different(config.vnets.iter().map(|vnet| &vnet.name)));
    let interfaces = || config.vnets.iter().flat_map(|vnet| &vnet.interfaces);
    let carriers = interfaces().filter_map(|interface| match &interface.attachment {
        Attachment::Loopback | Attachment::Epair { .. } => None,
        Attachment::Port { port, vlan } => Some((port, vlan)),
    });
    prop_assert!(all_different(carriers));
    for vnet in &config.vnets {
        for one in &vnet.interfaces {
            let Attachment::Epair { vnet: far, interface } = &one.attachment else { continue };
            let far = config.vnets.iter().find(|vnet| vnet.name == *far);
            let other =
                far.and_then(|far| far.interfaces.iter().find(|other| other.name == *interface));
            let back = Attachment::Epair { vnet: vnet.name.clone(), interface: one.name.clone() };
            prop_assert!(other.is_some_and(|other| other.attachment == back));
        }
    }
    for interface in interfaces() {
        if let Attachment::Port { port, .. } = &interface.attachment {
            prop_assert!(config.port(port).is_some_and(|port| port.mtu >= interface.mtu));
        }
    }
    config.vnets.iter().try_for_each(sound_vnet)
}

fn sound_vnet(vnet: &Vnet) -> Result<(), TestCaseError> {
    let Vnet { name: _, sysctls, interfaces, neighbors, routes } = vnet;
    let addresses = || interfaces.iter().flat_map(|interface| &interface.addresses);
    prop_assert!(all_different(interfaces.iter().map(|interface| &interface.name)));
    prop_assert!(all_different(sysctls.iter().map(|sysctl| &sysctl.name)));
    prop_assert!(all_different(addresses().map(|network| network.addr())));
    prop_assert!(all_different(routes.iter().map(|route| route.prefix)));
    prop_assert!(routes.iter().all(|route| route.prefix == route.prefix.trunc()));
    for one in interfaces {
        for other in interfaces.iter().filter(|other| other.name != one.name) {
            let apart = one.addresses.iter().all(|a| {
                other
                    .addresses
                    .iter()
                    .all(|b| !a.contains(&b.network()) && !b.contains(&a.network()))
            });
            prop_assert!(apart, "{:?} {:?}", one, other);
        }
    }
    let gateways = routes.iter().flat_map(|route| match &route.target {
        RouteTarget::Via(gateways) => gateways.as_slice(),
        RouteTarget::Interface(_) | RouteTarget::Blackhole | RouteTarget::Reject => &[],
    });
    let gateways = gateways.map(|Gateway { address, interface }| (*address, interface));
    let others = neighbors.iter().map(|neighbor| (neighbor.address, &neighbor.interface));
    for (address, name) in gateways.chain(others) {
        let interface = interfaces.iter().find(|interface| interface.name == *name);
        let on_link = interface.is_some_and(|interface| {
            interface.addresses.iter().any(|network| network.contains(&address))
        });
        prop_assert!(on_link, "{} on {}", address, name);
        prop_assert!(addresses().all(|network| network.addr() != address));
    }
    Ok(())
}

fn all_different<T: Ord>(items: impl Iterator<Item = T>) -> bool {
    let items: Vec<T> = items.collect();
    items.len() == items.into_iter().collect::<std::collections::BTreeSet<T>>().len()
}

/// Parses and renders; everything reported must have a place within the text and a cure.
fn survives(text: &str) -> Result<(), TestCaseError> {
    let report = match parse("any.toml", text, &common::host()) {
        Ok(config) => {
            let warnings = config.warnings.diagnostics();
            prop_assert!(warnings.iter().all(|found| found.severity() == Severity::Warning));
            sound(&config)?;
            config.warnings
        }
        Err(errors) => {
            let diagnostics = errors.report().diagnostics();
            prop_assert!(diagnostics.iter().any(|found| found.severity() == Severity::Error));
            errors.report().clone()
        }
    };
    for Diagnostic { rule: _, message, label, related, cure } in report.diagnostics() {
        prop_assert!(!message.is_empty() && !cure.is_empty());
        for label in label.iter().chain(related) {
            prop_assert!(text.get(label.span.clone()).is_some(), "{label:?}");
        }
    }
    prop_assert_eq!(report.render(false).is_empty(), report.is_empty());
    prop_assert!(report.render(true).len() >= report.render(false).len());
    Ok(())
}

proptest! {
    // Two milliseconds for ten cases; PROPTEST_CASES in the environment asks for more.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(2048),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_string_is_survived(text in any::<String>()) {
        survives(&text)?;
    }

    #[test]
    fn any_line_of_toml_is_survived(
        table in prop::sample::select(&["", "[dpdk]", "[workers]", "[control]", "[log]", "[[port]]",
            "[[vnet]]", "[[vnet.interface]]", "[[vnet.neighbor]]", "[[vnet.route]]"][..]),
        key in "[a-z_]{1,6}|name|device|mtu|cpus|addresses|prefix|via|type|sysctl|\"[^\"\\\\]*\"",
        value in "[0-9_.-]{1,8}|\"[^\"\\\\\n]*\"|\\[[0-9, ]*\\]|\\{[a-z]= ?[0-9]\\}|true|[ -~]*",
    ) {
        survives(&format!("{table}\n{key} = {value}\n"))?;
    }

    #[test]
    fn any_mutation_of_a_shipped_file_is_survived(
        text in prop::sample::select(&SHIPPED[..]),
        mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let mut text = text.to_owned();
        for mutation in &mutations {
            text = mutate(&text, mutation);
        }
        survives(&text)?;
    }

    /// Comments, blank lines and line ends mean nothing.
    #[test]
    fn layout_changes_nothing(
        name in prop::sample::select(&SHIPPED[..]),
        comment in "[ -~]{0,20}",
    ) {
        let spaced: String = name
            .lines()
            .flat_map(|line| [line, "\r\n# ", &comment, "\r\n\r\n"].map(str::to_owned))
            .collect();
        let [plain, spaced] =
            [name, &spaced].map(|text| parse("any.toml", text, &common::host()).map_err(|e| e.to_string()));
        let (plain, spaced) = (plain.expect("shipped"), spaced.expect("the same in other words"));
        prop_assert_eq!(plain.vnets, spaced.vnets);
        prop_assert_eq!(plain.ports, spaced.ports);
        prop_assert_eq!(plain.workers, spaced.workers);
        prop_assert_eq!(plain.dpdk, spaced.dpdk);
        prop_assert_eq!(plain.control, spaced.control);
        prop_assert_eq!(plain.log, spaced.log);
    }
}
