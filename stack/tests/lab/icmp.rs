//! ICMP for us, and when no error may be sent: RFC 792, RFC 1122 3.2.2, RFC 1812 4.3.

use std::net::Ipv4Addr;
use std::time::Duration;

use stack::drops::DropReason as D;

use crate::cases::{Case, anonymous, case, run};
use crate::common::crossroads::{EM, OWN, PEER, PEER_MAC, RED, crossroads, host, through, to};
use crate::common::frame::{BROADCAST, MF};
use crate::common::{Packet, Random};

const UNREACHABLE: u8 = 3;
const TIME_EXCEEDED: u8 = 11;

fn icmp(kind: u8, code: u8, body: &[u8]) -> Packet {
    Packet::icmp(PEER, OWN[0], kind, code, 0, body).link(PEER_MAC, EM[0])
}

fn echo(len: usize) -> Packet {
    Packet::echo(PEER, OWN[0], len).link(PEER_MAC, EM[0])
}

/// Behind the last hop, so that only the error would tell.
fn expiring(packet: Packet) -> Packet {
    Packet { ttl: 1, ..packet }
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("an echo", &echo(56)).answers(&echo(56).echo_reply()).counts("icps_out_echoreply"),
        case("an empty echo", &echo(0)).answers(&echo(0).echo_reply()),
        case("an echo of odd length", &echo(1)).answers(&echo(1).echo_reply()),
        case("the longest echo", &echo(1472)).answers(&echo(1472).echo_reply()),
        case("an echo on its last hop", &expiring(echo(8))).answers(&echo(8).echo_reply()),
        case("an echo with a type of service", &Packet { tos: 0x28, ..echo(8) })
            .answers(&Packet { tos: 0x28, ..echo(8) }.echo_reply()),
        case("an echo with a code", &icmp(8, 7, &[1, 2, 3]))
            .answers(&icmp(8, 7, &[1, 2, 3]).echo_reply()),
        case(
            "seven bytes of ICMP",
            &Packet { payload: vec![8, 0, 0xf7, 0xff, 0, 0, 0], ..echo(0) },
        )
        .drops(D::IcmpTooShort)
        .counts("icps_tooshort"),
        case("no ICMP at all", &Packet { payload: vec![], ..echo(0) }).drops(D::IcmpTooShort),
        case("a wrong ICMP checksum", &damaged(echo(10)))
            .drops(D::IcmpBadChecksum)
            .counts("icps_checksum"),
        case("a time stamp request", &asking_the_time())
            .answers(&telling_the_time())
            .counts("icps_in_tstamp")
            .counts("icps_out_tstampreply"),
        case("a time stamp request that is not wanted", &asking_the_time())
            .with("net.inet.icmp.tstamprepl", 0)
            .drops(D::IcmpNoListener),
        case("a time stamp request without room for the answer", &icmp(13, 0, &[0; 11]))
            .drops(D::IcmpTooShort)
            .counts("icps_tooshort"),
        case(
            "a time stamp request to all",
            &Packet { dst: Ipv4Addr::new(10, 0, 0, 255), ..asking_the_time() },
        )
        .drops(D::IcmpBroadcastEcho)
        .counts("icps_bmcasttstamp"),
        case("an answer that nobody asked for", &icmp(0, 0, &[0; 8])).drops(D::IcmpNoListener),
        case("an error that nobody waits for", &icmp(UNREACHABLE, 1, &through(8).ip()))
            .drops(D::IcmpNoListener),
        case("a redirect, which a router ignores", &icmp(5, 1, &through(8).ip()))
            .drops(D::IcmpNoListener),
    ];
    cases.extend(broadcast_cases());
    cases.extend(local_cases());
    cases.extend(silent_cases());
    cases
}

fn asking_the_time() -> Packet {
    Packet::icmp(PEER, OWN[0], 13, 0, 0x0007_0001, &[1, 2, 3, 4, 0, 0, 0, 0, 9, 9, 9, 9])
        .link(PEER_MAC, EM[0])
}

/// Identifier, sequence and the time of origin as they were; the laboratory's clock stands 6 seconds after its start, which is no
/// standard time, so with the high bit (RFC 792).
fn telling_the_time() -> Packet {
    let now = (0x8000_0000_u32 | 6000).to_be_bytes();
    let times = [[1, 2, 3, 4], now, now].concat();
    let reply = Packet::icmp(OWN[0], PEER, 14, 0, 0x0007_0001, &times);
    Packet { id: 0, ..reply }.link(EM[0], PEER_MAC)
}

fn damaged(mut packet: Packet) -> Packet {
    packet.payload[9] ^= 0x40;
    packet
}

fn broadcast_cases() -> Vec<Case> {
    let to_all = |dst: &str| Packet::echo(PEER, dst.parse().unwrap(), 8).link(PEER_MAC, BROADCAST);
    let answer = |dst: &str| {
        let reply = Packet { src: OWN[0], ..to_all(dst).echo_reply() };
        reply.link(EM[0], PEER_MAC)
    };
    let bmcastecho = "net.inet.icmp.bmcastecho";
    vec![
        case("an echo to all", &to_all("10.0.0.255"))
            .drops(D::IcmpBroadcastEcho)
            .counts("icps_bmcastecho"),
        case("an echo to really all", &to_all("255.255.255.255")).drops(D::IcmpBroadcastEcho),
        case("an echo to us in a frame to all", &Packet { to: BROADCAST, ..echo(8) })
            .drops(D::IcmpBroadcastEcho),
        case("an echo to all, allowed", &to_all("10.0.0.255"))
            .with(bmcastecho, 1)
            .answers(&answer("10.0.0.255")),
        case("an echo to really all, allowed", &to_all("255.255.255.255"))
            .with(bmcastecho, 1)
            .answers(&answer("255.255.255.255")),
    ]
}

fn local_cases() -> Vec<Case> {
    let udp = to("10.0.0.1", 20);
    let other = Packet { protocol: 47, ..udp.clone() };
    let first = Packet { fragment: MF, ..echo(16) };
    let later = Packet { fragment: 3, ..echo(16) };
    vec![
        case("a port that nobody listens on", &udp)
            .drops(D::UdpNoPort)
            .answers(&udp.error(OWN[0], UNREACHABLE, 3, 0))
            .counts("icps_out_unreach"),
        case("of another address of ours", &to("10.0.2.1", 20))
            .drops(D::UdpNoPort)
            .answers(&to("10.0.2.1", 20).error(OWN[2], UNREACHABLE, 3, 0)),
        case("a protocol that nobody speaks", &other)
            .drops(D::IpProtocolUnreachable)
            .answers(&other.error(OWN[0], UNREACHABLE, 2, 0))
            .counts("ips_noproto"),
        case("the first fragment", &first).drops(D::IpFragmentLocal).counts("ips_fragdropped"),
        case("a later fragment", &later).drops(D::IpFragmentLocal).counts("ips_fragments"),
        case("a long one is quoted in part", &to("10.0.0.1", 1400))
            .drops(D::UdpNoPort)
            .answers(&to("10.0.0.1", 1400).error(OWN[0], UNREACHABLE, 3, 0)),
        case("as little as eight bytes are quoted", &udp)
            .with("net.inet.icmp.quotelen", 8)
            .drops(D::UdpNoPort)
            .answers(&quoting_eight(&udp)),
        case("errors keep the delay bits, with precedence", &Packet { tos: 0x1e, ..udp.clone() })
            .drops(D::UdpNoPort)
            .answers(&Packet { tos: 0x1e, ..udp.clone() }.error(OWN[0], UNREACHABLE, 3, 0)),
        case("our own packets have the TTL that is set", &echo(8))
            .with("net.inet.ip.ttl", 7)
            .answers(&Packet { ttl: 7, ..echo(8).echo_reply() }),
        case("a sender without a way back", &lost()).drops(D::IpTtlExceeded).counts("icps_noroute"),
    ]
}

fn quoting_eight(about: &Packet) -> Packet {
    let whole = about.error(OWN[0], UNREACHABLE, 3, 0);
    let cut = Packet::icmp(OWN[0], PEER, UNREACHABLE, 3, 0, &about.ip()[..28]);
    Packet { payload: cut.payload, ..whole }
}

fn lost() -> Packet {
    Packet { src: Ipv4Addr::new(8, 8, 8, 8), ..expiring(through(8)) }
}

/// RFC 1122 3.2.2: about these no error is sent.
fn silent_cases() -> Vec<Case> {
    let quote = through(8).ip();
    let mut cases: Vec<Case> = [3, 4, 5, 11, 12]
        .into_iter()
        .map(|kind| {
            let error = Packet::icmp(PEER, through(0).dst, kind, 0, 0, &quote);
            let error = expiring(error.link(PEER_MAC, EM[0]));
            case("about an ICMP error", &error).drops(D::IpTtlExceeded).counts("icps_oldicmp")
        })
        .collect();
    let question = expiring(Packet::echo(PEER, through(0).dst, 4).link(PEER_MAC, EM[0]));
    cases.extend([
        case("about an ICMP question one is", &question)
            .drops(D::IpTtlExceeded)
            .answers(&question.error(OWN[0], TIME_EXCEEDED, 0, 0)),
        case("about ICMP of unknown type", &Packet { payload: vec![], ..question.clone() })
            .drops(D::IpTtlExceeded),
        case("about the first fragment one is", &expiring(Packet { fragment: MF, ..through(8) }))
            .drops(D::IpTtlExceeded)
            .answers(&expiring(Packet { fragment: MF, ..through(8) }).error(
                OWN[0],
                TIME_EXCEEDED,
                0,
                0,
            )),
        case("about a later fragment", &expiring(Packet { fragment: MF | 1, ..through(8) }))
            .drops(D::IpTtlExceeded),
        case("about the last fragment", &expiring(Packet { fragment: 1, ..through(8) }))
            .drops(D::IpTtlExceeded),
        case("about a frame to all", &Packet { to: BROADCAST, ..to("10.0.0.1", 8) })
            .drops(D::UdpNoPort),
        case("about a datagram to all", &to("255.255.255.255", 8)).drops(D::UdpNoPort),
        case("about a datagram to all of the network", &to("10.0.0.255", 8)).drops(D::UdpNoPort),
    ]);
    cases
}

#[test]
fn what_icmp_does() {
    run(&cases());
}

/// Each class of messages has its own budget, and seconds do not add up.
#[test]
fn answers_are_limited() {
    let mut lab = crossroads();
    lab.sysctl(RED, "net.inet.icmp.icmplim", 10);
    let mut count = |frame: Vec<u8>| lab.send(0, &vec![frame; 50]).len();
    assert_eq!(count(echo(8).frame()), 10);
    assert_eq!(count(to("10.0.0.1", 8).frame()), 10);
    assert_eq!(count(to("9.9.9.9", 8).frame()), 0, "unreachables share a budget");
    assert_eq!(count(expiring(through(8)).frame()), 10);
    let options = Packet { options: vec![7, 0, 0, 0], ..through(8) };
    assert_eq!(count(options.frame()), 10);
    assert_eq!(lab.drops(RED)["icmp_rate_limit"], 40);
    assert_eq!(lab.stat(RED, "icps_ratelimit"), 40 + 40 + 50 + 40 + 40);
    let _nothing = lab.pass(Duration::from_secs(5));
    assert_eq!(lab.send(0, &vec![echo(8).frame(); 50]).len(), 10);
    lab.sysctl(RED, "net.inet.icmp.icmplim", 0);
    assert_eq!(lab.send(0, &vec![echo(8).frame(); 250]).len(), 250, "0 is no limit");
    lab.end();
}

#[test]
fn redirects_are_logged_and_change_nothing() {
    let mut lab = crossroads();
    let redirect = Packet::icmp(PEER, OWN[0], 5, 1, 0x0a00_0003, &through(8).ip());
    let frame = redirect.link(PEER_MAC, EM[0]).frame();
    assert_eq!(lab.send(0, std::slice::from_ref(&frame)), []);
    assert!(lab.control(stack::control::Stack::take_log).is_empty());
    lab.sysctl(RED, "net.inet.icmp.log_redirect", 1);
    assert_eq!(lab.send(0, &[frame]), []);
    let log = lab.control(stack::control::Stack::take_log);
    assert_eq!(log, ["red: icmp redirect from 10.0.0.2: 198.18.5.7 => 10.0.0.3"]);
    let cut = Packet::icmp(PEER, OWN[0], 5, 1, 0x0a00_0003, &[0x45, 0]);
    assert_eq!(lab.send(0, &[cut.link(PEER_MAC, EM[0]).frame()]), []);
    assert!(lab.control(stack::control::Stack::take_log).is_empty());
    assert_eq!(lab.drops(RED), [("icmp_no_listener", 3)].into());
    assert_eq!(lab.send(0, &[through(8).frame()])[0].port, 1, "the route is as it was");
    let vnet = lab.vnet(RED);
    let followed = lab.control(|stack| {
        stack.write_sysctl(&vnet, "net.inet.icmp.drop_redirect", vnet::Value::Int(0))
    });
    assert!(followed.is_err());
    drop(vnet);
    lab.end();
}

/// Echoes of all lengths in segments of all lengths: the sum of an odd segment shifts what follows (RFC 1071 2 (B)).
#[test]
fn echoes_in_pieces() {
    let mut lab = crossroads();
    lab.sysctl(RED, "net.inet.icmp.icmplim", 0);
    let mut random = Random(4);
    for round in 0..600 {
        let packet = Packet { trailer: random.bytes(round % 3), ..echo(random.below(900)) };
        let lengths: Vec<usize> = (0..random.below(6)).map(|_| random.below(300)).collect();
        let mbuf = lab.segmented(&packet.frame(), &lengths);
        let sent = lab.send_mbufs(0, vec![mbuf]);
        let drops = lab.drops(RED);
        if drops.is_empty() {
            assert_eq!(anonymous(&sent), [(0, packet.echo_reply().frame())], "{lengths:?}");
        } else {
            // Padding that is spread over two segments.
            assert_eq!(drops, [("mbuf_layout", 1)].into(), "{lengths:?} of {packet:?}");
            lab.end();
            lab = crossroads();
            lab.sysctl(RED, "net.inet.icmp.icmplim", 0);
        }
    }
    lab.end();
}

/// Errors go back the way the routes say, not the way the packet came, and leave with an address of the interface that they
/// are transmitted over (RFC 1812 4.3.2.4).
#[test]
fn an_error_finds_its_way() {
    let mut lab = crossroads();
    let packet = expiring(Packet { src: Ipv4Addr::new(198, 18, 0, 1), ..through(8) });
    let sent = lab.send(0, &[packet.frame()]);
    let error = packet.error(OWN[1], TIME_EXCEEDED, 0, 0).link(EM[1], host(1, 2));
    assert_eq!(anonymous(&sent), [(1, error.frame())]);
    lab.end();
}

/// Where a port fills in header checksums, it gets those of our own to do, and nobody else's.
#[test]
fn our_own_sums_are_left_to_the_port() {
    let mut lab = crossroads();
    for name in ["em0", "em1"] {
        let offloads = pmd::Offloads { tx_ip_checksum: true, ..pmd::Offloads::default() };
        lab.ifnet(RED, name).set_offloads(offloads);
    }
    let optional = Packet { options: vec![1, 1, 1, 0], ..through(8) };
    for (packet, own) in
        [(echo(8), true), (expiring(through(8)), true), (through(8), false), (optional, false)]
    {
        let sent = lab.send(0, &[packet.frame()]);
        let [one] = sent.as_slice() else { panic!("{sent:?} from {packet:?}") };
        assert_eq!(one.frame[24..26] == [0, 0], own, "{packet:?}");
    }
    lab.end();
}
