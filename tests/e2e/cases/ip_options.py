"""RFC 791 3.1 and RFC 1812 5.2.4: what becomes of IPv4 options."""

import struct

from scapy.layers.inet import ICMP, IP, UDP, IPOption
from scapy.utils import checksum

from harness import Case, Lab, case, equal, run_table, that, two_arms
from harness.table import ip_bytes, one_hop_later

HERE, THERE, US = "10.1.0.2", "10.2.0.2", "10.1.0.1"
# Our address where packets come in, and the one where they go out: RFC 791 has the latter recorded in a route.
OWN, AHEAD = bytes([10, 1, 0, 1]), bytes([10, 2, 0, 1])


def with_options(options: bytes, **ip):
    """A datagram through the router that carries these bytes as options, filled up to whole words."""
    padded = options + bytes(-len(options) % 4)
    return IP(**{"src": HERE, "dst": THERE, "options": [IPOption(padded)], **ip}) / UDP(sport=1, dport=2) / b"data"


def record_route(pointer: int, *entries: bytes) -> bytes:
    return bytes([7, 3 + 4 * len(entries), pointer]) + b"".join(entries)


@case()
def options_on_the_way_through(lab: Lab):
    left, right = two_arms(lab)
    empty, other = bytes(4), bytes([192, 0, 2, 1])
    recorded = one_hop_later(with_options(record_route(8, AHEAD, empty, empty)))
    second = one_hop_later(with_options(record_route(12, other, AHEAD, empty)))
    cases = [
        Case("no operation", with_options(b"\1\1\1\1"), forwarded=True),
        Case("end of list, and garbage behind it", with_options(b"\0\xff\xff\xff"), forwarded=True),
        Case("record route", with_options(record_route(4, empty, empty, empty)), forwarded=recorded),
        Case("record route, second hop", with_options(record_route(8, other, empty, empty)), forwarded=second),
        Case("record route, full", with_options(record_route(8, other)), forwarded=True),
        Case("an unknown option", with_options(bytes([0x9A, 4, 1, 2])), forwarded=True),
        Case("an unknown option, not copied", with_options(bytes([0x1E, 6, 1, 2, 3, 4])), forwarded=True),
        Case("router alert", with_options(bytes([0x94, 4, 0, 0])), forwarded=True),
        Case("forty bytes", with_options(b"\1" * 40), forwarded=True),
        Case("TTL 1", with_options(b"\1\1\1\1", ttl=1), answer=(11, 0), drop="ip_ttl_exceeded"),
    ]
    run_table(lab, left, right, cases)


@case()
def source_routes_are_refused(lab: Lab):
    left, right = two_arms(lab)
    refused = {"answer": (3, 5), "drop": "ip_source_route"}
    hop = bytes([10, 2, 0, 2])
    cases = [
        Case("loose", with_options(bytes([131, 7, 4]) + hop), **refused),
        Case("strict", with_options(bytes([137, 7, 4]) + hop), **refused),
        Case("loose, behind a no operation", with_options(b"\1" + bytes([131, 7, 4]) + hop), **refused),
        Case("loose, to us as the next hop", with_options(bytes([131, 7, 4]) + hop, dst=US), **refused),
        Case("loose, used up", with_options(bytes([131, 7, 8]) + OWN), **refused),
    ]
    run_table(lab, left, right, cases)


def framed(left, options: bytes) -> bytes:
    """A frame with options that scapy would not write: put in the place of others, and the checksum mended."""
    frame = bytearray(bytes(left.frame(with_options(bytes([1]) * len(options)))))
    frame[34 : 34 + len(options)] = options
    frame[24:26] = b"\0\0"
    header = frame[14 : 14 + (frame[14] & 15) * 4]
    frame[24:26] = checksum(bytes(header)).to_bytes(2, "big")
    return bytes(frame)


MALFORMED = [
    ("length 0", bytes([7, 0, 4, 0]), 21),
    ("length 1", bytes([7, 1, 4, 0]), 21),
    ("length beyond the header", bytes([7, 40, 4, 0]), 21),
    ("unknown option beyond the header", bytes([0x9A, 9, 0, 0]), 21),
    ("kind without a length", bytes([1, 1, 1, 7]), 24),
    ("record route, pointer 0", record_route(0, bytes(4)), 22),
    ("record route, pointer 3", record_route(3, bytes(4)), 22),
    ("record route, pointer between entries", record_route(5, bytes(4)), 22),
    ("time stamp, pointer 4", bytes([68, 8, 4, 0, 0, 0, 0, 0]), 22),
    ("time stamp, unknown flag", bytes([68, 12, 5, 2]) + bytes(8), 23),
    ("time stamp, overflow beyond 15", bytes([68, 8, 9, 0xF0, 0, 0, 0, 0]), 23),
]


@case()
def malformed_options_are_answered_with_a_pointer(lab: Lab):
    left, right = two_arms(lab)
    failures = []
    for name, options, pointer in MALFORMED:
        answers = left.ask(framed(left, options))
        kinds = [(a[ICMP].type, a[ICMP].code, a[ICMP].ptr) for a in answers if a.haslayer(ICMP)]
        if kinds != [(12, 0, pointer)]:
            failures.append(f"{name}: {kinds}, expected parameter problem at {pointer}")
    equal(right.fence(), [], "forwarded")
    that(not failures, "\n".join(failures))
    equal(lab.stop().drops(), {"ip_bad_options": len(MALFORMED)}, "drops")


@case()
def time_stamps_are_filled_in(lab: Lab):
    left, right = two_arms(lab)
    others = bytes([192, 0, 2, 1])
    # Flag, the address in the entry before and after, and whether a time is filled in.
    cases = [
        (0, b"", b"", True),
        (1, bytes(4), OWN, True),
        (3, OWN, OWN, True),
        (3, AHEAD, AHEAD, True),
        (3, others, others, False),
    ]
    for flag, address, after, filled in cases:
        entry = address + bytes(4)
        left.send(with_options(bytes([68, 4 + len(entry), 5, flag]) + entry))
        arrived = ip_bytes(right.wire.until(lambda packet: packet.haslayer(UDP), what=f"flag {flag}").packet)
        option = arrived[20 : 20 + 4 + len(entry)]
        equal(option[2], 5 + len(entry) if filled else 5, f"pointer with flag {flag}")
        equal(option[4 : 4 + len(address)], after, f"address with flag {flag}")
        stamp = struct.unpack("!I", option[-4:])[0]
        equal(stamp != 0, filled, f"whether there is a time with flag {flag}")
    left.send(with_options(bytes([68, 8, 9, 0x20]) + bytes(4)))
    arrived = ip_bytes(right.wire.until(lambda packet: packet.haslayer(UDP), what="the full one").packet)
    equal(arrived[23], 0x30, "overflow counter")


@case()
def process_options_0_leaves_them_alone(lab: Lab):
    left, right = two_arms(lab, sysctl={"net.inet.ip.process_options": 0})
    cases = [
        Case("record route", with_options(record_route(4, bytes(4))), forwarded=True),
        Case("a source route", with_options(bytes([131, 7, 8]) + OWN), forwarded=True),
    ]
    malformed = bytes([7, 40, 4, 0])
    left.ask(framed(left, malformed))
    equal(bytes(right.fence()[0])[34:38], malformed, "options that nobody looked at")
    run_table(lab, left, right, cases)


@case()
def process_options_2_refuses_any(lab: Lab):
    left, right = two_arms(lab, sysctl={"net.inet.ip.process_options": 2})
    cases = [
        Case("no operation", with_options(b"\1\1\1\1"), drop="ip_bad_options"),
        Case("record route", with_options(record_route(4, bytes(4))), drop="ip_bad_options"),
        Case("to us", with_options(b"\1\1\1\1", dst=US), drop="ip_bad_options"),
        Case("none", IP(src=HERE, dst=THERE) / UDP(), forwarded=True),
    ]
    run_table(lab, left, right, cases)


@case()
def an_echo_with_options_is_answered(lab: Lab):
    left, right = two_arms(lab)
    request = IP(src=HERE, dst=US, options=[IPOption(b"\1\1\1\1")]) / ICMP(id=3, seq=4) / b"data"
    run_table(lab, left, right, [Case("an echo with options", request, answer=(0, 0))])
