//! The vnets that a scenario forwards through: all alike, with the same addresses.

use std::alloc::System;
use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use ipnet::Ipv4Net;
use pmd::hugepage::Heap;
use pmd::{Eal, MbufPool, PortId, SocketId};
use stack::control::{InterfaceSpec, Stack};
use stack::net::IfSlot;
use stack::worker::{WorkerQueues, control_queues};
use vnet::{Domain, Value, VnetRef, Vnets};
use wire::MacAddr;

use super::frames::{IN_MAC, OUT_MAC, SENDER_MAC, SENDERS, gateway_mac};
use super::scenario::Scenario;
use super::table::{self, Table};

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
    /// The worker takes them.
    pub(super) queues: Option<WorkerQueues>,
}

impl World {
    /// Makes the vnets of `scenario`; `places` gives each its ports in and out.
    pub(super) fn new(
        scenario: &Scenario,
        table: &Table,
        eal: &Eal,
        pool: &MbufPool,
        places: impl Fn(usize) -> (Place, Place),
    ) -> Result<Self> {
        let domain = Domain::new(1);
        let control = domain.control().context("the control thread's place")?;
        let (queues, control_ends) = control_queues();
        // As the program does: containers on hugepages, for as long as the process lives.
        let vnets = if eal.hugepages_in_use() {
            let heap: &'static Heap = Box::leak(Box::new(Heap::new(eal, SocketId::ANY)));
            Vnets::new(Stack::modules()?, &control, heap)
        } else {
            Vnets::new(Stack::modules()?, &control, &System)
        };
        let stack = Stack::new(vnets, control, vec![control_ends], pool.clone());
        let mut world = Self { stack, domain, queues: Some(queues) };
        for n in 0..scenario.vnets {
            world.tenant(&format!("t{n}"), scenario, table, places(n))?;
        }
        Ok(world)
    }

    fn tenant(
        &mut self,
        name: &str,
        scenario: &Scenario,
        table: &Table,
        (inside, outside): (Place, Place),
    ) -> Result<()> {
        let stack = &mut self.stack;
        let vnet = stack.create_vnet(name)?;
        stack.set_sysctl(&vnet, "net.inet.ip.forwarding", Value::Int(1))?;
        let em0 = interface(stack, &vnet, "em0", inside, IN_MAC)?;
        stack.add_address(em0, Ipv4Net::new(Ipv4Addr::new(172, 16, 0, 1), 16)?)?;
        let out = if scenario.hairpin {
            let redirects = i32::from(scenario.redirects);
            stack.set_sysctl(&vnet, "net.inet.ip.redirect", Value::Int(redirects))?;
            em0
        } else {
            interface(stack, &vnet, "em1", outside, OUT_MAC)?
        };
        stack.add_address(out, Ipv4Net::new(Ipv4Addr::new(172, 17, 0, 1), 16)?)?;
        for n in 0..scenario.next_hops {
            stack.add_neighbor(&vnet, out, table::gateway(n), MacAddr(gateway_mac(n)))?;
        }
        if scenario.senders_on_link {
            let first = u32::from(table::SENDERS);
            for sender in first..first + SENDERS {
                stack.add_neighbor(&vnet, out, sender.into(), MacAddr(SENDER_MAC))?;
            }
        }
        stack.add_routes(&vnet, table.routes())?;
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
