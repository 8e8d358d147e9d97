//! Whether a vnet has room for what the file gives it: beyond its limits the stack refuses.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::Check;
use super::limits::Places;
use crate::defaults::{VNET_INTERFACES_DEFAULT, VNET_NEIGHBORS_DEFAULT, VNET_ROUTES_DEFAULT};
use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::model::{Attachment, Interface, SysctlValue, Vnet};

/// Compares the vnet whose name stands at `name` with its limits; `places` says where those are set.
pub(super) fn check(check: &mut Check<'_>, vnet: &Vnet, name: Span, places: &Places) {
    let is_loopback = |one: &&Interface| one.attachment == Attachment::Loopback;
    let others = vnet.interfaces.len() - vnet.interfaces.iter().filter(is_loopback).count();
    let of_addresses: BTreeSet<IpNet> = vnet.interfaces.iter().flat_map(routed_by).collect();
    let routes = vnet.routes.len() + of_addresses.len();
    let sizes = [
        ("interfaces", "net.vnet.maxinterfaces", VNET_INTERFACES_DEFAULT, 1 + others, "with lo0"),
        (
            "routes",
            "net.vnet.maxroutes",
            VNET_ROUTES_DEFAULT,
            routes,
            "with those that addresses of interfaces bring along",
        ),
        (
            "neighbors",
            "net.link.ether.inet.maxneighbors",
            VNET_NEIGHBORS_DEFAULT,
            vnet.neighbors.len(),
            "without those that it will find",
        ),
    ];
    for (key, sysctl, default, size, with) in sizes {
        let set = vnet.sysctls.iter().find(|set| set.name == sysctl).map(|set| &set.value);
        let most = match set {
            Some(SysctlValue::Integer(most)) => *most,
            _ => default,
        };
        if i64::try_from(size).is_ok_and(|size| size <= most) {
            continue;
        }
        let place = places.get(sysctl).unwrap_or(&name).clone();
        check.report(Diagnostic::at(
            Rule::LimitExceeded,
            place,
            format!("vnet {} has {size} {key}, more than its limit", vnet.name),
            format!("at most {most}, {with}"),
            format!("delete some, or write {key} = {size} in [vnet.limits]"),
        ));
    }
}

/// The prefixes to which the addresses of an interface bring routes: themselves, and on a link their networks with both
/// ends (RFC 3021: a /31 has none, and IPv6 has no broadcasts). Addresses may share a network.
fn routed_by(interface: &Interface) -> impl Iterator<Item = IpNet> {
    let is_link = interface.attachment != Attachment::Loopback;
    interface.addresses.iter().flat_map(move |network| {
        let ends = [network.network(), network.broadcast()].map(IpNet::from);
        let has_ends = matches!(network, IpNet::V4(network) if network.prefix_len() < 31);
        let ends = ends.into_iter().filter(move |_| is_link && has_ends);
        let own = [IpNet::from(network.addr())];
        own.into_iter().chain(ends).chain(is_link.then(|| network.trunc()))
    })
}
