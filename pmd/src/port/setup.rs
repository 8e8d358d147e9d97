//! The steps of opening a port, between finding the device and starting it.

use std::ffi::c_int;

use dpdk_sys as ffi;

use super::plan::Plan;
use super::{Capabilities, PortConfig, PortError, Shared};
use crate::MbufPool;
use crate::eal::strerror;

impl Shared {
    pub(super) fn capabilities(&self) -> Result<Capabilities, PortError> {
        let mut info = ffi::cv_port_info::default();
        // SAFETY: the port exists; a place for the result.
        let result = unsafe { ffi::cv_port_info(self.id.0, &raw mut info) };
        self.expect("rte_eth_dev_info_get", result)?;
        Ok(Capabilities::from_c(&info))
    }

    pub(super) fn check(
        &self,
        plan: &Plan,
        offered: &Capabilities,
        pool: &MbufPool,
    ) -> Result<(), PortError> {
        let name = || self.name.clone();
        let (rx, tx) = (plan.rx_queues, plan.tx_queues);
        if rx == 0 || tx == 0 {
            return Err(PortError::NoQueues {
                name: name(),
                driver: offered.driver.clone(),
                rx,
                tx,
            });
        }
        let (needed, room) = (offered.min_rx_bufsize, u32::from(pool.data_room()));
        if needed > room {
            return Err(PortError::BufferTooSmall { name: name(), needed, room });
        }
        Ok(())
    }

    /// Configures the device; a driver that refuses its own offloads is asked again without.
    pub(super) fn configure(&self, plan: Plan, offered: &Capabilities) -> Result<Plan, PortError> {
        let call = |plan: &Plan| {
            let conf = plan.to_c(offered);
            // SAFETY: the port exists and is stopped; the structure is read during the call only.
            unsafe { ffi::cv_port_configure(self.id.0, &raw const conf) }
        };
        let result = call(&plan);
        if result == 0 {
            return Ok(plan);
        }
        let plain = plan.plain(&strerror(result));
        self.expect("rte_eth_dev_configure", call(&plain))?;
        Ok(plain)
    }

    pub(super) fn set_up_queues(
        &self,
        plan: &mut Plan,
        offered: &Capabilities,
        pool: &MbufPool,
    ) -> Result<(), PortError> {
        // SOCKET_ID_ANY as DPDK's unsigned parameter.
        let socket = offered.socket.0 as u32;
        for queue in 0..plan.rx_queues {
            // SAFETY: the port is configured and stopped, and the pool outlives it.
            let result = unsafe {
                let (id, count) = (self.id.0, plan.rx_desc);
                let conf = std::ptr::null();
                ffi::rte_eth_rx_queue_setup(id, queue, count, socket, conf, pool.as_ptr())
            };
            self.expect("rte_eth_rx_queue_setup", result)?;
        }
        for queue in 0..plan.tx_queues {
            // SAFETY: the port is configured and stopped.
            let result = unsafe {
                let (id, count) = (self.id.0, plan.tx_desc);
                ffi::rte_eth_tx_queue_setup(id, queue, count, socket, std::ptr::null())
            };
            self.expect("rte_eth_tx_queue_setup", result)?;
        }
        Ok(())
    }

    /// Settings that a port works without: a failure is a note.
    pub(super) fn apply_wishes(&self, config: &PortConfig, plan: &mut Plan) {
        const ENOTSUP: c_int = 95;
        let (id, mtu) = (self.id.0, plan.mtu);
        let mut wish = |what: &str, result: c_int| {
            if result != 0 {
                plan.notes.push(format!("{what} is not possible: {}", strerror(result)));
            }
        };
        if let Some(mac) = config.mac {
            let mut address = ffi::rte_ether_addr { addr_bytes: mac.0 };
            // SAFETY: the port is configured; the address is copied.
            let result = unsafe { ffi::rte_eth_dev_default_mac_addr_set(id, &raw mut address) };
            wish("setting the MAC address", result);
        }
        // Configuring set the MTU; some drivers pass it on to the kernel only when told again.
        // SAFETY: the port is configured.
        let result = unsafe { ffi::rte_eth_dev_set_mtu(id, mtu) };
        if result != -ENOTSUP {
            wish("setting the MTU", result);
        }
        if config.promiscuous {
            // SAFETY: the port is configured.
            wish("promiscuous mode", unsafe { ffi::rte_eth_promiscuous_enable(id) });
        }
        if config.allmulticast {
            // SAFETY: the port is configured.
            wish("allmulticast mode", unsafe { ffi::rte_eth_allmulticast_enable(id) });
        }
    }
}
