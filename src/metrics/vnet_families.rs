//! The metrics of vnets and their interfaces. Of drops, refusals and FreeBSD's statistics only what is not zero has a sample: an
//! idle vnet costs a reader three dozen lines, not two hundred.

use std::io::{self, Write};

use stack::control::LimitUse;

use super::sample::{InterfaceSample, VnetSample};
use super::text::{Exposition, Family, Kind};
use crate::client::phrase;

/// A family with one sample a vnet.
type OfVnet = (Family<'static>, fn(&VnetSample) -> u64);

/// A family with one sample a limit of a vnet.
type OfLimit = (Family<'static>, fn(&LimitUse) -> u64);

const fn family(
    kind: Kind,
    name: &'static str,
    unit: &'static str,
    help: &'static str,
) -> Family<'static> {
    Family { kind, name, unit, help }
}

const OF_VNETS: &[OfVnet] = &[
    (
        family(
            Kind::Gauge,
            "vnet_interfaces",
            "interfaces",
            "Interfaces of the vnet, lo0 included.",
        ),
        |vnet| vnet.interfaces.len() as u64,
    ),
    (
        family(
            Kind::Gauge,
            "vnet_routes",
            "routes",
            "Routes of the vnet, those of its addresses included.",
        ),
        |vnet| vnet.routes as u64,
    ),
    (
        family(
            Kind::Gauge,
            "vnet_neighbors",
            "neighbors",
            "ARP entries of the vnet, static ones included.",
        ),
        |vnet| vnet.neighbors as u64,
    ),
    (
        family(
            Kind::Gauge,
            "vnet_in_flight_packets",
            "packets",
            "Packets that are with the control thread.",
        ),
        |vnet| vnet.books.in_flight,
    ),
    (
        family(
            Kind::Counter,
            "vnet_received_packets",
            "packets",
            "Packets that the vnet's interfaces received.",
        ),
        |vnet| vnet.books.received,
    ),
    (
        family(
            Kind::Counter,
            "vnet_originated_packets",
            "packets",
            "Packets that began in the vnet.",
        ),
        |vnet| vnet.books.originated,
    ),
    (
        family(
            Kind::Counter,
            "vnet_sent_packets",
            "packets",
            "Packets that the vnet's interfaces sent.",
        ),
        |vnet| vnet.books.sent,
    ),
    (
        family(
            Kind::Counter,
            "vnet_delivered_packets",
            "packets",
            "Packets that somebody in the vnet took.",
        ),
        |vnet| vnet.books.delivered,
    ),
];

const DROPS: Family<'_> = family(
    Kind::Counter,
    "drop_packets",
    "packets",
    "Packets that the vnet dropped, by reason; reasons that never occurred are left out.",
);

/// Each limit has a unit of its own: packets, bytes, routes.
const LIMIT: Family<'_> = family(
    Kind::Gauge,
    "vnet_limit",
    "",
    "What the vnet may occupy, by the names of [vnet.limits]; memory in bytes.",
);
const USED: Family<'_> =
    family(Kind::Gauge, "vnet_limit_used", "", "What the vnet occupies of it.");
const REFUSALS: Family<'_> = family(
    Kind::Counter,
    "vnet_limit_refusals",
    "",
    "Requests and packets that were refused because of the limit; limits that never refused any are left out.",
);

const UP: Family<'_> =
    family(Kind::Gauge, "interface_up", "", "Whether the interface is administratively up.");

/// FreeBSD's `if_data`: the counter, its family, and what it counts.
const INTERFACE_COUNTERS: &[(&str, Family<'_>)] = &[
    (
        "ipackets",
        family(
            Kind::Counter,
            "interface_received_packets",
            "packets",
            "Packets that the interface received (ipackets).",
        ),
    ),
    (
        "ibytes",
        family(
            Kind::Counter,
            "interface_received_bytes",
            "bytes",
            "Bytes that the interface received, without tag and FCS (ibytes).",
        ),
    ),
    (
        "opackets",
        family(
            Kind::Counter,
            "interface_sent_packets",
            "packets",
            "Packets that the interface sent (opackets).",
        ),
    ),
    (
        "obytes",
        family(
            Kind::Counter,
            "interface_sent_bytes",
            "bytes",
            "Bytes that the interface sent, without tag and FCS (obytes).",
        ),
    ),
    (
        "imcasts",
        family(
            Kind::Counter,
            "interface_received_group_packets",
            "packets",
            "Packets received with a group destination address (imcasts).",
        ),
    ),
];

/// Writes the metrics of all vnets.
pub(super) fn write<W: Write>(out: &mut Exposition<W>, vnets: &[VnetSample]) -> io::Result<()> {
    for (family, value) in OF_VNETS {
        out.family(*family)?;
        for vnet in vnets {
            out.sample(*family, &[("vnet", &vnet.name)], value(vnet))?;
        }
    }
    out.family(DROPS)?;
    for vnet in vnets {
        for (reason, packets) in &vnet.books.drops {
            out.sample(DROPS, &[("vnet", &vnet.name), ("reason", reason)], packets)?;
        }
    }
    limits(out, vnets)?;
    interfaces(out, vnets)?;
    statistics(out, vnets)
}

fn limits<W: Write>(out: &mut Exposition<W>, vnets: &[VnetSample]) -> io::Result<()> {
    let of: [OfLimit; 3] =
        [(LIMIT, |one| one.most), (USED, |one| one.used), (REFUSALS, |one| one.refused)];
    for (family, value) in of {
        out.family(family)?;
        for vnet in vnets {
            for one in &vnet.limits {
                let value = value(one);
                if value > 0 || family.kind != Kind::Counter {
                    let labels = [("vnet", vnet.name.as_str()), ("resource", one.limit.name())];
                    out.sample(family, &labels, value)?;
                }
            }
        }
    }
    Ok(())
}

fn interfaces<W: Write>(out: &mut Exposition<W>, vnets: &[VnetSample]) -> io::Result<()> {
    out.family(UP)?;
    each_interface(vnets, |labels, interface| out.sample(UP, labels, u8::from(interface.up)))?;
    let counters = vnets.iter().flat_map(|vnet| &vnet.interfaces).map(|ifp| &ifp.counters).next();
    for (at, (counter, _)) in counters.into_iter().flatten().enumerate() {
        let name = format!("interface_{counter}");
        let family = INTERFACE_COUNTERS.iter().find(|(known, _)| known == counter);
        let help = "A counter of the interface.";
        let other = Family { kind: Kind::Counter, name: &name, unit: "", help };
        let family = family.map_or(other, |(_, family)| *family);
        out.family(family)?;
        each_interface(vnets, |labels, interface| match interface.counters.get(at) {
            Some((_, value)) => out.sample(family, labels, value),
            None => Ok(()),
        })?;
    }
    Ok(())
}

fn each_interface(
    vnets: &[VnetSample],
    mut work: impl FnMut(&[(&str, &str)], &InterfaceSample) -> io::Result<()>,
) -> io::Result<()> {
    for vnet in vnets {
        for interface in &vnet.interfaces {
            work(&[("vnet", &vnet.name), ("iface", &interface.name)], interface)?;
        }
    }
    Ok(())
}

/// `ipstat`, `icmpstat` and `arpstat`. All vnets have the same counters in the same order.
fn statistics<W: Write>(out: &mut Exposition<W>, vnets: &[VnetSample]) -> io::Result<()> {
    let counters = vnets.first().map(|vnet| vnet.statistics.as_slice()).unwrap_or_default();
    for (at, (counter, _)) in counters.iter().enumerate() {
        let (name, help) = statistic(counter);
        let family = Family { kind: Kind::Counter, name: &name, unit: "", help: &help };
        out.family(family)?;
        for vnet in vnets {
            if let Some((_, value @ 1..)) = vnet.statistics.get(at) {
                out.sample(family, &[("vnet", &vnet.name)], value)?;
            }
        }
    }
    Ok(())
}

/// Name and help of one of FreeBSD's counters: `ips_badsum` is `ip_badsum`, and `ips_total` `ip_received`.
fn statistic(counter: &str) -> (String, String) {
    let Some((protocol, text)) = phrase(counter) else {
        return (counter.to_owned(), format!("FreeBSD's counter {counter}."));
    };
    let short = counter.strip_prefix("ips_").or_else(|| counter.strip_prefix("icps_"));
    let short = match short.unwrap_or(counter) {
        "total" => "received",
        short => short,
    };
    (format!("{protocol}_{short}"), format!("{text} ({counter})."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack::inet::{ArpStat, IcmpStat, IpStat};
    use stack::net::IfCounters;

    #[test]
    fn every_counter_of_an_interface_has_a_family() {
        for counter in IfCounters::NAMES {
            assert!(INTERFACE_COUNTERS.iter().any(|(known, _)| *known == counter), "{counter}");
        }
    }

    #[test]
    fn no_two_families_have_one_name() {
        let statistics = IpStat::NAMES.iter().chain(&IcmpStat::NAMES).chain(&ArpStat::NAMES);
        let mut names: Vec<String> = statistics.map(|counter| statistic(counter).0).collect();
        names.extend(OF_VNETS.iter().map(|(family, _)| family.name.to_owned()));
        names.extend(INTERFACE_COUNTERS.iter().map(|(_, family)| family.name.to_owned()));
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
        assert_eq!(statistic("ips_total").0, "ip_received");
        assert_eq!(statistic("icps_error").0, "icmp_error");
        assert_eq!(statistic("txrequests").0, "arp_txrequests");
    }
}
