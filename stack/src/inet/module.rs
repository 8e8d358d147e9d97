//! The declaration of module `inet`: its per-vnet variables and sysctls, with FreeBSD's names, types and ranges
//! (sys/netinet/ip_input.c, ip_icmp.c, if_ether.c).

vnet::module! {
    /// IPv4, ICMP and ARP.
    pub mod inet {
        id: vnet::ModuleId::INET,
        depends: [vnet::ModuleId::NET],
        attach: crate::inet::control::attach,
        detach: crate::inet::control::detach,
        vars {
            // The fast path reads the first variables, in one cache line.
            /// Routes and adjacencies that workers read.
            pub forwarding: vnet::Published<crate::inet::Forwarding>;
            /// Forward packets between interfaces.
            pub ipforwarding: vnet::SysctlInt = 0,
                sysctl("net.inet.ip.forwarding", RW, 0..=1, "Enable IP forwarding between interfaces");
            /// Send redirects.
            pub ipsendredirects: vnet::SysctlInt = 1,
                sysctl("net.inet.ip.redirect", RW, 0..=1, "Enable sending IP redirects");
            /// Drop packets whose source is not reached through the receiving interface.
            pub ip_sav: vnet::SysctlInt = 0,
                sysctl("net.inet.ip.source_address_validation", RW, 0..=1, "Drop incoming packets whose source address is not routed through the receiving interface");
            /// ICMP messages a second, per class; 0 is no limit.
            pub icmplim: vnet::SysctlInt = 200,
                sysctl("net.inet.icmp.icmplim", RW, 0..=1_000_000, "Maximum number of ICMP responses per second");
            /// IPv4 counters.
            pub ipstat: vnet::PerWorker<crate::inet::IpStat>;

            /// Time to live of our own packets.
            pub ip_defttl: vnet::SysctlInt = 64,
                sysctl("net.inet.ip.ttl", RW, 1..=255, "Maximum TTL on IP packets");
            /// Options: 0 ignore, 1 process, 2 refuse packets that carry any.
            pub ip_doopts: vnet::SysctlInt = 1,
                sysctl("net.inet.ip.process_options", RW, 0..=2, "Enable IP options processing ([LS]SRR, RR, TS)");
            /// Strong end system: take packets only on the interface that has the destination address.
            pub ip_strong_es: vnet::SysctlInt = 0,
                sysctl("net.inet.ip.rfc1122_strong_es", RW, 0..=1, "Packet's IP destination address must match address on arrival interface");
            /// Answer echo requests to broadcast and multicast addresses.
            pub icmpbmcastecho: vnet::SysctlInt = 0,
                sysctl("net.inet.icmp.bmcastecho", RW, 0..=1, "Reply to multicast ICMP Echo Request and Timestamp packets");
            /// Answer timestamp requests.
            pub icmptstamprepl: vnet::SysctlInt = 1,
                sysctl("net.inet.icmp.tstamprepl", RW, 0..=1, "Respond to ICMP Timestamp packets");
            /// Redirects change no route, as those of a router must not (RFC 1812 5.2.7.2); this stack has no other way.
            pub drop_redirect: vnet::SysctlInt = 1,
                sysctl("net.inet.icmp.drop_redirect", RW, 1..=1, "Ignore ICMP redirects; they are never followed here");
            /// Log redirects that are received.
            pub log_redirect: vnet::SysctlInt = 0,
                sysctl("net.inet.icmp.log_redirect", RW, 0..=1, "Log ICMP redirects to the console");
            /// Answer packets that pass through with the first address of the interface that they came in through.
            pub icmp_rfi: vnet::SysctlInt = 0,
                sysctl("net.inet.icmp.reply_from_interface", RW, 0..=1, "ICMP reply from incoming interface for non-local packets");
            /// The interface whose first address such answers come from; empty is the one towards the receiver.
            pub reply_src: vnet::SysctlStr = "",
                sysctl("net.inet.icmp.reply_src", RW, "ICMP reply source for non-local packets");
            /// Bytes of the offending packet quoted in an error.
            pub icmp_quotelen: vnet::SysctlInt = 548,
                sysctl("net.inet.icmp.quotelen", RW, 8..=548, "Number of bytes from original packet to quote in ICMP reply");
            /// Seconds a resolved neighbour lives.
            pub arpt_keep: vnet::SysctlInt = 1200,
                sysctl("net.link.ether.inet.max_age", RW, 1..=86_400, "ARP entry lifetime in seconds");
            /// Requests before a neighbour is given up.
            pub arp_maxtries: vnet::SysctlInt = 5,
                sysctl("net.link.ether.inet.maxtries", RW, 1..=100, "ARP resolution attempts before returning error");
            /// Packets held for one unresolved address.
            pub arp_maxhold: vnet::SysctlInt = 16,
                sysctl("net.link.ether.inet.maxhold", RW, 0..=256, "Number of packets to hold per ARP entry");
            /// Seconds a failed address is left alone.
            pub arpt_down: vnet::SysctlInt = 20,
                sysctl("net.link.ether.inet.wait", RW, 1..=3600, "Incomplete ARP entry lifetime in seconds");
            /// Entries of the neighbour table.
            pub arp_maxneighbors: vnet::SysctlInt = 1024,
                sysctl("net.link.ether.inet.maxneighbors", RW, 1..=65_536, "Maximum number of entries in the ARP table");
            /// Answer ARP requests for addresses that are reached through another interface.
            pub arp_proxyall: vnet::SysctlInt = 0,
                sysctl("net.link.ether.inet.proxyall", RW, 0..=1, "Enable proxy ARP for all suitable requests");
            /// Announcements of a new address after the first.
            pub garp_rexmit_count: vnet::SysctlInt = 1,
                sysctl("net.link.ether.inet.garp_rexmit_count", RW, 0..=16, "Number of times to retransmit GARP packets; 0 to disable, maximum of 16");
            /// ARP requests of one host that an interface answers in a second; 0 is no limit.
            pub arp_maxreplies: vnet::SysctlInt = 200,
                sysctl("net.link.ether.inet.max_replies_per_second", RW, 0..=1_000_000, "Maximum number of ARP requests of a host answered per second on an interface");
            /// Log when another host uses our address or a neighbour moves.
            pub log_arp_movements: vnet::SysctlInt = 1,
                sysctl("net.link.ether.inet.log_arp_movements", RW, 0..=1, "Log ARP replies from MACs different than the one in the cache");

            /// Budget of ICMP messages.
            pub icmp_limit: crate::inet::IcmpLimit;
            /// Probes whose answers a client waits for; none before the first.
            pub probes: vnet::Published<std::sync::Arc<crate::inet::Probes>>;
            /// ICMP counters.
            pub icmpstat: vnet::PerWorker<crate::inet::IcmpStat>;
            /// ARP counters.
            pub arpstat: vnet::PerWorker<crate::inet::ArpStat>;
            /// Identification of our own packets, per worker.
            pub ip_id: vnet::PerWorker<vnet::Counter>;
            /// Addresses, routes and neighbours, as the control thread keeps them.
            pub control: vnet::ControlCell<crate::inet::control::InetControl>;
        }
    }
}
