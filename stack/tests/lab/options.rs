//! IPv4 options: RFC 791 3.1, RFC 1812 4.2.2.6 and 5.2.4, RFC 7126.

use std::net::Ipv4Addr;

use stack::drops::DropReason as D;

use crate::cases::{Case, case, run};
use crate::common::Packet;
use crate::common::crossroads::{EM, OWN, PEER, PEER_MAC, host, through};

const PARAMETER_PROBLEM: u8 = 12;
const UNREACHABLE: u8 = 3;
/// One second after midnight, when the laboratory's clock stands 6 seconds after its start; not standard time, so
/// with the high bit (RFC 791).
const STAMP: u32 = 0x8000_0000 | 6000;

fn with(options: &[u8]) -> Packet {
    Packet { options: options.to_vec(), ..through(20) }
}

/// Passes, and leaves with these options.
fn passes(name: &'static str, options: &[u8], after: &[u8]) -> Case {
    case(name, &with(options)).leaves(1, &with(after).forwarded(EM[1], host(1, 2), None))
}

/// Refused with a parameter problem that points at this byte of the header.
fn malformed(name: &'static str, options: &[u8], at: u32) -> Case {
    case(name, &with(options))
        .drops(D::IpBadOptions)
        .answers(&with(options).error(OWN[0], PARAMETER_PROBLEM, 0, at << 24))
        .counts("ips_badoptions")
        .counts("icps_out_paramprob")
}

fn bytes(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = parts.concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

pub(crate) fn cases() -> Vec<Case> {
    let doopts = "net.inet.ip.process_options";
    // RFC 791: "as known in the environment into which this datagram is being forwarded".
    let out = OWN[1].octets();
    let here = OWN[0].octets();
    let stamp = STAMP.to_be_bytes();
    let someone = Ipv4Addr::new(192, 0, 2, 1).octets();
    let source_route = |kind| bytes(&[&[kind, 7, 4], &someone]);
    let refused = |kind| {
        case("a source route", &with(&source_route(kind)))
            .drops(D::IpSourceRoute)
            .answers(&with(&source_route(kind)).error(OWN[0], UNREACHABLE, 5, 0))
    };
    vec![
        passes("no operation", &[1, 1, 1, 0], &[1, 1, 1, 0]),
        passes("the end, and rubbish behind", &[0, 255, 255, 255], &[0, 255, 255, 255]),
        passes("one that nobody knows", &[222, 4, 9, 9], &[222, 4, 9, 9]),
        passes("router alert", &[148, 4, 0, 0], &[148, 4, 0, 0]),
        passes(
            "record route",
            &bytes(&[&[7, 11, 4], &[0; 8]]),
            &bytes(&[&[7, 11, 8], &out, &[0; 4]]),
        ),
        passes(
            "record route, second place",
            &bytes(&[&[7, 11, 8], &someone, &[0; 4]]),
            &bytes(&[&[7, 11, 12], &someone, &out]),
        ),
        passes(
            "record route, full",
            &bytes(&[&[7, 7, 8], &someone]),
            &bytes(&[&[7, 7, 8], &someone]),
        ),
        passes("time stamp", &[68, 8, 5, 0, 0, 0, 0, 0], &[&[68, 8, 9, 0][..], &stamp].concat()),
        passes(
            "time stamp with address",
            &[&[68, 12, 5, 1][..], &[0; 8]].concat(),
            &[&[68, 12, 13, 1][..], &here, &stamp].concat(),
        ),
        passes(
            "time stamp of ours",
            &[&[68, 12, 5, 3][..], &OWN[2].octets(), &[0; 4]].concat(),
            &[&[68, 12, 13, 3][..], &OWN[2].octets(), &stamp].concat(),
        ),
        passes(
            "time stamp of somebody else",
            &[&[68, 12, 5, 3][..], &someone, &[0; 4]].concat(),
            &[&[68, 12, 5, 3][..], &someone, &[0; 4]].concat(),
        ),
        passes("time stamp, full", &[68, 8, 9, 0x20, 1, 2, 3, 4], &[68, 8, 9, 0x30, 1, 2, 3, 4]),
        malformed("time stamp, too many hops", &[68, 8, 9, 0xf0, 1, 2, 3, 4], 23),
        malformed("time stamp, unknown flag", &[&[68, 12, 5, 2][..], &[0; 8]].concat(), 23),
        malformed("time stamp, pointer too small", &[68, 8, 4, 0, 0, 0, 0, 0], 22),
        malformed("record route, pointer too small", &[7, 7, 3, 0, 0, 0, 0, 0], 22),
        malformed("record route, no room for an address", &[7, 7, 6, 0, 0, 0, 0, 0], 22),
        malformed("an option of length 0", &[7, 0, 0, 0], 21),
        malformed("an option of length 1", &[222, 1, 0, 0], 21),
        malformed("an option beyond the header", &[222, 9, 0, 0], 21),
        malformed("an option without a length", &[1, 1, 1, 7], 24),
        refused(131),
        refused(137),
        case("all are refused", &with(&[1, 1, 1, 0])).with(doopts, 2).drops(D::IpBadOptions),
        passes("all are ignored", &[7, 0, 0, 0], &[7, 0, 0, 0]).with(doopts, 0),
        echoes("an echo without records", &[1, 1, 1, 0], &[]),
        echoes("an echo with a router alert", &[148, 4, 0, 0], &[]),
        echoes(
            "a recorded route goes back",
            &bytes(&[&[7, 11, 4], &[0; 8]]),
            &bytes(&[&[7, 11, 8], &here, &[0; 4]]),
        ),
        echoes(
            "a full record goes back",
            &bytes(&[&[7, 7, 8], &someone]),
            &bytes(&[&[7, 7, 8], &someone]),
        ),
        echoes(
            "a record behind something else moves to the front",
            &bytes(&[&[148, 4, 0, 0, 1, 7, 11, 8], &someone, &[0; 4]]),
            &bytes(&[&[7, 11, 12], &someone, &here]),
        ),
        echoes(
            "time stamps go back",
            &[68, 8, 5, 0, 0, 0, 0, 0],
            &[&[68, 8, 9, 0][..], &stamp].concat(),
        ),
        echoes(
            "route and time, with addresses",
            &bytes(&[&[7, 7, 4], &[0; 4], &[1, 68, 12, 5, 1], &[0; 8]]),
            &bytes(&[&[7, 7, 8], &here, &[68, 12, 13, 1], &here, &stamp]),
        ),
        echoes(
            "ignored, a record goes back as it came",
            &[7, 7, 4, 0, 0, 0, 0, 0],
            &[7, 7, 4, 0, 0, 0, 0, 0],
        )
        .with(doopts, 0),
        echoes("ignored, a source route does not go back", &source_route(131), &[]).with(doopts, 0),
    ]
}

/// Is answered, and the answer carries these options.
fn echoes(name: &'static str, options: &[u8], back: &[u8]) -> Case {
    let echo = Packet::echo(PEER, OWN[0], 9).link(PEER_MAC, EM[0]);
    let request = Packet { options: options.to_vec(), ..echo };
    case(name, &request)
        .answers(&Packet { options: back.to_vec(), ..request.echo_reply() })
        .counts("icps_reflect")
}

#[test]
fn what_options_do() {
    run(&cases());
}
