//! Attachments, which carry an interface's packets: a port, a VLAN of a port, an epair, or the vnet itself.

use toml::Spanned;

use super::Check;
use super::epairs;
use super::port_use::{Claim, PortUse};
use super::ports::Ports;
use super::scalars;
use crate::defaults::limits;
use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::model::{Attachment, IfName, PortName, VlanId};
use crate::nearest::{did_you_mean, list};
use crate::raw;

pub(super) fn check(
    check: &mut Check<'_>,
    raw: &raw::Interface,
    vnet: &str,
    ports: &Ports,
    port_use: &mut PortUse,
) -> Option<Attachment> {
    // Even an interface with errors shows that the port is meant to be used.
    if let Some(port) = &raw.port {
        port_use.mark(port.get_ref());
    }
    if let Some(kind) = &raw.kind {
        scalars::choice(check, "kind", kind, &[("loopback", ())])?;
        return loopback(check, raw);
    }
    if raw.port.is_none() && raw.epair.is_none() {
        return None;
    }
    let is_lo0 = |name: &&Spanned<String>| name.get_ref() == IfName::LOOPBACK;
    if let Some(name) = raw.name.as_ref().filter(is_lo0) {
        check.report(Diagnostic::at(
            Rule::Loopback,
            name.span(),
            "the name lo0 belongs to the loopback interface",
            "every vnet has its own lo0",
            "write kind = \"loopback\" to give lo0 addresses, or use another name, such as em0",
        ));
        return None;
    }
    match (&raw.epair, &raw.port) {
        (Some(epair), _) => epairs::check(check, raw, epair, &port_use.epairs),
        (None, Some(port)) => on_port(check, raw, port, vnet, ports, port_use),
        (None, None) => None,
    }
}

/// `lo0` is the only loopback, and its packets have neither link header nor tag.
fn loopback(check: &mut Check<'_>, raw: &raw::Interface) -> Option<Attachment> {
    let other_name = raw.name.as_ref().filter(|name| name.get_ref() != IfName::LOOPBACK);
    if let Some(name) = other_name {
        check.report(Diagnostic::at(
            Rule::Loopback,
            name.span(),
            "the loopback interface of a vnet is lo0",
            "there is no other",
            "write name = \"lo0\"; it can have any number of addresses",
        ));
    }
    let text = |key: &Option<Spanned<String>>| key.as_ref().map(Spanned::span);
    let vlan = raw.vlan.as_ref().map(Spanned::span);
    let (port, epair, mac) = (text(&raw.port), text(&raw.epair), text(&raw.mac));
    let keys = [("port", port), ("vlan", vlan), ("epair", epair), ("mac", mac)];
    let foreign = scalars::foreign_keys(check, keys, |key, span| {
        Diagnostic::at(
            Rule::Loopback,
            span,
            format!("a loopback interface has no `{key}`"),
            "it is not connected to anything",
            format!("delete {key}, or delete kind = \"loopback\""),
        )
    });
    (other_name.is_none() && !foreign).then_some(Attachment::Loopback)
}

fn on_port(
    check: &mut Check<'_>,
    raw: &raw::Interface,
    port: &Spanned<String>,
    vnet: &str,
    ports: &Ports,
    port_use: &mut PortUse,
) -> Option<Attachment> {
    let name = port.get_ref();
    if !ports.known.contains_key(name) {
        check.report(unknown_port(port, ports));
    }
    let vlan = match &raw.vlan {
        Some(given) => {
            Some(VlanId(scalars::in_range(check, "vlan", given, limits::VLAN, "(IEEE 802.1Q)")?))
        }
        None => None,
    };
    let interface = raw.name.as_ref().map_or("?", |name| name.get_ref().as_str());
    let span = raw.vlan.as_ref().map_or_else(|| port.span(), Spanned::span);
    let claim = Claim { holder: format!("{interface} of vnet {vnet}"), span: span.clone() };
    if let Some(first) = port_use.claim(name, vlan, claim) {
        check.report(taken(name, vlan, span, first));
    }
    Some(Attachment::Port { port: PortName(name.clone()), vlan })
}

fn unknown_port(port: &Spanned<String>, ports: &Ports) -> Diagnostic {
    let name = port.get_ref();
    let known = || ports.known.keys().map(String::as_str);
    let cure = if ports.known.is_empty() {
        format!("add a [[port]] with name = \"{name}\" and a device")
    } else {
        format!("{}the ports are {}", did_you_mean(name, known()), list(known().map(str::to_owned)))
    };
    Diagnostic::at(
        Rule::UnknownPort,
        port.span(),
        format!("there is no port `{name}`"),
        "no [[port]] has this name",
        cure,
    )
}

fn taken(port: &str, vlan: Option<VlanId>, span: Span, first: Claim) -> Diagnostic {
    let also = format!("{} takes these packets", first.holder);
    let diagnostic = match vlan {
        Some(vlan) => Diagnostic::at(
            Rule::VlanTwice,
            span,
            format!("VLAN {vlan} of port `{port}` is used twice"),
            "the VLAN is taken",
            "use another VLAN of this port, or the same VLAN of another port",
        ),
        None => Diagnostic::at(
            Rule::PortSharedUntagged,
            span,
            format!("two interfaces take the untagged packets of port `{port}`"),
            "the port is taken",
            "give one of them a VLAN, such as vlan = 100, or a port of its own",
        ),
    };
    diagnostic.also(first.span, also)
}
