//! IPv4's own data of an interface (FreeBSD: `struct in_ifinfo`, netinet/in_var.h).

use pmd::PortId;

use super::{ArpLimit, FORWARDING_FIRST, FORWARDING_MORE, Forwarding, vnet_inet};
use crate::net::ahead::{FIRST_BYTES, FIRST_EGRESSES, MORE_BYTES, Published};
use crate::net::{AF_MAX, AfDomain, Ifnet};

/// The place of IPv4 among the families (FreeBSD: `AF_INET`).
pub(crate) const AF_INET: usize = 0;
const _: () = assert!(AF_INET < AF_MAX);
const _: () = assert!(FORWARDING_FIRST == FIRST_BYTES && FORWARDING_MORE == MORE_BYTES);

/// IPv4, as interfaces have it.
pub const INET_DOMAIN: AfDomain =
    AfDomain { module: &vnet_inet::MODULE, ifattach: || Box::new(InIfInfo::default()) };

#[derive(Debug, Default)]
struct InIfInfo {
    /// Budget of ARP replies.
    arp_limit: ArpLimit,
}

/// IPv4 of an interface.
impl Ifnet {
    /// The variables of the vnet's IPv4.
    #[inline(always)]
    pub(crate) fn inet(&self) -> Option<vnet_inet::Base<'_>> {
        vnet_inet::of(&self.vnet, AF_INET)
    }

    /// The budget of ARP replies.
    pub(crate) fn arp_limit(&self) -> Option<&ArpLimit> {
        self.af_data::<InIfInfo>(AF_INET).map(|info| &info.arp_limit)
    }

    /// Takes note of what was published for its vnet.
    pub(crate) fn set_forwarding(&self, forwarding: &Forwarding) {
        let [fib, hops, egress_table] = forwarding.tables();
        // One more than are prefetched: the interface itself may be among them.
        let mut egresses = [(0, PortId(0)); FIRST_EGRESSES + 1];
        let count = forwarding.next_hops().egresses().len().min(egresses.len());
        for (place, egress) in egresses.iter_mut().zip(forwarding.next_hops().egresses()) {
            *place = (egress.first_counters(), egress.port);
        }
        let published = Published {
            address: (&raw const *forwarding).addr(),
            is_small: forwarding.is_small(),
            tables: [fib, hops],
            egress_table,
            egresses: &egresses[..count],
        };
        self.set_published(AF_INET, &published);
    }
}
