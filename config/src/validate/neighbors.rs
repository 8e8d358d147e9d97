//! `[[vnet.neighbor]]`: static ARP entries.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use toml::Spanned;

use super::links::Links;
use super::{Check, addresses, scalars};
use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::model::{IfName, Neighbor};
use crate::nearest::{did_you_mean, list};
use crate::raw;

pub(super) fn check(
    check: &mut Check<'_>,
    raw: Vec<raw::Neighbor>,
    links: &Links,
) -> Vec<Neighbor> {
    let mut first_use = BTreeMap::new();
    raw.into_iter().filter_map(|raw| neighbor(check, raw, links, &mut first_use)).collect()
}

fn neighbor(
    check: &mut Check<'_>,
    raw: raw::Neighbor,
    links: &Links,
    first_use: &mut BTreeMap<(IfName, IpAddr), Span>,
) -> Option<Neighbor> {
    let raw::Neighbor { interface, address, mac } = raw;
    let interface = interface.and_then(|given| known_interface(check, &given, links));
    let mac = mac.and_then(|given| scalars::mac(check, &given));
    let given = address?;
    let address = addresses::address(check, &given)?;
    let what = format_args!("the neighbor {address}");
    let _usable = addresses::usable(check, address, what, given.span())?;
    let interface = interface?;
    if let Some(first) = first_use.insert((interface.clone(), address), given.span()) {
        check.report(
            Diagnostic::at(
                Rule::NeighborTwice,
                given.span(),
                format!("{interface} has the neighbor {address} twice"),
                "again",
                "delete one of the two [[vnet.neighbor]] tables",
            )
            .also(first, "first given here"),
        );
    }
    if let Err(diagnostic) = on_link(address, given.span(), &interface, links) {
        check.report(diagnostic);
    }
    Some(Neighbor { interface, address, mac: mac? })
}

fn known_interface(
    check: &mut Check<'_>,
    given: &Spanned<String>,
    links: &Links,
) -> Option<IfName> {
    let name = given.get_ref().as_str();
    if name == IfName::LOOPBACK {
        check.report(Diagnostic::at(
            Rule::Loopback,
            given.span(),
            "lo0 has no neighbors",
            "it is not connected to anything",
            "name the interface whose prefix holds the neighbor's address",
        ));
        return None;
    }
    let known = links.interface(name).cloned();
    if known.is_none() {
        check.report(unknown_interface(given, links));
    }
    known
}

/// The diagnostic for a name that no interface of the vnet has.
pub(super) fn unknown_interface(given: &Spanned<String>, links: &Links) -> Diagnostic {
    let names = links.interfaces.iter().map(IfName::as_str);
    let hint = did_you_mean(given.get_ref(), names);
    let others = match others(links) {
        names if names.is_empty() => "it has none but lo0; add a [[vnet.interface]]".to_owned(),
        names => format!("it has {names}"),
    };
    Diagnostic::at(
        Rule::UnknownInterface,
        given.span(),
        format!("vnet {} has no interface `{}`", links.vnet, given.get_ref()),
        "unknown in this vnet",
        format!("{hint}{others}"),
    )
}

/// The interfaces that can have neighbors.
fn others(links: &Links) -> String {
    let others = links.interfaces.iter().filter(|name| name.as_str() != IfName::LOOPBACK);
    list(others.map(IfName::to_string))
}

/// A neighbor is another host in a connected prefix of the interface.
fn on_link(
    address: IpAddr,
    span: Span,
    interface: &IfName,
    links: &Links,
) -> Result<(), Diagnostic> {
    if let Some(own) = links.own(address) {
        let message = format!("the neighbor {address} is {} itself", own.interface);
        let cure = "give the address of another host on the link";
        return Err(Diagnostic::at(Rule::NeighborIsOwn, span, message, "an own address", cure)
            .also(own.span.clone(), "given to the interface here"));
    }
    let prefix = links.of(interface.as_str()).find(|own| own.network.contains(&address));
    let Some(prefix) = prefix else {
        return if links.complete {
            Err(off_link(address, span, interface, links))
        } else {
            Ok(())
        };
    };
    let seen = IpNet::new(address, prefix.network.prefix_len()).unwrap_or(prefix.network);
    match addresses::end_of_prefix(seen) {
        None => Ok(()),
        Some((why, cure)) => {
            let message = format!("no neighbor can have the address {address}");
            Err(Diagnostic::at(Rule::AddressNotHost, span, message, why, cure))
        }
    }
}

fn off_link(address: IpAddr, span: Span, interface: &IfName, links: &Links) -> Diagnostic {
    let prefixes = list(links.of(interface.as_str()).map(|own| own.network.trunc().to_string()));
    let cure = match (links.reach(address), prefixes.as_str()) {
        (Some(other), _) => format!("write interface = \"{}\"", other.interface),
        (None, "") => format!("give {interface} an address in the neighbor's prefix"),
        (None, _) => format!("use an address in {prefixes}"),
    };
    Diagnostic::at(
        Rule::NeighborOffLink,
        span,
        format!("{interface} does not reach the neighbor {address}"),
        "in none of the interface's prefixes",
        cure,
    )
}
