//! From the hops and neighbours that the control thread keeps to the next hops that workers read.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hashbrown::HashMap;
use pmd::PortId;

use super::{GatewayPath, Hop};
use crate::net::route::{
    Adjacency, AdjacencyState, LINK_HEADER_MAX, NextHop, NextHopKind, NextHops, UseMark,
};
use crate::net::{IfSlot, Ifnet};
use crate::wire::{ETHER_HDR_LEN, EtherType, MacAddr};

/// The port of an interface that has none.
const NO_PORT: PortId = PortId(u16::MAX);

/// The parts of a neighbour's table entry that its adjacency takes; without an entry, neither.
#[derive(Clone, Debug, Default)]
pub struct NeighborLink {
    /// Its MAC address, if it is known.
    pub mac: Option<MacAddr>,
    /// The mark of a neighbour that introduced itself.
    pub unasked: Option<UseMark>,
}

/// Adjacencies of packets of one family, as they are made.
#[derive(Debug)]
pub struct AdjacencyBuilder<'a> {
    /// The family's.
    ether_type: EtherType,
    /// By slot: a vnet may have thousands, and each is asked for several times.
    interfaces: HashMap<IfSlot, &'a Arc<Ifnet>>,
    adjacencies: Vec<Adjacency>,
    of_interface: HashMap<IfSlot, u32>,
}

impl<'a> AdjacencyBuilder<'a> {
    /// None so far, for packets of this EtherType that leave by these interfaces.
    #[must_use]
    pub fn new(ether_type: EtherType, interfaces: &'a [Arc<Ifnet>]) -> Self {
        Self {
            ether_type,
            interfaces: interfaces.iter().map(|ifp| (ifp.slot, ifp)).collect(),
            adjacencies: Vec::new(),
            of_interface: HashMap::new(),
        }
    }

    /// The next hop that workers read for `hop`. `link` looks a gateway up in the neighbour table of its family; none leaves the
    /// path out.
    pub fn next_hop(
        &mut self,
        hop: &Hop,
        link: impl Fn(&GatewayPath) -> Option<NeighborLink>,
    ) -> NextHop {
        let (kind, slot) = match hop {
            Hop::Blackhole => return NextHop::without_adjacency(NextHopKind::Blackhole),
            Hop::Reject => return NextHop::without_adjacency(NextHopKind::Reject),
            Hop::Gateway(paths) => return self.gateways(paths, link),
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
    fn gateways(
        &mut self,
        paths: &[GatewayPath],
        link: impl Fn(&GatewayPath) -> Option<NeighborLink>,
    ) -> NextHop {
        let first = self.place();
        for path in paths {
            let Some(link) = link(path) else { continue };
            // A gateway of a route is needed, whether or not a packet has come by yet.
            if let Some(unasked) = &link.unasked {
                unasked.store(true, Ordering::Relaxed);
            }
            let _at = self.neighbor(path.slot, path.gateway, link);
        }
        match u16::try_from(self.place() - first) {
            Ok(0) | Err(_) => NextHop::NONE,
            Ok(count) => NextHop { kind: NextHopKind::Gateway, count, first },
        }
    }

    /// Adds the adjacency of a neighbour; its place. None when the interface is gone.
    pub fn neighbor(&mut self, slot: IfSlot, addr: IpAddr, link: NeighborLink) -> Option<u32> {
        let ifp = self.find(slot)?;
        let NeighborLink { mac, unasked } = link;
        let state =
            if mac.is_some() { AdjacencyState::Resolved } else { AdjacencyState::Unresolved };
        let adjacency = self.adjacency(ifp, mac.unwrap_or(MacAddr::ZERO), state);
        Some(self.push(Adjacency {
            next_hop: Some(addr),
            unasked: unasked.filter(|mark| !mark.load(Ordering::Relaxed)),
            ..adjacency
        }))
    }

    /// Freezes the adjacencies with the next hops, by FIB index, that point into them.
    #[must_use]
    pub fn finish(self, next_hops: Vec<NextHop>) -> NextHops {
        NextHops::new(next_hops, self.adjacencies)
    }

    /// The place of the adjacency that stands for an interface.
    fn interface(&mut self, slot: IfSlot) -> Option<u32> {
        if let Some(at) = self.of_interface.get(&slot) {
            return Some(*at);
        }
        let ifp = self.find(slot)?;
        let adjacency = self.adjacency(ifp, MacAddr::BROADCAST, AdjacencyState::Interface);
        let at = self.push(adjacency);
        let _new = self.of_interface.insert(slot, at);
        Some(at)
    }

    fn adjacency(&self, ifp: &Arc<Ifnet>, dst: MacAddr, state: AdjacencyState) -> Adjacency {
        let (link, link_len) = link_header(dst, ifp.mac, ifp.vlan(), self.ether_type);
        Adjacency {
            link,
            link_len,
            // The fast path takes what is resolved; the other one drops what an interface that is down cannot send.
            state: if ifp.is_up() { state } else { AdjacencyState::Unresolved },
            port: ifp.port().unwrap_or(NO_PORT),
            mtu: u16::try_from(ifp.mtu()).unwrap_or(u16::MAX),
            slot: ifp.slot,
            next_hop: None,
            ifp: Arc::clone(ifp),
            unasked: None,
        }
    }

    fn find(&self, slot: IfSlot) -> Option<&'a Arc<Ifnet>> {
        self.interfaces.get(&slot).copied()
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
}

/// The link header of packets of one EtherType, and how many of its bytes count.
fn link_header(
    dst: MacAddr,
    src: MacAddr,
    vlan: Option<u16>,
    ether_type: EtherType,
) -> ([u8; LINK_HEADER_MAX], u8) {
    let mut link = [0; LINK_HEADER_MAX];
    link[..6].copy_from_slice(&dst.0);
    link[6..12].copy_from_slice(&src.0);
    let mut at = 12;
    if let Some(vlan) = vlan {
        link[12..14].copy_from_slice(&EtherType::VLAN.0.to_be_bytes());
        link[14..16].copy_from_slice(&vlan.to_be_bytes());
        at = 16;
    }
    link[at..at + 2].copy_from_slice(&ether_type.0.to_be_bytes());
    (link, if vlan.is_some() { LINK_HEADER_MAX as u8 } else { ETHER_HDR_LEN as u8 })
}
