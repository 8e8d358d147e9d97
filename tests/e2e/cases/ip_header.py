"""RFC 1812 5.2.2: the checks of a header, in their order. What fails is dropped in silence and counted by name."""

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether

from harness import Case, Lab, case, run_table, two_arms

HERE, THERE, US = "10.1.0.2", "10.2.0.2", "10.1.0.1"


def through(**ip):
    """A datagram through the router, with these fields of the header."""
    return IP(**{"src": HERE, "dst": THERE, **ip}) / UDP(sport=1000, dport=2000) / b"sixteen bytes..."


def to_us(**ip):
    """An echo request to the router."""
    return IP(**{"src": HERE, "dst": US, **ip}) / ICMP(id=7, seq=8) / b"sixteen bytes..."


def sum_right(packet):
    """The packet with a right checksum over whatever its header says, where scapy would correct the length, too."""
    data = bytearray(bytes(packet))
    length = (data[0] & 15) * 4
    data[10:12] = b"\0\0"
    words = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, max(length, 20), 2))
    words = (words & 0xFFFF) + (words >> 16)
    data[10:12] = (0xFFFF - ((words & 0xFFFF) + (words >> 16))).to_bytes(2, "big")
    return bytes(data)


def framed(left, data: bytes) -> bytes:
    """Bytes that need not be IPv4 in a frame that says they are."""
    return bytes(Ether(src=left.mac, dst=left.router_mac, type=0x0800)) + data


@case()
def header_checks(lab: Lab):
    left, right = two_arms(lab)
    raw = [
        ("nothing behind the link header", b"", "ip_too_short"),
        ("one byte", b"\x45", "ip_too_short"),
        ("19 bytes", bytes(through())[:19], "ip_too_short"),
        ("version 0", sum_right(through(version=0)), "ip_bad_version"),
        ("version 6", sum_right(through(version=6)), "ip_bad_version"),
        ("header length 0", sum_right(through(ihl=0)), "ip_bad_header_length"),
        ("header length 16", sum_right(through(ihl=4)), "ip_bad_header_length"),
        ("header length beyond the packet", sum_right(through(ihl=15))[:48], "ip_bad_header_length"),
        ("checksum wrong by one bit", bytes(through(chksum=0x0001)), "ip_bad_checksum"),
        ("checksum 0", bytes(through(chksum=0)), "ip_bad_checksum"),
        ("checksum of a packet to us", bytes(to_us(chksum=0xFFFF)), "ip_bad_checksum"),
        ("total length 0", sum_right(through(len=0)), "ip_bad_length"),
        ("total length below the header", sum_right(through(len=19)), "ip_bad_length"),
        ("total length one beyond the packet", sum_right(through(len=45)), "ip_truncated"),
        ("total length 65535", sum_right(through(len=65535)), "ip_truncated"),
        ("a packet to us cut short", bytes(to_us())[:-1], "ip_truncated"),
    ]
    run_table(lab, left, right, [Case(name, framed(left, data), drop=drop) for name, data, drop in raw])


@case()
def the_checks_have_an_order(lab: Lab):
    left, right = two_arms(lab)
    raw = [
        ("version before length", sum_right(through(version=5, ihl=4)), "ip_bad_version"),
        ("header length before checksum", bytes(through(ihl=4, chksum=1)), "ip_bad_header_length"),
        ("checksum before total length", bytes(through(len=10, chksum=1)), "ip_bad_checksum"),
        ("checksum before martians", bytes(through(src="127.0.0.1", chksum=1)), "ip_bad_checksum"),
        ("total length before martians", sum_right(through(src="127.0.0.1", len=10)), "ip_bad_length"),
        ("martians before the TTL", bytes(through(src="127.0.0.1", ttl=1)), "ip_martian_source"),
    ]
    run_table(lab, left, right, [Case(name, framed(left, data), drop=drop) for name, data, drop in raw])


@case()
def good_packets_pass(lab: Lab):
    left, right = two_arms(lab, driver="pcap")
    link = Ether(src=left.mac, dst=left.router_mac)
    cases = [
        Case("through", through(), forwarded=True),
        Case("every type of service", through(tos=0xFF), forwarded=True),
        Case("identification and DF", through(id=0xFFFF, flags="DF"), forwarded=True),
        Case("no data", IP(src=HERE, dst=THERE, proto=253), forwarded=True),
        Case("1500 bytes", through() / bytes(1456), forwarded=True),
        Case("an unknown protocol", through(proto=200), forwarded=True),
        Case("a first fragment", through(flags="MF"), forwarded=True),
        Case("a later fragment", through(frag=100), forwarded=True),
        Case("TTL 2", through(ttl=2), forwarded=True),
        Case("TTL 255", through(ttl=255), forwarded=True),
        Case("padding behind the packet", Ether(bytes(link / through()) + bytes(60)), forwarded=True),
        Case("to us", to_us(), answer=(0, 0)),
        Case("to us with TTL 1", to_us(ttl=1), answer=(0, 0)),
        Case("to us with TTL 0", to_us(ttl=0), answer=(0, 0)),
        Case("to us on the other interface", to_us(dst="10.2.0.1"), answer=(0, 0), source="10.2.0.1"),
        Case("to us without data", IP(src=HERE, dst=US) / ICMP(), answer=(0, 0)),
        Case("to us, 1500 bytes", to_us() / bytes(1456), answer=(0, 0)),
    ]
    run_table(lab, left, right, cases)


@case()
def padding_is_no_part_of_an_echo(lab: Lab):
    left, right = two_arms(lab)
    padded = Ether(bytes(left.frame(to_us())) + bytes(200))
    run_table(lab, left, right, [Case("an echo request with padding", padded, answer=(0, 0))])


@case()
def time_exceeded(lab: Lab):
    left, right = two_arms(lab, driver="pcap")
    gone = {"answer": (11, 0), "drop": "ip_ttl_exceeded"}
    cases = [
        Case("TTL 1", through(ttl=1), **gone),
        Case("TTL 0", through(ttl=0), **gone),
        Case("TTL 1 and 1500 bytes", through(ttl=1) / bytes(1456), **gone),
        Case("TTL 1 and no data", IP(src=HERE, dst=THERE, ttl=1, proto=253), **gone),
        Case("TTL 1 and no route", through(ttl=1, dst="198.51.100.1"), **gone),
        Case("TTL 1 and an echo request", IP(src=HERE, dst=THERE, ttl=1) / ICMP(), **gone),
        Case("TTL 1 and a first fragment", through(ttl=1, flags="MF"), **gone),
        Case("TTL 1 and a type of service", through(ttl=1, tos=0x10), **gone),
    ]
    run_table(lab, left, right, cases)
