//! `via` of a route: routers and interfaces.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use toml::Spanned;

use super::links::Links;
use super::{Check, addresses, neighbors};
use crate::decode::OneOrMany;
use crate::defaults::NEXT_HOPS_MAX;
use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::inet::IntoInet;
use crate::model::{Gateway, IfName, RouteTarget};

/// One entry of `via`.
enum NextHop {
    Gateway(Gateway),
    /// The destinations are on its link.
    Interface(IfName),
}

/// Where `via` leads towards `prefix` (`None` if it has errors); `None` if the number of entries is wrong.
pub(super) fn check(
    check: &mut Check<'_>,
    via: &Spanned<OneOrMany>,
    prefix: Option<IpNet>,
    links: &Links,
) -> Option<RouteTarget> {
    let given = &via.get_ref().0;
    if let Some(diagnostic) = wrong_count(via.span(), given.len()) {
        check.report(diagnostic);
        return None;
    }
    let mut first_use = BTreeMap::new();
    let (mut gateways, mut link) = (Vec::new(), None);
    for given in given {
        match next_hop(given, prefix, links) {
            Ok(Some(NextHop::Gateway(gateway))) => gateways.push(gateway),
            Ok(Some(NextHop::Interface(name))) => {
                check_alone(check, &name, given, &via.get_ref().0);
                link = Some(name);
            }
            Ok(None) => {}
            Err(diagnostic) => check.report(diagnostic),
        }
        if let Some(first) = first_use.insert(given.get_ref().as_str(), given.span()) {
            check.report(
                Diagnostic::at(
                    Rule::NextHopTwice,
                    given.span(),
                    format!("the next hop `{}` is listed twice", given.get_ref()),
                    "again",
                    "list each next hop once; each gets an equal share of the flows",
                )
                .also(first, "first listed here"),
            );
        }
    }
    Some(link.map_or(RouteTarget::Via(gateways), RouteTarget::Interface))
}

/// Destinations on an interface's own link are not behind a router as well.
fn check_alone(
    check: &mut Check<'_>,
    name: &IfName,
    given: &Spanned<String>,
    all: &[Spanned<String>],
) {
    let Some(other) = all.iter().find(|other| other.get_ref() != given.get_ref()) else { return };
    check.report(
        Diagnostic::at(
            Rule::InterfaceNotAlone,
            given.span(),
            format!("the interface {name} is one of several next hops"),
            "its link is where the destinations are",
            format!("write via = [\"{name}\"], or list routers only"),
        )
        .also(other.span(), "another next hop"),
    );
}

fn wrong_count(span: Span, count: usize) -> Option<Diagnostic> {
    match count {
        0 => Some(Diagnostic::at(
            Rule::RouteTarget,
            span,
            "the route has no next hop",
            "`via` is empty",
            "list a router or an interface, such as via = [\"172.16.0.2\"], or delete `via` and \
             write type = \"blackhole\"",
        )),
        1..=NEXT_HOPS_MAX => None,
        _ => Some(Diagnostic::at(
            Rule::TooManyNextHops,
            span,
            format!("the route has {count} next hops"),
            format!("at most {NEXT_HOPS_MAX} can share a route"),
            format!("delete {} of them", count - NEXT_HOPS_MAX),
        )),
    }
}

/// One entry; `Ok(None)` for an IPv6 router, which is not used.
fn next_hop(
    given: &Spanned<String>,
    prefix: Option<IpNet>,
    links: &Links,
) -> Result<Option<NextHop>, Diagnostic> {
    let text = given.get_ref().as_str();
    let Ok(address) = text.parse::<IpAddr>() else {
        return interface(given, links).map(|name| Some(NextHop::Interface(name)));
    };
    if let Some(prefix) = prefix.filter(|prefix| prefix.addr().is_ipv4() != address.is_ipv4()) {
        return Err(family_mixed(given, prefix));
    }
    match address.into_inet() {
        Ok(_) => gateway(address, given.span(), links),
        Err(_) => Ok(None),
    }
}

fn family_mixed(given: &Spanned<String>, prefix: IpNet) -> Diagnostic {
    let (family, other) = if prefix.addr().is_ipv4() { ("IPv4", "IPv6") } else { ("IPv6", "IPv4") };
    Diagnostic::at(
        Rule::FamilyMixed,
        given.span(),
        format!("an {family} route through the {other} router {}", given.get_ref()),
        format!("an {other} address"),
        format!("use a next hop of the same family as {prefix}"),
    )
}

fn interface(given: &Spanned<String>, links: &Links) -> Result<IfName, Diagnostic> {
    let text = given.get_ref().as_str();
    if text == IfName::LOOPBACK {
        return Err(Diagnostic::at(
            Rule::Loopback,
            given.span(),
            "a route through lo0 leads back to this vnet",
            "its packets would circle until their TTL ends",
            "to drop the packets, delete `via` and write type = \"blackhole\"",
        ));
    }
    if let Some(known) = links.interface(text) {
        return Ok(known.clone());
    }
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(neighbors::unknown_interface(given, links));
    }
    let bare = text.split('/').next().and_then(|address| address.parse::<IpAddr>().ok());
    let cure = match bare {
        Some(address) => format!("a router has no prefix length: via = [\"{address}\"]"),
        None => "write an address or an interface: via = [\"172.16.0.2\"]".to_owned(),
    };
    Err(Diagnostic::at(
        Rule::BadNextHop,
        given.span(),
        format!("`{text}` is no next hop"),
        "neither an address nor an interface",
        cure,
    ))
}

/// A router must be another host on a connected network (RFC 1812 section 5.2.4.2).
fn gateway(address: IpAddr, span: Span, links: &Links) -> Result<Option<NextHop>, Diagnostic> {
    if let Some(own) = links.own(address) {
        let message = format!("the next hop {address} is {} itself", own.interface);
        let cure = "give the address of the router on the other end of the link";
        return Err(Diagnostic::at(Rule::NextHopIsOwn, span, message, "an own address", cure)
            .also(own.span.clone(), "given to the interface here"));
    }
    let Some(connected) = links.reach(address) else {
        return if links.complete { Err(unreachable(address, span, links)) } else { Ok(None) };
    };
    let seen = IpNet::new(address, connected.network.prefix_len()).unwrap_or(connected.network);
    if let Some((why, cure)) = addresses::end_of_prefix(seen) {
        let message = format!("no router can have the address {address}");
        return Err(Diagnostic::at(Rule::AddressNotHost, span, message, why, cure));
    }
    let interface = connected.interface.clone();
    Ok(Some(NextHop::Gateway(Gateway { address, interface })))
}

fn unreachable(address: IpAddr, span: Span, links: &Links) -> Diagnostic {
    let vnet = &links.vnet;
    let reachable = links.reachable();
    let cure = if reachable.is_empty() {
        format!("give an interface of vnet {vnet} an address in the router's network")
    } else {
        format!("use a router in a connected prefix of vnet {vnet}: {reachable}")
    };
    Diagnostic::at(
        Rule::NextHopUnreachable,
        span,
        format!("no interface of vnet {vnet} reaches the next hop {address}"),
        "in no connected prefix",
        cure,
    )
}
