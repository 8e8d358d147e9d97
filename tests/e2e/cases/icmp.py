"""ICMP: what curvnet says to hosts, and when RFC 1122 3.2.2 has it say nothing."""

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, UDPerror
from scapy.layers.l2 import Ether

from harness import Case, Lab, case, equal, is_icmp_error, run_table, two_arms

HERE, THERE, US = "10.1.0.2", "10.2.0.2", "10.1.0.1"
BROADCAST = "ff:ff:ff:ff:ff:ff"


def to(dst=US, **ip):
    return IP(**{"src": HERE, "dst": dst, **ip})


@case()
def what_nobody_takes_is_unreachable(lab: Lab):
    left, right = two_arms(lab)
    port = {"answer": (3, 3), "drop": "udp_no_port"}
    protocol = {"answer": (3, 2), "drop": "ip_protocol_unreachable"}
    cases = [
        Case("UDP", to() / UDP(dport=9) / b"data", **port),
        Case("UDP, no data", to() / UDP(dport=9), **port),
        Case("UDP, 1500 bytes", to() / UDP(dport=9) / bytes(1472), **port),
        Case("UDP to our other address", to("10.2.0.1") / UDP(dport=9), **port, source="10.2.0.1"),
        Case("UDP with TTL 1", to(ttl=1) / UDP(dport=9), **port),
        Case("TCP", to() / TCP(dport=80), **protocol),
        Case("SCTP", to(proto=132) / bytes(20), **protocol),
        Case("protocol 255", to(proto=255) / bytes(20), **protocol),
        Case("protocol 0", to(proto=0) / bytes(20), **protocol),
        Case("no data at all", to(proto=253), **protocol),
    ]
    run_table(lab, left, right, cases)


@case()
def where_there_is_no_way_is_unreachable(lab: Lab):
    routes = {"198.51.100.0/24": "reject", "203.0.113.0/24": "blackhole", "203.0.113.128/25": ["10.2.0.2"]}
    left, right = two_arms(lab, routes=routes)
    cases = [
        Case("no route", to("192.0.2.1") / UDP(), answer=(3, 0), drop="ip_no_route"),
        Case("reject", to("198.51.100.1") / UDP(), answer=(3, 1), drop="ip_reject"),
        Case("blackhole", to("203.0.113.1") / UDP(), drop="ip_blackhole"),
        Case("blackhole with TTL 1", to("203.0.113.1", ttl=1) / UDP(), answer=(11, 0), drop="ip_ttl_exceeded"),
        Case("a longer prefix within the blackhole", to("203.0.113.200") / UDP(), forwarded=True),
    ]
    run_table(lab, left, right, cases)


@case()
def errors_are_not_answered_with_errors(lab: Lab):
    left, right = two_arms(lab, driver="pcap")
    about = IPerror(src=HERE, dst="192.0.2.9") / UDPerror(sport=1, dport=2)
    gone = {"drop": "ip_ttl_exceeded"}
    cases = [Case(f"an error of type {kind}", to(THERE, ttl=1) / ICMP(type=kind) / about, **gone) for kind in (3, 4, 5, 11, 12)]
    cases += [
        Case("an error without a route", to("192.0.2.1") / ICMP(type=3) / about, drop="ip_no_route"),
        Case("an error of which only the header came", to(THERE, ttl=1, proto=1), **gone),
        Case("a later fragment", to(THERE, ttl=1, frag=10) / bytes(64), **gone),
        Case("a later fragment without a route", to("192.0.2.1", frag=10) / bytes(64), drop="ip_no_route"),
        Case("a first fragment is", to(THERE, ttl=1, flags="MF") / UDP() / bytes(56), answer=(11, 0), **gone),
        Case("an echo request is", to(THERE, ttl=1) / ICMP(), answer=(11, 0), **gone),
        Case("an echo reply is", to(THERE, ttl=1) / ICMP(type=0), answer=(11, 0), **gone),
    ]
    run_table(lab, left, right, cases)


@case()
def nobody_is_told_about_a_broadcast(lab: Lab):
    left, right = two_arms(lab)
    link = Ether(src=left.mac, dst=BROADCAST)
    cases = [
        Case("UDP to the limited broadcast", link / to("255.255.255.255") / UDP(), drop="udp_no_port"),
        Case("UDP to our network's", link / to("10.1.0.255") / UDP(), drop="udp_no_port"),
        Case("UDP to our network's, unicast frame", to("10.1.0.255") / UDP(), drop="udp_no_port"),
        Case("UDP to us in a link-layer broadcast", link / to() / UDP(), drop="udp_no_port"),
        Case("TCP to our network's", link / to("10.1.0.255") / TCP(), drop="ip_protocol_unreachable"),
        Case("UDP to a group", Ether(src=left.mac, dst="01:00:5e:00:00:05") / to("224.0.0.5") / UDP(), drop="ip_not_member"),
    ]
    run_table(lab, left, right, cases)


@case()
def icmp_for_us_is_checked(lab: Lab):
    left, right = two_arms(lab)
    cases = [
        Case("checksum wrong", to() / ICMP(chksum=1) / b"data", drop="icmp_bad_checksum"),
        Case("odd length, checksum wrong", to() / ICMP(chksum=1) / b"odd", drop="icmp_bad_checksum"),
        Case("odd length", to() / ICMP() / b"odd", answer=(0, 0)),
        Case("seven bytes", to(proto=1) / bytes(7), drop="icmp_too_short"),
        Case("no byte", to(proto=1), drop="icmp_too_short"),
        Case("an echo reply that nobody waits for", to() / ICMP(type=0), drop="icmp_no_listener"),
        Case("an error that nobody waits for", to() / ICMP(type=3) / bytes(28), drop="icmp_no_listener"),
        Case("a redirect", to() / ICMP(type=5, code=1, gw="10.1.0.9") / bytes(28), drop="icmp_no_listener"),
        Case("a time stamp request", to() / ICMP(type=13), answer=(14, 0)),
        Case("an address mask request", to() / ICMP(type=17), drop="icmp_no_listener"),
        Case("an unknown type", to() / ICMP(type=200) / bytes(8), drop="icmp_no_listener"),
    ]
    run_table(lab, left, right, cases)


@case()
def fragments_for_us_are_dropped(lab: Lab):
    left, right = two_arms(lab, driver="pcap")
    cases = [
        Case("first", to(flags="MF") / ICMP() / bytes(56), drop="ip_fragment_local"),
        Case("middle", to(flags="MF", frag=8) / bytes(64), drop="ip_fragment_local"),
        Case("last", to(frag=16) / bytes(5), drop="ip_fragment_local"),
        Case("first of UDP", to(flags="MF") / UDP(dport=9) / bytes(56), drop="ip_fragment_local"),
        Case("DF and no fragment", to(flags="DF") / ICMP() / bytes(56), answer=(0, 0)),
    ]
    run_table(lab, left, right, cases)


@case()
def quotelen_bounds_the_quote(lab: Lab):
    left, _ = two_arms(lab, sysctl={"net.inet.icmp.quotelen": 8})
    about = to() / UDP(dport=9) / bytes(500)
    reply = left.ask(about)[0]
    # The header, and eight bytes behind it.
    equal(len(reply[ICMP]), 8 + 28, "ICMP message")
    equal(bytes(reply[ICMP])[8:].hex(), bytes(about)[:28].hex(), "quote")


@case()
def an_error_takes_the_class_of_service(lab: Lab):
    left, _ = two_arms(lab)
    about = to(THERE, ttl=1, tos=0x10) / UDP()
    reply = left.ask(about)[0]
    is_icmp_error(reply, 11, 0, about, US)
    # RFC 1812 4.3.2.5: precedence 6, internetwork control; the type of service is the packet's.
    equal(reply[IP].tos, 0xC0 | 0x10, "type of service")


@case()
def the_error_names_where_the_packet_came_in(lab: Lab):
    _, right = two_arms(lab)
    about = IP(src="10.2.0.2", dst="10.1.0.2", ttl=1) / UDP()
    is_icmp_error(right.ask(about)[0], 11, 0, about, "10.2.0.1")
