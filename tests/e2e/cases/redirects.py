"""`net.inet.ip.redirect`: a packet that leaves where it came in."""

from scapy.layers.inet import ICMP, IP, UDP

from harness import Lab, case, equal, is_icmp_error, two_arms

HERE, BETTER = "10.1.0.2", "10.1.0.254"
BETTER_MAC = "02:00:00:00:00:fe"


def lab_with_a_detour(lab: Lab, **sysctl):
    """A route back into the sender's own network, through a neighbour of his."""
    routes = {"198.51.100.0/24": [BETTER], "203.0.113.0/24": ["10.2.0.2"]}
    values = {f"net.inet.ip.{name}": value for name, value in sysctl.items()}
    left, _ = two_arms(lab, routes=routes, sysctl=values, neighbors=[("em0", BETTER, BETTER_MAC)])
    return left


def sent_on(packets) -> list[tuple[str, int]]:
    """MAC addresses and TTLs of the UDP datagrams among them."""
    return [(packet.dst, packet[IP].ttl) for packet in packets if not packet.haslayer(ICMP)]


@case()
def the_sender_is_told_of_the_better_router(lab: Lab):
    left = lab_with_a_detour(lab)
    packet = IP(src=HERE, dst="198.51.100.1", ttl=9) / UDP() / b"data"
    back = left.ask(packet)
    equal(sent_on(back), [(BETTER_MAC, 8)], "forwarded all the same")
    redirects = [reply for reply in back if reply.haslayer(ICMP)]
    equal(len(redirects), 1, "redirects")
    is_icmp_error(redirects[0], 5, 1, packet, "10.1.0.1")
    equal(redirects[0][ICMP].gw, BETTER, "the better router")
    summary = lab.stop()
    equal((summary.statistic("ips_redirectsent"), summary.statistic("ips_forward")), (1, 1), "ipstat")


@case()
def a_host_of_the_same_network_is_its_own_better_router(lab: Lab):
    left = lab_with_a_detour(lab)
    packet = IP(src=HERE, dst=BETTER) / UDP() / b"data"
    redirects = [reply for reply in left.ask(packet) if reply.haslayer(ICMP)]
    equal([(reply[ICMP].type, reply[ICMP].gw) for reply in redirects], [(5, BETTER)], "redirects")


@case()
def a_sender_from_elsewhere_is_not_told(lab: Lab):
    left = lab_with_a_detour(lab)
    packet = IP(src="192.0.2.1", dst="198.51.100.1", ttl=9) / UDP()
    back = left.ask(packet)
    equal([reply.summary() for reply in back if reply.haslayer(ICMP)], [], "redirects")
    equal(sent_on(back), [(BETTER_MAC, 8)], "forwarded")


@case()
def what_leaves_elsewhere_is_not_told(lab: Lab):
    left = lab_with_a_detour(lab)
    equal(left.ask(IP(src=HERE, dst="203.0.113.1") / UDP()), [], "answers")


@case()
def redirects_can_be_switched_off(lab: Lab):
    left = lab_with_a_detour(lab, redirect=0)
    back = left.ask(IP(src=HERE, dst="198.51.100.1", ttl=9) / UDP())
    equal([reply.summary() for reply in back if reply.haslayer(ICMP)], [], "redirects")
    equal(sent_on(back), [(BETTER_MAC, 8)], "forwarded")
