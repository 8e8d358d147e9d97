//! `epair`: two interfaces, of one vnet or of two, name the same one and are its ends.

use std::collections::BTreeMap;

use toml::Spanned;

use super::Check;
use super::scalars::{self, Named};
use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::model::{Attachment, IfName, VnetName};
use crate::raw;

/// The ends of each epair, over all vnets.
#[derive(Debug, Default)]
pub(super) struct Epairs(BTreeMap<String, Vec<End>>);

#[derive(Debug)]
struct End {
    vnet: String,
    interface: String,
    /// Where it names the epair.
    span: Span,
}

impl Epairs {
    /// Vnets and interfaces that have no name, or a bad one, are reported elsewhere.
    pub(super) fn of(vnets: &[raw::Vnet]) -> Self {
        let text = |name: &Option<Spanned<String>>| {
            name.as_ref().map_or_else(|| "?".to_owned(), |name| name.get_ref().clone())
        };
        let mut epairs = Self::default();
        for vnet in vnets {
            for interface in vnet.interface.iter().flatten() {
                let Some(epair) = &interface.epair else { continue };
                let (vnet, interface) = (text(&vnet.name), text(&interface.name));
                let ends = epairs.0.entry(epair.get_ref().clone()).or_default();
                ends.push(End { vnet, interface, span: epair.span() });
            }
        }
        epairs
    }
}

/// The interface as an end of `epair`.
pub(super) fn check(
    check: &mut Check<'_>,
    raw: &raw::Interface,
    epair: &Spanned<String>,
    epairs: &Epairs,
) -> Option<Attachment> {
    let usable = scalars::name(check, Named::Epair, epair);
    let (port, vlan) = (raw.port.as_ref().map(Spanned::span), raw.vlan.as_ref().map(Spanned::span));
    let foreign = scalars::foreign_keys(check, [("port", port), ("vlan", vlan)], |key, span| {
        Diagnostic::at(
            Rule::EpairKey,
            span,
            format!("an end of an epair has no `{key}`"),
            "its packets come from the other end",
            format!("delete {key}, or epair"),
        )
    });
    let (one, other) = match epairs.0.get(epair.get_ref())?.as_slice() {
        [one, other] => (one, other),
        [_] | [] => {
            check.report(alone(epair));
            return None;
        }
        [first, second, others @ ..] => {
            if others.iter().any(|end| end.span == epair.span()) {
                check.report(one_too_many(epair, first, second));
            }
            return None;
        }
    };
    let End { vnet, interface, .. } = if one.span == epair.span() { other } else { one };
    let (vnet, interface) = (VnetName(vnet.clone()), IfName(interface.clone()));
    (usable && !foreign).then_some(Attachment::Epair { vnet, interface })
}

fn alone(epair: &Spanned<String>) -> Diagnostic {
    let name = epair.get_ref();
    Diagnostic::at(
        Rule::EpairEnds,
        epair.span(),
        format!("epair `{name}` has only one end"),
        "no other interface names it",
        format!("write epair = \"{name}\" in one more [[vnet.interface]], of this or another vnet"),
    )
}

fn one_too_many(epair: &Spanned<String>, first: &End, second: &End) -> Diagnostic {
    let name = epair.get_ref();
    let holder = |end: &End| format!("{} of vnet {} is one end", end.interface, end.vnet);
    Diagnostic::at(
        Rule::EpairEnds,
        epair.span(),
        format!("epair `{name}` has more than two ends"),
        "both of its ends are taken",
        "give this interface another epair, or a port",
    )
    .also(first.span.clone(), holder(first))
    .also(second.span.clone(), holder(second))
}
