//! What FreeBSD's commands share: an option, and words that are none.

use std::net::Ipv4Addr;

use clap::Args;
use ipnet::Ipv4Net;

use super::usage;
use crate::cli::Failure;

/// What everybody types who knows FreeBSD's tools.
#[derive(Args, Debug)]
pub(crate) struct Numeric {
    /// Show addresses as numbers, as always: names are never looked up.
    #[arg(short = 'n', id = "numeric")]
    _always: bool,
}

/// `default`, `10.0.0.0/8`, or a host's address.
pub(super) fn prefix(word: &str) -> Result<Ipv4Net, Failure> {
    let wrong =
        || usage(format!("{word:?} is no prefix: write it like 10.1.0.0/16, 10.1.0.1 or default"));
    match word {
        "default" => Ok(Ipv4Net::default()),
        word if word.contains('/') => word.parse().map_err(|_| wrong()),
        word => word.parse::<Ipv4Addr>().map(Ipv4Net::from).map_err(|_| wrong()),
    }
}

/// An address without a prefix length.
pub(super) fn address(word: &str) -> Result<Ipv4Addr, Failure> {
    let wrong = |_| usage(format!("{word:?} is no IPv4 address: write it like 10.1.0.1"));
    word.parse().map_err(wrong)
}

/// An address of an interface. Without a length it has the one of its class, as on FreeBSD: of 32 bits here, because
/// classes are gone (RFC 4632).
pub(super) fn interface_address(word: &str) -> Result<Ipv4Net, Failure> {
    prefix(word).ok().filter(|_| word != "default").ok_or_else(|| {
        usage(format!("{word:?} is no address of an interface: write it like 10.1.0.1/24"))
    })
}

/// A whole number in the range of its type.
pub(super) fn number<T: std::str::FromStr>(what: &str, word: &str) -> Result<T, Failure> {
    word.parse().map_err(|_| usage(format!("{what} {word:?} is no number that can be")))
}
