//! From the control thread's tables to what workers read.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::InetControl;
use crate::inet::{Address, AddressFilter, Forwarding, ForwardingParts, Inet, LinkNetwork};
use crate::net::Family;
use crate::net::neighbor::{NeighborKey, NeighborState};
use crate::net::route::{Adjacency, AdjacencyBuilder, GatewayPath, NeighborLink, NextHop};

impl InetControl {
    /// The table that workers shall read from now on; `reply_src` is the value of the sysctl of this name.
    #[must_use]
    pub(crate) fn forwarding(&self, reply_src: &str) -> Forwarding {
        let mut builder = AdjacencyBuilder::new(Inet::ETHER_TYPE, &self.interfaces);
        let link = |path: &GatewayPath| match path.gateway {
            IpAddr::V4(addr) => Some(self.link(NeighborKey { slot: path.slot, addr })),
            // `hop_for` finds paths to gateways of this family only.
            IpAddr::V6(_) => None,
        };
        let hops = self.routes.hops().iter();
        let next_hops =
            hops.map(|hop| hop.map_or(NextHop::NONE, |hop| builder.next_hop(hop, link))).collect();
        let mut neighbor = |key: NeighborKey<Ipv4Addr>| {
            let place = builder.neighbor(key.slot, key.addr.into(), self.link(key))?;
            Some(((key.slot, key.addr.to_bits()), place))
        };
        let neighbors = self.arp.neighbors.iter().filter_map(|(key, _)| neighbor(key)).collect();
        let next_hops = builder.finish(next_hops);
        let reply_src = self.interfaces.iter().find(|ifp| ifp.name == reply_src);
        Forwarding::new(ForwardingParts {
            fib: Arc::clone(self.routes.fib().fib()),
            networks: next_hops.adjacencies().iter().map(|to| self.network_towards(to)).collect(),
            next_hops,
            neighbors,
            flow_key: self.flow_key,
            loopback: self.loopback(),
            not_sources: self.not_sources(),
            addresses: self.addresses.as_slice().into(),
            reply_source: reply_src.and_then(|ifp| self.sources().first(ifp.slot)),
        })
    }
}

impl InetControl {
    /// A neighbour as ARP knows it.
    fn link(&self, key: NeighborKey<Ipv4Addr>) -> NeighborLink {
        let neighbors = &self.arp.neighbors;
        let mac = neighbors.get(key).and_then(NeighborState::mac);
        NeighborLink { mac, unasked: neighbors.use_mark(key).cloned() }
    }

    /// The network that the neighbour of an adjacency is on.
    fn network_towards(&self, adjacency: &Adjacency) -> LinkNetwork {
        let Some(IpAddr::V4(addr)) = adjacency.next_hop else { return LinkNetwork::NONE };
        self.network_of(adjacency.slot, addr).map_or(LinkNetwork::NONE, LinkNetwork::from)
    }

    fn not_sources(&self) -> AddressFilter {
        let mut filter = AddressFilter::default();
        for Address { net, .. } in &self.addresses {
            filter.insert(net.addr().to_bits());
            // RFC 3021: both addresses of a /31 are hosts, and the other one is our peer.
            if net.prefix_len() < 31 {
                filter.insert(net.network().to_bits());
                filter.insert(net.broadcast().to_bits());
            }
        }
        filter
    }
}
