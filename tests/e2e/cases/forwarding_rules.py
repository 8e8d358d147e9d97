"""What sysctls and interfaces change of forwarding."""

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP

from harness import Case, Lab, case, equal, interface, is_icmp_error, run_table, two_arms, vnet
from harness.table import one_hop_later

HERE, THERE, US = "10.1.0.2", "10.2.0.2", "10.1.0.1"


def udp(src=HERE, dst=THERE, **ip):
    return IP(src=src, dst=dst, **ip) / UDP(sport=1, dport=2) / b"data"


def echo(dst=US, src=HERE):
    return IP(src=src, dst=dst) / ICMP(id=1, seq=1) / b"data"


@case()
def without_forwarding_only_our_own_packets_count(lab: Lab):
    left, right = two_arms(lab, sysctl={"net.inet.ip.forwarding": 0})
    cases = [
        Case("through", udp(), drop="ip_not_forwarding"),
        Case("through with TTL 1", udp(ttl=1), drop="ip_not_forwarding"),
        Case("without a route", udp(dst="198.51.100.1"), drop="ip_not_forwarding"),
        Case("to us", echo(), answer=(0, 0)),
        Case("to us on the other interface", echo("10.2.0.1"), answer=(0, 0), source="10.2.0.1"),
    ]
    run_table(lab, left, right, cases)


@case()
def forwarding_is_off_by_default(lab: Lab):
    left = lab.peer("p0", HERE, US)
    right = lab.peer("p1", THERE, "10.2.0.1")
    interfaces = {"em0": interface("p0", "10.1.0.1/24"), "em1": interface("p1", "10.2.0.1/24")}
    known = [("em0", HERE, left.mac), ("em1", THERE, right.mac)]
    lab.start(vnet("red", interfaces, neighbors=known))
    run_table(lab, left, right, [Case("through", udp(), drop="ip_not_forwarding")])


@case()
def sources_are_validated_when_asked(lab: Lab):
    routes = {"198.51.100.0/24": ["10.1.0.2"], "203.0.113.0/24": ["10.2.0.2"], "192.0.2.0/24": "blackhole"}
    left, right = two_arms(lab, routes=routes, sysctl={"net.inet.ip.source_address_validation": 1})
    wrong = {"drop": "ip_source_validation"}
    cases = [
        Case("the neighbour", udp(), forwarded=True),
        Case("a network behind the neighbour", udp(src="198.51.100.7"), forwarded=True),
        Case("the other side's network", udp(src="10.2.0.9"), **wrong),
        Case("a network behind the other side", udp(src="203.0.113.7"), **wrong),
        Case("a network without a route", udp(src="100.64.0.1"), **wrong),
        Case("a blackhole", udp(src="192.0.2.1"), **wrong),
        Case("to us from the other side's network", echo(src="10.2.0.9"), **wrong),
        Case("to us from the neighbour", echo(), answer=(0, 0)),
    ]
    run_table(lab, left, right, cases)


@case()
def a_source_is_valid_on_each_of_its_ways(lab: Lab):
    routes = {"198.51.100.0/24": ["10.1.0.2", "10.2.0.2"], "203.0.113.0/24": ["10.2.0.2"]}
    left, right = two_arms(lab, routes=routes, sysctl={"net.inet.ip.source_address_validation": 1})
    to = "203.0.113.9"
    cases = [Case(f"host {last}", udp(src=f"198.51.100.{last}", dst=to), forwarded=True) for last in range(1, 17)]
    run_table(lab, left, right, cases)


@case()
def sources_are_free_by_default(lab: Lab):
    left, right = two_arms(lab)
    cases = [
        Case("the other side's network", udp(src="10.2.0.9"), forwarded=True),
        Case("a network without a route", udp(src="100.64.0.1"), forwarded=True),
    ]
    run_table(lab, left, right, cases)


@case()
def a_strong_end_system_answers_where_the_address_is(lab: Lab):
    left, right = two_arms(lab, sysctl={"net.inet.ip.rfc1122_strong_es": 1})
    cases = [
        Case("here", echo(), answer=(0, 0)),
        Case("elsewhere", echo("10.2.0.1"), drop="ip_strong_es"),
        Case("elsewhere, UDP", udp(dst="10.2.0.1"), drop="ip_strong_es"),
        Case("through", udp(), forwarded=True),
    ]
    run_table(lab, left, right, cases)


@case()
def nothing_enters_an_interface_that_is_down(lab: Lab):
    left = lab.peer("p0", HERE, US)
    _, wire, mac, port_mac = lab.cable("p1")
    interfaces = {"em0": interface("p0", "10.1.0.1/24"), "em1": interface("p1", "10.2.0.1/24", up=False)}
    right = lab.peer_on(wire, mac, port_mac, THERE, "10.2.0.1")
    lab.wires.remove(wire)
    lab.start(vnet("red", interfaces, neighbors=[("em0", HERE, left.mac)]))
    right.send(*(right.echo(seq=seq) for seq in range(6)))
    left.fence()
    equal([frame.packet.summary() for frame in wire.frames(0.3)], [], "what came out")
    lab.wires.append(wire)
    equal(lab.stop().drops(), {"interface_down": 6}, "drops")


@case()
def a_frame_longer_than_the_mtu_is_taken(lab: Lab):
    left, right = two_arms(lab, em0={"mtu": 600})
    cases = [
        Case("601 bytes", udp() / bytes(569), forwarded=True),
        Case("1500 bytes", udp() / bytes(1468), forwarded=True),
    ]
    run_table(lab, left, right, cases)


@case()
def the_longest_prefix_wins(lab: Lab):
    routes = {
        "0.0.0.0/0": "blackhole",
        "198.18.0.0/15": "reject",
        "198.18.0.0/16": ["10.2.0.2"],
        "198.18.128.0/17": "blackhole",
        "198.18.128.1/32": ["10.2.0.2"],
        "10.1.0.7/32": ["10.2.0.2"],
    }
    left, right = two_arms(lab, routes=routes)
    cases = [
        Case("the default", udp(dst="192.0.2.1"), drop="ip_blackhole"),
        Case("/15", udp(dst="198.19.0.1"), answer=(3, 1), drop="ip_reject"),
        Case("/16", udp(dst="198.18.127.255"), forwarded=True),
        Case("/17", udp(dst="198.18.128.0"), drop="ip_blackhole"),
        Case("/32", udp(dst="198.18.128.1"), forwarded=True),
        Case("the address after it", udp(dst="198.18.128.2"), drop="ip_blackhole"),
        Case("a host out of our own network", udp(dst="10.1.0.7"), forwarded=True),
    ]
    run_table(lab, left, right, cases)


@case()
def a_route_by_interface_resolves_each_host(lab: Lab):
    left, right = two_arms(lab, routes={"198.51.100.0/24": ["em1"]})
    left.send(udp(dst="198.51.100.7"))
    request = right.wire.until(lambda packet: packet.haslayer(ARP) and packet[ARP].pdst == "198.51.100.7", what="ARP")
    equal(request.packet[ARP].psrc, "10.2.0.1", "who asks")
    right.send(right.arp(op=2, psrc="198.51.100.7", hwdst=right.router_mac))
    packet = right.wire.until(lambda packet: packet.haslayer(UDP), what="the packet").packet
    equal((packet.dst, packet[IP].dst), (right.mac, "198.51.100.7"), "the host on the link")


@case()
def nothing_leaves_through_an_interface_that_is_down(lab: Lab):
    left = lab.peer("p0", HERE, US)
    _, wire, mac, port_mac = lab.cable("p1")
    interfaces = {"em0": interface("p0", "10.1.0.1/24"), "em1": interface("p1", "10.2.0.1/24", up=False)}
    lab.wires.remove(wire)
    known = [("em0", HERE, left.mac), ("em1", THERE, mac)]
    lab.start(vnet("red", interfaces, sysctl={"net.inet.ip.forwarding": 1}, neighbors=known))
    packets = [udp(), udp(dst="10.2.0.77")]
    for packet, error in zip(packets, left.ask(*packets), strict=True):
        is_icmp_error(error, 3, 1, one_hop_later(packet), US)
    equal([frame.packet.summary() for frame in wire.frames(0.3)], [], "what came out")
    summary = lab.stop()
    equal(summary.interface("em1")["opackets"], 0, "packets out on em1")
    equal(summary.drops(), {"interface_down": 2}, "drops")
