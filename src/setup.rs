//! From a checked configuration to a stack: vnets, sysctls, interfaces, addresses, neighbours, routes.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow};
use config::{Attachment, Config, NextHop, RouteTarget, SysctlValue};
use stack::control::{InterfaceSpec, Stack};
use stack::net::IfSlot;
use stack::wire::MacAddr;
use vnet::VnetRef;

use crate::ports::Ports;

/// Makes all vnets of `config`.
pub(crate) fn apply(config: &Config, stack: &mut Stack, ports: &Ports) -> Result<()> {
    for vnet in &config.vnets {
        make_vnet(vnet, stack, ports).with_context(|| format!("vnet {}", vnet.name.as_str()))?;
    }
    Ok(())
}

fn make_vnet(config: &config::Vnet, stack: &mut Stack, ports: &Ports) -> Result<()> {
    let vnet = stack.create_vnet(config.name.as_str())?;
    for sysctl in &config.sysctls {
        let value = match &sysctl.value {
            SysctlValue::Integer(number) => vnet::sysctl::Value::from(*number),
            SysctlValue::Text(text) => vnet::sysctl::Value::from(text.as_str()),
        };
        stack.set_sysctl(&vnet, &sysctl.name, value)?;
    }
    let mut slots = BTreeMap::new();
    for interface in &config.interfaces {
        let name = interface.name.as_str();
        let slot = make_interface(interface, &vnet, stack, ports)
            .with_context(|| format!("interface {name}"))?;
        let _new = slots.insert(name, slot);
    }
    for neighbor in &config.neighbors {
        let slot = slot_of(&slots, neighbor.interface.as_str())?;
        stack.add_neighbor(&vnet, slot, neighbor.address, MacAddr(neighbor.mac.octets()))?;
    }
    let routes = config
        .routes
        .iter()
        .map(|route| Ok((route.prefix, target_of(&route.target, &slots)?)))
        .collect::<Result<Vec<_>>>()?;
    stack.add_routes(&vnet, routes)?;
    Ok(())
}

fn make_interface(
    config: &config::Interface,
    vnet: &VnetRef,
    stack: &mut Stack,
    ports: &Ports,
) -> Result<IfSlot> {
    let slot = match &config.attachment {
        Attachment::Loopback => {
            stack.find(vnet, "lo0").ok_or_else(|| anyhow!("the vnet has no lo0"))?.slot
        }
        Attachment::Port { port, vlan } => {
            let port = ports
                .find(port.as_str())
                .ok_or_else(|| anyhow!("port {} is not open", port.as_str()))?
                .facts;
            let slot = stack.create_interface(
                vnet,
                InterfaceSpec {
                    name: config.name.as_str().to_owned(),
                    port: port.id,
                    vlan: vlan.as_ref().map(|vlan| vlan.get()),
                    mac: config.mac.map_or(port.mac, |mac| MacAddr(mac.octets())),
                    mtu: config.mtu.min(port.mtu),
                },
            )?;
            if let Some(ifp) = stack.interface(slot) {
                ifp.set_offloads(port.offloads);
            }
            slot
        }
    };
    stack.set_interface_up(slot, config.up)?;
    for address in &config.addresses {
        stack.add_address(slot, *address)?;
    }
    Ok(slot)
}

fn target_of(
    target: &RouteTarget,
    slots: &BTreeMap<&str, IfSlot>,
) -> Result<stack::inet::control::RouteTarget> {
    use stack::inet::control::RouteTarget as Target;
    let hops = match target {
        RouteTarget::Blackhole => return Ok(Target::Blackhole),
        RouteTarget::Reject => return Ok(Target::Reject),
        RouteTarget::Via(hops) => hops,
    };
    if let [NextHop::Interface(name)] = hops.as_slice() {
        return Ok(Target::Interface(slot_of(slots, name.as_str())?));
    }
    let gateways = hops
        .iter()
        .map(|hop| match hop {
            NextHop::Gateway { address, .. } => Ok(*address),
            NextHop::Interface(name) => {
                Err(anyhow!("{} beside other next hops: an interface stands alone", name.as_str()))
            }
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Target::Via(gateways))
}

fn slot_of(slots: &BTreeMap<&str, IfSlot>, name: &str) -> Result<IfSlot> {
    slots.get(name).copied().ok_or_else(|| anyhow!("no interface {name}"))
}
