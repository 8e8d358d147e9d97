//! `interface.*` but `interface.move`, and `address.*`

use std::net::IpAddr;
use std::sync::Arc;

use config::{IntoInet, limits};
use ipnet::IpNet;
use pmd::PortId;
use stack::control::{InterfaceError, InterfaceSpec};
use stack::net::{IfKind, Ifnet};
use vnet::VnetRef;
use wire::MacAddr;

use super::{Answered, Service, check_name, counters, done, page};
use crate::protocol::{
    Answer, Code, InterfaceChanges, InterfaceShown, PAGE, Page, PeerShown, Refusal,
};

impl Service<'_> {
    pub(super) fn interface_list(
        &self,
        vnet: &VnetRef,
        name: Option<&str>,
        after: Option<u64>,
    ) -> Answered {
        // Once for each port, which may be many interfaces': a driver may ask the kernel.
        let links: Vec<(PortId, bool)> =
            self.ports.iter().map(|open| (open.facts.id, open.port.link().up)).collect();
        let show = |ifp: Arc<Ifnet>| self.show(vnet, &ifp, &links);
        let list = match name {
            Some(name) => Page::only(vec![show(self.interface(vnet, name)?)]),
            None => {
                let all = self.stack.interfaces_after(vnet, after.unwrap_or(0), PAGE);
                page(all, |last| last.index.0.into(), show)
            }
        };
        Ok(Answer::Interfaces(list))
    }

    fn show(&self, vnet: &VnetRef, ifp: &Ifnet, links: &[(PortId, bool)]) -> InterfaceShown {
        let (port, peer) = match ifp.kind {
            IfKind::Ethernet { port, .. } => (Some(port), None),
            IfKind::Epair(end) => (None, self.stack.epair_end(end.peer())),
            IfKind::Loopback => (None, None),
        };
        let home = (ifp.home_vnet != ifp.vnet.id()).then(|| self.stack.vnets().get(ifp.home_vnet));
        let link = links.iter().find(|(id, _)| Some(*id) == port);
        let addresses = self.stack.addresses_of(vnet, ifp.slot);
        InterfaceShown {
            name: ifp.name.clone(),
            index: ifp.index.0,
            up: ifp.is_up(),
            mtu: ifp.mtu(),
            port: port.and_then(|port| self.port_name(port)).map(str::to_owned),
            vlan: ifp.vlan(),
            peer: peer.map(|peer| PeerShown {
                vnet: peer.vnet.name().to_owned(),
                interface: peer.name.clone(),
            }),
            home: home.flatten().map(|home| home.name().to_owned()),
            mac: ifp.port().map(|_| ifp.mac.to_string()),
            link: link.map(|(_, up)| *up),
            addresses: addresses.into_iter().map(IpNet::from).collect(),
            counters: counters(ifp.total()),
        }
    }

    pub(super) fn interface_create(
        &mut self,
        vnet: &VnetRef,
        name: String,
        port: &str,
        vlan: Option<u16>,
        mac: Option<MacAddr>,
    ) -> Answered {
        check_name("interface", config::IfName::new(&name).map(drop), &name)?;
        if let Some(vlan) = vlan.filter(|vlan| !limits::VLAN.contains(&i64::from(*vlan))) {
            let text = format!("{vlan} is no VLAN");
            return Err(Refusal::new(Code::BadRequest, text, "give a number from 1 to 4094"));
        }
        let Some(facts) = self.ports.find(port).map(|open| open.facts) else {
            return Err(self.ports.unknown(port));
        };
        let mac = mac.unwrap_or(facts.mac);
        if !mac.is_unicast() {
            let text = format!("{mac} is no interface's address");
            return Err(Refusal::new(Code::BadRequest, text, "give a unicast MAC address"));
        }
        let spec = InterfaceSpec { name, port: facts.id, vlan, mac, mtu: facts.mtu };
        let slot = self.stack.create_interface(vnet, spec).map_err(|error| of(&error))?;
        if let Some(ifp) = self.stack.interface(slot) {
            ifp.set_offloads(facts.offloads);
        }
        Ok(done())
    }

    pub(super) fn interface_destroy(&mut self, vnet: &VnetRef, name: &str) -> Answered {
        let ifp = self.interface(vnet, name)?;
        self.stack.destroy_interface(ifp.slot).map_err(|error| of(&error))?;
        Ok(done())
    }

    pub(super) fn interface_set(&mut self, vnet: &VnetRef, changes: InterfaceChanges) -> Answered {
        let InterfaceChanges { interface, up, mtu, add, delete } = changes;
        let ifp = self.interface(vnet, &interface)?;
        let inet = |address: IpNet| address.into_inet();
        let add: Vec<_> = add.into_iter().map(inet).collect::<Result<_, _>>()?;
        let delete = delete.into_iter().map(IntoInet::into_inet);
        let delete: Vec<_> = delete.collect::<Result<_, _>>()?;
        if let Some(mtu) = mtu {
            self.check_mtu(&ifp, mtu)?;
        }
        // Only the addresses may still be refused: they come first.
        let changed = self.stack.change_addresses(ifp.slot, &add, &delete);
        changed.map_err(|error| of(&error))?;
        if let Some(mtu) = mtu {
            self.stack.set_interface_mtu(ifp.slot, mtu).map_err(|error| of(&error))?;
        }
        if let Some(up) = up {
            self.stack.set_interface_up(ifp.slot, up).map_err(|error| of(&error))?;
        }
        Ok(done())
    }

    fn check_mtu(&self, ifp: &Ifnet, mtu: u16) -> Result<(), Refusal> {
        let most = match ifp.kind {
            IfKind::Ethernet { port, .. } => {
                self.ports.by_id(port).map_or(0, |open| open.facts.mtu)
            }
            IfKind::Epair(_) | IfKind::Loopback => u16::MAX,
        };
        let least = *limits::MTU.start();
        if i64::from(mtu) < least || mtu > most {
            let text = format!("{} cannot have an MTU of {mtu} bytes", ifp.name);
            let cure = format!("give a number from {least} to {most}; a port bounds it");
            return Err(Refusal::new(Code::Refused, text, cure));
        }
        Ok(())
    }

    pub(super) fn address_add(&mut self, vnet: &VnetRef, name: &str, address: IpNet) -> Answered {
        let ifp = self.interface(vnet, name)?;
        self.stack.add_address(ifp.slot, address.into_inet()?).map_err(|error| of(&error))?;
        Ok(done())
    }

    pub(super) fn address_delete(
        &mut self,
        vnet: &VnetRef,
        name: &str,
        address: IpAddr,
    ) -> Answered {
        let ifp = self.interface(vnet, name)?;
        self.stack.remove_address(ifp.slot, address.into_inet()?).map_err(|error| of(&error))?;
        Ok(done())
    }
}

pub(super) fn of(error: &InterfaceError) -> Refusal {
    let code = match error {
        InterfaceError::NameTaken(_)
        | InterfaceError::NameTakenThere { .. }
        | InterfaceError::AlreadyThere(_)
        | InterfaceError::PortTaken { .. } => Code::Exists,
        InterfaceError::Missing(_) | InterfaceError::NoAddress { .. } => Code::NotFound,
        InterfaceError::BadVlan(_) => Code::BadRequest,
        InterfaceError::Dying => Code::Dying,
        InterfaceError::TooMany
        | InterfaceError::Limit(_)
        | InterfaceError::TooManyEpairs
        | InterfaceError::LoopbackStays(_)
        | InterfaceError::Loopback(_)
        | InterfaceError::Address(_) => Code::Refused,
    };
    Refusal::of(code, error, "`ifconfig` shows what there is")
}
