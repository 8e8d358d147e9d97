//! The way to a gateway: which interface of the vnet leads there.

use std::net::{IpAddr, Ipv4Addr};

use super::InetControl;
use crate::net::route::{GatewayPath, Hop, RouteError, RouteFlags, RouteTarget, resolve_target};

impl InetControl {
    /// The hop that an operator's target means in this vnet.
    pub fn hop_for(&self, target: &RouteTarget) -> Result<(Hop, RouteFlags), RouteError> {
        let has_link = |slot| self.interface(slot).is_none_or(|ifp| ifp.port().is_some());
        resolve_target(target, has_link, |gateway| match gateway {
            IpAddr::V4(address) => self.path(address),
            // No interface has a network with IPv6 addresses.
            IpAddr::V6(_) => Err(RouteError::GatewayUnreachable { gateway }),
        })
    }

    fn path(&self, address: Ipv4Addr) -> Result<GatewayPath, RouteError> {
        let gateway = IpAddr::V4(address);
        if self.is_own(address) {
            return Err(RouteError::GatewayIsOurs { gateway });
        }
        let found = self
            .on_link(address)
            .map_err(|net| RouteError::GatewayNotHost { gateway, net: net.into() })?
            .ok_or(RouteError::GatewayUnreachable { gateway })?;
        Ok(GatewayPath { slot: found.slot, gateway })
    }
}
