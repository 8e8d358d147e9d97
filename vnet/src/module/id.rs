//! The numbers of modules.

use std::fmt;

/// Names a module, with FreeBSD's numbers (`VNET_MOD_*`, sys/net/vnet.h of 2009). Below [`ModuleId::LIMIT`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleId(u8);

macro_rules! module_ids {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        impl ModuleId {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            fn constant_name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

module_ids! {
    /// Interfaces, and what all protocol families share.
    NET = 0;
    /// Netgraph.
    NETGRAPH = 1;
    /// IPv4.
    INET = 2;
    /// IPv6.
    INET6 = 3;
    /// IPsec.
    IPSEC = 4;
    /// The firewall.
    IPFW = 5;
    /// Traffic shaping.
    DUMMYNET = 6;
    /// Packet filter.
    PF = 7;
    /// ALTQ.
    ALTQ = 8;
    /// IPX.
    IPX = 9;
    /// AppleTalk.
    ATALK = 10;
    /// Accept filters.
    ACCF_HTTP = 11;
    /// IGMP.
    IGMP = 12;
    /// Multicast listener discovery.
    MLD = 13;
    /// Routing sockets.
    RTABLE = 14;
    /// Loopback interfaces.
    LOIF = 20;
    /// Address resolution.
    ARP = 21;
    /// Ethernet.
    ETHER = 22;
    /// Paired Ethernet interfaces.
    EPAIR = 23;
    /// Virtual LANs.
    VLAN = 24;
    /// Packet capture.
    BPF = 25;
    /// Sockets.
    SOCKET = 26;
    /// TCP.
    TCP = 27;
    /// UDP.
    UDP = 28;
}

impl ModuleId {
    /// Ids are below this.
    pub const LIMIT: usize = 64;

    /// The module id `number`, for modules that FreeBSD does not have. Whether it is too high is said when a module
    /// that uses it is registered.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// The id as an index.
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) const fn in_range(self) -> bool {
        self.index() < Self::LIMIT
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.constant_name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
