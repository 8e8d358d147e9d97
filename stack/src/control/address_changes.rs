//! Several addresses of an interface come and go in one step.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{InterfaceError, Stack};
use crate::net::IfSlot;
use crate::net::neighbor::NeighborState;

impl Stack {
    /// Gives an interface addresses and takes others from it: all, or nothing has changed when this fails.
    ///
    /// New addresses come first, so that routes and neighbours that both an old and a new one stand for stay. Where a new
    /// one has no room beside the old ones, such as the same address with another network, the old ones go first.
    pub fn change_addresses(
        &mut self,
        slot: IfSlot,
        add: &[Ipv4Net],
        delete: &[Ipv4Addr],
    ) -> Result<(), InterfaceError> {
        let missing = || InterfaceError::Missing(format!("#{}", slot.0));
        let ifp = self.interface(slot).cloned().ok_or_else(missing)?;
        let before = self.addresses_of(&ifp.vnet, slot);
        let is_there = |addr: &Ipv4Addr| before.iter().any(|net| net.addr() == *addr);
        if let Some(address) = delete.iter().find(|addr| !is_there(addr)) {
            let interface = ifp.name.clone();
            return Err(InterfaceError::NoAddress { interface, address: *address });
        }
        match self.add_all(slot, add) {
            Ok(()) => self.remove_all(slot, delete),
            Err(error) if delete.is_empty() => Err(error),
            Err(_) => self.replace_addresses(slot, &before, add, delete),
        }
    }

    /// Adds all or none.
    fn add_all(&mut self, slot: IfSlot, add: &[Ipv4Net]) -> Result<(), InterfaceError> {
        for (place, net) in add.iter().enumerate() {
            if let Err(error) = self.add_address(slot, *net) {
                let added: Vec<_> = add[..place].iter().map(Ipv4Net::addr).collect();
                self.remove_all(slot, &added)?;
                return Err(error);
            }
        }
        Ok(())
    }

    fn remove_all(&mut self, slot: IfSlot, addrs: &[Ipv4Addr]) -> Result<(), InterfaceError> {
        addrs.iter().try_for_each(|addr| self.remove_address(slot, *addr))
    }

    /// Deletes first; if the new addresses are refused, the old ones come back with their static neighbours.
    fn replace_addresses(
        &mut self,
        slot: IfSlot,
        before: &[Ipv4Net],
        add: &[Ipv4Net],
        delete: &[Ipv4Addr],
    ) -> Result<(), InterfaceError> {
        let missing = || InterfaceError::Missing(format!("#{}", slot.0));
        let vnet = self.interface(slot).ok_or_else(missing)?.vnet.clone();
        let neighbors = self.with_inet(&vnet, |inet| {
            let all = inet.arp.neighbors.iter().filter(|(key, _)| key.slot == slot);
            let fixed = all.filter_map(|(key, state)| match state {
                NeighborState::Static(mac) => Some((key.addr, mac)),
                _ => None,
            });
            fixed.collect::<Vec<_>>()
        });
        self.remove_all(slot, delete)?;
        let Err(error) = self.add_all(slot, add) else { return Ok(()) };
        let deleted: Vec<_> =
            before.iter().filter(|net| delete.contains(&net.addr())).copied().collect();
        self.add_all(slot, &deleted)?;
        self.order_addresses(slot, before)?;
        for (addr, mac) in neighbors.into_iter().flatten() {
            self.add_neighbor(&vnet, slot, addr, mac)?;
        }
        Err(error)
    }
}
