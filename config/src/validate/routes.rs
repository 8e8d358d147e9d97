//! `[[vnet.route]]`: static routes.

use std::collections::BTreeMap;

use ipnet::IpNet;
use toml::Spanned;

use super::addresses::{self, Use};
use super::links::Links;
use super::{Check, next_hops, scalars};
use crate::decode::OneOrMany;
use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::inet::IntoInet;
use crate::model::{Route, RouteTarget};
use crate::raw;

pub(super) fn check(check: &mut Check<'_>, raw: Vec<raw::Route>, links: &Links) -> Vec<Route> {
    let mut first_use = BTreeMap::new();
    raw.into_iter().filter_map(|raw| route(check, raw, links, &mut first_use)).collect()
}

fn route(
    check: &mut Check<'_>,
    raw: raw::Route,
    links: &Links,
    first_use: &mut BTreeMap<IpNet, Span>,
) -> Option<Route> {
    let raw::Route { prefix, via, action } = raw;
    let prefix = prefix.and_then(|given| destinations(check, &given, links, first_use));
    let target = target(check, via, action, prefix, links);
    let prefix = prefix.filter(|prefix| prefix.into_inet().is_ok())?;
    Some(Route { prefix, target: target? })
}

/// The prefix without host bits, after reporting what is wrong with it.
fn destinations(
    check: &mut Check<'_>,
    given: &Spanned<String>,
    links: &Links,
    first_use: &mut BTreeMap<IpNet, Span>,
) -> Option<IpNet> {
    let prefix = addresses::prefix(check, given, Use::Route)?;
    let masked = prefix.trunc();
    if prefix != masked {
        check.report(Diagnostic::at(
            Rule::PrefixHostBits,
            given.span(),
            format!("{prefix} has bits set behind its prefix length"),
            format!("the last {} bits must be zero", prefix.max_prefix_len() - prefix.prefix_len()),
            format!("write prefix = \"{masked}\""),
        ));
    }
    if let Some(first) = first_use.get(&masked) {
        let message = format!("two routes to {masked} in vnet {}", links.vnet);
        let cure = "delete one; to share the load, list several next hops in one `via`";
        check.report(
            Diagnostic::at(Rule::RouteTwice, given.span(), message, "again", cure)
                .also(first.clone(), "first routed here"),
        );
        return Some(masked);
    }
    let _ = first_use.insert(masked, given.span());
    let what = format_args!("the route to {masked}");
    if addresses::usable(check, masked, what, given.span()).is_some() {
        not_connected(check, masked, given.span(), links);
    }
    Some(masked)
}

/// A connected prefix has its route from the interface (FreeBSD: `EEXIST`).
fn not_connected(check: &mut Check<'_>, prefix: IpNet, span: Span, links: &Links) {
    let Some(connected) = links.routed(prefix) else { return };
    check.report(
        Diagnostic::at(
            Rule::RouteTwice,
            span,
            format!("{prefix} is routed already: it is connected to {}", connected.interface),
            "an address of the interface makes this route",
            "delete this route, or route another prefix",
        )
        .also(connected.span.clone(), "connected here"),
    );
}

fn target(
    check: &mut Check<'_>,
    via: Option<Spanned<OneOrMany>>,
    action: Option<Spanned<String>>,
    prefix: Option<IpNet>,
    links: &Links,
) -> Option<RouteTarget> {
    const ACTIONS: &[(&str, RouteTarget)] =
        &[("blackhole", RouteTarget::Blackhole), ("reject", RouteTarget::Reject)];
    let next_hops = via.as_ref().map(|via| next_hops::check(check, via, prefix, links));
    let target = action.as_ref().and_then(|given| scalars::choice(check, "type", given, ACTIONS));
    let (Some(via), Some(action)) = (&via, &action) else {
        return target.or_else(|| next_hops.flatten());
    };
    let word = action.get_ref();
    check.report(
        Diagnostic::at(
            Rule::RouteTarget,
            action.span(),
            format!("a {word} route sends nothing on, but has next hops"),
            "either this",
            "delete `type` or delete `via`",
        )
        .also(via.span(), "or this"),
    );
    None
}
