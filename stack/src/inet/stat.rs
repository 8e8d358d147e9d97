//! Counters of IPv4, ICMP and ARP with FreeBSD's names (netinet/ip_var.h, icmp_var.h, net/if_arp.h).

use crate::counters;

counters! {
    /// FreeBSD's `struct ipstat`.
    pub struct IpStat {
        /// Total packets received.
        ips_total,
        /// Checksum bad.
        ips_badsum,
        /// Packet too short.
        ips_tooshort,
        /// Not enough data.
        ips_toosmall,
        /// IP header length below the minimum, or beyond the packet.
        ips_badhlen,
        /// Total length below the header length.
        ips_badlen,
        /// Fragments received for this host.
        ips_fragments,
        /// Fragments dropped.
        ips_fragdropped,
        /// Packets forwarded, by whichever path.
        ips_forward,
        /// Of these, forwarded by the fast path.
        ips_fastforward,
        /// Packets received for unreachable destinations.
        ips_cantforward,
        /// Redirects sent.
        ips_redirectsent,
        /// Unknown or unsupported protocol.
        ips_noproto,
        /// Datagrams delivered to an upper protocol.
        ips_delivered,
        /// Packets generated here.
        ips_localout,
        /// Datagrams split into fragments.
        ips_fragmented,
        /// Fragments made.
        ips_ofragments,
        /// Fragmentation needed but forbidden.
        ips_cantfrag,
        /// Errors in the options.
        ips_badoptions,
        /// Packets dropped for want of a route.
        ips_noroute,
        /// Version is not 4.
        ips_badvers,
        /// Multicasts for groups that nobody here joined.
        ips_notmember,
        /// Bad source or destination address.
        ips_badaddr,
    }
}

counters! {
    /// FreeBSD's `struct icmpstat`.
    pub struct IcmpStat {
        /// Calls for an error message.
        icps_error,
        /// Errors not sent because the packet was itself an ICMP error, a broadcast, or a later fragment.
        icps_oldicmp,
        /// Messages not sent because of the rate limit.
        icps_ratelimit,
        /// Errors not sent because no route leads back.
        icps_noroute,
        /// Messages received with a bad code.
        icps_badcode,
        /// Messages shorter than the minimum.
        icps_tooshort,
        /// Bad checksum.
        icps_checksum,
        /// Requests answered.
        icps_reflect,
        /// Echo requests to a broadcast or multicast address, dropped.
        icps_bmcastecho,
        /// Timestamp requests to a broadcast or multicast address, dropped.
        icps_bmcasttstamp,
        /// Echo requests received.
        icps_in_echo,
        /// Timestamp requests received.
        icps_in_tstamp,
        /// Messages received that nobody waits for.
        icps_in_other,
        /// Echo replies sent.
        icps_out_echoreply,
        /// Timestamp replies sent.
        icps_out_tstampreply,
        /// Destination-unreachable messages sent.
        icps_out_unreach,
        /// Redirects sent.
        icps_out_redirect,
        /// Time-exceeded messages sent.
        icps_out_timxceed,
        /// Parameter-problem messages sent.
        icps_out_paramprob,
    }
}

counters! {
    /// FreeBSD's `struct arpstat`.
    pub struct ArpStat {
        /// Requests sent.
        txrequests,
        /// Replies sent.
        txreplies,
        /// Requests received.
        rxrequests,
        /// Replies received.
        rxreplies,
        /// Packets received.
        received,
        /// Packets that could not be sent.
        txerrors,
        /// Packets dropped while their address was being resolved.
        dropped,
        /// Entries that timed out.
        timeouts,
        /// Somebody else uses one of our addresses.
        dupips,
    }
}
