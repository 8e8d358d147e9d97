//! The wishes of a [`PortConfig`], cut down to the [`Capabilities`] of the device.

use dpdk_sys as ffi;

use super::{Capabilities, Offloads, PortConfig};

/// Bytes of a frame around its payload: Ethernet header, CRC, and one 802.1Q tag.
const FRAME_OVERHEAD: u32 = 14 + 4 + 4;

/// The configuration of a port: the wishes, cut down to the capabilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub rx_queues: u16,
    pub tx_queues: u16,
    pub rx_desc: u16,
    pub tx_desc: u16,
    pub mtu: u16,
    pub rx_offloads: u64,
    pub tx_offloads: u64,
    pub rss_types: u64,
    /// The wishes that are not offered, a sentence each.
    pub notes: Vec<String>,
}

impl Plan {
    /// Cuts the wishes down to what the device offers.
    pub(crate) fn new(config: &PortConfig, offered: &Capabilities, data_room: u16) -> Plan {
        let mut notes = Vec::new();
        let tx_wish = config.tx_queues.unwrap_or(config.queues);
        let mut plan = Plan {
            rx_queues: at_most("rx queues", config.queues, offered.max_queues.0, &mut notes),
            tx_queues: at_most("tx queues", tx_wish, offered.max_queues.1, &mut notes),
            rx_desc: offered.rx_desc.fit(config.rx_desc),
            tx_desc: offered.tx_desc.fit(config.tx_desc),
            mtu: config.mtu.clamp(offered.mtu.0, offered.mtu.1.max(offered.mtu.0)),
            rx_offloads: 0,
            tx_offloads: 0,
            rss_types: 0,
            notes,
        };
        plan.note_changed("rx descriptors", config.rx_desc, plan.rx_desc);
        plan.note_changed("tx descriptors", config.tx_desc, plan.tx_desc);
        plan.note_changed("mtu", config.mtu, plan.mtu);
        plan.choose_rx_offloads(config, offered, data_room);
        plan.choose_tx_offloads(config, offered);
        plan.choose_rss(offered);
        plan
    }

    /// The same without offloads and RSS, for a driver that refuses what it offers.
    pub(crate) fn plain(mut self, reason: &str) -> Plan {
        self.notes.push(format!(
            "the driver refuses the offloads that it offers ({reason}): none is used"
        ));
        (self.rx_offloads, self.tx_offloads, self.rss_types) = (0, 0, 0);
        self
    }

    pub(crate) fn offloads(&self) -> Offloads {
        let rx = |bits| self.rx_offloads & bits == bits;
        let tx = |bits| self.tx_offloads & bits == bits;
        Offloads {
            rx_ip_checksum: rx(ffi::CV_RX_OFFLOAD_IPV4_CKSUM),
            rx_l4_checksum: rx(ffi::CV_RX_OFFLOAD_UDP_CKSUM | ffi::CV_RX_OFFLOAD_TCP_CKSUM),
            rx_vlan_strip: rx(ffi::CV_RX_OFFLOAD_VLAN_STRIP),
            rx_scatter: rx(ffi::CV_RX_OFFLOAD_SCATTER),
            rss: self.rss_types != 0,
            tx_ip_checksum: tx(ffi::CV_TX_OFFLOAD_IPV4_CKSUM),
            tx_udp_checksum: tx(ffi::CV_TX_OFFLOAD_UDP_CKSUM),
            tx_tcp_checksum: tx(ffi::CV_TX_OFFLOAD_TCP_CKSUM),
            tx_multi_segments: tx(ffi::CV_TX_OFFLOAD_MULTI_SEGS),
        }
    }

    pub(crate) fn to_c(&self, offered: &Capabilities) -> ffi::cv_port_conf {
        ffi::cv_port_conf {
            rx_queues: self.rx_queues,
            tx_queues: self.tx_queues,
            mtu: u32::from(self.mtu),
            rx_offloads: self.rx_offloads,
            tx_offloads: self.tx_offloads,
            rss_types: self.rss_types,
            lsc_interrupt: u8::from(offered.lsc_interrupt),
            rmv_interrupt: u8::from(offered.rmv_interrupt),
        }
    }

    fn choose_rx_offloads(&mut self, config: &PortConfig, offered: &Capabilities, data_room: u16) {
        let mut wishes = Vec::new();
        if config.rx_checksum {
            wishes.push((ffi::CV_RX_OFFLOAD_IPV4_CKSUM, "rx IPv4 checksum"));
            wishes.push((ffi::CV_RX_OFFLOAD_UDP_CKSUM, "rx UDP checksum"));
            wishes.push((ffi::CV_RX_OFFLOAD_TCP_CKSUM, "rx TCP checksum"));
        }
        if config.vlan_strip {
            wishes.push((ffi::CV_RX_OFFLOAD_VLAN_STRIP, "802.1Q strip"));
        }
        if u32::from(self.mtu) + FRAME_OVERHEAD > u32::from(data_room) {
            wishes.push((ffi::CV_RX_OFFLOAD_SCATTER, "rx into several segments"));
        }
        self.rx_offloads = self.take(&wishes, offered.rx_offloads);
    }

    fn choose_tx_offloads(&mut self, config: &PortConfig, offered: &Capabilities) {
        let mut wishes = vec![(ffi::CV_TX_OFFLOAD_MULTI_SEGS, "tx of several segments")];
        if config.tx_checksum {
            wishes.push((ffi::CV_TX_OFFLOAD_IPV4_CKSUM, "tx IPv4 checksum"));
            wishes.push((ffi::CV_TX_OFFLOAD_UDP_CKSUM, "tx UDP checksum"));
            wishes.push((ffi::CV_TX_OFFLOAD_TCP_CKSUM, "tx TCP checksum"));
        }
        self.tx_offloads = self.take(&wishes, offered.tx_offloads);
    }

    fn choose_rss(&mut self, offered: &Capabilities) {
        if self.rx_queues < 2 {
            return;
        }
        let wish = ffi::CV_RSS_IP | ffi::CV_RSS_TCP | ffi::CV_RSS_UDP;
        self.rss_types = wish & offered.rss_types;
        if self.rss_types == 0 {
            self.notes.push("RSS is not offered: the driver alone decides on the queue".to_owned());
        } else if offered.rx_offloads & ffi::CV_RX_OFFLOAD_RSS_HASH != 0 {
            self.rx_offloads |= ffi::CV_RX_OFFLOAD_RSS_HASH;
        }
    }

    /// The bits of the wishes that are offered; the others are noted.
    fn take(&mut self, wishes: &[(u64, &str)], offered: u64) -> u64 {
        let mut taken = 0;
        for &(bit, name) in wishes {
            if offered & bit == 0 {
                self.notes.push(format!("{name} is not offered: done in software"));
            } else {
                taken |= bit;
            }
        }
        taken
    }

    fn note_changed(&mut self, what: &str, wish: u16, used: u16) {
        if wish != used {
            self.notes.push(format!("{what}: {wish} is not possible, {used} is used"));
        }
    }
}

fn at_most(what: &str, wish: u16, max: u16, notes: &mut Vec<String>) -> u16 {
    let wish = wish.max(1);
    if wish > max {
        notes.push(format!("{what}: {wish} wanted, {max} offered"));
    }
    wish.min(max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SocketId;
    use crate::port::DescriptorLimits;

    fn nothing_offered() -> Capabilities {
        let limits = DescriptorLimits { min: 0, max: 0, align: 1 };
        Capabilities {
            driver: "net_test".to_owned(),
            if_index: 0,
            mtu: (68, 9000),
            min_rx_bufsize: 0,
            max_queues: (1, 2),
            rx_offloads: 0,
            tx_offloads: 0,
            rss_types: 0,
            rx_desc: limits,
            tx_desc: limits,
            lsc_interrupt: false,
            rmv_interrupt: false,
            socket: SocketId::ANY,
        }
    }

    fn noted(plan: &Plan, words: &str) -> bool {
        plan.notes.iter().any(|note| note.contains(words))
    }

    #[test]
    fn a_device_that_offers_nothing_gets_nothing_and_each_wish_is_noted() {
        let config = PortConfig { queues: 4, mtu: 9600, vlan_strip: true, ..PortConfig::default() };
        let plan = Plan::new(&config, &nothing_offered(), 2048);
        assert_eq!((plan.rx_queues, plan.tx_queues, plan.mtu), (1, 2, 9000));
        assert_eq!(plan.offloads(), Offloads::default());
        for words in ["rx queues: 4 wanted, 1 offered", "tx queues", "mtu", "802.1Q strip"] {
            assert!(noted(&plan, words), "{words}: {:?}", plan.notes);
        }
        for words in ["rx IPv4", "rx UDP", "rx TCP", "tx IPv4", "tx UDP", "tx TCP", "several"] {
            assert!(noted(&plan, words), "{words}: {:?}", plan.notes);
        }
        assert!(!noted(&plan, "RSS"), "one queue needs no RSS");
        assert!(!noted(&plan, "descriptors"), "no limit was exceeded");
    }

    #[test]
    fn what_is_offered_and_wished_is_used() {
        let offered = Capabilities {
            max_queues: (8, 8),
            rx_offloads: u64::MAX,
            tx_offloads: u64::MAX,
            rss_types: ffi::CV_RSS_IP,
            ..nothing_offered()
        };
        let config = PortConfig { queues: 4, tx_queues: Some(6), ..PortConfig::default() };
        let plan = Plan::new(&config, &offered, 2048);
        assert_eq!((plan.rx_queues, plan.tx_queues), (4, 6));
        assert_eq!(plan.rss_types, ffi::CV_RSS_IP, "only the types that are offered");
        let used = plan.offloads();
        assert!(used.rx_ip_checksum && used.rx_l4_checksum && used.rss && used.tx_multi_segments);
        assert!(used.tx_ip_checksum && used.tx_udp_checksum && used.tx_tcp_checksum);
        assert!(!used.rx_vlan_strip, "not wished");
        assert!(!used.rx_scatter, "a frame fits into a buffer");
        assert!(plan.notes.is_empty(), "{:?}", plan.notes);

        let plain = plan.plain("because");
        assert_eq!(plain.offloads(), Offloads::default());
        assert!(noted(&plain, "because"));
    }

    #[test]
    fn large_frames_need_scatter_only_if_a_buffer_is_too_small() {
        let offered = Capabilities { rx_offloads: u64::MAX, ..nothing_offered() };
        let scatter = |mtu, room| {
            let config = PortConfig { mtu, ..PortConfig::default() };
            Plan::new(&config, &offered, room).offloads().rx_scatter
        };
        assert!(!scatter(2026, 2048));
        assert!(scatter(2027, 2048));
        assert!(!scatter(9000, 9216));
    }

    #[test]
    fn descriptors_fit_the_limits() {
        let limits = |min, max, align| DescriptorLimits { min, max, align };
        let table = [
            (limits(0, 0, 0), 1000, 1000),
            (limits(64, 4096, 32), 1000, 1024),
            (limits(64, 4096, 32), 1, 64),
            (limits(64, 4095, 32), 60000, 4064),
            (limits(0, u16::MAX, 8), u16::MAX, 65528),
        ];
        for (limits, wish, fitting) in table {
            assert_eq!(limits.fit(wish), fitting, "{limits:?} {wish}");
        }
    }
}
