//! Arguments that FreeBSD's commands share: an option, and words that are none.

use std::net::IpAddr;

use clap::Args;
use config::IntoInet;
use ipnet::{IpNet, Ipv4Net};

use super::usage;
use crate::cli::Failure;

/// An option that users of FreeBSD's tools type by habit.
#[derive(Args, Debug)]
pub(crate) struct Numeric {
    /// Show addresses as numbers, as always: names are never looked up.
    #[arg(short = 'n', id = "numeric")]
    _always: bool,
}

/// `default`, `10.0.0.0/8`, or a host's address.
pub(super) fn prefix(word: &str) -> Result<IpNet, Failure> {
    let wrong =
        || usage(format!("{word:?} is no prefix: write it like 10.1.0.0/16, 10.1.0.1 or default"));
    let prefix = match word {
        "default" => Ipv4Net::default().into(),
        word if word.contains('/') => config::parse_prefix(word).ok_or_else(wrong)?,
        word => word.parse::<IpAddr>().map(IpNet::from).map_err(|_| wrong())?,
    };
    prefix.into_inet().map(|_| prefix).map_err(usage)
}

/// An address without a prefix length.
pub(super) fn address(word: &str) -> Result<IpAddr, Failure> {
    host(word).map_err(usage)
}

/// The same for clap.
pub(super) fn host(word: &str) -> Result<IpAddr, String> {
    let wrong = |_| format!("{word:?} is no IPv4 address: write it like 10.1.0.1");
    let address: IpAddr = word.parse().map_err(wrong)?;
    address.into_inet().map(|_| address).map_err(|error| error.to_string())
}

/// An address of an interface. Without a length it has the one of its class, as on FreeBSD: of 32 bits here, because
/// classes are gone (RFC 4632).
pub(super) fn interface_address(word: &str) -> Result<IpNet, Failure> {
    prefix(word).ok().filter(|_| word != "default").ok_or_else(|| {
        usage(format!("{word:?} is no address of an interface: write it like 10.1.0.1/24"))
    })
}

/// A whole number in the range of its type.
pub(super) fn number<T: std::str::FromStr>(what: &str, word: &str) -> Result<T, Failure> {
    word.parse().map_err(|_| usage(format!("{what} {word:?} is no number that can be")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_ipv6_are_refused_by_their_name() {
        for text in ["2001:db8::1", "::"] {
            let error = host(text).expect_err(text);
            assert!(error.contains("no inet6 module") && error.contains(text), "{error}");
            assert!(address(text).is_err() && prefix(text).is_err(), "{text}");
        }
        assert!(prefix("2001:db8::/32").is_err() && interface_address("2001:db8::1/64").is_err());
        for text in ["010.35.0.0/16", "10.35.0.0/016", "010.35.0.1"] {
            assert!(prefix(text).is_err() && interface_address(text).is_err(), "{text}");
        }
        for text in ["", "10.1.0", "10.1.0.1/24", "em0", "010.1.0.1"] {
            let error = host(text).expect_err(text);
            assert!(error.contains("write it like 10.1.0.1"), "{error}");
        }
        assert_eq!(host("10.1.0.1").map(|address| address.to_string()).as_deref(), Ok("10.1.0.1"));
    }
}
