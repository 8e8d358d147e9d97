//! From the control thread's tables to what workers read.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hashbrown::HashMap;
use ipnet::Ipv4Net;
use pmd::PortId;

use super::{Address, InetControl};
use crate::inet::{
    AddressFilter, Adjacency, AdjacencyState, Forwarding, ForwardingParts, Inet, LINK_HEADER_MAX,
    NextHop, NextHopKind,
};
use crate::net::neighbor::{NeighborKey, NeighborState};
use crate::net::route::{GatewayPath, Hop};
use crate::net::{Family, IfKind, IfSlot, Ifnet};
use crate::wire::{ETHER_HDR_LEN, EtherType, MacAddr};

/// The port of an interface that has none.
const NO_PORT: PortId = PortId(u16::MAX);

impl InetControl {
    /// What workers shall read from now on.
    #[must_use]
    pub(crate) fn forwarding(&self) -> Forwarding {
        let mut builder = Builder {
            control: self,
            interfaces: self.interfaces.iter().map(|ifp| (ifp.slot, ifp)).collect(),
            adjacencies: Vec::new(),
            of_interface: HashMap::new(),
        };
        let next_hops = self
            .routes
            .hops()
            .iter()
            .map(|hop| hop.map_or(NextHop::NONE, |hop| builder.next_hop(hop)))
            .collect();
        let neighbors = self
            .arp
            .neighbors
            .iter()
            .filter_map(|(key, _)| Some(((key.slot, key.addr.to_bits()), builder.neighbor(key)?)))
            .collect();
        let loopback =
            self.interfaces.iter().find(|ifp| ifp.kind == IfKind::Loopback).map(|ifp| ifp.slot);
        Forwarding::new(ForwardingParts {
            fib: Arc::clone(self.routes.fib().fib()),
            next_hops,
            adjacencies: builder.adjacencies,
            neighbors,
            flow_key: self.flow_key,
            loopback,
            not_sources: self.not_sources(),
        })
    }
}

impl InetControl {
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

struct Builder<'a> {
    control: &'a InetControl,
    /// By slot: a vnet may have thousands, and each is asked for several times.
    interfaces: HashMap<IfSlot, &'a Arc<Ifnet>>,
    adjacencies: Vec<Adjacency>,
    of_interface: HashMap<IfSlot, u32>,
}

impl<'a> Builder<'a> {
    fn next_hop(&mut self, hop: &Hop) -> NextHop {
        let (kind, slot) = match hop {
            Hop::Blackhole => return NextHop { kind: NextHopKind::Blackhole, count: 0, first: 0 },
            Hop::Reject => return NextHop { kind: NextHopKind::Reject, count: 0, first: 0 },
            Hop::Gateway(paths) => return self.gateways(paths),
            Hop::Local(slot) => (NextHopKind::Local, *slot),
            Hop::Broadcast(slot) => (NextHopKind::Broadcast, *slot),
            Hop::Connected(slot) => (NextHopKind::Connected, *slot),
        };
        match self.interface(slot) {
            Some(first) => NextHop { kind, count: 1, first },
            None => NextHop::NONE,
        }
    }

    /// The paths' adjacencies, side by side.
    fn gateways(&mut self, paths: &[GatewayPath]) -> NextHop {
        let first = self.place();
        for path in paths {
            // `hop_for` finds paths to gateways of this family only.
            let IpAddr::V4(addr) = path.gateway else { continue };
            let key = NeighborKey { slot: path.slot, addr };
            // A gateway of a route is needed, whether or not a packet has come by yet.
            if let Some(unasked) = self.control.arp.neighbors.use_mark(key) {
                unasked.store(true, Ordering::Relaxed);
            }
            let _at = self.neighbor(key);
        }
        match u16::try_from(self.place() - first) {
            Ok(0) | Err(_) => NextHop::NONE,
            Ok(count) => NextHop { kind: NextHopKind::Gateway, count, first },
        }
    }

    fn place(&self) -> u32 {
        // Bounded by 65,535 hops of at most 64 paths, and by the neighbour limit.
        u32::try_from(self.adjacencies.len()).unwrap_or(u32::MAX)
    }

    fn push(&mut self, adjacency: Adjacency) -> u32 {
        let at = self.place();
        self.adjacencies.push(adjacency);
        at
    }

    fn find(&self, slot: IfSlot) -> Option<&'a Arc<Ifnet>> {
        self.interfaces.get(&slot).copied()
    }

    fn interface(&mut self, slot: IfSlot) -> Option<u32> {
        if let Some(at) = self.of_interface.get(&slot) {
            return Some(*at);
        }
        let ifp = self.find(slot)?;
        let adjacency = adjacency(
            ifp,
            MacAddr::BROADCAST,
            AdjacencyState::Interface,
            Ipv4Addr::UNSPECIFIED,
            None,
        );
        let at = self.push(adjacency);
        let _new = self.of_interface.insert(slot, at);
        Some(at)
    }

    fn neighbor(&mut self, key: NeighborKey<Ipv4Addr>) -> Option<u32> {
        let ifp = self.find(key.slot)?;
        let mac = self.control.arp.neighbors.get(key).and_then(NeighborState::mac);
        let state =
            if mac.is_some() { AdjacencyState::Resolved } else { AdjacencyState::Unresolved };
        let network = self.control.network_of(key.slot, key.addr);
        let adjacency = adjacency(ifp, mac.unwrap_or(MacAddr::ZERO), state, key.addr, network);
        let mark = self.control.arp.neighbors.use_mark(key);
        let unasked = mark.filter(|mark| !mark.load(Ordering::Relaxed)).cloned();
        Some(self.push(Adjacency { unasked, ..adjacency }))
    }
}

fn adjacency(
    ifp: &Arc<Ifnet>,
    dst: MacAddr,
    state: AdjacencyState,
    next_hop: Ipv4Addr,
    network: Option<Ipv4Net>,
) -> Adjacency {
    let port = ifp.port().unwrap_or(NO_PORT);
    let vlan = ifp.vlan();
    let (link, link_len) = link_header(dst, ifp.mac, vlan);
    // The fast path takes what is resolved; the other one drops what an interface that is down cannot send.
    let state = if ifp.is_up() { state } else { AdjacencyState::Unresolved };
    Adjacency {
        link,
        link_len,
        state,
        port,
        mtu: u16::try_from(ifp.mtu()).unwrap_or(u16::MAX),
        slot: ifp.slot,
        next_hop: next_hop.to_bits(),
        // A network that holds nothing: no source is on it.
        network: network.map_or(u32::MAX, |net| net.network().to_bits()),
        netmask: network.map_or(0, |net| net.netmask().to_bits()),
        ifp: Arc::clone(ifp),
        unasked: None,
    }
}

/// The link header of IPv4 packets, and how many of its bytes count.
fn link_header(dst: MacAddr, src: MacAddr, vlan: Option<u16>) -> ([u8; LINK_HEADER_MAX], u8) {
    let mut link = [0; LINK_HEADER_MAX];
    link[..6].copy_from_slice(&dst.0);
    link[6..12].copy_from_slice(&src.0);
    let mut at = 12;
    if let Some(vlan) = vlan {
        link[12..14].copy_from_slice(&EtherType::VLAN.0.to_be_bytes());
        link[14..16].copy_from_slice(&vlan.to_be_bytes());
        at = 16;
    }
    link[at..at + 2].copy_from_slice(&Inet::ETHER_TYPE.0.to_be_bytes());
    (link, if vlan.is_some() { LINK_HEADER_MAX as u8 } else { ETHER_HDR_LEN as u8 })
}
