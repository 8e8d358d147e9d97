//! Protocol families, as tables that know no family see them.

use std::any::Any;
use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::Prefix;
use vnet::ModuleDef;

use super::route::FibAlgo;
use crate::wire::EtherType;

/// A protocol family: the types of its tables, chosen at compile time. The node functions of each family are its own.
pub trait Family: Debug + 'static {
    /// An address.
    type Addr: Copy + Ord + Hash + Debug + Display + Into<IpAddr> + Into<Self::Prefix>;
    /// A network, or all addresses that begin with the same bits.
    type Prefix: IpPrefix;
    /// The control side of its FIB.
    type Fib: FibAlgo<Self::Prefix>;
    /// The EtherType of frames that carry its packets.
    const ETHER_TYPE: EtherType;
}

/// How many families have data of their own with each interface (FreeBSD: `AF_MAX`). Each names its place among them.
pub const AF_MAX: usize = 1;

/// The data that a family keeps with an interface; the family alone knows its type.
pub type AfData = Box<dyn Any + Send + Sync>;

/// The part of a family that is with every interface (FreeBSD: `struct domain`, `dom_ifattach`).
#[derive(Clone, Copy, Debug)]
pub struct AfDomain {
    /// The module that its variables are in: an interface has them at hand.
    pub module: &'static ModuleDef,
    /// Makes its own data of a new interface.
    pub ifattach: fn() -> AfData,
}

/// A prefix of any family. [`Prefix`] (crate `prefix-trie`) gives its address as a number, the first bit highest.
pub trait IpPrefix:
    Prefix<R: From<u8> + Hash + Debug> + Copy + Ord + Hash + Display + Into<IpNet> + 'static
{
    /// All addresses.
    #[must_use]
    fn everything() -> Self {
        Self::from_repr_len(Self::R::from(0), 0)
    }

    /// The prefix with its host bits cleared.
    #[must_use]
    fn masked(self) -> Self {
        Self::from_repr_len(self.mask(), self.prefix_len())
    }

    /// The last of its addresses.
    #[must_use]
    fn last(self) -> Self::R {
        let all_ones = !Self::R::from(0);
        let network_bits = Self::from_repr_len(all_ones, self.prefix_len()).mask();
        self.mask() | !network_bits
    }

    /// The prefix of the same length behind it whose address differs in the last bit, if it is the lower of the two.
    #[must_use]
    fn upper_sibling(self) -> Option<Self> {
        let bits = Self::num_bits();
        let host_bits =
            bits.checked_sub(u32::from(self.prefix_len())).filter(|host| *host < bits)?;
        let bit = Self::R::from(1) << host_bits as usize;
        let is_lower = self.mask() & bit == Self::R::from(0);
        is_lower.then(|| Self::from_repr_len(self.mask() | bit, self.prefix_len()))
    }

    /// The prefix with its first `len` bits, at most as many as it has.
    #[must_use]
    fn shortened(self, len: u8) -> Self {
        Self::from_repr_len(self.mask(), len.min(self.prefix_len())).masked()
    }
}

impl IpPrefix for Ipv4Net {}
impl IpPrefix for Ipv6Net {}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn prefix<P: IpPrefix + std::str::FromStr>(text: &str) -> P {
        text.parse().ok().expect("a prefix")
    }

    #[test]
    fn last_addresses() {
        let v4 = |text| Ipv4Addr::from_bits(prefix::<Ipv4Net>(text).last()).to_string();
        assert_eq!(v4("10.1.2.3/8"), "10.255.255.255");
        assert_eq!(v4("10.1.2.3/32"), "10.1.2.3");
        assert_eq!(v4("0.0.0.0/0"), "255.255.255.255");
        let v6 = |text| Ipv6Addr::from_bits(prefix::<Ipv6Net>(text).last()).to_string();
        assert_eq!(v6("2001:db8::1/64"), "2001:db8::ffff:ffff:ffff:ffff");
        assert_eq!(v6("2001:db8::1/128"), "2001:db8::1");
        assert_eq!(v6("::/0"), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    }

    #[test]
    fn upper_siblings() {
        let cases = [
            ("10.0.0.0/8", Some("11.0.0.0/8")),
            ("11.0.0.0/8", None),
            ("0.0.0.0/0", None),
            ("10.0.0.2/32", Some("10.0.0.3/32")),
        ];
        for (text, sibling) in cases {
            assert_eq!(prefix::<Ipv4Net>(text).upper_sibling(), sibling.map(prefix), "{text}");
        }
        let cases =
            [("2001:db8::/33", Some("2001:db8:8000::/33")), ("::/0", None), ("::1/128", None)];
        for (text, sibling) in cases {
            assert_eq!(prefix::<Ipv6Net>(text).upper_sibling(), sibling.map(prefix), "{text}");
        }
    }
}
