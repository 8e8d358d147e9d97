//! `curvnet netstat`, with the output of netstat(1). Names are not looked up.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{ArgGroup, Args};

use super::Client;
use super::arguments::Numeric;
use super::connection::key;
use super::phrases;
use crate::cli::Failure;
use crate::protocol::{InterfaceShown, Page, RouteShown, VnetCommand};

/// Arguments of netstat.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what").required(true).multiple(true))]
pub(crate) struct Netstat {
    #[command(flatten)]
    numeric: Numeric,
    /// Interfaces with their counters.
    #[arg(short = 'i', group = "what")]
    interfaces: bool,
    /// One interface with its counters.
    #[arg(short = 'I', group = "what", value_name = "IF")]
    interface: Option<String>,
    /// Routes.
    #[arg(short = 'r', group = "what", conflicts_with_all = ["interfaces", "interface"])]
    routes: bool,
    /// Counters of IPv4, ICMP and ARP.
    #[arg(short = 's', group = "what", conflicts_with_all = ["interfaces", "interface", "routes"])]
    statistics: bool,
    /// Show the bytes of interfaces, as always.
    #[arg(short = 'b', id = "bytes")]
    _bytes: bool,
    /// Cut nothing short, as always.
    #[arg(short = 'W', id = "wide")]
    _wide: bool,
}

pub(super) fn run(client: &Client, command: Netstat) -> Result<(), Failure> {
    match command {
        Netstat { routes: true, .. } => routes(client),
        Netstat { statistics: true, .. } => {
            let counters: BTreeMap<String, u64> =
                client.connect()?.ask(VnetCommand::Statistics {})?;
            client.show(&counters, phrases::text)
        }
        Netstat { interface, .. } => {
            let command = |after| {
                Ok(VnetCommand::InterfaceList { interface: interface.clone(), after: key(after)? })
            };
            let list: Page<InterfaceShown> = client.connect()?.pages(command)?;
            client.show(&list, interfaces)
        }
    }
}

/// The routes of a vnet.
pub(super) fn routes(client: &Client) -> Result<(), Failure> {
    let command = |after| Ok(VnetCommand::RouteList { after: key(after)? });
    let list: Page<RouteShown> = client.connect()?.pages(command)?;
    client.show(&list, table)
}

fn table(routes: &Page<RouteShown>) -> String {
    let mut text = "Routing tables\n\nInternet:\n".to_owned();
    let mut row = |destination: &str, gateway: &str, flags: &str, netif: &str| {
        let line = format!("{destination:<18} {gateway:<18} {flags:<9} {netif:>8}");
        let _infallible = writeln!(text, "{}", line.trim_end());
    };
    row("Destination", "Gateway", "Flags", "Netif");
    for route in &routes.list {
        let destination = match route.prefix.prefix_len() {
            0 => "default".to_owned(),
            bits if bits == route.prefix.max_prefix_len() => route.prefix.addr().to_string(),
            _ => route.prefix.to_string(),
        };
        let flags = flags(route);
        if route.paths.is_empty() {
            row(&destination, "-", &flags, "");
        }
        for path in &route.paths {
            let gateway =
                path.gateway.map_or_else(|| format!("link#{}", path.index), |to| to.to_string());
            row(&destination, &gateway, &flags, &path.interface);
        }
    }
    text
}

/// Letters of netstat(1): U up, G gateway, H host, S added by hand, R reject, B blackhole, b broadcast.
fn flags(route: &RouteShown) -> String {
    let has = |name: &str| route.flags.iter().any(|flag| flag == name);
    let of_address = has("pinned") || has("local") || has("broadcast");
    let letters = [
        ('U', true),
        ('G', has("gateway")),
        ('H', route.prefix.prefix_len() == route.prefix.max_prefix_len()),
        ('S', !of_address || has("local")),
        ('R', has("reject")),
        ('B', has("blackhole")),
        ('b', has("broadcast")),
    ];
    letters.iter().filter(|(_, set)| *set).map(|(letter, _)| letter).collect()
}

fn interfaces(list: &Page<InterfaceShown>) -> String {
    let mut text = String::new();
    let mut row = |cells: [&str; 8]| {
        let [name, mtu, network, address, ipkts, ibytes, opkts, obytes] = cells;
        let line = format!(
            "{name:<8} {mtu:>5} {network:<18} {address:<18} {ipkts:>12} {ibytes:>15} {opkts:>12} {obytes:>15}"
        );
        let _infallible = writeln!(text, "{}", line.trim_end());
    };
    row(["Name", "Mtu", "Network", "Address", "Ipkts", "Ibytes", "Opkts", "Obytes"]);
    for interface in &list.list {
        let count = |name: &str| interface.counters.get(name).copied().unwrap_or(0).to_string();
        let InterfaceShown { name, index, mtu, mac, addresses, .. } = interface;
        row([
            name,
            &mtu.to_string(),
            &format!("<Link#{index}>"),
            mac.as_deref().unwrap_or(name),
            &count("ipackets"),
            &count("ibytes"),
            &count("opackets"),
            &count("obytes"),
        ]);
        for net in addresses {
            // The counters are of the interface, not of its addresses.
            let (network, address) = (net.trunc().to_string(), net.addr().to_string());
            row([name, "-", &network, &address, "-", "-", "-", "-"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::PathShown;

    #[test]
    fn output_of_freebsd() {
        let path = |gateway: Option<[u8; 4]>| PathShown {
            interface: "em0".to_owned(),
            index: 2,
            gateway: gateway.map(Into::into),
        };
        let route = |prefix: &str, flag: &str, paths| RouteShown {
            prefix: prefix.parse().expect("a prefix"),
            flags: vec![flag.to_owned()],
            paths,
        };
        let routes = vec![
            route("0.0.0.0/0", "gateway", vec![path(Some([10, 1, 0, 2]))]),
            route("10.1.0.0/24", "pinned", vec![path(None)]),
            route("10.1.0.1/32", "local", vec![path(None)]),
            route("10.9.0.0/16", "blackhole", Vec::new()),
        ];
        assert_eq!(
            table(&Page::only(routes)),
            "Routing tables\n\nInternet:\n\
             Destination        Gateway            Flags        Netif\n\
             default            10.1.0.2           UGS            em0\n\
             10.1.0.0/24        link#2             U              em0\n\
             10.1.0.1           link#2             UHS            em0\n\
             10.9.0.0/16        -                  USB\n"
        );
    }
}
