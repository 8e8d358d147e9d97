//! The two families: ARP as it is, and the rules that Neighbour Discovery has.

use std::fmt::Debug;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

pub(crate) use stack::inet::control::ArpLimits;
use stack::net::neighbor::{NeighborKey, NeighborLimits, NeighborState, Resolution, Source};
use stack::wire::{ArpOperation, ArpPacket, MacAddr};

/// A family, as the bodies of the tests see it. The constants are written down here and not computed from the rules.
pub(crate) trait Family:
    Resolution<Addr: Debug, Message: Debug + PartialEq> + Clone
{
    /// Solicitations of an unknown address, a second apart.
    const SOLICITS: u64;
    /// Solicitations of a known neighbour, a second apart.
    const PROBES: u64;
    /// Seconds from an answer to the first of those.
    const REACHABLE: u64;
    /// Seconds that an address which did not answer is left alone; none when its entry goes at once.
    const DOWN: Option<u64>;
    /// Packets that wait for one neighbour.
    const HOLD: usize;

    fn rules(max_neighbors: usize) -> Self;

    /// The host with this number, on our network.
    fn addr(host: u8) -> Self::Addr;

    /// The MAC address on which a host listens before it is known.
    fn group(host: u8) -> MacAddr;

    /// Which host a message asks for, and from where.
    fn question(message: &Self::Message) -> (u8, Source<Self::Addr>);
}

impl Family for ArpLimits {
    const SOLICITS: u64 = 5;
    const PROBES: u64 = 5;
    const REACHABLE: u64 = 1195;
    const DOWN: Option<u64> = Some(20);
    const HOLD: usize = 16;

    fn rules(max_neighbors: usize) -> Self {
        ArpLimits {
            max_age: Duration::from_secs(1200),
            max_tries: 5,
            max_hold: Self::HOLD,
            down: Duration::from_secs(20),
            max_neighbors,
        }
    }

    fn addr(host: u8) -> Ipv4Addr {
        Ipv4Addr::new(172, 16, 0, host)
    }

    fn group(_host: u8) -> MacAddr {
        MacAddr::BROADCAST
    }

    fn question(packet: &ArpPacket) -> (u8, Source<Ipv4Addr>) {
        assert_eq!(packet.operation(), Some(ArpOperation::Request));
        let source = Source { mac: packet.sender_mac, addr: packet.sender() };
        (packet.target().octets()[3], source)
    }
}

/// Neighbour Discovery's constants (RFC 4861 10), with a transition of its own: an address that does not answer has no
/// entry (7.2.2). The neighbours here are in use all the time, so that the first probe follows DELAY_FIRST_PROBE_TIME after
/// REACHABLE_TIME (7.3.3).
#[derive(Clone, Debug)]
pub(crate) struct Nd {
    max_neighbors: usize,
}

/// A neighbour solicitation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Solicitation {
    target: Ipv6Addr,
    source: Source<Ipv6Addr>,
}

impl Resolution for Nd {
    type Addr = Ipv6Addr;
    type Message = Solicitation;

    fn limits(&self) -> NeighborLimits {
        NeighborLimits {
            retransmit: Duration::from_millis(1000),
            max_solicits: 3,
            max_probes: 3,
            reachable: Duration::from_millis(30_000) + Duration::from_secs(5),
            down: Duration::ZERO,
            max_hold: Self::HOLD,
            max_neighbors: self.max_neighbors,
        }
    }

    fn solicitation(
        key: NeighborKey<Ipv6Addr>,
        source: Source<Ipv6Addr>,
        known: Option<MacAddr>,
    ) -> (MacAddr, Solicitation) {
        // RFC 4291 2.7.1 and RFC 2464 7: the solicited-node group on Ethernet.
        let [.., a, b, c] = key.addr.octets();
        let dst = known.unwrap_or(MacAddr([0x33, 0x33, 0xff, a, b, c]));
        (dst, Solicitation { target: key.addr, source })
    }

    fn next_state(&self, state: NeighborState) -> Option<NeighborState> {
        state.next(&self.limits()).filter(|next| *next != NeighborState::Failed)
    }
}

impl Family for Nd {
    const SOLICITS: u64 = 3;
    const PROBES: u64 = 3;
    const REACHABLE: u64 = 35;
    const DOWN: Option<u64> = None;
    const HOLD: usize = 2;

    fn rules(max_neighbors: usize) -> Self {
        Nd { max_neighbors }
    }

    fn addr(host: u8) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host.into())
    }

    fn group(host: u8) -> MacAddr {
        MacAddr([0x33, 0x33, 0xff, 0, 0, host])
    }

    fn question(message: &Solicitation) -> (u8, Source<Ipv6Addr>) {
        (message.target.octets()[15], message.source)
    }
}
