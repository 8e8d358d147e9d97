//! `[[vnet]]`: how many, their names, and what ports they leave unused.

use std::collections::BTreeMap;

use toml::Spanned;

use super::port_use::PortUse;
use super::ports::Ports;
use super::scalars::{self, Named};
use super::{Check, interfaces, limits, neighbors, routes, sizes, sysctls};
use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::model::{Vnet, VnetName};
use crate::raw;

pub(super) fn check(check: &mut Check<'_>, raw: Vec<raw::Vnet>, ports: &Ports) -> Vec<Vnet> {
    limit(check, &raw);
    let mut names = BTreeMap::new();
    let mut port_use = PortUse::of(&raw);
    let vnets: Vec<Vnet> = raw
        .into_iter()
        .filter_map(|raw| vnet(check, raw, ports, &mut port_use, &mut names))
        .collect();
    for (name, port) in ports.known.iter().filter(|(name, _)| !port_use.contains(name)) {
        check.report(Diagnostic::at(
            Rule::UnusedPort,
            port.span.clone(),
            format!("no interface uses port `{name}`"),
            "what arrives here is dropped",
            format!("give a vnet an interface with port = \"{name}\", or delete the port"),
        ));
    }
    vnets
}

/// The first vnet too many; those behind it have the same cure.
fn limit(check: &mut Check<'_>, raw: &[raw::Vnet]) {
    let max = check.host.max_vnets;
    // One without a name has been reported already.
    let Some(extra) = raw.get(max).and_then(|vnet| vnet.name.as_ref()) else { return };
    let arm = &check.host.arm;
    let (message, cure) = if max == 1 {
        (
            format!("this build (feature `{arm}`) holds exactly one vnet"),
            "delete all [[vnet]] tables but one, or build with the default feature `vimage`: \
             cargo build --release"
                .to_owned(),
        )
    } else {
        (
            format!("this build (feature `{arm}`) holds at most {max} vnets"),
            format!("keep {max} of the {} [[vnet]] tables", raw.len()),
        )
    };
    let number = format!("vnet number {}", max + 1);
    let mut diagnostic = Diagnostic::at(Rule::TooManyVnets, extra.span(), message, number, cure);
    if let (1, Some(first)) = (max, raw.first().and_then(|vnet| vnet.name.as_ref())) {
        diagnostic = diagnostic.also(first.span(), "the one vnet");
    }
    check.report(diagnostic);
}

fn vnet(
    check: &mut Check<'_>,
    raw: raw::Vnet,
    ports: &Ports,
    port_use: &mut PortUse,
    names: &mut BTreeMap<String, Span>,
) -> Option<Vnet> {
    let raw::Vnet { name, sysctl, limits, interface, neighbor, route } = raw;
    let title = name.as_ref().map_or_else(|| "?".to_owned(), |name| name.get_ref().clone());
    let place = name.as_ref().map(Spanned::span);
    let name = name.and_then(|given| {
        let usable = scalars::name(check, Named::Vnet, &given);
        let free = scalars::unique(check, Named::Vnet, &given, names);
        (usable && free).then(|| VnetName(given.into_inner()))
    });
    let mut sysctls = sysctls::check(check, &title, sysctl);
    let places = limits::check(check, &title, limits, &mut sysctls);
    let (interfaces, links) =
        interfaces::check(check, &title, interface.unwrap_or_default(), ports, port_use);
    let neighbors = neighbors::check(check, neighbor.unwrap_or_default(), &links);
    let routes = routes::check(check, route.unwrap_or_default(), &links);
    let vnet = Vnet { name: name?, sysctls, interfaces, neighbors, routes };
    sizes::check(check, &vnet, place?, &places);
    Some(vnet)
}
