//! How much a vnet may occupy, and how much it does: checked before it grows, and refused by name.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use vnet::VnetRef;
use vnet::sysctl::{SysctlError, Value};

use super::Stack;
use crate::drops::DropReason;
use crate::inet::control::{ArpLimits, HeldPacket, InetControl, arp_limits};
use crate::inet::{LinkNetwork, vnet_inet};
use crate::net::neighbor::NeighborKey;
use crate::net::route::{Adjacency, GatewayPath, Hop, RouteChange};
use crate::net::{CpuUse, IfBlock, Ifnet, Limit, LimitReached, held_limit, mbuf_limit, vnet_net};

/// Bytes of one more route: about 40 in the RIB, and what the FIB takes of it, which depends on its neighbours there.
const ROUTE_BYTES: usize = 64;
/// Bytes of a hop, in two tables, and of each path of it, with its adjacency.
const HOP_BYTES: usize = 2 * size_of::<Hop>() + 32;
const PATH_BYTES: usize = 2 * size_of::<GatewayPath>() + ADJACENCY_BYTES;
/// Bytes of an adjacency, and of the network that it is on.
const ADJACENCY_BYTES: usize = size_of::<Adjacency>() + size_of::<LinkNetwork>();
/// Bytes of a neighbour: its entry, its adjacency, its places in three indices.
const NEIGHBOR_BYTES: usize =
    160 + size_of::<HeldPacket>() + ADJACENCY_BYTES + 3 * size_of::<NeighborKey<Ipv4Addr>>();
/// Bytes of an interface, and of each thread's counters of it.
const INTERFACE_BYTES: usize = size_of::<Ifnet>() + 64;
const COUNTER_BYTES: usize = size_of::<crossbeam::utils::CachePadded<IfBlock>>();

/// How much of one of its limits a vnet uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitUse {
    /// Which.
    pub limit: Limit,
    /// How many there are.
    pub used: u64,
    /// How many there may be.
    pub most: u64,
    /// Requests and packets that were refused because of it.
    pub refused: u64,
}

impl Stack {
    /// Whether `vnet` may have one more interface.
    pub(super) fn check_interface(&self, vnet: &VnetRef) -> Result<(), LimitReached> {
        let most = u64::from(vnet_net::init(vnet).maxinterfaces().get().unsigned_abs());
        let (interfaces, _) = self.sizes_of(vnet);
        if interfaces as u64 >= most {
            return Err(self.refuse(vnet, LimitReached { limit: Limit::Interfaces, most }));
        }
        self.check_memory(vnet, self.interface_bytes())
    }

    /// Whether `vnet` may have the routes that `changes` add, all of them or none. To add nothing is allowed in any case: a
    /// limit may be below what there is.
    pub(super) fn check_routes(
        &self,
        vnet: &VnetRef,
        changes: &[RouteChange<Ipv4Net>],
    ) -> Result<(), LimitReached> {
        if changes.is_empty() {
            return Ok(());
        }
        let most = u64::from(vnet_net::init(vnet).maxroutes().get().unsigned_abs());
        let (routes, bytes) = self
            .with_inet(vnet, |inet| (inet.rib().len() + changes.len(), growth(inet, changes)))
            .unwrap_or_default();
        if routes as u64 > most {
            return Err(self.refuse(vnet, LimitReached { limit: Limit::Routes, most }));
        }
        self.check_memory(vnet, bytes)
    }

    /// Whether the sysctl of a limit may get this value: not one below what the vnet was given, or the running configuration
    /// would be one that no start accepts. Neighbours that it found do not count: they are not part of it.
    pub(super) fn check_new_limit(
        &self,
        vnet: &VnetRef,
        sysctl: &str,
        most: &Value,
    ) -> Result<(), SysctlError> {
        let limit = Limit::ALL.iter().find(|limit| limit.sysctl() == sysctl);
        let (Some(limit), Some(most)) = (limit, most.as_number()) else { return Ok(()) };
        let given = match limit {
            Limit::HeldPackets | Limit::Mbufs | Limit::Pcpu => return Ok(()),
            Limit::Neighbors => self
                .with_inet(vnet, |inet| {
                    inet.arp.neighbors.iter().filter(|(_, state)| state.is_static()).count()
                })
                .unwrap_or_default() as u64,
            Limit::Interfaces | Limit::Routes | Limit::Memory => {
                let all = self.limits_of(vnet);
                all.iter().find(|usage| usage.limit == *limit).map_or(0, |usage| usage.used)
            }
        };
        if i128::from(given) > most {
            let what = limit.what();
            let cause = format!(
                "the vnet has {given} {what}: delete some first, or give a number from {given}"
            );
            return Err(SysctlError::Refused { name: limit.sysctl(), cause });
        }
        Ok(())
    }

    fn check_memory(&self, vnet: &VnetRef, more: usize) -> Result<(), LimitReached> {
        let most = memory_limit(vnet);
        let used = self.with_inet(vnet, |inet| self.memory(vnet, inet)).unwrap_or(0);
        if used + more as u64 > most {
            return Err(self.refuse(vnet, LimitReached { limit: Limit::Memory, most }));
        }
        Ok(())
    }

    /// ARP's limits: the table's own, and as many neighbours as there is memory for.
    pub(super) fn arp_limits(&self, vnet: &VnetRef, inet: &InetControl) -> ArpLimits {
        let limits = arp_limits(vnet_inet::init(vnet));
        let free = memory_limit(vnet).saturating_sub(self.memory(vnet, inet));
        let room = usize::try_from(free).unwrap_or(usize::MAX) / NEIGHBOR_BYTES;
        ArpLimits {
            max_neighbors: limits.max_neighbors.min(inet.arp.neighbors.len() + room),
            ..limits
        }
    }

    /// Why there is no room for one more neighbour.
    pub(super) fn neighbors_full(&self, vnet: &VnetRef) -> LimitReached {
        let most = neighbor_limit(vnet);
        let count = self.with_inet(vnet, |inet| inet.arp.neighbors.len() as u64).unwrap_or(0);
        let reached = if count < most {
            LimitReached { limit: Limit::Memory, most: memory_limit(vnet) }
        } else {
            LimitReached { limit: Limit::Neighbors, most }
        };
        self.refuse(vnet, reached)
    }

    /// Counts a refusal.
    pub(super) fn refuse(&self, vnet: &VnetRef, reached: LimitReached) -> LimitReached {
        vnet_net::init(vnet).refusals().with(&self.control, |refusals| {
            if let Some(refusals) = refusals {
                refusals.add(reached.limit);
            }
        });
        reached
    }

    fn interface_bytes(&self) -> usize {
        INTERFACE_BYTES + self.control.slots() * COUNTER_BYTES
    }

    /// Bytes of a vnet's variables, interfaces, routes and neighbours.
    fn memory(&self, vnet: &VnetRef, inet: &InetControl) -> u64 {
        let (rib, fib) = inet.route_bytes();
        let bytes = vnet.container_bytes()
            + inet.interfaces.len() * self.interface_bytes()
            + rib
            + fib
            + inet.routes.hops().len() * HOP_BYTES
            + inet.routes.hops().paths() * PATH_BYTES
            + inet.arp.neighbors.len() * NEIGHBOR_BYTES;
        bytes as u64
    }

    /// What a vnet may occupy, and what it does.
    #[must_use]
    pub fn limits_of(&self, vnet: &VnetRef) -> Vec<LimitUse> {
        let (net, reader) = (vnet_net::init(vnet), self.control.reader());
        let refusals = net
            .refusals()
            .with(&self.control, |refusals| refusals.as_deref().cloned().unwrap_or_default());
        let (interfaces, routes) = self.sizes_of(vnet);
        let (neighbors, held, memory) = self
            .with_inet(vnet, |inet| {
                (inet.arp.neighbors.len(), inet.arp.neighbors.held(), self.memory(vnet, inet))
            })
            .unwrap_or_default();
        let dropped = |reason| net.drops().iter(reader).map(|drops| drops.get(reason)).sum::<u64>();
        let of = |limit: Limit| {
            let (used, most, packets) = match limit {
                Limit::Interfaces => {
                    (interfaces as u64, u64::from(net.maxinterfaces().get().unsigned_abs()), 0)
                }
                Limit::Routes => {
                    (routes as u64, u64::from(net.maxroutes().get().unsigned_abs()), 0)
                }
                Limit::Neighbors => {
                    (neighbors as u64, neighbor_limit(vnet), dropped(DropReason::ArpTableFull))
                }
                Limit::HeldPackets => {
                    (held as u64, u64::from(held_limit(net)), dropped(DropReason::PuntLimit))
                }
                Limit::Memory => (memory, memory_limit(vnet), 0),
                Limit::Mbufs => {
                    let used = u64::from(net.in_flight().get());
                    (used, u64::from(mbuf_limit(net)), dropped(DropReason::MbufLimit))
                }
                Limit::Pcpu => {
                    let used = net.cpu_use().iter(reader).map(CpuUse::get).max().unwrap_or(0);
                    let most = net.maxpcpu().get().unsigned_abs();
                    (u64::from(used), u64::from(most), dropped(DropReason::CpuShare))
                }
            };
            LimitUse { limit, used, most, refused: refusals.get(limit) + packets }
        };
        Limit::ALL.iter().map(|limit| of(*limit)).collect()
    }

    /// Brings the sysctls up to date that show what a vnet occupies.
    pub(super) fn refresh_usage(&self, vnet: &VnetRef) {
        let net = vnet_net::init(vnet);
        for LimitUse { limit, used, .. } in self.limits_of(vnet) {
            let shown = match limit {
                Limit::Interfaces => net.used_interfaces(),
                Limit::Routes => net.used_routes(),
                Limit::Neighbors => net.used_neighbors(),
                Limit::HeldPackets => net.used_held(),
                Limit::Memory => net.used_memory(),
                Limit::Mbufs => net.used_mbufs(),
                Limit::Pcpu => net.used_pcpu(),
            };
            shown.set(i64::try_from(used).unwrap_or(i64::MAX));
        }
    }
}

fn memory_limit(vnet: &VnetRef) -> u64 {
    vnet_net::init(vnet).maxmemory().get().unsigned_abs()
}

fn neighbor_limit(vnet: &VnetRef) -> u64 {
    u64::from(vnet_inet::init(vnet).arp_maxneighbors().get().unsigned_abs())
}

/// Bytes that the routes and the new hops of a batch take; routes beside each other often have the same hop.
fn growth(inet: &InetControl, changes: &[RouteChange<Ipv4Net>]) -> usize {
    let mut bytes = 0;
    let mut last = None;
    for change in changes {
        let RouteChange::Add { hop, .. } = change else { continue };
        bytes += ROUTE_BYTES;
        if last != Some(hop) && !inet.routes.hops().contains(hop) {
            bytes += HOP_BYTES + hop.paths() * PATH_BYTES;
        }
        last = Some(hop);
    }
    bytes
}
