//! The vnets that a scenario forwards through: all alike, with the same addresses.

use std::alloc::System;
use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use ipnet::Ipv4Net;
use pmd::hugepage::Heap;
use pmd::{Eal, MbufPool, PortId, SocketId};
use stack::control::{InterfaceSpec, Stack};
use stack::inet::control::RouteTarget;
use stack::net::IfSlot;
use stack::worker::WorkerQueues;
use vnet::{Domain, Value, VnetRef, Vnets};
use wire::MacAddr;

use super::frames::{IN_MAC, OUT_MAC, gateway_mac};
use super::scenario::Scenario;
use crate::random::Random;

/// Destinations: 198.18.0.0/15 is for benchmarks (RFC 2544 C.2.2); a million host routes need more.
const BENCHMARKS: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 15);
const MANY: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(20, 0, 0, 0), 8);
/// Destinations of a scenario with one prefix.
const DESTINATIONS: usize = 1024;
/// Where the gateways are.
const GATEWAYS: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 0);

/// Where an interface is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) port: PortId,
    pub(super) vlan: Option<u16>,
}

/// The stack of one scenario.
#[derive(Debug)]
pub(super) struct World {
    pub(super) stack: Stack,
    pub(super) domain: Domain,
    pub(super) queues: WorkerQueues,
    /// What the vnets have routes to.
    pub(super) destinations: Vec<u32>,
}

impl World {
    /// Makes the vnets of `scenario`; `places` gives each its ports in and out.
    pub(super) fn new(
        scenario: &Scenario,
        eal: &Eal,
        pool: &MbufPool,
        places: impl Fn(usize) -> (Place, Place),
    ) -> Result<Self> {
        let domain = Domain::new(1);
        let control = domain.control().context("the control thread's place")?;
        let queues = WorkerQueues::default();
        // As the program does: containers on hugepages, for as long as the process lives.
        let vnets = if eal.hugepages_in_use() {
            let heap: &'static Heap = Box::leak(Box::new(Heap::new(eal, SocketId::ANY)));
            Vnets::new(Stack::modules()?, &control, heap)
        } else {
            Vnets::new(Stack::modules()?, &control, &System)
        };
        let stack = Stack::new(vnets, control, vec![queues.clone()], pool.clone());
        let mut world = Self { stack, domain, queues, destinations: destinations(scenario) };
        for n in 0..scenario.vnets {
            let (inside, outside) = places(n);
            world.tenant(&format!("t{n}"), scenario, inside, outside)?;
        }
        Ok(world)
    }

    fn tenant(
        &mut self,
        name: &str,
        scenario: &Scenario,
        inside: Place,
        outside: Place,
    ) -> Result<()> {
        let stack = &mut self.stack;
        let vnet = stack.create_vnet(name)?;
        stack.set_sysctl(&vnet, "net.inet.ip.forwarding", Value::Int(1))?;
        let em0 = interface(stack, &vnet, "em0", inside, IN_MAC)?;
        stack.add_address(em0, Ipv4Net::new(Ipv4Addr::new(172, 16, 0, 1), 16)?)?;
        let out = if outside.port == inside.port {
            // Out where they came in, which is nobody's fault here.
            stack.set_sysctl(&vnet, "net.inet.ip.redirect", Value::Int(0))?;
            em0
        } else {
            interface(stack, &vnet, "em1", outside, OUT_MAC)?
        };
        stack.add_address(out, Ipv4Net::new(Ipv4Addr::new(172, 17, 0, 1), 16)?)?;
        for n in 0..scenario.next_hops {
            stack.add_neighbor(&vnet, out, gateway(n), MacAddr(gateway_mac(n)))?;
        }
        let routes = if scenario.routes == 1 {
            vec![(BENCHMARKS, RouteTarget::Via(vec![gateway(0)]))]
        } else {
            let host = |dst: &u32| {
                let target = RouteTarget::Via(vec![gateway(gateway_of(scenario, *dst))]);
                Ipv4Net::new(Ipv4Addr::from(*dst), 32).map(|net| (net, target))
            };
            self.destinations.iter().map(host).collect::<Result<Vec<_>, _>>()?
        };
        stack.add_routes(&vnet, routes)?;
        Ok(())
    }
}

fn interface(
    stack: &mut Stack,
    vnet: &VnetRef,
    name: &str,
    place: Place,
    mac: [u8; 6],
) -> Result<IfSlot> {
    let Place { port, vlan } = place;
    let spec = InterfaceSpec { name: name.to_owned(), port, vlan, mac: MacAddr(mac), mtu: 1500 };
    Ok(stack.create_interface(vnet, spec)?)
}

/// Gateway `n`, an address of the interface em1.
fn gateway(n: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(GATEWAYS) + 2 + n as u32)
}

/// Which gateway a destination has: by itself, so that neighbours in a burst differ.
pub(super) fn gateway_of(scenario: &Scenario, dst: u32) -> usize {
    dst as usize % scenario.next_hops
}

/// Distinct addresses at random, repeatable.
pub(super) fn destinations(scenario: &Scenario) -> Vec<u32> {
    let count = scenario.routes.max(DESTINATIONS);
    let net = if count <= 100_000 { BENCHMARKS } else { MANY };
    let mut random = Random::new(0x6669_6221);
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
