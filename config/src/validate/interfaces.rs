//! `[[vnet.interface]]`: names, ports, VLANs, MTUs and addresses.

use std::collections::BTreeMap;

use ipnet::{IpNet, Ipv4Net};
use toml::Spanned;

use super::addresses::{self, Use};
use super::links::{Connected, Links};
use super::port_use::PortUse;
use super::ports::{Known, Ports};
use super::scalars::{self, Named};
use super::{Check, attachments};
use crate::decode::List;
use crate::defaults::{LOOPBACK_MTU_DEFAULT, MTU_DEFAULT, limits};
use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::model::{Attachment, IfName, Interface};
use crate::raw;

pub(super) fn check(
    check: &mut Check<'_>,
    vnet: &str,
    raw: Vec<raw::Interface>,
    ports: &Ports,
    port_use: &mut PortUse,
) -> (Vec<Interface>, Links) {
    let mut links = Links::new(vnet);
    let mut names = BTreeMap::new();
    let mut interfaces = Vec::new();
    for raw in raw {
        interfaces.extend(interface(check, raw, ports, port_use, &mut links, &mut names));
    }
    links.check_overlaps(check);
    links.check_ends(check);
    (interfaces, links)
}

fn interface(
    check: &mut Check<'_>,
    raw: raw::Interface,
    ports: &Ports,
    port_use: &mut PortUse,
    links: &mut Links,
    names: &mut BTreeMap<String, Span>,
) -> Option<Interface> {
    let attachment = attachments::check(check, &raw, &links.vnet, ports, port_use);
    let raw::Interface { name, port, kind: _, epair, vlan: _, mtu, mac, addresses, up } = raw;
    let carrier = port.as_ref().and_then(|port| ports.known.get(port.get_ref()));
    let any_mtu = (limits::LOOPBACK_MTU, "bytes");
    let mtu = match &attachment {
        Some(Attachment::Loopback) => {
            scalars::number(check, "mtu", mtu, any_mtu, LOOPBACK_MTU_DEFAULT)
        }
        _ if epair.is_some() => scalars::number(check, "mtu", mtu, any_mtu, MTU_DEFAULT),
        _ => port_mtu(check, mtu, carrier),
    };
    let mac = mac.and_then(|given| scalars::mac(check, &given));
    let known_name = name.as_ref().map_or_else(|| "?".to_owned(), |name| name.get_ref().clone());
    let known_name = IfName(known_name);
    let addresses = interface_addresses(check, &known_name, addresses, links);
    links.interfaces.push(known_name);
    let name = name.and_then(|given| {
        let usable = scalars::name(check, Named::Interface, &given);
        let free = scalars::unique(check, Named::Interface, &given, names);
        (usable && free).then(|| IfName(given.into_inner()))
    });
    let up = up.is_none_or(Spanned::into_inner);
    Some(Interface { name: name?, attachment: attachment?, mtu, mac, addresses, up })
}

/// The interface's MTU, by default the port's.
fn port_mtu(check: &mut Check<'_>, given: Option<Spanned<i64>>, port: Option<&Known>) -> u16 {
    let port_mtu = port.map_or(MTU_DEFAULT, |port| port.mtu);
    let Some(given) = given else { return port_mtu };
    let mtu = scalars::in_range(check, "mtu", &given, limits::MTU, "bytes").unwrap_or(port_mtu);
    if let Some(port) = port.filter(|port| mtu > port.mtu) {
        let (place, text) = match &port.mtu_span {
            Some(span) => (span.clone(), "the port's MTU".to_owned()),
            None => (port.span.clone(), format!("the port's MTU is {port_mtu} by default")),
        };
        check.report(
            Diagnostic::at(
                Rule::MtuAbovePort,
                given.span(),
                format!("the interface's MTU is above its port's, {port_mtu}"),
                "the port cannot carry such packets",
                format!("write mtu = {port_mtu} here, or mtu = {mtu} at the port"),
            )
            .also(place, text),
        );
    }
    mtu
}

fn interface_addresses(
    check: &mut Check<'_>,
    interface: &IfName,
    given: Option<Spanned<List<Spanned<String>>>>,
    links: &mut Links,
) -> Vec<IpNet> {
    let mut usable = Vec::new();
    for given in given.into_iter().flat_map(|list| list.into_inner().0) {
        let Some(network) = addresses::prefix(check, &given, Use::Address) else {
            links.complete = false;
            continue;
        };
        let Some(inet) = addresses::usable(check, network, network, given.span()) else { continue };
        host_address(check, inet, interface, given.span());
        usable.push(network);
        let interface = interface.clone();
        links.add(check, Connected { network, interface, span: given.span() });
    }
    usable
}

fn host_address(check: &mut Check<'_>, network: Ipv4Net, interface: &IfName, span: Span) {
    let loopback = interface.as_str() == IfName::LOOPBACK;
    if let Some((why, cure)) = addresses::unusable(network, loopback) {
        let message = format!("{interface} cannot have the address {}", network.addr());
        check.report(Diagnostic::at(Rule::AddressNotHost, span, message, why, cure));
    }
}
