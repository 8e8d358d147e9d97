//! Changes of the configuration, made. A start makes all that are between nothing and the file.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use config::{
    Attachment, Change, Config, EpairEnd, Gateway, IfName, IntoInet, RouteTarget, SysctlValue,
    VnetChange, VnetName, difference,
};
use stack::control::{EpairSpec, InterfaceSpec, Stack};
use stack::net::neighbor::NeighborKey;
use stack::net::route::RouteTarget as Target;
use stack::net::{IfSlot, Ifnet};
use vnet::VnetRef;
use vnet::sysctl::Value;

use crate::ports::Ports;
use crate::protocol::{ChangeShown, PAGE};
use crate::workers::Worker;

/// Makes all vnets of a configuration whose ports are open.
pub(crate) fn start(config: &Config, stack: &mut Stack, ports: &mut Ports) -> Result<()> {
    let nothing = Config { vnets: Vec::new(), ..config.clone() };
    let changes = difference(&nothing, config);
    let mut steps = Steps { stack, ports, workers: &mut [] };
    let mut done = 0;
    while done < changes.len() {
        done += steps.step(&changes[done..], usize::MAX).map_err(|(step, error)| {
            error.context(ChangeShown::of(&changes[done + step]).to_string())
        })?;
    }
    Ok(())
}

/// The state that changes work on.
#[derive(Debug)]
pub(super) struct Steps<'a> {
    pub(super) stack: &'a mut Stack,
    pub(super) ports: &'a mut Ports,
    pub(super) workers: &'a mut [Worker],
}

impl Steps<'_> {
    /// Makes the first change, or, of several routes of a vnet that follow each other, up to `most` at once; how many
    /// that were.
    ///
    /// # Errors
    ///
    /// Which one failed, and why; those before it are made.
    pub(super) fn step(
        &mut self,
        changes: &[Change],
        most: usize,
    ) -> Result<usize, (usize, anyhow::Error)> {
        let Some(Change::Vnet { vnet, change: VnetChange::Route { .. } }) = changes.first() else {
            let [first, ..] = changes else { return Ok(0) };
            return self.one(first).map(|()| 1).map_err(|error| (0, error));
        };
        let routes = changes.iter().map_while(|change| match change {
            Change::Vnet { vnet: of, change: VnetChange::Route { prefix, to, .. } } => {
                (of == vnet).then_some((*prefix, to.as_ref()))
            }
            _ => None,
        });
        let routes: Vec<_> = routes.take(most).collect();
        let count = routes.len();
        match self.routes(vnet, &routes) {
            Ok(()) => Ok(count),
            Err(error) if count == 1 => Err((0, error)),
            // One by one, to find out which it is.
            Err(_) => {
                for (at, route) in routes.into_iter().enumerate() {
                    self.routes(vnet, &[route]).map_err(|error| (at, error))?;
                }
                Ok(count)
            }
        }
    }

    fn one(&mut self, change: &Change) -> Result<()> {
        match change {
            Change::Setting { .. } => bail!("this needs a restart"),
            Change::PortAttach(port) => {
                self.ports.attach(port, self.stack, self.workers).map_err(anyhow::Error::from)
            }
            Change::PortDetach(port) => self
                .ports
                .detach(port.name.as_str(), false, self.stack, self.workers)
                .map_err(anyhow::Error::from),
            Change::PortWorkers { port, to, .. } => {
                self.ports.place(port.as_str(), to, self.workers).map_err(anyhow::Error::from)
            }
            Change::EpairCreate(ends) => self.create_epair(ends),
            Change::EpairDestroy(ends) => {
                let slot = self.slot(&ends[0].vnet, ends[0].interface.name.as_str())?;
                Ok(self.stack.destroy_interface(slot)?)
            }
            Change::InterfaceMove { interface, from, to } => {
                let (slot, to) = (self.slot(from, interface.as_str())?, self.vnet(to)?);
                let _place = self.stack.move_interface(slot, &to)?;
                Ok(())
            }
            Change::Vnet { vnet, change } => self.of_vnet(vnet, change),
        }
    }

    fn of_vnet(&mut self, name: &VnetName, change: &VnetChange) -> Result<()> {
        match change {
            VnetChange::Create => {
                let _new = self.stack.create_vnet(name.as_str())?;
            }
            VnetChange::Destroy(_) => self.destroy(name)?,
            VnetChange::Sysctl { name: sysctl, to, .. } => {
                self.sysctl(name, sysctl, to.as_ref())?
            }
            VnetChange::InterfaceCreate(interface) => self.create(name, interface)?,
            VnetChange::InterfaceDestroy(interface) => {
                let slot = self.slot(name, interface.name.as_str())?;
                self.stack.destroy_interface(slot)?;
            }
            VnetChange::Mtu { interface, to, .. } => {
                let slot = self.slot(name, interface.as_str())?;
                self.stack.set_interface_mtu(slot, *to)?;
            }
            VnetChange::Up { interface, to } => {
                let slot = self.slot(name, interface.as_str())?;
                self.stack.set_interface_up(slot, *to)?;
            }
            VnetChange::Addresses { interface, from, to } => {
                let slot = self.slot(name, interface.as_str())?;
                for gone in from.iter().filter(|address| !to.contains(address)) {
                    self.stack.remove_address(slot, gone.addr().into_inet()?)?;
                }
                for new in to.iter().filter(|address| !from.contains(address)) {
                    self.stack.add_address(slot, new.into_inet()?)?;
                }
                let order: Vec<_> =
                    to.iter().map(|address| address.into_inet()).collect::<Result<_, _>>()?;
                self.stack.order_addresses(slot, &order)?;
            }
            VnetChange::Neighbor { interface, address, to, .. } => {
                let (vnet, slot) = (self.vnet(name)?, self.slot(name, interface.as_str())?);
                let addr = address.into_inet()?;
                let key = NeighborKey { slot, addr };
                match to {
                    Some(mac) => {
                        self.stack.add_neighbor(&vnet, slot, addr, *mac)?;
                    }
                    None => drop(self.stack.remove_neighbors(&vnet, |other| *other == key)),
                }
            }
            VnetChange::Route { prefix, to, .. } => self.routes(name, &[(*prefix, to.as_ref())])?,
        }
        Ok(())
    }

    /// Destroys a vnet with all of its interfaces. A file knows nothing of lending: what would return to the vnet that lent
    /// it is not there in the file either.
    fn destroy(&mut self, name: &VnetName) -> Result<()> {
        let vnet = self.vnet(name)?;
        let lent = |ifp: &Arc<Ifnet>| ifp.home_vnet != vnet.id();
        for ifp in self.stack.interfaces_of(&vnet).iter().filter(|ifp| lent(ifp)) {
            self.stack.destroy_interface(ifp.slot)?;
        }
        drop(vnet);
        Ok(self.stack.destroy_vnet(name.as_str())?)
    }

    fn vnet(&self, name: &VnetName) -> Result<VnetRef> {
        self.stack.vnets().by_name(name.as_str()).cloned().context("there is no such vnet")
    }

    fn slot(&self, vnet: &VnetName, interface: &str) -> Result<IfSlot> {
        let ifp = self.stack.find(&self.vnet(vnet)?, interface);
        ifp.map(|ifp| ifp.slot).with_context(|| format!("no interface {interface}"))
    }

    fn sysctl(&mut self, vnet: &VnetName, name: &str, to: Option<&SysctlValue>) -> Result<()> {
        let vnet = self.vnet(vnet)?;
        let value = match to {
            Some(value) => value_of(value),
            None => self.stack.sysctl_defaults().get(name).cloned().context("it has no default")?,
        };
        Ok(self.stack.set_sysctl(&vnet, name, value)?)
    }

    /// Makes an interface, whole or not at all.
    fn create(&mut self, vnet: &VnetName, interface: &config::Interface) -> Result<()> {
        let vnet = self.vnet(vnet)?;
        let slot = match &interface.attachment {
            Attachment::Loopback => bail!("every vnet has its lo0"),
            Attachment::Port { port, vlan } => {
                let open = self.ports.find(port.as_str());
                let facts = open.with_context(|| format!("port {port} is not open"))?.facts;
                let spec = InterfaceSpec {
                    name: interface.name.as_str().to_owned(),
                    port: facts.id,
                    vlan: vlan.map(config::VlanId::get),
                    mac: interface.mac.unwrap_or(facts.mac),
                    mtu: interface.mtu.min(facts.mtu),
                };
                let slot = self.stack.create_interface(&vnet, spec)?;
                if let Some(ifp) = self.stack.interface(slot) {
                    ifp.set_offloads(facts.offloads);
                }
                slot
            }
            Attachment::Epair { .. } => bail!("an epair is made with both ends"),
        };
        let dressed = self.dress(slot, interface);
        if dressed.is_err() {
            self.stack.destroy_interface(slot)?;
        }
        dressed
    }

    /// Makes an epair, whole or not at all.
    fn create_epair(&mut self, [one, other]: &[EpairEnd; 2]) -> Result<()> {
        let spec = |EpairEnd { vnet, interface }: &EpairEnd| -> Result<EpairSpec> {
            Ok(EpairSpec {
                vnet: self.vnet(vnet)?,
                name: interface.name.as_str().to_owned(),
                mac: interface.mac,
                mtu: interface.mtu,
            })
        };
        let (a, b) = (spec(one)?, spec(other)?);
        let (a, b) = self.stack.create_epair(a, b)?;
        let dressed = self.dress(a, &one.interface).and_then(|()| self.dress(b, &other.interface));
        if dressed.is_err() {
            self.stack.destroy_interface(a)?;
        }
        dressed
    }

    fn dress(&mut self, slot: IfSlot, interface: &config::Interface) -> Result<()> {
        self.stack.set_interface_up(slot, interface.up)?;
        for address in &interface.addresses {
            self.stack.add_address(slot, address.into_inet()?)?;
        }
        Ok(())
    }

    fn routes(
        &mut self,
        name: &VnetName,
        routes: &[(ipnet::IpNet, Option<&RouteTarget>)],
    ) -> Result<()> {
        let vnet = self.vnet(name)?;
        let target = |target: &Option<&RouteTarget>| {
            target.map(|target| self.target(name, target)).transpose()
        };
        let routes = routes.iter().map(|(prefix, to)| Ok((prefix.into_inet()?, target(to)?)));
        let routes = routes.collect::<Result<Vec<_>>>()?;
        Ok(self.stack.set_routes(&vnet, routes)?)
    }

    fn target(&self, vnet: &VnetName, target: &RouteTarget) -> Result<Target> {
        let gateway = |gateway: Gateway| Ok(IpAddr::V4(gateway.address.into_inet()?));
        target.clone().try_map(gateway, |name: IfName| self.slot(vnet, name.as_str()))
    }
}

/// Routes of one step while others wait.
pub(super) const ROUTES: usize = PAGE;

/// As the stack takes it.
pub(super) fn value_of(value: &SysctlValue) -> Value {
    match value {
        SysctlValue::Integer(number) => Value::from(*number),
        SysctlValue::Text(text) => Value::from(text.as_str()),
    }
}
