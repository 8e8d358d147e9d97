//! The vnets: routers between two VLANs, all with the same addresses.

use std::net::Ipv4Addr;

use anyhow::Result;
use ipnet::Ipv4Net;
use pmd::PortId;
use stack::control::{InterfaceSpec, Stack};
use stack::net::IfSlot;
use stack::net::route::RouteTarget;
use vnet::{Value, VnetRef};
use wire::MacAddr;

use super::traffic::Flow;
use crate::forward::frames::{IN_MAC, OUT_MAC, gateway_mac};
use crate::random::Random;

/// Benchmarks' destinations (RFC 2544 C.2.2), of which a vnet may have two halves.
pub(super) const DESTINATIONS: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 15);
/// The two halves of the destinations, each with a way of its own.
pub(super) const HALVES: [Ipv4Net; 2] = [
    Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(198, 19, 0, 0), 16),
];
/// VLANs of a port.
const VLANS: usize = 4094;

/// The flow of tenant `n`: in through one port and out through another, both with the VLAN of its number. 4094 tenants share
/// a pair of ports.
pub(super) fn flow(n: usize) -> Flow {
    let pair = (n / VLANS) as u16;
    let vlan = 1 + (n % VLANS) as u16;
    Flow {
        into: PortId(2 * pair),
        out: PortId(2 * pair + 1),
        vlan: Some(vlan),
        feed: 0,
        gateways: 0..1,
        may_drop: false,
    }
}

/// Ports that so many tenants need.
pub(super) fn ports(tenants: usize) -> u16 {
    2 * tenants.div_ceil(VLANS) as u16
}

/// Gateway `n` of link `link`.
pub(super) fn gateway(link: u8, n: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 17 + link, 0, 2 + n)
}

/// Random destinations of a prefix, repeatable.
pub(super) fn destinations(prefix: Ipv4Net) -> Vec<u32> {
    let mut random = Random::new(0x6c69_6665);
    let (network, hosts) = (u32::from(prefix.network()), u32::from(prefix.hostmask()));
    (0..1024).map(|_| network | (random.next() as u32 & hosts)).collect()
}

/// A vnet that forwards.
pub(super) fn vnet(stack: &mut Stack, name: &str) -> Result<VnetRef> {
    let vnet = stack.create_vnet(name)?;
    stack.set_sysctl(&vnet, "net.inet.ip.forwarding", Value::Int(1))?;
    Ok(vnet)
}

/// An interface through which frames come in, with an address of link `link`.
pub(super) fn inside(
    stack: &mut Stack,
    vnet: &VnetRef,
    name: &str,
    (port, vlan): (PortId, Option<u16>),
    link: u8,
) -> Result<IfSlot> {
    let network = Ipv4Net::new(Ipv4Addr::new(172, 30 + link, 0, 1), 16)?;
    interface(stack, vnet, name, (port, vlan), IN_MAC, network)
}

/// An interface through which frames leave, with so many gateways on its link.
pub(super) fn outside(
    stack: &mut Stack,
    vnet: &VnetRef,
    name: &str,
    (port, vlan): (PortId, Option<u16>),
    link: u8,
    gateways: u8,
) -> Result<IfSlot> {
    let network = Ipv4Net::new(Ipv4Addr::new(172, 17 + link, 0, 1), 16)?;
    let slot = interface(stack, vnet, name, (port, vlan), OUT_MAC, network)?;
    for n in 0..gateways {
        stack.add_neighbor(vnet, slot, gateway(link, n), MacAddr(gateway_mac(usize::from(n))))?;
    }
    Ok(slot)
}

fn interface(
    stack: &mut Stack,
    vnet: &VnetRef,
    name: &str,
    (port, vlan): (PortId, Option<u16>),
    mac: [u8; 6],
    address: Ipv4Net,
) -> Result<IfSlot> {
    let slot = bare(stack, vnet, name, (port, vlan), mac)?;
    stack.add_address(slot, address)?;
    Ok(slot)
}

/// An interface without an address.
pub(super) fn bare(
    stack: &mut Stack,
    vnet: &VnetRef,
    name: &str,
    (port, vlan): (PortId, Option<u16>),
    mac: [u8; 6],
) -> Result<IfSlot> {
    let spec = InterfaceSpec { name: name.to_owned(), port, vlan, mac: MacAddr(mac), mtu: 1500 };
    Ok(stack.create_interface(vnet, spec)?)
}

/// A vnet with two interfaces and a route to all destinations.
pub(super) fn router(stack: &mut Stack, name: &str, flow: &Flow) -> Result<VnetRef> {
    let vnet = vnet(stack, name)?;
    furnish(stack, &vnet, flow)?;
    Ok(vnet)
}

/// Gives a vnet two interfaces and a route to all destinations.
pub(super) fn furnish(stack: &mut Stack, vnet: &VnetRef, flow: &Flow) -> Result<()> {
    let _em0 = inside(stack, vnet, "em0", (flow.into, flow.vlan), 0)?;
    let _em1 = outside(stack, vnet, "em1", (flow.out, flow.vlan), 0, 1)?;
    stack.add_routes(vnet, [(DESTINATIONS, RouteTarget::via([gateway(0, 0)]))])?;
    Ok(())
}
