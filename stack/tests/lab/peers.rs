//! smoltcp's hosts around a vnet, all in virtual time: they share no code with us.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, ChecksumCapabilities, Device, DeviceCapabilities, Medium};
use smoltcp::socket::{icmp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetAddress, HardwareAddress, Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr,
    Icmpv4TimeExceeded, IpAddress, IpCidr, IpListenEndpoint,
};

use crate::common::crossroads::EM;
use crate::common::frame::{Mac, mac};
use crate::common::{Lab, Sent};

const RED: &str = "red";
/// Between two steps of the world.
const STEP: Duration = Duration::from_millis(20);
/// The UDP port that hosts listen on.
const PORT: u16 = 7000;

/// A host's network card.
#[derive(Default)]
struct Card {
    received: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

struct RxToken(Vec<u8>);
struct TxToken<'a>(&'a mut Vec<Vec<u8>>);

impl phy::RxToken for RxToken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push(frame);
        result
    }
}

impl Device for Card {
    type RxToken<'a> = RxToken;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(RxToken, TxToken<'_>)> {
        let frame = self.received.pop_front()?;
        Some((RxToken(frame), TxToken(&mut self.sent)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_>> {
        Some(TxToken(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

/// A host on a port, or on a VLAN of it; sockets for ICMP and UDP.
struct Host {
    port: u16,
    vlan: Option<u16>,
    card: Card,
    iface: Interface,
    sockets: SocketSet<'static>,
    icmp: SocketHandle,
    udp: SocketHandle,
}

impl Host {
    fn new(port: u16, vlan: Option<u16>, mac: Mac, addr: Ipv4Addr) -> Self {
        let mut card = Card::default();
        let config = Config::new(HardwareAddress::Ethernet(EthernetAddress(mac)));
        let mut iface = Interface::new(config, &mut card, Instant::ZERO);
        let [a, b, c, _] = addr.octets();
        iface.update_ip_addrs(|all| all.push(IpCidr::new(IpAddress::Ipv4(addr), 24)).unwrap());
        let _none = iface.routes_mut().add_default_ipv4_route(Ipv4Addr::new(a, b, c, 1)).unwrap();
        let mut sockets = SocketSet::new(vec![]);
        let buffer =
            || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 16], vec![0; 20_000]);
        let icmp = sockets.add(icmp::Socket::new(buffer(), buffer()));
        let buffer =
            || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 16], vec![0; 20_000]);
        let udp = sockets.add(udp::Socket::new(buffer(), buffer()));
        let mut host = Self { port, vlan, card, iface, sockets, icmp, udp };
        host.icmp().bind(icmp::Endpoint::Udp(IpListenEndpoint::from(PORT))).unwrap();
        host.udp().bind(PORT).unwrap();
        host
    }

    fn icmp(&mut self) -> &mut icmp::Socket<'static> {
        self.sockets.get_mut(self.icmp)
    }

    fn udp(&mut self) -> &mut udp::Socket<'static> {
        self.sockets.get_mut(self.udp)
    }

    /// Listens for echo replies from now on, and no longer for errors about its UDP packets.
    fn listen_to_pings(&mut self) {
        let buffer =
            || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 16], vec![0; 20_000]);
        self.icmp = self.sockets.add(icmp::Socket::new(buffer(), buffer()));
        self.icmp().bind(icmp::Endpoint::Ident(77)).unwrap();
    }

    fn ping(&mut self, to: Ipv4Addr, seq_no: u16, data: &[u8]) {
        let request = Icmpv4Repr::EchoRequest { ident: 77, seq_no, data };
        let buffer = self.icmp().send(request.buffer_len(), IpAddress::Ipv4(to)).unwrap();
        let checksums = ChecksumCapabilities::default();
        request.emit(&mut Icmpv4Packet::new_unchecked(buffer), &checksums);
    }

    /// Echo replies and their senders.
    fn pongs(&mut self) -> Vec<(Ipv4Addr, u16, Vec<u8>)> {
        let mut pongs = Vec::new();
        while self.icmp().can_recv() {
            let (bytes, from) = self.icmp().recv().unwrap();
            let IpAddress::Ipv4(from) = from else { panic!("an answer from {from}") };
            let packet = Icmpv4Packet::new_checked(bytes).unwrap();
            match Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default()).unwrap() {
                Icmpv4Repr::EchoReply { ident: 77, seq_no, data } => {
                    pongs.push((from, seq_no, data.to_vec()));
                }
                Icmpv4Repr::EchoRequest { .. } => {} // which its interface has answered
                other => panic!("{other:?}"),
            }
        }
        pongs
    }

    fn tell(&mut self, to: Ipv4Addr, port: u16, data: &[u8]) {
        self.udp().send_slice(data, (IpAddress::Ipv4(to), port)).unwrap();
    }

    fn heard(&mut self) -> Vec<(IpAddress, Vec<u8>)> {
        let mut heard = Vec::new();
        while self.udp().can_recv() {
            let (data, meta) = self.udp().recv().unwrap();
            heard.push((meta.endpoint.addr, data.to_vec()));
        }
        heard
    }

    /// Takes a frame off its link, if it is meant to see it.
    fn see(&mut self, sent: &Sent) {
        let tag = (sent.frame[12..14] == [0x81, 0x00])
            .then(|| u16::from_be_bytes([sent.frame[14], sent.frame[15]]));
        if sent.port == self.port && tag == self.vlan {
            let mut frame = sent.frame.clone();
            if tag.is_some() {
                let _tag = frame.drain(12..16);
            }
            self.card.received.push_back(frame);
        }
    }

    fn sends(&mut self) -> Vec<Vec<u8>> {
        let mut frames = std::mem::take(&mut self.card.sent);
        if let Some(vlan) = self.vlan {
            for frame in &mut frames {
                let tag = [[0x81, 0x00], vlan.to_be_bytes()].concat();
                let _none = frame.splice(12..12, tag);
            }
        }
        frames
    }
}

/// A router and three hosts: 10.0.0.2, 10.0.1.2, and 10.0.2.2 in VLAN 100 behind an MTU of 576.
struct World {
    lab: Lab,
    hosts: [Host; 3],
    /// The frames that the router sent and that no host has seen yet.
    on_the_way: Vec<Sent>,
}

const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const HOSTS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 1, 2), Ipv4Addr::new(10, 0, 2, 2)];

impl World {
    fn new() -> Self {
        let mut lab = Lab::new();
        let _slot = lab.interface(RED, "em0", 0, None, EM[0], &["10.0.0.1/24"]);
        let _slot = lab.interface(RED, "em1", 1, None, EM[1], &["10.0.1.1/24"]);
        let _slot = lab.interface(RED, "em2", 2, Some(100), EM[2], &["10.0.2.1/24"]);
        lab.set_mtu(RED, "em2", 576);
        lab.sysctl(RED, "net.inet.ip.forwarding", 1);
        let hosts = [
            Host::new(0, None, mac(0x20), HOSTS[0]),
            Host::new(1, None, mac(0x21), HOSTS[1]),
            Host::new(2, Some(100), mac(0x22), HOSTS[2]),
        ];
        Self { lab, hosts, on_the_way: Vec::new() }
    }

    /// Lets everybody talk for a while.
    fn pass(&mut self, time: Duration) {
        let end = self.lab.now + time;
        while self.lab.now < end {
            let now = Instant::from_millis((self.lab.now.0 / 1_000_000) as i64);
            let arriving = std::mem::take(&mut self.on_the_way);
            for host in &mut self.hosts {
                arriving.iter().for_each(|sent| host.see(sent));
                // With each poll one fragment leaves.
                for _ in 0..16 {
                    let _changed = host.iface.poll(now, &mut host.card, &mut host.sockets);
                }
                let frames = host.sends();
                self.on_the_way.extend(self.lab.send(host.port, &frames));
            }
            self.on_the_way.extend(self.lab.pass(STEP));
        }
        self.lab.check();
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

/// Nobody knows anybody: the host asks for the router, the router learns from the question.
#[test]
fn a_host_pings_its_router() {
    let mut world = World::new();
    world.hosts[0].listen_to_pings();
    for (seq, len) in [(1, 0), (2, 1), (3, 56), (4, 1471), (5, 1472)] {
        world.hosts[0].ping(ROUTER, seq, &pattern(len));
        world.pass(Duration::from_secs(2));
        assert_eq!(world.hosts[0].pongs(), [(ROUTER, seq, pattern(len))], "{len} bytes");
    }
    assert_eq!(world.lab.stat(RED, "icps_out_echoreply"), 5);
    assert_eq!(world.lab.stat(RED, "rxrequests"), 1);
    world.lab.end();
}

/// Through the router, which has to ask for the other host itself.
#[test]
fn hosts_ping_each_other() {
    let mut world = World::new();
    for from in 0..3 {
        world.hosts[from].listen_to_pings();
    }
    for (from, to) in [(0, 1), (1, 0), (0, 2), (2, 1), (1, 2), (2, 0)] {
        let data = pattern(100 + from * 10 + to);
        world.hosts[from].ping(HOSTS[to], 9, &data);
        world.pass(Duration::from_secs(2));
        assert_eq!(world.hosts[from].pongs(), [(HOSTS[to], 9, data)], "{from} to {to}");
    }
    // Some replies met an address that nobody had asked for yet, but none was lost.
    assert_eq!(world.lab.drops(RED), [].into());
    world.lab.end();
}

#[test]
fn hosts_send_datagrams_through_the_router() {
    let mut world = World::new();
    for round in 0..5 {
        let (there, back) = (pattern(1000 + round), pattern(700 + round));
        world.hosts[0].tell(HOSTS[1], PORT, &there);
        world.hosts[1].tell(HOSTS[0], PORT, &back);
        world.pass(Duration::from_secs(2));
        assert_eq!(world.hosts[1].heard(), [(IpAddress::Ipv4(HOSTS[0]), there)]);
        assert_eq!(world.hosts[0].heard(), [(IpAddress::Ipv4(HOSTS[1]), back)]);
    }
    world.lab.end();
}

/// Fragments of the sender's go through; on the narrow link they are cut again; the receiver puts all together.
#[test]
fn long_datagrams_arrive_whole() {
    let mut world = World::new();
    // The addresses first: RFC 1122 lets a host drop all but one packet while it asks.
    for to in [1, 2] {
        world.hosts[0].tell(HOSTS[to], PORT, b"hello");
        world.hosts[to].tell(HOSTS[0], PORT, b"hello");
    }
    world.pass(Duration::from_secs(3));
    for host in &mut world.hosts {
        assert!(!host.heard().is_empty());
    }
    for (to, len) in [(1, 1472), (1, 1473), (1, 4000), (2, 548), (2, 1473), (2, 4000), (2, 6000)] {
        world.hosts[0].tell(HOSTS[to], PORT, &pattern(len));
        world.pass(Duration::from_secs(2));
        let heard = world.hosts[to].heard();
        assert_eq!(heard.len(), 1, "{len} bytes to {to}");
        assert_eq!(heard[0], (IpAddress::Ipv4(HOSTS[0]), pattern(len)));
    }
    assert!(world.lab.stat(RED, "ips_fragmented") > 0);
    world.lab.end();
}

/// smoltcp takes apart what the router says of a packet, and finds its own socket's port in the quote.
#[test]
fn hosts_understand_errors() {
    let mut world = World::new();
    world.lab.set_mtu(RED, "em2", 300);
    world.hosts[0].tell(ROUTER, 5353, b"is anybody there");
    world.pass(Duration::from_secs(2));
    let port = Icmpv4DstUnreachable::PortUnreachable;
    assert!(matches!(error(&mut world.hosts[0]), Heard::Unreachable(reason) if reason == port));

    world.hosts[0].tell(Ipv4Addr::new(9, 9, 9, 9), 53, b"lost");
    world.pass(Duration::from_secs(2));
    let net = Icmpv4DstUnreachable::NetUnreachable;
    assert!(matches!(error(&mut world.hosts[0]), Heard::Unreachable(reason) if reason == net));

    world.hosts[0].tell(Ipv4Addr::new(10, 0, 1, 77), 53, b"nobody has that address");
    world.pass(Duration::from_secs(8));
    let host = Icmpv4DstUnreachable::HostUnreachable;
    assert!(matches!(error(&mut world.hosts[0]), Heard::Unreachable(reason) if reason == host));

    // smoltcp forbids to cut what it has not cut itself. It takes errors for its own that quote the whole datagram.
    world.hosts[0].tell(HOSTS[2], PORT, &pattern(400));
    world.pass(Duration::from_secs(2));
    let too_long = Icmpv4DstUnreachable::FragRequired;
    assert!(matches!(error(&mut world.hosts[0]), Heard::Unreachable(reason) if reason == too_long));

    // traceroute
    world.hosts[0].udp().set_hop_limit(Some(1));
    world.hosts[0].tell(HOSTS[1], PORT, b"one hop");
    world.pass(Duration::from_secs(2));
    let ttl = Icmpv4TimeExceeded::TtlExpired;
    assert!(matches!(error(&mut world.hosts[0]), Heard::Exceeded(reason) if reason == ttl));
    world.hosts[0].udp().set_hop_limit(Some(2));
    world.hosts[0].tell(HOSTS[1], PORT, b"two hops");
    world.pass(Duration::from_secs(2));
    assert_eq!(world.hosts[1].heard().len(), 1);
    world.lab.end();
}

enum Heard {
    Unreachable(Icmpv4DstUnreachable),
    Exceeded(Icmpv4TimeExceeded),
}

/// The one error that a host has heard.
#[track_caller]
fn error(host: &mut Host) -> Heard {
    assert!(host.icmp().can_recv(), "no error");
    let (bytes, from) = host.icmp().recv().unwrap();
    assert_eq!(from, IpAddress::Ipv4(ROUTER));
    let packet = Icmpv4Packet::new_checked(bytes).unwrap();
    let heard = match Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default()).unwrap() {
        Icmpv4Repr::DstUnreachable { reason, header, .. } => {
            assert_eq!(header.src_addr, HOSTS[0]);
            Heard::Unreachable(reason)
        }
        Icmpv4Repr::TimeExceeded { reason, header, .. } => {
            assert_eq!(header.src_addr, HOSTS[0]);
            Heard::Exceeded(reason)
        }
        other => panic!("{other:?}"),
    };
    assert!(!host.icmp().can_recv(), "more than one error");
    heard
}
