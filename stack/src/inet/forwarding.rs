//! The table that workers forward IPv4 by: the FIB, the next hops that it points to, and the hosts of connected networks.
//!
//! Immutable. The control side publishes a new one when a route's next hop or a neighbour changes; the FIB inside is
//! shared from one to the next.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::Ipv4Net;

use super::on_link::OnLink;
use super::route::{Fib, NearFib, NextHopIndex};
use super::{Address, AddressFilter, Sources};
use crate::net::IfSlot;
use crate::net::ahead::FIRST_EGRESSES;
use crate::net::route::{Adjacency, Egress, FastHop, NO_HOP, NextHop, NextHopKind, NextHops};

/// The network that a neighbour is on, host byte order (for redirects).
#[derive(Clone, Copy, Debug)]
pub struct LinkNetwork {
    network: u32,
    netmask: u32,
}

impl LinkNetwork {
    /// Holds no address.
    pub const NONE: Self = Self { network: u32::MAX, netmask: 0 };

    /// Whether it holds an address.
    #[inline(always)]
    #[must_use]
    pub fn holds(self, addr: u32) -> bool {
        addr & self.netmask == self.network
    }
}

impl From<Ipv4Net> for LinkNetwork {
    fn from(net: Ipv4Net) -> Self {
        Self { network: net.network().to_bits(), netmask: net.netmask().to_bits() }
    }
}

/// The end of a lookup.
#[derive(Clone, Copy, Debug)]
pub struct Resolved<'a> {
    /// The treatment of packets.
    pub kind: NextHopKind,
    /// The adjacency; none for `None`, `Blackhole` and `Reject`.
    pub adjacency: Option<&'a Adjacency>,
    /// The network that the adjacency's neighbour is on.
    pub network: LinkNetwork,
    /// The address to resolve on the adjacency's link: the gateway, or the destination itself.
    pub next_hop: IpAddr,
}

impl Resolved<'_> {
    /// The address to resolve on the link, on the way to `dst`; `dst` itself if the gateway has an address of another family.
    fn next_hop_towards(&self, dst: Ipv4Addr) -> Ipv4Addr {
        match self.next_hop {
            IpAddr::V4(next_hop) => next_hop,
            IpAddr::V6(_) => dst,
        }
    }

    /// No route to `dst`, host byte order.
    #[must_use]
    pub fn none(dst: u32) -> Self {
        let next_hop = IpAddr::V4(Ipv4Addr::from_bits(dst));
        Self { kind: NextHopKind::None, adjacency: None, network: LinkNetwork::NONE, next_hop }
    }
}

/// Bytes of a [`Forwarding`] that every run reads, two cache lines: all that a vnet with few routes and one gateway needs.
pub const FORWARDING_FIRST: usize = 128;
/// Bytes that runs of other vnets read.
pub const FORWARDING_MORE: usize = 256;

/// Next hops that are prefetched.
const FIRST_HOPS: usize = 8;

/// The state of IPv4 that one vnet's workers read.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Forwarding {
    // The fast path reads the first two cache lines: the FIB, if it is small, ...
    near: NearFib,
    // ... and a copy of the first hop that is a single gateway.
    gateway: FastHop,
    /// FIB index of `gateway`; [`NO_HOP`] is none.
    gateway_index: u16,
    /// Whether `near` is the whole FIB.
    is_near: bool,
    // In vnets with more routes and gateways it reads the next two as well: where the tables are, and the sketches that a filter
    // begins with.
    fib: Arc<Fib>,
    next_hops: NextHops,
    not_sources: AddressFilter,
    /// By adjacency.
    networks: Box<[LinkNetwork]>,
    on_link: OnLink,
    flow_key: u64,
    loopback: Option<IfSlot>,
    /// By interface.
    addresses: Box<[Address]>,
    reply_source: Option<Ipv4Addr>,
}

const _: () = {
    assert!(std::mem::offset_of!(Forwarding, is_near) < FORWARDING_FIRST);
    assert!(std::mem::offset_of!(Forwarding, fib) < FORWARDING_FIRST);
    assert!(std::mem::offset_of!(Forwarding, not_sources) + 64 == FORWARDING_MORE);
};

/// The parts of a [`Forwarding`].
#[derive(Debug)]
pub struct ForwardingParts {
    /// Longest-prefix match to indices of `next_hops`.
    pub fib: Arc<Fib>,
    /// Next hops by FIB index, and their adjacencies.
    pub next_hops: NextHops,
    /// By adjacency, the network that the neighbour is on.
    pub networks: Box<[LinkNetwork]>,
    /// The neighbour table, resolved and not: interface and address to the place of the adjacency, each once.
    pub neighbors: Vec<((IfSlot, u32), u32)>,
    /// Secret that decides which flow takes which of several paths.
    pub flow_key: u64,
    /// The vnet's lo0.
    pub loopback: Option<IfSlot>,
    /// The vnet's own addresses and the broadcasts of its networks.
    pub not_sources: AddressFilter,
    /// The vnet's own addresses, by interface.
    pub addresses: Box<[Address]>,
    /// The address that `net.inet.icmp.reply_src` leads to.
    pub reply_source: Option<Ipv4Addr>,
}

impl Forwarding {
    /// Freezes the parts.
    #[must_use]
    pub fn new(parts: ForwardingParts) -> Self {
        let ForwardingParts {
            fib,
            next_hops,
            networks,
            neighbors,
            flow_key,
            loopback,
            not_sources,
            addresses,
            reply_source,
        } = parts;
        let near = fib.near(|NextHopIndex(hop)| {
            matches!(next_hops.get(hop).kind, NextHopKind::Local | NextHopKind::Broadcast)
        });
        let (gateway_index, gateway) = next_hops.first_gateway().unwrap_or((NO_HOP, FastHop::NONE));
        Self {
            is_near: near.is_some(),
            near: near.unwrap_or(NearFib::NONE),
            gateway,
            gateway_index,
            fib,
            next_hops,
            not_sources,
            networks,
            on_link: OnLink::new(neighbors, flow_key),
            flow_key,
            loopback,
            addresses,
            reply_source,
        }
    }

    /// Addresses that no received packet may come from (RFC 1812 5.3.7), and a few more.
    #[inline(always)]
    #[must_use]
    pub fn not_sources(&self) -> &AddressFilter {
        &self.not_sources
    }

    /// The vnet's loopback interface.
    #[must_use]
    pub fn loopback(&self) -> Option<IfSlot> {
        self.loopback
    }

    /// The vnet's addresses, to choose from.
    #[must_use]
    pub fn sources(&self) -> Sources<'_> {
        Sources::new(&self.addresses, self.loopback)
    }

    /// The address to speak with to `dst` along its route (FreeBSD: `nh_ifa`, net/route/nhop.h); host byte order. None if the route
    /// leads to no interface, or if the vnet has no address.
    #[must_use]
    pub fn source_along(&self, route: &Resolved<'_>, dst: u32) -> Option<u32> {
        let next_hop = route.next_hop_towards(Ipv4Addr::from_bits(dst));
        let own = self.sources().towards(route.adjacency?.slot, next_hop)?;
        Some(own.to_bits())
    }

    /// The address of the interface that `net.inet.icmp.reply_src` names.
    #[must_use]
    pub fn reply_source(&self) -> Option<Ipv4Addr> {
        self.reply_source
    }

    /// The longest-prefix match.
    #[inline(always)]
    #[must_use]
    pub fn fib(&self) -> &Fib {
        &self.fib
    }

    /// The longest-prefix match of one destination (host byte order).
    #[inline(always)]
    #[must_use]
    pub fn lookup(&self, dst: u32) -> u16 {
        if self.is_near { self.near.lookup(dst).0 } else { self.fib.lookup(dst).0 }
    }

    /// Whether a packet from `src`, as a little-endian load of a header's bytes shows it, needs a second look: it may be one of our
    /// addresses, or a broadcast address (RFC 1812 5.3.7).
    #[inline(always)]
    #[must_use]
    pub fn doubts_source(&self, src: u32) -> bool {
        if self.is_near {
            self.near.is_no_source(src.swap_bytes())
        } else {
            self.not_sources.holds(src)
        }
    }

    /// Whether a run of packets reads no more than the first [`FORWARDING_FIRST`] bytes, as a rule.
    pub(crate) fn is_small(&self) -> bool {
        self.is_near && self.gateway_index != NO_HOP
    }

    /// The next hop at a FIB index, for a single packet of the fast path.
    #[inline(always)]
    #[must_use]
    pub fn fast_hop(&self, index: u16) -> Option<&FastHop> {
        if index == self.gateway_index {
            return Some(&self.gateway);
        }
        self.next_hops.fast_hops().get(usize::from(index))
    }

    /// The next hops by FIB index, and their adjacencies.
    #[inline(always)]
    #[must_use]
    pub fn next_hops(&self) -> &NextHops {
        &self.next_hops
    }

    /// Parts of the tables that a burst reads besides the first cache lines, as address and bytes: the beginnings. None if the
    /// first lines are all.
    pub(crate) fn tables(&self) -> [(usize, usize); 3] {
        fn of<T: ?Sized>(value: &T, bytes: usize) -> (usize, usize) {
            ((&raw const *value).cast::<u8>().addr(), bytes.min(size_of_val(value)))
        }
        let egresses = of(self.next_hops.egresses(), size_of::<Egress>() * FIRST_EGRESSES);
        if self.is_small() {
            return [(0, 0), (0, 0), egresses];
        }
        let hops = of(self.next_hops.fast_hops(), size_of::<FastHop>() * FIRST_HOPS);
        [of(&*self.fib, usize::MAX), hops, egresses]
    }

    /// Whether `addr` on `slot` is in the neighbour table, resolved or not.
    #[must_use]
    pub fn knows(&self, slot: IfSlot, addr: u32) -> bool {
        self.on_link.get(slot, addr).is_some()
    }

    /// The place of the adjacency that packets of `flow` to `dst` take; for a connected network, the neighbour's when it
    /// has an entry and else the interface's.
    #[inline]
    #[must_use]
    pub fn select(&self, hop: NextHop, dst: u32, flow: impl FnOnce() -> u64) -> Option<u32> {
        let place = hop.select(self.flow_key, flow);
        if hop.kind == NextHopKind::Connected { self.on_link(place, dst) } else { Some(place) }
    }

    /// The place of the adjacency that packets to `dst` take on the link of the interface whose adjacency is at `place`.
    #[inline(always)]
    #[must_use]
    pub fn on_link(&self, place: u32, dst: u32) -> Option<u32> {
        let slot = self.next_hops.adjacency(place)?.slot;
        Some(self.on_link.get(slot, dst).unwrap_or(place))
    }

    /// Whether a packet of this source that goes out where it came in, along the adjacency at `place`, should rather have been
    /// sent to the next hop by its sender itself (RFC 792 "Redirect", RFC 1812 5.2.7.2): the sender is on the next hop's network.
    #[inline(always)]
    #[must_use]
    pub fn wants_redirect(&self, place: u32, src: u32) -> bool {
        self.networks.get(place as usize).is_some_and(|network| network.holds(src))
    }

    /// Whether packets to `addr` would leave through the interface in `slot`, on any of their paths.
    #[must_use]
    pub fn leads_through(&self, addr: u32, slot: IfSlot) -> bool {
        let hop = self.next_hops.get(self.lookup(addr));
        let mut paths = hop.places().filter_map(|place| self.next_hops.adjacency(place));
        paths.any(|adjacency| adjacency.slot == slot)
    }

    /// Looks a destination up and follows it to its adjacency.
    #[must_use]
    pub fn resolve(&self, dst: u32, flow: impl FnOnce() -> u64) -> Resolved<'_> {
        let hop = self.next_hops.get(self.lookup(dst));
        let place = match hop.kind {
            NextHopKind::None | NextHopKind::Blackhole | NextHopKind::Reject => None,
            _ => self.select(hop, dst, flow),
        };
        let adjacency = place.and_then(|place| self.next_hops.adjacency(place));
        let network = place.and_then(|place| self.networks.get(place as usize));
        let gateway = adjacency.and_then(|adjacency| adjacency.next_hop);
        Resolved {
            kind: hop.kind,
            adjacency,
            network: network.copied().unwrap_or(LinkNetwork::NONE),
            next_hop: gateway.unwrap_or(IpAddr::V4(Ipv4Addr::from_bits(dst))),
        }
    }
}
