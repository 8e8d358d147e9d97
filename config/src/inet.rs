//! The addresses that the stack can use: those of IPv4. Files, requests and commands may name either family, and ask here,
//! and nowhere else, whether it can be used. A stack with an inet6 module does without this file.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

/// The stack has no module for the family of an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}: give an IPv4 address instead of {given}", cause = NoInet6::CAUSE)]
pub struct NoInet6 {
    given: String,
}

impl NoInet6 {
    /// Without the address.
    pub const CAUSE: &'static str = "this build has no inet6 module";

    fn of(given: impl Display) -> Self {
        Self { given: given.to_string() }
    }
}

/// An address, or an address with the length of its prefix, of either family.
pub trait IntoInet: Copy {
    /// The same of IPv4.
    type Inet;

    /// As the stack takes it.
    ///
    /// # Errors
    ///
    /// It is of IPv6.
    fn into_inet(self) -> Result<Self::Inet, NoInet6>;
}

impl IntoInet for IpAddr {
    type Inet = Ipv4Addr;

    fn into_inet(self) -> Result<Ipv4Addr, NoInet6> {
        match self {
            Self::V4(address) => Ok(address),
            Self::V6(address) => Err(NoInet6::of(address)),
        }
    }
}

impl IntoInet for IpNet {
    type Inet = Ipv4Net;

    fn into_inet(self) -> Result<Ipv4Net, NoInet6> {
        match self {
            Self::V4(network) => Ok(network),
            Self::V6(network) => Err(NoInet6::of(network)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ipv4_is_usable() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address").into_inet();
        let network = |text: &str| text.parse::<IpNet>().expect("a prefix").into_inet();
        assert_eq!(address("10.0.0.1"), Ok(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(network("10.0.0.1/8").map(|net| net.to_string()), Ok("10.0.0.1/8".to_owned()));
        for error in [
            address("2001:db8::1").map(drop),
            // An IPv4-mapped address (RFC 4291 section 2.5.5.2) is one of IPv6.
            address("::ffff:10.0.0.1").map(drop),
            network("2001:db8::/32").map(drop),
        ] {
            let text = error.expect_err("IPv6").to_string();
            assert!(text.starts_with("this build has no inet6 module: give an IPv4"), "{text}");
        }
    }
}
