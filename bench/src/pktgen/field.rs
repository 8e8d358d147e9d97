//! Header fields that differ from packet to packet: addresses out of a prefix, ports out of a range.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use super::value::ParseError;
use crate::random::Random;

/// How a field goes through its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// Uniformly at random, as RFC 4814 section 4 recommends: hash tables and caches see what real traffic shows them.
    Random,
    /// One after the other, and from the start again.
    Sequential,
}

impl Order {
    /// `random` or `sequential`.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseError> {
        match text {
            "random" => Ok(Order::Random),
            "sequential" => Ok(Order::Sequential),
            _ => Err(ParseError::new(
                format!("'{text}' is no order"),
                "write \"random\" or \"sequential\"",
            )),
        }
    }
}

/// Numbers from 0 up to, not including, `count`.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// How many values; 0 stands for 2^64.
    count: u64,
    order: Order,
    next: u64,
}

impl Field {
    /// `count` 0 stands for 2^64 values.
    pub(crate) fn new(count: u64, order: Order) -> Self {
        Self { count, order, next: 0 }
    }

    /// The next packet's value.
    #[inline(always)]
    pub(crate) fn next(&mut self, random: &mut Random) -> u64 {
        if self.count == 1 {
            return 0;
        }
        match self.order {
            Order::Random if self.count == 0 => random.next(),
            Order::Random => random.below(self.count),
            Order::Sequential => {
                let value = self.next;
                self.next =
                    if value.wrapping_add(1) == self.count { 0 } else { value.wrapping_add(1) };
                value
            }
        }
    }
}

/// The hosts of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// The prefix's own address, host bits zero.
    pub(crate) network: IpAddr,
    /// Its length in bits.
    pub(crate) length: u8,
    /// The first address that is used.
    pub(crate) first: IpAddr,
    /// How many from there on are; 0 stands for 2^64.
    pub(crate) count: u64,
}

impl Prefix {
    /// `198.18.0.0/16`, or one address.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseError> {
        let wrong = || {
            ParseError::new(
                format!("'{text}' is neither a prefix nor an address"),
                "write it like 198.18.0.0/16, 198.18.0.7, 2001:2::/48 or 2001:2::7",
            )
        };
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u8>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(bits);
        if length > bits {
            return Err(wrong());
        }
        Ok(match address {
            IpAddr::V4(address) => Self::v4(address, length),
            IpAddr::V6(address) => Self::v6(address, length),
        })
    }

    /// One IPv4 address.
    pub(crate) fn host(address: Ipv4Addr) -> Self {
        Self::v4(address, 32)
    }

    /// Without the network's and the broadcast address, which are no host's (RFC 1122 section 3.2.1.3), unless the
    /// prefix has no others (RFC 3021).
    fn v4(address: Ipv4Addr, length: u8) -> Self {
        let host_bits = 32 - u32::from(length);
        let hosts = 1_u64 << host_bits;
        // At most 2^32 - 1, which fits.
        let network = address.to_bits() & !((hosts - 1) as u32);
        let (skipped, count) = if host_bits >= 2 { (1, hosts - 2) } else { (0, hosts) };
        let at = |offset| IpAddr::V4(Ipv4Addr::from_bits(network + offset));
        Self { network: at(0), length, first: at(skipped), count }
    }

    /// Without the subnet-router anycast address (RFC 4291 section 2.6.1). Of larger prefixes than a /64 the first /64
    /// is used.
    fn v6(address: Ipv6Addr, length: u8) -> Self {
        let host_bits = 128 - u32::from(length);
        let mask = if host_bits == 128 { 0 } else { !0_u128 << host_bits };
        let network = address.to_bits() & mask;
        let (skipped, count) = match host_bits {
            0 | 1 => (0, 1 << host_bits),
            2..=63 => (1, (1 << host_bits) - 1),
            _ => (0, 0),
        };
        let at = |offset| IpAddr::V6(Ipv6Addr::from_bits(network + offset));
        Self { network: at(0), length, first: at(skipped), count }
    }

    /// Whether an IPv4 address is one of the prefix.
    pub(crate) fn contains_v4(&self, address: Ipv4Addr) -> bool {
        let IpAddr::V4(network) = self.network else { return false };
        let mask = u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0);
        address.to_bits() & mask == network.to_bits()
    }
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.network, self.length)
    }
}

/// `1024-65535`, or one port.
pub(crate) fn parse_ports(text: &str) -> Result<RangeInclusive<u16>, ParseError> {
    let wrong = || {
        ParseError::new(
            format!("'{text}' is no range of ports"),
            "write two numbers from 0 to 65535, the smaller first: 1024-65535; or one",
        )
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| text.trim().parse::<u16>().map_err(|_| wrong());
    let range = port(first)?..=port(last)?;
    if range.is_empty() { Err(wrong()) } else { Ok(range) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn prefixes() {
        let table = [
            ("198.18.0.0/16", "198.18.0.1", 65534),
            ("198.18.5.7/24", "198.18.5.1", 254),
            ("10.0.0.4/31", "10.0.0.4", 2),
            ("10.0.0.5", "10.0.0.5", 1),
            ("0.0.0.0/0", "0.0.0.1", (1 << 32) - 2),
            ("2001:2::5", "2001:2::5", 1),
            ("2001:2::/120", "2001:2::1", 255),
            ("2001:2::/48", "2001:2::", 0),
        ];
        for (text, first, count) in table {
            let prefix = Prefix::parse(text).expect(text);
            assert_eq!((prefix.first.to_string().as_str(), prefix.count), (first, count), "{text}");
        }
        for text in ["", "198.18.0.0/33", "198.18.0", "::/129", "1.2.3.4/-1", "1.2.3.4/x"] {
            assert!(Prefix::parse(text).is_err(), "{text}");
        }
        let inside = |text: &str, address| Prefix::parse(text).expect(text).contains_v4(address);
        assert!(inside("198.18.0.0/15", Ipv4Addr::new(198, 19, 255, 255)));
        assert!(!inside("198.18.0.0/15", Ipv4Addr::new(198, 20, 0, 0)));
        assert!(inside("0.0.0.0/0", Ipv4Addr::new(8, 8, 8, 8)));
        assert!(!inside("::/0", Ipv4Addr::new(8, 8, 8, 8)));
    }

    #[test]
    fn port_ranges() {
        assert_eq!(parse_ports("1024-65535").expect("a range"), 1024..=65535);
        assert_eq!(parse_ports("53").expect("a port"), 53..=53);
        for text in ["", "5-4", "65536", "a-b", "1-2-3"] {
            assert!(parse_ports(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sequential_goes_round_and_random_stays_inside_and_reaches_all() {
        let mut random = Random::new(1);
        let mut field = Field::new(3, Order::Sequential);
        let values: Vec<u64> = (0..7).map(|_| field.next(&mut random)).collect();
        assert_eq!(values, [0, 1, 2, 0, 1, 2, 0]);
        let mut field = Field::new(10, Order::Random);
        let values: BTreeSet<u64> = (0..1000).map(|_| field.next(&mut random)).collect();
        assert_eq!(values, (0..10).collect());
        assert_eq!(Field::new(1, Order::Random).next(&mut random), 0);
    }
}
