//! `[vnet.limits]`: each is a sysctl with a name that is easier to remember.

use std::collections::BTreeMap;

use toml::Spanned;

use super::{Check, scalars};
use crate::defaults::{VNET_LIMITS, VNET_MBUFS_DEFAULT};
use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::model::{Sysctl, SysctlValue};
use crate::raw;

/// Where the table sets what.
pub(super) type Places = BTreeMap<&'static str, Span>;

/// Adds what the table says to what `sysctl` says; the places of the values, by sysctl.
pub(super) fn check(
    check: &mut Check<'_>,
    vnet: &str,
    raw: Option<raw::Limits>,
    sysctls: &mut Vec<Sysctl>,
) -> Places {
    let mut places = Places::new();
    let Some(raw::Limits {
        interfaces,
        routes,
        neighbors,
        held_packets,
        memory,
        mbufs,
        pcpu,
        cpu_weight,
    }) = raw
    else {
        return places;
    };
    let memory = memory.map(|given| Spanned::new(given.span(), given.get_ref().0));
    half(check, held_packets.as_ref(), mbufs.as_ref());
    let given = [interfaces, routes, neighbors, held_packets, memory, mbufs, pcpu, cpu_weight];
    for ((key, sysctl, range, unit), given) in VNET_LIMITS.into_iter().zip(given) {
        let Some(given) = given else { continue };
        let Some(number) = scalars::in_range(check, key, &given, range, unit) else { continue };
        if sysctls.iter().any(|set| set.name == sysctl) {
            check.report(twice(vnet, key, sysctl, given.span()));
            continue;
        }
        let (name, value) = (sysctl.to_owned(), SysctlValue::Integer(number));
        sysctls.push(Sysctl { name, value });
        let _new = places.insert(sysctl, given.span());
    }
    places
}

/// Packets that wait for an answer must not keep the answer out.
fn half(check: &mut Check<'_>, held: Option<&Spanned<i64>>, mbufs: Option<&Spanned<i64>>) {
    let mbufs = mbufs.map_or(VNET_MBUFS_DEFAULT, |given| *given.get_ref());
    let Some(held) = held.filter(|held| *held.get_ref() > mbufs / 2) else { return };
    let most = mbufs / 2;
    let least = held.get_ref().saturating_mul(2);
    check.report(Diagnostic::at(
        Rule::OutOfRange,
        held.span(),
        "`held_packets` is more than half of `mbufs`",
        format!("of {mbufs} mbufs at most {most} may wait for an address"),
        format!(
            "write held_packets = {most}, or mbufs = {least}: the rest is for the answers that \
             they wait for"
        ),
    ));
}

fn twice(vnet: &str, key: &str, sysctl: &str, span: Span) -> Diagnostic {
    Diagnostic::at(
        Rule::SysctlTwice,
        span,
        format!("`{sysctl}` is set twice in vnet {vnet}"),
        format!("`{key}` is another name for it"),
        "delete one of the two lines",
    )
}
