//! The address that a vnet speaks with (RFC 1812 4.3.2.4, RFC 1122 3.3.4.3; FreeBSD: `ifaof_ifpforaddr`, net/if.c).
//!
//! ICMP errors, redirects, echo replies to a broadcast, record route, probes and ARP requests ask here, and nowhere else.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::net::IfSlot;

/// One address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The interface.
    pub slot: IfSlot,
    /// The address, with the length of its network's prefix.
    pub net: Ipv4Net,
}

/// The addresses of a vnet to choose from. A choice looks at each address of an interface once at most, and is made for single
/// packets of the vnet's own, whose number sysctls limit.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// By interface, and of one interface in the order that they were given in.
    addresses: &'a [Address],
    loopback: Option<IfSlot>,
}

impl<'a> Sources<'a> {
    /// Of these addresses, by interface; lo0 is in the slot `loopback`.
    #[must_use]
    pub fn new(addresses: &'a [Address], loopback: Option<IfSlot>) -> Self {
        Self { addresses, loopback }
    }

    /// The address to speak with to `to`, a host or the gateway towards one, through the interface in `slot`: of the longest of its
    /// networks that holds `to`, else its first one. An interface without an address has the vnet's: see `router_id`.
    #[must_use]
    pub fn towards(self, slot: IfSlot, to: Ipv4Addr) -> Option<Ipv4Addr> {
        self.on_link(slot, to)
            .or_else(|| self.of(slot).find(|own| is_fit(*own, to)))
            .or_else(|| self.router_id(to))
            .or_else(|| self.first(slot))
    }

    /// The address on the longest network of the interface that holds `to`; the first one, if there are several.
    #[must_use]
    pub fn on_link(self, slot: IfSlot, to: Ipv4Addr) -> Option<Ipv4Addr> {
        let holders = self.nets(slot).iter().rev().filter(|own| own.net.contains(&to));
        holders.max_by_key(|own| own.net.prefix_len()).map(|own| own.net.addr())
    }

    /// The interface's first address.
    #[must_use]
    pub fn first(self, slot: IfSlot) -> Option<Ipv4Addr> {
        self.of(slot).next()
    }

    /// The addresses of one interface.
    pub fn of(self, slot: IfSlot) -> impl Iterator<Item = Ipv4Addr> + 'a {
        self.nets(slot).iter().map(|own| own.net.addr())
    }

    /// The address of the vnet where an interface has none (RFC 1812 5.2.5: the router-id): the first of lo0 that others can
    /// reach, as operators of routers give it one for this, else the first of all.
    fn router_id(self, to: Ipv4Addr) -> Option<Ipv4Addr> {
        let mut of_loopback = self.loopback.into_iter().flat_map(|slot| self.of(slot));
        let mut all = self.addresses.iter().map(|own| own.net.addr());
        let reachable = |own: &Ipv4Addr| !own.is_loopback() && is_fit(*own, to);
        of_loopback.find(reachable).or_else(|| all.find(reachable))
    }

    fn nets(self, slot: IfSlot) -> &'a [Address] {
        let before = self.addresses.partition_point(|own| own.slot < slot);
        let behind = self.addresses.get(before..).unwrap_or_default();
        let count = behind.partition_point(|own| own.slot == slot);
        behind.get(..count).unwrap_or_default()
    }
}

/// Whether packets from `own` to `to` may leave the link: routers do not forward those from link-local addresses (RFC 3927 2.7).
fn is_fit(own: Ipv4Addr, to: Ipv4Addr) -> bool {
    !own.is_link_local() || to.is_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LO0: IfSlot = IfSlot(1);
    const EM0: IfSlot = IfSlot(4);
    const EM1: IfSlot = IfSlot(5);
    const EM2: IfSlot = IfSlot(7);

    fn addresses(list: &[(IfSlot, &str)]) -> Vec<Address> {
        let address = |(slot, net): &(IfSlot, &str)| Address {
            slot: *slot,
            net: net.parse().expect("an address"),
        };
        list.iter().map(address).collect()
    }

    /// The choice for each destination, by hand.
    fn check(list: &[(IfSlot, &str)], choices: &[(IfSlot, &str, Option<&str>)]) {
        let list = addresses(list);
        let sources = Sources::new(&list, Some(LO0));
        for (slot, to, own) in choices {
            let own = own.map(|own| own.parse().expect("an address"));
            assert_eq!(
                sources.towards(*slot, to.parse().expect("an address")),
                own,
                "{slot:?} {to}"
            );
        }
    }

    #[test]
    fn the_network_of_the_receiver_decides() {
        check(
            &[
                (LO0, "127.0.0.1/8"),
                (EM0, "10.0.0.1/8"),
                (EM0, "10.9.0.1/24"),
                (EM0, "10.9.0.7/24"),
                (EM0, "10.9.0.8/32"),
                (EM1, "172.16.0.1/24"),
            ],
            &[
                (EM0, "10.9.0.3", Some("10.9.0.1")),
                (EM0, "10.8.0.3", Some("10.0.0.1")),
                (EM0, "192.0.2.1", Some("10.0.0.1")),
                (EM1, "10.9.0.3", Some("172.16.0.1")),
                (LO0, "127.0.0.9", Some("127.0.0.1")),
                (EM2, "10.9.0.3", Some("10.0.0.1")),
            ],
        );
    }

    #[test]
    fn an_interface_without_an_address_has_that_of_the_router() {
        let of_router = [(LO0, "127.0.0.1/8"), (LO0, "192.0.2.9/32"), (EM0, "10.0.0.1/24")];
        check(&of_router, &[(EM2, "10.0.0.2", Some("192.0.2.9"))]);
        check(&of_router[2..], &[(EM2, "10.0.0.2", Some("10.0.0.1"))]);
        check(&of_router[..1], &[(EM2, "10.0.0.2", None)]);
    }

    #[test]
    fn link_local_addresses_speak_to_their_link() {
        let list = [(EM0, "169.254.7.1/16"), (EM0, "10.0.0.1/24"), (EM1, "169.254.8.1/24")];
        check(
            &list,
            &[
                (EM0, "169.254.0.2", Some("169.254.7.1")),
                (EM0, "192.0.2.1", Some("10.0.0.1")),
                (EM1, "192.0.2.1", Some("10.0.0.1")),
                (EM1, "169.254.9.1", Some("169.254.8.1")),
            ],
        );
        check(&list[2..], &[(EM1, "192.0.2.1", Some("169.254.8.1"))]);
    }
}
