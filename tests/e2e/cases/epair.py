"""Two vnets joined by an epair, which commands make: kernel hosts on both sides, and the way between them."""

from harness import Lab, case, equal, interface, that, vnet
from harness.client import answer, ask, refused

FORWARDING = {"net.inet.ip.forwarding": 1}
TIME_EXCEEDED, PORT_UNREACHABLE = (11, 0), (3, 3)
COMMANDS = (
    "-v red ifconfig epair create",
    "-v red ifconfig epair0b vnet blue",
    "-v red ifconfig epair0a 10.9.0.1/30",
    "-v blue ifconfig epair0b 10.9.0.2/30",
    "-v red route add 10.2.0.0/24 10.9.0.2",
    "-v blue route add 10.1.0.0/24 10.9.0.1",
)


def joined(lab: Lab):
    """host 10.1.0.2 -- em0 red epair0a 10.9.0.1 == 10.9.0.2 epair0b blue em0 -- host 10.2.0.2"""
    left = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    right = lab.kernel("p1", "10.2.0.2/24", "10.2.0.1")
    lab.start(
        vnet("red", {"em0": interface("p0", "10.1.0.1/24")}, sysctl=FORWARDING),
        vnet("blue", {"em0": interface("p1", "10.2.0.1/24")}, sysctl=FORWARDING),
    )
    for words in COMMANDS:
        ask(lab, *words.split())
    return left, right


@case(vnets=2)
def hosts_ping_through_an_epair(lab: Lab):
    left, right = joined(lab)
    equal(left.ping("10.2.0.2", "-i", "0.01", count=20), [62] * 20, "TTL of the replies")
    equal(right.ping("10.1.0.2", "-s", "1472", "-M", "do"), [62], "TTL of the reply")
    [end] = answer(lab, "-v", "blue", "ifconfig", "epair0b")["list"]
    equal((end["peer"], end["home"]), ({"vnet": "red", "interface": "epair0a"}, "red"), "the end in blue")
    summary = lab.stop()
    for name in ("red", "blue"):
        equal(summary.statistic("ips_forward", name), 42, f"ips_forward of {name}")
    ends = (summary.interface("epair0a", "red"), summary.interface("epair0b", "blue"))
    for one, other in (ends, ends[::-1]):
        that(one["opackets"] >= 21, f"{one}")
        equal(one["opackets"], other["ipackets"], "what one sent is what the other received")


@case(vnets=2)
def traceroute_shows_both_vnets(lab: Lab):
    left, right = joined(lab)
    there = [("10.1.0.1", *TIME_EXCEEDED), ("10.9.0.2", *TIME_EXCEEDED), ("10.2.0.2", *PORT_UNREACHABLE)]
    equal(left.traceroute("10.2.0.2", 3), there, "hops")
    back = [("10.2.0.1", *TIME_EXCEEDED), ("10.9.0.1", *TIME_EXCEEDED), ("10.1.0.2", *PORT_UNREACHABLE)]
    equal(right.traceroute("10.1.0.2", 3), back, "hops")


@case(vnets=2)
def both_ends_go_together(lab: Lab):
    left, _ = joined(lab)
    equal(left.ping("10.2.0.2"), [62], "TTL of the reply")
    ask(lab, "-v", "blue", "ifconfig", "epair0b", "destroy")
    that("epair0a" in refused(lab, "-v", "red", "ifconfig", "epair0a"), "the end in red is gone, too")
    equal(left.probe("10.2.0.2", 64), ("10.1.0.1", 3, 0), "network unreachable")
    equal(ask(lab, "-v", "red", "ifconfig", "epair", "create"), "epair0a\n", "the number is free again")
