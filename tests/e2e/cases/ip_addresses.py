"""RFC 1812 5.3.7: sources and destinations that must not be on a wire, and the broadcasts."""

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether

from harness import Case, Lab, case, equal, interface, run_table, two_arms, vnet

HERE, THERE, US = "10.1.0.2", "10.2.0.2", "10.1.0.1"
BROADCAST = "ff:ff:ff:ff:ff:ff"
MARTIAN_SOURCES = {
    "this network": "0.0.0.0",
    "a host of this network": "0.1.2.3",
    "loopback": "127.0.0.1",
    "the end of loopback": "127.255.255.255",
    "multicast": "224.0.0.1",
    "the end of multicast": "239.255.255.255",
    "class E": "240.0.0.1",
    "limited broadcast": "255.255.255.255",
}
OUR_SOURCES = {
    "our own address": "10.1.0.1",
    "our own address elsewhere": "10.2.0.1",
    "the network's broadcast": "10.1.0.255",
    "the network's old broadcast": "10.1.0.0",
    "another network's broadcast": "10.2.0.255",
}


def udp(src=HERE, dst=THERE, **ip):
    return IP(src=src, dst=dst, **ip) / UDP(sport=1000, dport=2000) / b"data"


def echo(src=HERE, dst=US):
    return IP(src=src, dst=dst) / ICMP(id=1, seq=2) / b"data"


def group(left, packet, mac=BROADCAST):
    """The packet in a link-layer broadcast or multicast."""
    return Ether(src=left.mac, dst=mac) / packet


@case()
def martian_sources_are_dropped(lab: Lab):
    left, right = two_arms(lab)
    cases = []
    for name, source in (MARTIAN_SOURCES | OUR_SOURCES).items():
        cases.append(Case(f"{name} to us", echo(src=source), drop="ip_martian_source"))
        cases.append(Case(f"{name} to us, UDP", udp(src=source, dst=US), drop="ip_martian_source"))
    run_table(lab, left, right, cases)


@case()
def martian_sources_are_not_forwarded(lab: Lab):
    left, right = two_arms(lab)
    cases = [
        Case(name, udp(src=source), drop="ip_martian_source")
        for name, source in (MARTIAN_SOURCES | OUR_SOURCES).items()
    ]
    run_table(lab, left, right, cases)


@case()
def martian_destinations_are_dropped(lab: Lab):
    left, right = two_arms(lab, routes={"0.0.0.0/0": ["10.2.0.2"]})
    destinations = ["0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255", "240.0.0.1", "255.255.255.254"]
    cases = [Case(dst, udp(dst=dst), drop="ip_martian_destination") for dst in destinations]
    run_table(lab, left, right, cases)


@case()
def multicast_is_for_members(lab: Lab):
    left, right = two_arms(lab, routes={"0.0.0.0/0": ["10.2.0.2"]})
    mac = "01:00:5e:00:00:01"
    cases = [
        Case("all hosts", group(left, udp(dst="224.0.0.1"), mac), drop="ip_not_member"),
        Case("an echo to all hosts", group(left, echo(dst="224.0.0.1"), mac), drop="ip_not_member"),
        Case("any group", group(left, udp(dst="239.1.2.3", ttl=64), mac), drop="ip_not_member"),
        Case("a group in a unicast frame", udp(dst="239.1.2.3"), drop="ip_not_member"),
        Case("TTL 1", group(left, udp(dst="239.1.2.3", ttl=1), mac), drop="ip_not_member"),
    ]
    run_table(lab, left, right, cases)


@case()
def broadcasts_stay_where_they_are(lab: Lab):
    left, right = two_arms(lab)
    cases = [
        Case("limited", group(left, udp(dst="255.255.255.255")), drop="udp_no_port"),
        Case("limited, in a unicast frame", udp(dst="255.255.255.255"), drop="udp_no_port"),
        Case("our network's", group(left, udp(dst="10.1.0.255")), drop="udp_no_port"),
        Case("our network's old one", group(left, udp(dst="10.1.0.0")), drop="udp_no_port"),
        Case("directed, to the other network", udp(dst="10.2.0.255"), drop="ip_directed_broadcast"),
        Case("directed, old form", udp(dst="10.2.0.0"), drop="ip_directed_broadcast"),
        Case("directed, an echo", echo(dst="10.2.0.255"), drop="ip_directed_broadcast"),
        Case("unicast in a link-layer broadcast", group(left, udp()), drop="ip_link_broadcast"),
        Case("unicast in a link-layer multicast", group(left, udp(), "01:00:5e:01:02:03"), drop="ip_link_broadcast"),
        Case("that with TTL 1", group(left, udp(ttl=1)), drop="ip_link_broadcast"),
        Case("that without a route", group(left, udp(dst="198.51.100.1")), drop="ip_link_broadcast"),
    ]
    run_table(lab, left, right, cases)


@case()
def an_echo_to_a_broadcast_is_ignored(lab: Lab):
    left, right = two_arms(lab)
    cases = [
        Case("limited", group(left, echo(dst="255.255.255.255")), drop="icmp_broadcast_echo"),
        Case("our network's", group(left, echo(dst="10.1.0.255")), drop="icmp_broadcast_echo"),
        Case("our network's in a unicast frame", echo(dst="10.1.0.255"), drop="icmp_broadcast_echo"),
        Case("our address in a link-layer broadcast", group(left, echo()), drop="icmp_broadcast_echo"),
    ]
    run_table(lab, left, right, cases)


@case()
def bmcastecho_answers_a_broadcast(lab: Lab):
    left, right = two_arms(lab, sysctl={"net.inet.icmp.bmcastecho": 1})
    cases = [
        Case("our network's", group(left, echo(dst="10.1.0.255")), answer=(0, 0), source=US),
        Case("limited", group(left, echo(dst="255.255.255.255")), answer=(0, 0), source=US),
        Case("our address in a link-layer broadcast", group(left, echo()), answer=(0, 0)),
    ]
    run_table(lab, left, right, cases)


@case()
def the_kernel_pings_a_broadcast(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", {"em0": interface("p0", "10.1.0.1/24")}, sysctl={"net.inet.icmp.bmcastecho": 1}))
    equal(host.ping("10.1.0.255", "-b"), [64], "TTL of the reply")
