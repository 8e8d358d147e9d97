//! The things that a node of IPv4 may touch besides those that every node may.

use crate::inet::{Forwarding, IpStat, vnet_inet};
use crate::net::graph::Cx;

impl<'a> Cx<'a> {
    /// Module `inet` of this vnet.
    #[inline]
    pub(crate) fn inet(&self) -> vnet_inet::Base<'a> {
        vnet_inet::init(&self.ingress.vnet)
    }

    /// Routes and adjacencies of this vnet; none before the control side published them.
    #[inline]
    pub(crate) fn forwarding(&self) -> Option<&'a Forwarding> {
        self.inet().forwarding().load(self.reader)
    }

    /// The time in messages and options: milliseconds since midnight UT, or any time with the high bit set when it is not that
    /// (RFC 791, RFC 792).
    pub(crate) fn timestamp(&self) -> u32 {
        0x8000_0000 | (self.now.0 / 1_000_000) as u32 & 0x7fff_ffff
    }

    /// The IPv4 counters of this vnet and worker.
    #[inline]
    pub(crate) fn ipstat(&self) -> &'a IpStat {
        self.inet().ipstat().get(self.reader)
    }
}
