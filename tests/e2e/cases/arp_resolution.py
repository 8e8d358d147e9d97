"""ARP: how curvnet finds a neighbour, what waits meanwhile, and what happens when nobody answers."""

import time

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether

from harness import Lab, case, equal, interface, is_icmp_error, that, vnet
from harness.peer import is_announcement

HOST_UNREACHABLE = (3, 1)
NEW_MAC = "02:00:00:00:00:77"


def arms(lab: Lab, *, mask=24, **sysctl):
    """A host whose MAC address is known, in front of a network where nobody is known."""
    left = lab.peer("p0", "10.1.0.2", "10.1.0.1")
    right = lab.peer("p1", "10.2.0.2", "10.2.0.1")
    interfaces = {"em0": interface("p0", "10.1.0.1/24"), "em1": interface("p1", f"10.2.0.1/{mask}")}
    arp = {f"net.link.ether.inet.{name}": value for name, value in sysctl.items()}
    known = [("em0", left.address, left.mac)]
    limits = {"net.inet.ip.forwarding": 1, "net.inet.icmp.icmplim": 0, **arp}
    lab.start(vnet("red", interfaces, sysctl=limits, neighbors=known))
    return left, right


def is_request(packet) -> bool:
    return packet.haslayer(ARP) and packet[ARP].op == 1 and not is_announcement(packet)


def datagram(to: str, number: int = 0):
    return IP(src="10.1.0.2", dst=to) / UDP(sport=5000, dport=6000) / number.to_bytes(4, "big")


def answer(peer, address: str, mac: str = NEW_MAC):
    """The reply to the router's request for `address`."""
    fields = {"op": 2, "hwsrc": mac, "psrc": address, "hwdst": peer.router_mac, "pdst": peer.router}
    return Ether(src=mac, dst=peer.router_mac) / ARP(**fields)


@case()
def held_packets_follow_the_reply_in_order(lab: Lab):
    left, right = arms(lab)
    left.send(*(datagram("10.2.0.9", number) for number in range(8)))
    request = right.wire.until(is_request, what="the request").packet
    equal((request.dst, request[ARP].hwdst), ("ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"), "broadcast, target unknown")
    equal((request[ARP].psrc, request[ARP].pdst), ("10.2.0.1", "10.2.0.9"), "sender and target")
    right.send(answer(right, "10.2.0.9"))
    frames = [right.wire.until(lambda packet: packet.haslayer(UDP), what="a held packet") for _ in range(8)]
    numbers = [int.from_bytes(bytes(frame.packet[UDP].payload)[:4], "big") for frame in frames]
    equal(numbers, list(range(8)), "order")
    equal({frame.packet.dst for frame in frames}, {NEW_MAC}, "MAC address")
    equal({frame.packet[IP].ttl for frame in frames}, {63}, "TTL")
    equal(lab.stop().drops(), {}, "drops")


@case()
def a_full_hold_queue_keeps_the_newest(lab: Lab):
    left, right = arms(lab, maxhold=4)
    left.send(*(datagram("10.2.0.9", number) for number in range(7)))
    left.fence()
    right.wire.until(is_request, what="the request")
    right.send(answer(right, "10.2.0.9"))
    frames = [right.wire.until(lambda packet: packet.haslayer(UDP), what="a held packet") for _ in range(4)]
    numbers = [int.from_bytes(bytes(frame.packet[UDP].payload)[:4], "big") for frame in frames]
    equal(numbers, [3, 4, 5, 6], "packets that were held")
    equal(lab.stop().drops(), {"arp_hold_full": 3}, "drops")


@case(slow=True)
def requests_go_out_once_a_second_until_somebody_answers(lab: Lab):
    left, right = arms(lab, maxtries=100)
    times, end = [], time.monotonic() + 30
    while len(times) < 4 and time.monotonic() < end:
        left.send(datagram("10.2.0.9"))
        times += [frame.time_s for frame in right.wire.frames(0.05) if is_request(frame.packet)]
    equal(len(times), 4, "requests")
    # A second between each two of them; the first may have been held up on its way.
    that(times[3] - times[0] >= 2.5, f"the fourth {times[3] - times[0]:.2f} s after the first")
    right.send(answer(right, "10.2.0.9"))
    right.wire.until(lambda packet: packet.haslayer(UDP) and packet.dst == NEW_MAC, what="a held packet")


@case(slow=True)
def who_sent_to_a_silent_neighbor_is_told(lab: Lab):
    left, right = arms(lab, maxtries=2, wait=3)
    packets = [datagram("10.2.0.9", number) for number in range(3)]
    left.send(*packets)
    errors = [left.wire.until(lambda packet: packet.haslayer(ICMP), what="the error").packet for _ in packets]
    for packet, error in zip(packets, errors):
        # Forwarded already when it waited: one less in the TTL.
        held = packet.copy()
        held.ttl -= 1
        is_icmp_error(error, *HOST_UNREACHABLE, about=held, source="10.1.0.1")
    requests = [frame for frame in iter(lambda: right.wire.read(0), None) if is_request(frame.packet)]
    left.send(datagram("10.2.0.9", 3))
    left.wire.until(lambda packet: packet.haslayer(ICMP), what="the error while the address is left alone")
    time.sleep(3.5)
    left.send(datagram("10.2.0.9", 4))
    right.wire.until(is_request, what="a new request after the pause")
    equal(len(requests), 2, "requests before")
    summary = lab.stop()
    equal(summary.drops(), {"arp_unresolved": 4, "shutdown": 1}, "drops")
    equal(summary.statistic("timeouts"), 1, "timeouts")


@case()
def what_waits_at_the_end_is_counted(lab: Lab):
    left, _ = arms(lab)
    left.send(*(datagram("10.2.0.9", number) for number in range(5)))
    left.send(*(datagram("10.2.0.10", number) for number in range(6)))
    left.fence()
    time.sleep(0.1)
    equal(lab.stop().drops(), {"shutdown": 11}, "drops")


@case()
def a_flood_to_absent_neighbors_stays_bounded(lab: Lab):
    left, right = arms(lab, mask=16, maxneighbors=64, maxhold=4, maxtries=1)
    left.send(datagram("10.2.0.9"))
    right.wire.until(is_request, what="the request")
    right.send(answer(right, "10.2.0.9"))
    right.wire.until(lambda packet: packet.haslayer(UDP), what="the held packet")
    good = bytes(left.frame(datagram("10.2.0.9", 7)))
    requests = delivered = 0
    for third in range(1, 21):
        for fourth in range(1, 251):
            left.wire.socket.send(bytes(left.frame(datagram(f"10.2.{third}.{fourth}"))) if fourth % 25 else good)
        frames = [frame.packet for frame in right.wire.frames(0.05)]
        requests += sum(is_request(packet) for packet in frames)
        delivered += sum(packet.haslayer(UDP) for packet in frames)
    left.wire.discard()
    left.fence()
    delivered += sum(frame.packet.haslayer(UDP) for frame in right.wire.frames(0.2))
    equal(delivered, 200, "packets to the neighbour that answers")
    summary = lab.stop()
    drops = summary.drops()
    bounded = {"punt_limit", "arp_table_full", "arp_unresolved", "arp_hold_full", "shutdown", "ip_no_route"}
    that(set(drops) <= bounded, f"drops {drops}")
    equal(sum(drops.values()), 20 * 240, "packets that ended in a named drop")
    that(drops.get("shutdown", 0) <= 64 * 4, f"{drops.get('shutdown')} packets held by 64 neighbours of 4")
    # One packet is no more than one request: it is asked once, however long the flood takes.
    that(requests <= 20 * 240, f"{requests} requests")


@case()
def the_neighbor_table_evicts_who_does_not_answer(lab: Lab):
    left, right = arms(lab, mask=16, maxneighbors=8)
    left.send(datagram("10.2.0.9"))
    right.wire.until(is_request, what="the request")
    right.send(answer(right, "10.2.0.9"))
    right.wire.until(lambda packet: packet.haslayer(UDP), what="the held packet")
    left.send(*(datagram(f"10.2.5.{last}") for last in range(1, 31)))
    left.fence()
    time.sleep(0.1)
    # Ours is still known: it goes out without a request.
    left.send(datagram("10.2.0.9", 1))
    frame = right.wire.until(lambda packet: packet.haslayer(UDP), what="the packet to the known neighbour")
    equal(frame.packet.dst, NEW_MAC, "MAC address")
    drops = lab.stop().drops()
    equal(drops.get("arp_unresolved", 0) + drops.get("arp_table_full", 0) + drops.get("shutdown", 0), 30, "drops")
    that(drops.get("shutdown", 0) <= 8, f"more held at the end than the table takes: {drops}")


@case(slow=True)
def a_neighbor_is_asked_again_before_it_expires(lab: Lab):
    left, right = arms(lab, max_age=5, maxtries=2)
    left.send(datagram("10.2.0.9"))
    right.wire.until(is_request, what="the request")
    right.send(answer(right, "10.2.0.9"))
    right.wire.until(lambda packet: packet.haslayer(UDP), what="the held packet")
    probe = right.wire.until(is_request, what="the question before expiry").packet
    equal((probe.dst, probe[ARP].pdst), (NEW_MAC, "10.2.0.9"), "unicast to the neighbour")
    left.send(datagram("10.2.0.9", 1))
    right.wire.until(lambda packet: packet.haslayer(UDP), what="a packet while it is asked")
    right.send(answer(right, "10.2.0.9"))
    # Now nobody answers: asked twice more, then forgotten, and asked for from the start.
    for _ in range(2):
        equal(right.wire.until(is_request, what="the question").packet.dst, NEW_MAC, "unicast to the neighbour")
    time.sleep(1.5)
    left.send(datagram("10.2.0.9", 2))
    equal(right.wire.until(is_request, what="a request").packet.dst, "ff:ff:ff:ff:ff:ff", "broadcast again")
    equal(lab.stop().statistic("timeouts"), 1, "timeouts")


@case()
def a_gateway_is_resolved_like_a_neighbor(lab: Lab):
    left = lab.peer("p0", "10.1.0.2", "10.1.0.1")
    right = lab.peer("p1", "10.2.0.2", "10.2.0.1")
    interfaces = {"em0": interface("p0", "10.1.0.1/24"), "em1": interface("p1", "10.2.0.1/24")}
    forwarding = {"net.inet.ip.forwarding": 1}
    known = [("em0", left.address, left.mac)]
    lab.start(vnet("red", interfaces, sysctl=forwarding, neighbors=known, routes={"0.0.0.0/0": ["10.2.0.254"]}))
    left.send(datagram("198.51.100.1"))
    equal(right.wire.until(is_request, what="the request").packet[ARP].pdst, "10.2.0.254", "whom it asks for")
    right.send(answer(right, "10.2.0.254"))
    packet = right.wire.until(lambda packet: packet.haslayer(UDP), what="the held packet").packet
    equal((packet.dst, packet[IP].dst), (NEW_MAC, "198.51.100.1"), "through the gateway")
