//! Drop reasons: every packet that is not delivered ends in exactly one of these.

use vnet::Counter;

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),* $(,)?) => {
        /// Why a packet was not delivered. The names are part of the summary's and the commands' interface.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum DropReason { $($(#[$doc])* $variant),* }

        impl DropReason {
            /// All reasons, in the order of declaration.
            pub const ALL: &'static [DropReason] = &[$(DropReason::$variant),*];

            /// The reason's name, as the summary prints it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(DropReason::$variant => $name),* }
            }
        }
    };
}

drop_reasons! {
    /// The port carries no interface for untagged frames.
    NoInterface = "no_interface",
    /// The frame's VLAN has no interface on this port.
    VlanUnknown = "vlan_unknown",
    /// The interface is administratively down.
    InterfaceDown = "interface_down",
    /// The interface is on its way to another vnet.
    InterfaceMoving = "interface_moving",
    /// The worker does not keep up, and the vnet had its share of the cycles (`net.vnet.cpuweight`, `net.vnet.maxpcpu`).
    CpuShare = "cpu_share",
    /// Shorter than an Ethernet header.
    EtherRunt = "ether_runt",
    /// Unicast to a MAC address that is not the interface's.
    EtherNotForUs = "ether_not_for_us",
    /// The source MAC address is a group address (IEEE 802.3 3.2.3).
    EtherBadSource = "ether_bad_source",
    /// An EtherType that no module of this vnet takes.
    EtherUnknownType = "ether_unknown_type",
    /// Shorter than an IPv4 header (RFC 1812 5.2.2 (1)).
    IpTooShort = "ip_too_short",
    /// Version is not 4.
    IpBadVersion = "ip_bad_version",
    /// Header length below 20 bytes or beyond the packet.
    IpBadHeaderLength = "ip_bad_header_length",
    /// The header checksum is wrong.
    IpBadChecksum = "ip_bad_checksum",
    /// Total length below the header length, or a fragment that has to be cut and ends behind the longest datagram.
    IpBadLength = "ip_bad_length",
    /// Total length beyond what the link layer received.
    IpTruncated = "ip_truncated",
    /// Malformed options, or options while `net.inet.ip.process_options` refuses them.
    IpBadOptions = "ip_bad_options",
    /// A source route while `net.inet.ip.sourceroute` is off (RFC 1812 5.2.4.1 leaves it to the operator).
    IpSourceRoute = "ip_source_route",
    /// A source address that no host may send with (RFC 1812 5.3.7).
    IpMartianSource = "ip_martian_source",
    /// A destination that must not appear on a wire (RFC 1812 5.3.7).
    IpMartianDestination = "ip_martian_destination",
    /// The source is not reached through the receiving interface (`net.inet.ip.source_address_validation`).
    IpSourceValidation = "ip_source_validation",
    /// The address is ours but on another interface (`net.inet.ip.rfc1122_strong_es`).
    IpStrongEs = "ip_strong_es",
    /// Not for us, and `net.inet.ip.forwarding` is off.
    IpNotForwarding = "ip_not_forwarding",
    /// A unicast datagram in a link-layer broadcast (RFC 1122 3.3.6, RFC 1812 5.3.4).
    IpLinkBroadcast = "ip_link_broadcast",
    /// From or to a link-local address, which no router forwards (RFC 3927 2.7).
    IpLinkLocal = "ip_link_local",
    /// A directed broadcast of another network (RFC 2644).
    IpDirectedBroadcast = "ip_directed_broadcast",
    /// A multicast group that nobody here joined.
    IpNotMember = "ip_not_member",
    /// The time to live ran out.
    IpTtlExceeded = "ip_ttl_exceeded",
    /// No route to the destination.
    IpNoRoute = "ip_no_route",
    /// The route says: discard silently.
    IpBlackhole = "ip_blackhole",
    /// The route says: refuse with an ICMP error.
    IpReject = "ip_reject",
    /// Too long for the next hop, and fragmentation is forbidden.
    IpNeedsFragmentation = "ip_needs_fragmentation",
    /// A fragment for ourselves: this build does not reassemble.
    IpFragmentLocal = "ip_fragment_local",
    /// No protocol of this vnet takes the datagram.
    IpProtocolUnreachable = "ip_protocol_unreachable",
    /// Nobody listens on the UDP port.
    UdpNoPort = "udp_no_port",
    /// Shorter than an ICMP header, or than its type needs.
    IcmpTooShort = "icmp_too_short",
    /// The ICMP checksum is wrong.
    IcmpBadChecksum = "icmp_bad_checksum",
    /// An echo to a broadcast or multicast address (`net.inet.icmp.bmcastecho`).
    IcmpBroadcastEcho = "icmp_broadcast_echo",
    /// An ICMP message that nobody waits for.
    IcmpNoListener = "icmp_no_listener",
    /// The reply would go beyond `net.inet.icmp.icmplim`.
    IcmpRateLimit = "icmp_rate_limit",
    /// Not an Ethernet/IPv4 ARP packet, or inconsistent.
    ArpMalformed = "arp_malformed",
    /// ARP that concerns neither our addresses nor our neighbours.
    ArpNotForUs = "arp_not_for_us",
    /// The host has asked for us as often in this second as is answered (`net.link.ether.inet.max_replies_per_second`).
    ArpRateLimit = "arp_rate_limit",
    /// As many packets of the vnet wait for an address as may (`net.vnet.maxheld`).
    PuntLimit = "punt_limit",
    /// The vnet has as many mbufs between workers and control thread as it may (`net.vnet.maxmbufs`), or its share of the
    /// few that are free.
    MbufLimit = "mbuf_limit",
    /// The vnet has its share of the worker's queue to the control thread.
    PuntQueueFull = "punt_queue_full",
    /// The vnet has its share of the worker's queue from the control thread.
    InjectQueueFull = "inject_queue_full",
    /// The address's hold queue is full (`net.link.ether.inet.maxhold`).
    ArpHoldFull = "arp_hold_full",
    /// The neighbour did not answer.
    ArpUnresolved = "arp_unresolved",
    /// The vnet's neighbour table is full (`net.link.ether.inet.maxneighbors`).
    ArpTableFull = "arp_table_full",
    /// No mbuf for a packet of our own.
    NoMbuf = "no_mbuf",
    /// The packet does not fit its mbuf (no headroom for the link header, or a split header).
    MbufLayout = "mbuf_layout",
    /// The vnet has its share of the worker's loopback queue of this iteration.
    LoopbackFull = "loopback_full",
    /// The interface that the packet was bound to is gone.
    InterfaceGone = "interface_gone",
    /// The process ended while the packet waited.
    Shutdown = "shutdown",
    /// Other workers were sending through the port's transmit queue until no more frames could be kept for it.
    HandoverFull = "handover_full",
    /// The other end of an epair was sent more than a worker keeps for it.
    EpairFull = "epair_full",
}

/// How many drop reasons there are.
pub const DROP_REASONS: usize = DropReason::ALL.len();

/// The packets that ended at one worker outside of any vnet.
#[derive(Debug, Default)]
pub struct PortDrops {
    /// Frames that it received and that no vnet took.
    pub received: Drops,
    /// Packets that a vnet received or made, and frames that it sent, which came back to find their interface gone, or no
    /// transmit queue. Somebody has counted them before.
    pub returned: Drops,
    /// Frames that one end of an epair sent and the other did not receive.
    pub crossing: Drops,
}

impl PortDrops {
    /// All that were dropped for `reason`.
    #[must_use]
    pub fn get(&self, reason: DropReason) -> u64 {
        self.received.get(reason) + self.returned.get(reason) + self.crossing.get(reason)
    }
}

/// One worker's drop counters.
#[derive(Debug)]
pub struct Drops([Counter; DROP_REASONS]);

impl Default for Drops {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl Drops {
    /// Counts `packets` dropped for `reason`.
    #[inline]
    pub fn add(&self, reason: DropReason, packets: u64) {
        if let Some(counter) = self.0.get(reason as usize) {
            counter.add(packets);
        }
    }

    /// The packets dropped for `reason`.
    #[must_use]
    pub fn get(&self, reason: DropReason) -> u64 {
        self.0.get(reason as usize).map_or(0, Counter::get)
    }

    /// The packets dropped for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(Counter::get).sum()
    }
}
