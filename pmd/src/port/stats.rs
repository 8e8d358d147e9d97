//! The state that a port tells of itself: link, MAC, MTU, counters.

use std::ffi::{CStr, c_int};
use std::sync::atomic::Ordering::Relaxed;

use dpdk_sys as ffi;
use wire::MacAddr;

use super::{Port, PortError};

/// The state of a port's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Link {
    /// The link is up.
    pub up: bool,
    /// Mbit/s; `None` if unknown.
    pub speed_mbps: Option<u32>,
    /// Full duplex.
    pub full_duplex: bool,
}

/// Counters of a port since it was opened, as the driver keeps them, and our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PortStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets the device dropped because no worker took them in time.
    pub rx_missed: u64,
    /// Packets received broken.
    pub rx_errors: u64,
    /// Packets the driver failed to send.
    pub tx_errors: u64,
    /// Receive buffers that the pool could not supply.
    pub rx_nombuf: u64,
    /// Packets given to tx that the queue did not take ([`crate::TxQueue::dropped`], all queues).
    pub tx_dropped: u64,
}

impl Port {
    /// The port's MAC address; zero if it has none.
    #[must_use]
    pub fn mac(&self) -> MacAddr {
        let mut address = ffi::rte_ether_addr::default();
        // SAFETY: the port exists; a place for the result, which stays zero on failure.
        let _ = unsafe { ffi::rte_eth_macaddr_get(self.id().0, &raw mut address) };
        MacAddr(address.addr_bytes)
    }

    /// The port's MTU in bytes.
    #[must_use]
    pub fn mtu(&self) -> u16 {
        let mut mtu = self.plan.mtu;
        // SAFETY: the port exists; a place for the result.
        let _ = unsafe { ffi::rte_eth_dev_get_mtu(self.id().0, &raw mut mtu) };
        mtu
    }

    /// The link's state now, without waiting for a negotiation; down if the driver cannot tell. A port
    /// on a kernel interface is up only while that interface has a carrier: af_packet does not look.
    #[must_use]
    pub fn link(&self) -> Link {
        let mut link = ffi::cv_link::default();
        // SAFETY: the port exists; a place for the result.
        if unsafe { ffi::cv_port_link(self.id().0, &raw mut link) } != 0 {
            return Link::default();
        }
        let known = link.speed_mbps != 0 && link.speed_mbps != ffi::CV_SPEED_UNKNOWN;
        Link {
            up: link.up != 0 && self.shared.counters.interface_up().unwrap_or(true),
            speed_mbps: known.then_some(link.speed_mbps),
            full_duplex: link.full_duplex != 0,
        }
    }

    /// Whether the port receives frames for all destinations.
    #[must_use]
    pub fn is_promiscuous(&self) -> bool {
        // SAFETY: the port exists.
        unsafe { ffi::rte_eth_promiscuous_get(self.id().0) == 1 }
    }

    /// The port's counters; what the driver does not count is 0.
    #[must_use]
    pub fn stats(&self) -> PortStats {
        let mut stats = ffi::rte_eth_stats::default();
        // SAFETY: the port exists; a place for the result.
        let _ = unsafe { ffi::rte_eth_stats_get(self.id().0, &raw mut stats) };
        PortStats {
            rx_packets: stats.ipackets,
            rx_bytes: stats.ibytes,
            tx_packets: stats.opackets,
            tx_bytes: stats.obytes,
            rx_missed: stats.imissed,
            rx_errors: stats.ierrors,
            tx_errors: stats.oerrors,
            rx_nombuf: stats.rx_nombuf,
            tx_dropped: self.shared.tx_dropped.iter().map(|count| count.load(Relaxed)).sum(),
        }
    }

    /// The driver's extended counters by name.
    ///
    /// # Errors
    /// [`PortError::Call`]
    pub fn xstats(&self) -> Result<Vec<(String, u64)>, PortError> {
        let names = self.xstat_names()?;
        let mut values = vec![ffi::rte_eth_xstat::default(); names.len()];
        let room = u32::try_from(values.len()).unwrap_or(u32::MAX);
        // SAFETY: the array has room for that many entries.
        let count = unsafe { ffi::rte_eth_xstats_get(self.id().0, values.as_mut_ptr(), room) };
        let count = self.count("rte_eth_xstats_get", count)?;
        values.truncate(count);
        let named = values.iter().filter_map(|value| {
            let name = names.get(usize::try_from(value.id).ok()?)?;
            Some((name.clone(), value.value))
        });
        Ok(named.collect())
    }

    fn xstat_names(&self) -> Result<Vec<String>, PortError> {
        const CALL: &str = "rte_eth_xstats_get_names";
        // SAFETY: asks for the number only.
        let count = unsafe { ffi::rte_eth_xstats_get_names(self.id().0, std::ptr::null_mut(), 0) };
        let count = self.count(CALL, count)?;
        let mut names = vec![ffi::rte_eth_xstat_name::default(); count];
        let room = u32::try_from(count).unwrap_or(u32::MAX);
        // SAFETY: the array has room for that many entries.
        let filled =
            unsafe { ffi::rte_eth_xstats_get_names(self.id().0, names.as_mut_ptr(), room) };
        names.truncate(self.count(CALL, filled)?);
        let text = |name: &ffi::rte_eth_xstat_name| {
            // SAFETY: ethdev ends each name with a NUL inside its array, which is zero-initialised.
            unsafe { CStr::from_ptr(name.name.as_ptr()) }.to_string_lossy().into_owned()
        };
        Ok(names.iter().map(text).collect())
    }

    fn count(&self, call: &'static str, result: c_int) -> Result<usize, PortError> {
        usize::try_from(result)
            .map_err(|_| self.shared.expect(call, result).err())
            .or_else(|error| error.map_or(Ok(0), Err))
    }
}
