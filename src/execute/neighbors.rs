//! `arp.*`

use std::net::IpAddr;

use config::IntoInet;
use stack::control::NeighborView;
use stack::net::neighbor::{NeighborKey, NeighborState};
use vnet::VnetRef;
use wire::MacAddr;

use super::{Answered, Service, done, refused};
use crate::protocol::{Answer, Code, NeighborShown, PAGE, Page, Refusal};

impl Service<'_> {
    pub(super) fn arp_list(&self, vnet: &VnetRef, after: Option<(u16, IpAddr)>) -> Answered {
        // Pages go by the interface's place, clients know its index.
        let slot_of = |index: u16| {
            let first = self.stack.interfaces_after(vnet, u64::from(index).saturating_sub(1), 1);
            first.first().map(|ifp| ifp.slot)
        };
        let after = match after {
            Some((index, addr)) => match slot_of(index) {
                Some(slot) => Some(NeighborKey { slot, addr: addr.into_inet()? }),
                // It is gone, and so are all behind it.
                None => return Ok(Answer::Neighbors(Page::only(Vec::new()))),
            },
            None => None,
        };
        let all = self.stack.neighbors_after(vnet, after, PAGE);
        let full = all.len() >= PAGE;
        let list: Vec<_> = all.into_iter().filter_map(|one| self.neighbor(one)).collect();
        let last = list.last().filter(|_| full);
        let next = last.map(|last| serde_json::json!([last.index, last.address]));
        Ok(Answer::Neighbors(Page { list, next }))
    }

    fn neighbor(&self, view: NeighborView) -> Option<NeighborShown> {
        let NeighborView { key, state, expiry } = view;
        let ifp = self.stack.interface(key.slot)?;
        let name = match state {
            NeighborState::Incomplete { .. } => "incomplete",
            NeighborState::Reachable(_) => "reachable",
            NeighborState::Probing { .. } => "probing",
            NeighborState::Static(_) => "static",
            NeighborState::Failed => "failed",
        };
        let left_ns = |expiry: stack::time::Nanos| expiry.0.saturating_sub(self.stack.now().0);
        Some(NeighborShown {
            address: key.addr.into(),
            interface: ifp.name.clone(),
            index: ifp.index.0,
            state: name.to_owned(),
            mac: state.mac().map(|mac| mac.to_string()),
            expires_s: expiry.map(|expiry| left_ns(expiry).div_ceil(1_000_000_000)),
        })
    }

    pub(super) fn arp_set(&mut self, vnet: &VnetRef, addr: IpAddr, mac: MacAddr) -> Answered {
        let addr = addr.into_inet()?;
        if mac.is_group() {
            let text = format!("{mac} is a group's address");
            return Err(Refusal::new(Code::BadRequest, text, "give a unicast MAC address"));
        }
        let found = self.stack.with_inet(vnet, |inet| (inet.is_own(addr), inet.on_link(addr)));
        let connected = match found {
            Some((true, _)) => {
                let text = format!("{addr} is an address of this vnet itself");
                return Err(Refusal::new(Code::Refused, text, "give another host's"));
            }
            Some((false, Ok(Some(connected)))) => connected,
            // FreeBSD's arp(8): "cannot intuit interface index and type".
            Some((false, Ok(None) | Err(_))) | None => {
                let text = format!("no interface's network has a host {addr}");
                return Err(Refusal::new(Code::Refused, text, "`ifconfig` shows the networks"));
            }
        };
        let added = self.stack.add_neighbor(vnet, connected.slot, addr, mac);
        added.map_err(|error| refused(&error, "`vnet show` shows the limits"))?;
        Ok(done())
    }

    pub(super) fn arp_delete(&mut self, vnet: &VnetRef, addr: IpAddr) -> Answered {
        let addr = addr.into_inet()?;
        match self.stack.remove_neighbors(vnet, |key| key.addr == addr) {
            0 => {
                let text = format!("vnet {} has no neighbour {addr}", vnet.name());
                Err(Refusal::new(Code::NotFound, text, "`arp -a` shows those that there are"))
            }
            _ => Ok(done()),
        }
    }
}
