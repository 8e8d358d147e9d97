//! Addresses and prefixes as text, and which addresses a host can have.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use toml::Spanned;

use super::Check;
use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::inet::{IntoInet, NoInet6};
use crate::parse_prefix;

/// The use of a prefix, which decides the proposal of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// An interface's address with the length of its connected prefix.
    Address,
    /// A route's destinations.
    Route,
}

/// `ADDRESS/LENGTH` of either family.
pub(super) fn prefix(check: &mut Check<'_>, given: &Spanned<String>, used: Use) -> Option<IpNet> {
    let text = given.get_ref().as_str();
    if let Some(prefix) = parse_prefix(text) {
        return Some(prefix);
    }
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let (label, cure) = match (address.parse::<IpAddr>(), length) {
        (Err(_), _) if text == "default" && used == Use::Route => {
            ("the default route is spelled out".to_owned(), "write prefix = \"0.0.0.0/0\"".into())
        }
        (Err(_), _) => {
            let example = match used {
                Use::Address => "an address and the length of its prefix: \"172.16.0.1/24\"",
                Use::Route => "a prefix and its length: prefix = \"198.18.0.0/15\"",
            };
            (format!("`{address}` is no IP address"), format!("write {example}"))
        }
        (Ok(address), None) => {
            let example = match (used, address) {
                (Use::Address, IpAddr::V4(_)) => "24",
                (Use::Address, IpAddr::V6(_)) => "64",
                (Use::Route, IpAddr::V4(_)) => "32",
                (Use::Route, IpAddr::V6(_)) => "128",
            };
            let cure = format!("write it behind a slash: \"{address}/{example}\"");
            ("the prefix length is missing".to_owned(), cure)
        }
        (Ok(address), Some(_)) => {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            let label = format!("the length must be a number from 0 to {bits}");
            (label, format!("write the number of leading bits: \"{address}/{}\"", bits * 3 / 4))
        }
    };
    let message = match used {
        Use::Address => format!("`{text}` is no interface address"),
        Use::Route => format!("`{text}` is no prefix"),
    };
    check.report(Diagnostic::at(Rule::BadAddress, given.span(), message, label, cure));
    None
}

/// An address of either family, without a length.
pub(super) fn address(check: &mut Check<'_>, given: &Spanned<String>) -> Option<IpAddr> {
    let text = given.get_ref().as_str();
    let parsed = text.parse().ok();
    if parsed.is_none() {
        let bare = text.split('/').next().and_then(|address| address.parse::<IpAddr>().ok());
        let (label, cure) = match bare {
            Some(address) => ("one address has no prefix length", format!("write \"{address}\"")),
            None => ("expected an IP address", "write address = \"172.16.0.2\"".to_owned()),
        };
        let message = format!("`{text}` is no IP address");
        check.report(Diagnostic::at(Rule::BadAddress, given.span(), message, label, cure));
    }
    parsed
}

/// The address or prefix, if the stack can use it; else warns that `what` is not used.
pub(super) fn usable<T: IntoInet>(
    check: &mut Check<'_>,
    given: T,
    what: impl std::fmt::Display,
    span: Span,
) -> Option<T::Inet> {
    let usable = given.into_inet().ok();
    if usable.is_none() {
        check.report(Diagnostic::at(
            Rule::NoInet6,
            span,
            format!("{}: {what} is not used", NoInet6::CAUSE),
            "IPv6",
            "nothing else is affected; delete it, or keep it for a build that has inet6",
        ));
    }
    usable
}

/// Why an interface cannot have the address, and what it could have; `None` if it can.
///
/// RFC 1122 section 3.2.1.3 lists the special cases; RFC 3021 lifts two of them for /31.
pub(super) fn unusable(network: Ipv4Net, loopback: bool) -> Option<(&'static str, String)> {
    let address = network.addr();
    let own_class = |why| Some((why, "use a unicast address, such as 172.16.0.1/24".to_owned()));
    if network.prefix_len() == 0 {
        let cure = format!("write \"{address}/24\", and a route for 0.0.0.0/0");
        return Some(("a connected prefix of length 0 would be the whole Internet", cure));
    }
    if address.octets()[0] == 0 {
        return own_class("0.0.0.0/8 is \"this network\" (RFC 1122)");
    }
    if address.is_loopback() && !loopback {
        return Some((
            "127.0.0.0/8 never leaves a host (RFC 1122)",
            "give it to lo0, with kind = \"loopback\", or use another address".to_owned(),
        ));
    }
    if address.is_multicast() {
        return own_class("a multicast address (RFC 1112)");
    }
    if address.octets()[0] >= 240 {
        return own_class("240.0.0.0/4 is reserved (RFC 1112)");
    }
    end_of_prefix(network.into())
}

/// Why the address is no host's, and which are: it is its prefix's first or last one, which a /31 or /32 lets hosts have.
/// IPv6 has no broadcast address, and its networks' own ones are routers' (RFC 4291 section 2.6.1).
pub(super) fn end_of_prefix(network: IpNet) -> Option<(&'static str, String)> {
    let IpNet::V4(network) = network else { return None };
    let why = if network.prefix_len() >= 31 {
        None
    } else if network.addr() == network.network() {
        Some("the address of the network itself")
    } else if network.addr() == network.broadcast() {
        Some("the broadcast address of the network")
    } else {
        None
    };
    why.map(|why| (why, hosts_of(network)))
}

/// `the hosts of PREFIX are FIRST to LAST`; for a prefix of at least four addresses.
fn hosts_of(network: Ipv4Net) -> String {
    let next = |address: Ipv4Addr, step: i64| {
        let number = i64::from(u32::from(address)) + step;
        Ipv4Addr::from(u32::try_from(number).unwrap_or(0))
    };
    let first = next(network.network(), 1);
    let last = next(network.broadcast(), -1);
    format!("the hosts of {} are {first} to {last}", network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether em0, then lo0, can have the address.
    #[test]
    fn which_addresses_hosts_can_have() {
        for (text, em0, lo0) in [
            ("172.16.0.1/24", true, true),
            ("172.16.0.0/24", false, false),
            ("172.16.0.255/24", false, false),
            ("172.16.0.255/16", true, true),
            ("172.16.0.0/31", true, true),
            ("172.16.0.1/31", true, true),
            ("172.16.0.0/32", true, true),
            ("172.16.0.255/32", true, true),
            ("172.16.0.0/30", false, false),
            ("127.0.0.1/8", false, true),
            ("127.0.0.0/8", false, false),
            ("127.1.2.3/32", false, true),
            ("0.0.0.0/32", false, false),
            ("0.1.2.3/24", false, false),
            ("224.0.0.1/32", false, false),
            ("239.255.255.255/24", false, false),
            ("240.0.0.1/24", false, false),
            ("255.255.255.255/32", false, false),
            ("10.0.0.1/0", false, false),
            ("1.0.0.1/1", true, true),
            ("223.255.255.254/24", true, true),
        ] {
            let network: Ipv4Net = text.parse().expect("a prefix of the table");
            assert_eq!(unusable(network, false).is_none(), em0, "{text} on em0");
            assert_eq!(unusable(network, true).is_none(), lo0, "{text} on lo0");
        }
    }

    #[test]
    fn names_the_hosts_of_a_prefix() {
        let hosts = |text: &str| hosts_of(text.parse().expect("a prefix"));
        assert_eq!(hosts("10.0.0.9/30"), "the hosts of 10.0.0.8/30 are 10.0.0.9 to 10.0.0.10");
        assert_eq!(
            hosts("128.0.0.1/1"),
            "the hosts of 128.0.0.0/1 are 128.0.0.1 to 255.255.255.254"
        );
    }
}
