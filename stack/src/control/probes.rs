//! Packets of our own whose answers a client waits for: what ping and traceroute send.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::Ipv4Net;
use vnet::VnetRef;

use super::Stack;
use crate::inet::control::{PROBES_PER_SECOND, ProbeBook};
use crate::inet::{PROBES, ProbeAnswer, ProbeKind, ProbeName, ProbeNumber, Probes, vnet_inet};
use crate::net::route::Hop;
use crate::net::{IfSlot, Ifnet, held_limit, vnet_net};
use crate::wire::{
    ETHER_HDR_LEN, ICMP_HDR_LEN, IP_HDR_LEN, IpHeader, checksum, icmp_type, ip_proto,
    is_martian_destination, is_multicast,
};
use crate::worker::{Inject, InjectWork};

/// Header of an echo request, and of a UDP datagram, bytes.
const PROBE_HDR_LEN: usize = ICMP_HDR_LEN;
/// Data of the longest probe, bytes.
pub(crate) const PROBE_DATA_MAX: usize = u16::MAX as usize - IP_HDR_LEN - PROBE_HDR_LEN;

/// The probe to send.
#[derive(Clone, Copy, Debug)]
pub struct ProbeSpec {
    /// Where to.
    pub address: Ipv4Addr,
    /// The kind of probe.
    pub kind: ProbeKind,
    /// Hops that it may go, not zero; `net.inet.ip.ttl` if none is given.
    pub ttl: Option<u8>,
    /// Bytes of data behind the ICMP or UDP header, at most 65,507.
    pub size: usize,
    /// An address of the vnet; one of the interface that it leaves through if none is given.
    pub source: Option<Ipv4Addr>,
    /// Whether it must not be fragmented.
    pub dont_fragment: bool,
    /// How long the client waits for the answer.
    pub wait: Duration,
}

/// Why nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The vnet is being destroyed.
    #[error("the vnet is being destroyed: use another one")]
    Dying,
    /// No way to go.
    #[error(
        "vnet {vnet} has no route to {to}: `netstat -r` shows its routes, and -v names another vnet"
    )]
    NoRoute {
        /// Where to.
        to: Ipv4Addr,
        /// From which vnet.
        vnet: String,
    },
    /// A route that discards.
    #[error("packets to {0} are discarded by the route {1}: `netstat -r` shows it")]
    Discarded(Ipv4Addr, Ipv4Net),
    /// No address of one host.
    #[error("{0} is not the address of one host: name one")]
    NotHost(Ipv4Addr),
    /// A foreign source.
    #[error("{0} is no address of this vnet: `ifconfig` shows those that it has")]
    Source(Ipv4Addr),
    /// Nothing to send from.
    #[error(
        "neither interface {0}, which leads there, nor another one of the vnet has an address to send from: give it one"
    )]
    NoSource(String),
    /// The way out is closed.
    #[error("interface {0}, which leads there, is down: `ifconfig {0} up`")]
    InterfaceDown(String),
    /// More than a datagram holds.
    #[error("{0} bytes of data do not fit into a datagram: send at most 65507")]
    TooLong(usize),
    /// Too long for the link, and it must not be fragmented.
    #[error(
        "{len} bytes do not fit into the MTU of {interface}, which is {mtu}: send less, or allow fragments"
    )]
    NeedsFragmentation {
        /// Length of the IP packet.
        len: usize,
        /// The interface.
        interface: String,
        /// Its MTU.
        mtu: u32,
    },
    /// All places are taken.
    #[error(
        "{PROBES} probes of this vnet wait for answers, and there is room for no more: wait for them"
    )]
    TooMany,
    /// The rate.
    #[error("this vnet has sent {PROBES_PER_SECOND} probes in this second: wait for the next one")]
    TooFast,
    /// The pool is empty.
    #[error("there is no mbuf left: wait, or configure more")]
    NoMbuf,
}

/// A probe that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeView {
    /// Its number.
    pub number: ProbeNumber,
    /// The address that it was sent from.
    pub source: Ipv4Addr,
}

/// The state of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeState {
    /// No answer yet.
    Waiting,
    /// No answer in the time that the client wanted to wait.
    Expired,
    /// This answer.
    Answered(ProbeAnswer),
}

impl Stack {
    /// Sends a probe from inside a vnet, by way of a worker.
    ///
    /// # Errors
    ///
    /// Nothing is sent; see [`ProbeError`].
    pub fn send_probe(&mut self, vnet: &VnetRef, spec: ProbeSpec) -> Result<ProbeView, ProbeError> {
        if spec.size > PROBE_DATA_MAX {
            return Err(ProbeError::TooLong(spec.size));
        }
        let (ifp, next_hop) = self.probe_egress(vnet, &spec)?;
        let source = self.probe_source(vnet, &ifp, next_hop, &spec)?;
        let in_flight = vnet_net::init(vnet).in_flight();
        if in_flight.get() >= held_limit(vnet_net::init(vnet)) {
            return Err(ProbeError::TooMany);
        }
        let (number, name) = self.begin_probe(vnet, &spec)?;
        let frame = self.probe_frame(vnet, &spec, source, name);
        let mbuf = self.pool.from_bytes(&frame).ok_or(ProbeError::NoMbuf)?;
        let _unbounded: bool = in_flight.enter(u32::MAX);
        let reader = self.control.reader();
        vnet_net::init(vnet).account().get(reader).originated.inc();
        vnet_inet::init(vnet).ipstat().get(reader).ips_localout.inc();
        let work = InjectWork::Probe(number);
        self.inject(vnet, Inject { slot: ifp.slot, mbuf, work });
        Ok(ProbeView { number, source })
    }

    /// The state of a probe; none when no client waits for it any more.
    #[must_use]
    pub fn probe(&self, vnet: &VnetRef, number: ProbeNumber) -> Option<ProbeState> {
        let look = |book: &mut Box<ProbeBook>| book.look(number);
        let found = self.with_inet(vnet, |inet| inet.probes.as_mut().and_then(look));
        let (answer, deadline) = found.flatten()?;
        Some(match answer {
            Some(answer) => ProbeState::Answered(answer),
            None if deadline <= self.now => ProbeState::Expired,
            None => ProbeState::Waiting,
        })
    }

    /// The interface that it will leave through, and the next hop on its link; the first one, if there are several.
    fn probe_egress(
        &self,
        vnet: &VnetRef,
        spec: &ProbeSpec,
    ) -> Result<(Arc<Ifnet>, Ipv4Addr), ProbeError> {
        let address = spec.address;
        let bits = address.to_bits();
        let route = self.route_to(vnet, address);
        let local = route.as_ref().is_some_and(|route| matches!(route.hop, Hop::Local(_)));
        if !local && (is_martian_destination(bits) || is_multicast(bits) || bits == u32::MAX) {
            return Err(ProbeError::NotHost(address));
        }
        let no_route = || ProbeError::NoRoute { to: address, vnet: vnet.name().to_owned() };
        let route = route.ok_or_else(no_route)?;
        let (slots, next_hop): (Vec<IfSlot>, _) = match route.hop {
            Hop::Local(slot) | Hop::Connected(slot) => (vec![slot], address),
            Hop::Gateway(paths) => {
                let gateway = match paths.first().map(|path| path.gateway) {
                    Some(IpAddr::V4(gateway)) => gateway,
                    _ => address,
                };
                (paths.iter().map(|path| path.slot).collect(), gateway)
            }
            Hop::Broadcast(_) => return Err(ProbeError::NotHost(address)),
            Hop::Blackhole | Hop::Reject => {
                return Err(ProbeError::Discarded(address, route.prefix));
            }
        };
        let mut ways = slots.iter().filter_map(|slot| self.interface(*slot).cloned());
        let ifp = ways.next().ok_or_else(no_route)?;
        if local {
            return Ok((ifp, next_hop));
        }
        if !ifp.is_up() {
            return Err(ProbeError::InterfaceDown(ifp.name.clone()));
        }
        let len = IP_HDR_LEN + PROBE_HDR_LEN + spec.size;
        // Which of several paths it takes is the flow's affair.
        let narrow = std::iter::once(ifp.clone()).chain(ways).find(|way| len > way.mtu() as usize);
        match narrow.filter(|_| spec.dont_fragment) {
            Some(way) => {
                let (interface, mtu) = (way.name.clone(), way.mtu());
                Err(ProbeError::NeedsFragmentation { len, interface, mtu })
            }
            None => Ok((ifp, next_hop)),
        }
    }

    /// The address to send from (FreeBSD: `in_pcbladdr`, netinet/in_pcb.c): to ourselves from the same one.
    fn probe_source(
        &self,
        vnet: &VnetRef,
        ifp: &Ifnet,
        next_hop: Ipv4Addr,
        spec: &ProbeSpec,
    ) -> Result<Ipv4Addr, ProbeError> {
        let is_ours = |address: Ipv4Addr| {
            let route = self.route_to(vnet, address);
            route.is_some_and(|route| matches!(route.hop, Hop::Local(_)))
        };
        if let Some(source) = spec.source {
            return if is_ours(source) { Ok(source) } else { Err(ProbeError::Source(source)) };
        }
        if is_ours(spec.address) {
            return Ok(spec.address);
        }
        let own = self.with_inet(vnet, |inet| inet.sources().towards(ifp.slot, next_hop));
        own.flatten().ok_or_else(|| ProbeError::NoSource(ifp.name.clone()))
    }

    /// A place for the answer; the table is published with the vnet's first probe.
    fn begin_probe(
        &mut self,
        vnet: &VnetRef,
        spec: &ProbeSpec,
    ) -> Result<(ProbeNumber, ProbeName), ProbeError> {
        let now = self.now;
        let mut new = None;
        let begun = self.with_inet(vnet, |inet| {
            let book = inet.probes.get_or_insert_with(|| {
                // A host that guesses it may answer in another's name, but no more.
                let secret = std::hash::BuildHasher::hash_one(
                    &hashbrown::DefaultHashBuilder::default(),
                    now.0,
                );
                let table = Arc::new(Probes::new(secret as u16));
                new = Some(Arc::clone(&table));
                Box::new(ProbeBook::new(table))
            });
            if book.is_too_fast(now) {
                return Err(ProbeError::TooFast);
            }
            let number = book.begin(spec.kind, spec.address, now, now + spec.wait);
            let number = number.ok_or(ProbeError::TooMany)?;
            Ok((number, book.table().name(spec.kind, number)))
        });
        if let Some(table) = new {
            self.control.publish(vnet_inet::init(vnet).probes(), Some(Box::new(table)));
        }
        begun.unwrap_or(Err(ProbeError::Dying))
    }

    /// The packet, behind room for an Ethernet header.
    fn probe_frame(
        &self,
        vnet: &VnetRef,
        spec: &ProbeSpec,
        source: Ipv4Addr,
        name: ProbeName,
    ) -> Vec<u8> {
        let inet = vnet_inet::init(vnet);
        let id = inet.ip_id().get(self.control.reader());
        id.inc();
        let ttl = spec.ttl.unwrap_or(inet.ip_defttl().get().clamp(1, 255) as u8);
        let datagram = match spec.kind {
            ProbeKind::Echo => echo_request(name, spec.size),
            ProbeKind::Udp => udp_datagram(source, spec.address, name, spec.size),
        };
        let protocol = match spec.kind {
            ProbeKind::Echo => ip_proto::ICMP,
            ProbeKind::Udp => ip_proto::UDP,
        };
        let fragment = if spec.dont_fragment { IpHeader::DF } else { 0 };
        let mut header = [0u8; IP_HDR_LEN];
        header[0] = 0x45;
        header[2..4].copy_from_slice(&((IP_HDR_LEN + datagram.len()) as u16).to_be_bytes());
        header[4..6].copy_from_slice(&(id.get() as u16).to_be_bytes());
        header[6..8].copy_from_slice(&fragment.to_be_bytes());
        header[8..10].copy_from_slice(&[ttl, protocol]);
        header[12..16].copy_from_slice(&source.octets());
        header[16..20].copy_from_slice(&spec.address.octets());
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum.to_ne_bytes());
        [&[0; ETHER_HDR_LEN], &header[..], &datagram].concat()
    }
}

/// Bytes that count up, as ping(8) sends them.
fn data(size: usize) -> impl Iterator<Item = u8> {
    (0..size).map(|at| at as u8)
}

/// An echo request (RFC 792).
fn echo_request(name: ProbeName, size: usize) -> Vec<u8> {
    let [a, b] = name.first.to_be_bytes();
    let [c, d] = name.second.to_be_bytes();
    let mut message = vec![icmp_type::ECHO, 0, 0, 0, a, b, c, d];
    message.extend(data(size));
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_ne_bytes());
    message
}

/// A UDP datagram (RFC 768), with a checksum over the pseudo-header.
fn udp_datagram(source: Ipv4Addr, target: Ipv4Addr, name: ProbeName, size: usize) -> Vec<u8> {
    let len = ((PROBE_HDR_LEN + size) as u16).to_be_bytes();
    let mut datagram = [name.first.to_be_bytes(), name.second.to_be_bytes(), len, [0; 2]].concat();
    datagram.extend(data(size));
    let (source, target) = (source.octets(), target.octets());
    let pseudo = [&source[..], &target, &[0, ip_proto::UDP], &len, &datagram].concat();
    // RFC 768: 0 would say that there is none.
    let sum = match checksum(&pseudo) {
        0 => u16::MAX,
        sum => sum,
    };
    datagram[6..8].copy_from_slice(&sum.to_ne_bytes());
    datagram
}
