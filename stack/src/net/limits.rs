//! How much one vnet may occupy. The limits are sysctls, `net.vnet.max*`, next to what is used, `net.vnet.*`; FreeBSD has none
//! for a vnet, and writes those that it has like this (`kern.ipc.maxsockbuf`, `net.inet.ip.maxfragpackets`). The one of the
//! neighbour table is beside the table's other sysctls.

use super::vnet_net;

macro_rules! limits {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $sysctl:literal, $what:literal;)*) => {
        /// The things that are limited in each vnet.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Limit { $($(#[$doc])* $variant),* }

        impl Limit {
            /// All of them.
            pub const ALL: &'static [Limit] = &[$(Limit::$variant),*];

            /// The name, as the configuration has it in `[vnet.limits]`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Limit::$variant => $name),* }
            }

            /// The sysctl that sets it.
            #[must_use]
            pub const fn sysctl(self) -> &'static str {
                match self { $(Limit::$variant => $sysctl),* }
            }

            /// The things that are counted, for people.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Limit::$variant => $what),* }
            }
        }
    };
}

limits! {
    /// Interfaces, lo0 included.
    Interfaces = "interfaces", "net.vnet.maxinterfaces", "interfaces";
    /// Routes, those of addresses included.
    Routes = "routes", "net.vnet.maxroutes", "routes";
    /// Neighbours, static ones included.
    Neighbors = "neighbors", "net.link.ether.inet.maxneighbors", "neighbours";
    /// Packets that wait for a neighbour's address, or on the way to where they do.
    HeldPackets = "held_packets", "net.vnet.maxheld", "packets that wait for an address";
    /// Bytes of variables, interfaces, routes and neighbours.
    Memory = "memory", "net.vnet.maxmemory", "bytes of memory";
    /// Mbufs for longer than an iteration of a worker.
    Mbufs = "mbufs", "net.vnet.maxmbufs", "mbufs";
    /// Percent of a worker that does not keep up (FreeBSD: rctl(8) `pcpu`).
    Pcpu = "pcpu", "net.vnet.maxpcpu", "percent of a worker";
}

/// A limit of a vnet is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the vnet would have more than {most} {}, its limit {}: delete some, or raise sysctl {}",
    .limit.what(), .limit.name(), .limit.sysctl()
)]
pub struct LimitReached {
    /// Which.
    pub limit: Limit,
    /// How many there may be.
    pub most: u64,
}

/// Requests that were refused because of a limit, by limit. Packets have their drop reasons.
#[derive(Clone, Debug, Default)]
pub struct Refusals([u64; Limit::ALL.len()]);

impl Refusals {
    /// One more.
    pub fn add(&mut self, limit: Limit) {
        self.0[limit as usize] += 1;
    }

    /// How many there were.
    #[must_use]
    pub fn get(&self, limit: Limit) -> u64 {
        self.0[limit as usize]
    }
}

/// Mbufs that the vnet may occupy for longer than an iteration: with the control thread, and between it and the workers.
#[must_use]
pub fn mbuf_limit(net: vnet_net::Base<'_>) -> u32 {
    net.maxmbufs().get().unsigned_abs()
}

/// Of these, packets that wait for an address: at most half, so that the answers that they wait for get through.
#[must_use]
pub fn held_limit(net: vnet_net::Base<'_>) -> u32 {
    net.maxheld().get().unsigned_abs().min(mbuf_limit(net) / 2)
}
