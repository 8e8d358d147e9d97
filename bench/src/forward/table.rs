//! The routes of a scenario's vnets, the destinations of its packets, and which next hop is right for each: decided by
//! plain search, without the stack.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use stack::net::route::RouteTarget;

use super::frames::gateway_mac;
use super::scenario::{Routes, Scenario};
use crate::random::Random;

/// Destinations: 198.18.0.0/15 is for benchmarks (RFC 2544 C.2.2); a million host routes need more.
const BENCHMARKS: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 15);
const MANY: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(20, 0, 0, 0), 8);
/// Destinations of a scenario with few routes.
const DESTINATIONS: usize = 1024;
/// Where the gateways are.
const GATEWAYS: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 0);
/// The first of the hosts that send to them, in the same network.
pub(super) const SENDERS: Ipv4Addr = Ipv4Addr::new(172, 17, 64, 0);

/// Prefix lengths of the Internet's IPv4 table and how many of 1000 prefixes have them, after the reports of bgp.potaroo.net
/// (about a million routes): six in ten are /24, and hardly any is shorter than /12.
const LENGTHS: [(u8, u64); 13] = [
    (24, 605),
    (23, 105),
    (22, 115),
    (21, 52),
    (20, 44),
    (19, 25),
    (18, 14),
    (17, 9),
    (16, 13),
    (15, 6),
    (14, 5),
    (13, 4),
    (12, 3),
];

/// A network's address and the length of its prefix.
pub(crate) type Prefix = (u32, u8);

/// The routes that the vnets of a scenario have in common.
#[derive(Clone, Debug)]
pub(super) struct Table {
    shape: Routes,
    next_hops: usize,
    /// Where packets go, in this order, again and again.
    pub(super) destinations: Vec<u32>,
    /// Those of a table like the Internet's, in no order.
    prefixes: HashSet<Prefix>,
}

impl Table {
    /// The table of `scenario`, the same in every run.
    pub(super) fn new(scenario: &Scenario) -> Self {
        let mut random = Random::new(0x6669_6221);
        let (shape, next_hops) = (scenario.routes, scenario.next_hops);
        let mut prefixes = HashSet::new();
        let destinations = match shape {
            Routes::Prefix | Routes::Multipath | Routes::Slash24(_) => {
                hosts(BENCHMARKS, DESTINATIONS, &mut random)
            }
            Routes::Hosts(count) => {
                let net = if count <= 100_000 { BENCHMARKS } else { MANY };
                hosts(net, count.max(DESTINATIONS), &mut random)
            }
            Routes::OnLink => {
                let mut hosts: Vec<u32> = (0..next_hops).map(|n| gateway(n).into()).collect();
                random.shuffle(&mut hosts);
                hosts
            }
            Routes::Internet(count) => {
                let in_order;
                (in_order, prefixes) = internet(count, &mut random);
                in_order.iter().map(|prefix| host_of(*prefix, &mut random)).collect()
            }
        };
        Self { shape, next_hops, destinations, prefixes }
    }

    /// The routes to add to each vnet.
    pub(super) fn routes(&self) -> Vec<(Ipv4Net, RouteTarget)> {
        let net = |addr: u32, len| Ipv4Net::new_assert(addr.into(), len);
        let via = |n: usize| RouteTarget::via([gateway(n)]);
        match self.shape {
            Routes::Prefix => vec![(BENCHMARKS, via(0))],
            Routes::Multipath => {
                vec![(BENCHMARKS, RouteTarget::via((0..self.next_hops).map(gateway)))]
            }
            Routes::OnLink => vec![],
            Routes::Hosts(_) => self
                .destinations
                .iter()
                .map(|dst| (net(*dst, 32), via(self.spread(*dst))))
                .collect(),
            Routes::Slash24(count) => {
                let nets = BENCHMARKS.subnets(24).into_iter().flatten().take(count);
                nets.map(|net| (net, via(self.spread(u32::from(net.network()) >> 8)))).collect()
            }
            Routes::Internet(_) => {
                let hop =
                    |&(addr, len): &Prefix| (net(addr, len), via(self.spread_prefix(addr, len)));
                self.prefixes.iter().map(hop).collect()
            }
        }
    }

    /// Whether packets to `dst` may leave to the next hop with this MAC address.
    pub(super) fn leads_to(&self, dst: u32, mac: [u8; 6]) -> bool {
        match self.shape {
            Routes::Prefix => mac == gateway_mac(0),
            Routes::Multipath => (0..self.next_hops).any(|n| mac == gateway_mac(n)),
            Routes::OnLink => mac == gateway_mac(dst.wrapping_sub(gateway(0).into()) as usize),
            Routes::Hosts(_) => mac == gateway_mac(self.spread(dst)),
            Routes::Slash24(_) => mac == gateway_mac(self.spread(dst >> 8)),
            Routes::Internet(_) => self
                .longest_match(dst)
                .is_some_and(|(addr, len)| mac == gateway_mac(self.spread_prefix(addr, len))),
        }
    }

    /// The next hop of a host or a network: by its address, so that neighbours in a burst differ.
    fn spread(&self, addr: u32) -> usize {
        addr as usize % self.next_hops
    }

    fn spread_prefix(&self, addr: u32, len: u8) -> usize {
        Random::new(u64::from(addr) << 8 | u64::from(len)).place(self.next_hops)
    }

    fn longest_match(&self, dst: u32) -> Option<Prefix> {
        let masked = |&(len, _): &(u8, u64)| (dst & !(u32::MAX >> len), len);
        LENGTHS.iter().map(masked).find(|prefix| self.prefixes.contains(prefix))
    }
}

/// Gateway `n`, an address of the network behind the interface that sends.
pub(super) fn gateway(n: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(GATEWAYS) + 2 + n as u32)
}

/// Distinct addresses of `net` at random.
fn hosts(net: Ipv4Net, count: usize, random: &mut Random) -> Vec<u32> {
    let mask = u32::from(net.hostmask());
    let mut seen = vec![false; mask as usize + 1];
    let mut found = Vec::with_capacity(count);
    while found.len() < count {
        let host = random.next() as u32 & mask;
        if !std::mem::replace(&mut seen[host as usize], true) {
            found.push(u32::from(net.network()) | host);
        }
    }
    found
}

/// An address of a network at random.
pub(crate) fn host_of((addr, len): Prefix, random: &mut Random) -> u32 {
    addr | (random.next() as u32 & u32::MAX.checked_shr(len.into()).unwrap_or(0))
}

/// Distinct prefixes with the lengths of the Internet's, in the order in which they were drawn, and as a set. They are in 1/8 to
/// 126/8, away from the bench's own networks.
pub(crate) fn internet(count: usize, random: &mut Random) -> (Vec<Prefix>, HashSet<Prefix>) {
    let total = LENGTHS.iter().map(|(_, share)| share).sum();
    let mut set = HashSet::with_capacity(count);
    let mut found = Vec::with_capacity(count);
    while found.len() < count {
        let mut draw = random.below(total);
        let len = LENGTHS.iter().find(|(_, share)| {
            let here = draw < *share;
            draw = draw.wrapping_sub(*share);
            here
        });
        let Some((len, _)) = len else { continue };
        let addr = (1 + random.below(126) as u32) << 24 | random.next() as u32 >> 8;
        let prefix = (addr & !(u32::MAX >> len), *len);
        if set.insert(prefix) {
            found.push(prefix);
        }
    }
    (found, set)
}
