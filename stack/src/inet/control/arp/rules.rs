//! How ARP uses the neighbour table: its limits, its timings, its request.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::net::neighbor::{NeighborKey, NeighborLimits, Resolution, Source};
use crate::wire::{ArpOperation, ArpPacket, MacAddr};

/// Between two requests for the same address (RFC 1122 2.3.2.1: at most one a second).
const RETRY: Duration = Duration::from_secs(1);

/// The limits that sysctls set.
#[derive(Clone, Copy, Debug)]
pub struct ArpLimits {
    /// `net.link.ether.inet.max_age`.
    pub max_age: Duration,
    /// `net.link.ether.inet.maxtries`.
    pub max_tries: u32,
    /// `net.link.ether.inet.maxhold`.
    pub max_hold: usize,
    /// `net.link.ether.inet.wait`.
    pub down: Duration,
    /// `net.link.ether.inet.maxneighbors`.
    pub max_neighbors: usize,
}

impl ArpLimits {
    /// A neighbour is asked again this long after it was heard of, so that its last try ends at `max_age`.
    fn probe_after(&self) -> Duration {
        let probing = RETRY * self.max_tries;
        let rest = self.max_age.checked_sub(probing).filter(|rest| *rest > probing);
        rest.unwrap_or(self.max_age)
    }
}

impl Resolution for ArpLimits {
    type Addr = Ipv4Addr;
    type Message = ArpPacket;

    fn limits(&self) -> NeighborLimits {
        NeighborLimits {
            retransmit: RETRY,
            max_solicits: self.max_tries,
            max_probes: self.max_tries,
            reachable: self.probe_after(),
            down: self.down,
            max_hold: self.max_hold,
            max_neighbors: self.max_neighbors,
        }
    }

    fn solicitation(
        key: NeighborKey<Ipv4Addr>,
        source: Source<Ipv4Addr>,
        known: Option<MacAddr>,
    ) -> (MacAddr, ArpPacket) {
        let Source { mac, addr } = source;
        let request = ArpPacket::new(ArpOperation::Request, mac, addr, MacAddr::ZERO, key.addr);
        (known.unwrap_or(MacAddr::BROADCAST), request)
    }
}
