//! The wishes for a port, and which of them its device offers.

use std::ffi::CStr;

use dpdk_sys as ffi;
use wire::MacAddr;

use crate::SocketId;

/// How a port is opened. Whatever the device lacks is dropped and named in [`crate::Port::notes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortConfig {
    /// The operator's name for the port, used in messages.
    pub name: String,
    /// A vdev string (`net_pcap0,rx_pcap=a.pcap`) or a PCI address (`0000:3b:00.0`).
    pub device: String,
    /// Receive queues, and transmit queues unless given apart.
    pub queues: u16,
    /// Transmit queues, if not as many as receive queues.
    pub tx_queues: Option<u16>,
    /// Descriptors of each receive queue.
    pub rx_desc: u16,
    /// Descriptors of each transmit queue.
    pub tx_desc: u16,
    /// Largest packet in bytes, without the Ethernet header.
    pub mtu: u16,
    /// Receive frames for all destinations.
    pub promiscuous: bool,
    /// Receive frames for all groups.
    pub allmulticast: bool,
    /// Replaces the device's MAC address.
    pub mac: Option<MacAddr>,
    /// Let the NIC verify IPv4, UDP and TCP checksums.
    pub rx_checksum: bool,
    /// Let the NIC compute IPv4, UDP and TCP checksums.
    pub tx_checksum: bool,
    /// Let the NIC take 802.1Q tags out of frames ([`crate::Mbuf::rx_vlan_stripped`]).
    pub vlan_strip: bool,
}

impl Default for PortConfig {
    fn default() -> Self {
        PortConfig {
            name: String::new(),
            device: String::new(),
            queues: 1,
            tx_queues: None,
            rx_desc: 1024,
            tx_desc: 1024,
            mtu: 1500,
            promiscuous: false,
            allmulticast: false,
            mac: None,
            rx_checksum: true,
            tx_checksum: true,
            vlan_strip: false,
        }
    }
}

/// The offloads that a port really uses. What is `false` the software has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools)]
pub struct Offloads {
    /// rx tells good from bad IPv4 header checksums.
    pub rx_ip_checksum: bool,
    /// rx tells good from bad UDP and TCP checksums.
    pub rx_l4_checksum: bool,
    /// rx takes 802.1Q tags out.
    pub rx_vlan_strip: bool,
    /// rx may deliver packets of several segments.
    pub rx_scatter: bool,
    /// rx spreads flows over the queues.
    pub rss: bool,
    /// tx fills in IPv4 header checksums.
    pub tx_ip_checksum: bool,
    /// tx fills in UDP checksums.
    pub tx_udp_checksum: bool,
    /// tx fills in TCP checksums.
    pub tx_tcp_checksum: bool,
    /// tx sends packets of several segments as they are; else [`crate::TxQueue::tx`] makes them one.
    pub tx_multi_segments: bool,
}

/// The offers of a device, from `rte_eth_dev_info_get`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The driver's name.
    pub driver: String,
    /// Index of the kernel interface that the port sits on, 0 if none.
    pub if_index: u32,
    /// Smallest and largest MTU in bytes.
    pub mtu: (u16, u16),
    /// Smallest receive buffer in bytes.
    pub min_rx_bufsize: u32,
    /// Most receive and transmit queues.
    pub max_queues: (u16, u16),
    /// `RTE_ETH_RX_OFFLOAD_*`
    pub rx_offloads: u64,
    /// `RTE_ETH_TX_OFFLOAD_*`
    pub tx_offloads: u64,
    /// `RTE_ETH_RSS_*`
    pub rss_types: u64,
    /// Receive descriptors.
    pub rx_desc: DescriptorLimits,
    /// Transmit descriptors.
    pub tx_desc: DescriptorLimits,
    /// The device reports link changes by interrupt.
    pub lsc_interrupt: bool,
    /// The device reports its removal by interrupt.
    pub rmv_interrupt: bool,
    /// The device's NUMA node.
    pub socket: SocketId,
}

/// How many descriptors a queue may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorLimits {
    /// Fewest.
    pub min: u16,
    /// Most; 0: no limit.
    pub max: u16,
    /// Their number is a multiple of this.
    pub align: u16,
}

impl DescriptorLimits {
    /// The number nearest to the wish that the device takes.
    #[must_use]
    pub fn fit(self, wish: u16) -> u16 {
        let align = self.align.max(1);
        let max = if self.max == 0 { u16::MAX } else { self.max };
        let aligned =
            wish.max(1).checked_next_multiple_of(align).unwrap_or(u16::MAX / align * align);
        aligned.min(max / align * align).max(self.min)
    }
}

impl Capabilities {
    pub(crate) fn from_c(info: &ffi::cv_port_info) -> Capabilities {
        let driver = if info.driver_name.is_null() {
            String::from("unknown")
        } else {
            // SAFETY: a static string of the driver.
            unsafe { CStr::from_ptr(info.driver_name) }.to_string_lossy().into_owned()
        };
        Capabilities {
            driver,
            if_index: info.if_index,
            mtu: (info.min_mtu, max_mtu(info.max_mtu, info.max_rx_pktlen)),
            min_rx_bufsize: info.min_rx_bufsize,
            max_queues: (info.max_rx_queues, info.max_tx_queues),
            rx_offloads: info.rx_offloads,
            tx_offloads: info.tx_offloads,
            rss_types: info.rss_types,
            rx_desc: DescriptorLimits {
                min: info.rx_desc_min,
                max: info.rx_desc_max,
                align: info.rx_desc_align,
            },
            tx_desc: DescriptorLimits {
                min: info.tx_desc_min,
                max: info.tx_desc_max,
                align: info.tx_desc_align,
            },
            lsc_interrupt: info.lsc_interrupt != 0,
            rmv_interrupt: info.rmv_interrupt != 0,
            socket: SocketId(info.socket),
        }
    }
}

/// The largest MTU that the device takes: a frame has to fit as well (`eth_dev_validate_mtu` in rte_ethdev.c). A driver that
/// names no limit of one gives 0 or 65535.
fn max_mtu(max_mtu: u16, max_frame: u32) -> u16 {
    let named = Some(max_mtu).filter(|mtu| !matches!(*mtu, 0 | u16::MAX));
    if named.is_some_and(|mtu| max_frame > u32::from(mtu)) || max_frame == 0 {
        return named.unwrap_or(u16::MAX);
    }
    let fits = u16::try_from(max_frame.saturating_sub(ETHER_OVERHEAD)).unwrap_or(u16::MAX);
    named.map_or(fits, |mtu| mtu.min(fits))
}

/// Ethernet header and CRC.
const ETHER_OVERHEAD: u32 = 14 + 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_mtu_has_room_in_a_frame() {
        for (mtu, frame, largest) in [
            // net_af_packet, net_tap, a NIC, and drivers that say one of the two or nothing.
            (u16::MAX, 1518, 1500),
            (u16::MAX, 9728, 9710),
            (9702, 9728, 9702),
            (0, 1518, 1500),
            (1500, 0, 1500),
            (0, 0, u16::MAX),
            (u16::MAX, u32::MAX, u16::MAX),
        ] {
            assert_eq!(max_mtu(mtu, frame), largest, "{mtu} {frame}");
        }
    }
}
