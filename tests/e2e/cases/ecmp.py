"""Routes over several routers: flows are spread, and each stays on its way."""

import collections

from scapy.layers.inet import IP, TCP, UDP

from harness import Lab, case, equal, that, two_arms

ROUTERS = {f"10.2.0.{10 + number}": f"02:00:00:00:00:{10 + number:02x}" for number in range(4)}


def spread(lab: Lab, count: int, **more):
    routers = dict(list(ROUTERS.items())[:count])
    neighbors = [("em1", address, mac) for address, mac in routers.items()]
    return *two_arms(lab, routes={"198.18.0.0/15": list(routers)}, neighbors=neighbors, **more), set(routers.values())


def ways(left, right, packets) -> list[str]:
    """The router's MAC address that each packet was sent to, in order."""
    for packet in packets:
        left.wire.socket.send(bytes(left.frame(packet)))
    left.fence()
    return [packet.dst for packet in right.fence() if packet[IP].dst.startswith("198.")]


def flow(number: int, kind=UDP, **ip):
    fields = {"src": "10.1.0.2", "dst": f"198.18.{number % 7}.{number % 11}", **ip}
    return IP(**fields) / kind(sport=1024 + number, dport=80 + number % 3) / b"data"


@case()
def flows_are_spread_over_two_routers(lab: Lab):
    left, right, routers = spread(lab, 2)
    used = collections.Counter(ways(left, right, [flow(number) for number in range(400)]))
    equal(set(used), routers, "routers that were used")
    that(min(used.values()) >= 120, f"uneven: {used}")


@case()
def flows_are_spread_over_four_routers(lab: Lab):
    left, right, routers = spread(lab, 4)
    used = collections.Counter(ways(left, right, [flow(number, TCP) for number in range(400)]))
    equal(set(used), routers, "routers that were used")
    that(min(used.values()) >= 50, f"uneven: {used}")


@case()
def ports_alone_make_flows(lab: Lab):
    left, right, routers = spread(lab, 2)
    used = collections.Counter(ways(left, right, [flow(number, dst="198.18.0.1") for number in range(200)]))
    equal(set(used), routers, "routers that were used")
    that(min(used.values()) >= 60, f"uneven: {used}")


@case()
def addresses_alone_make_flows(lab: Lab):
    left, right, routers = spread(lab, 2)
    packets = [IP(src="10.1.0.2", dst=f"198.18.9.{last}") / UDP(sport=7, dport=9) for last in range(200)]
    used = collections.Counter(ways(left, right, packets))
    equal(set(used), routers, "routers that were used")
    that(min(used.values()) >= 60, f"uneven: {used}")


@case()
def a_flow_stays_on_its_way(lab: Lab):
    left, right, _ = spread(lab, 4)
    flows = [flow(number) for number in range(40)]
    first = ways(left, right, flows)
    for change in ({"ttl": 3}, {"tos": 8}, {"id": 999}, {}):
        equal(ways(left, right, [flow(number, **change) for number in range(40)]), first, f"ways with {change}")


@case()
def all_fragments_of_a_datagram_go_one_way(lab: Lab):
    left, right, _ = spread(lab, 4, driver="pcap")
    for number in range(20):
        addresses = {"src": "10.1.0.2", "dst": f"198.18.3.{number}", "id": number, "proto": 17}
        packets = [
            IP(**addresses, flags="MF") / UDP(sport=number, dport=9) / bytes(56),
            IP(**addresses, flags="MF", frag=8) / bytes(64),
            IP(**addresses, frag=16) / bytes(16),
        ]
        equal(len(set(ways(left, right, packets))), 1, "ways of one datagram")


@case()
def long_and_short_packets_of_a_flow_go_one_way(lab: Lab):
    left, right, _ = spread(lab, 4)
    for number in range(20):
        packet = flow(number)
        equal(len(set(ways(left, right, [packet, packet / bytes(1000), packet]))), 1, "ways of one flow")
