"""Between two kernels, through one vnet and through two in a row."""

import os

from scapy.layers.inet import IP, UDP

from harness import Lab, Skip, case, equal, interface, that, two_arms, vnet

FORWARDING = {"net.inet.ip.forwarding": 1}
TIME_EXCEEDED, PORT_UNREACHABLE = (11, 0), (3, 3)


def one_vnet(lab: Lab):
    """host 10.1.0.2 -- em0 red em1 -- host 10.2.0.2"""
    left = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    right = lab.kernel("p1", "10.2.0.2/24", "10.2.0.1")
    interfaces = {"em0": interface("p0", "10.1.0.1/24"), "em1": interface("p1", "10.2.0.1/24")}
    lab.start(vnet("red", interfaces, sysctl=FORWARDING))
    return left, right


def two_vnets(lab: Lab):
    """host 10.1.0.2 -- em0 red em1 10.9.0.1 -- veth -- 10.9.0.2 em0 blue em1 -- host 10.2.0.2"""
    left = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    right = lab.kernel("p1", "10.2.0.2/24", "10.2.0.1")
    lab.patch("p2", "p3")
    red = {"em0": interface("p0", "10.1.0.1/24"), "em1": interface("p2", "10.9.0.1/30")}
    blue = {"em0": interface("p3", "10.9.0.2/30"), "em1": interface("p1", "10.2.0.1/24")}
    lab.start(
        vnet("red", red, sysctl=FORWARDING, routes={"10.2.0.0/24": ["10.9.0.2"]}),
        vnet("blue", blue, sysctl=FORWARDING, routes={"10.1.0.0/24": ["10.9.0.1"]}),
    )
    return left, right


@case()
def ping_through_one_vnet(lab: Lab):
    left, right = one_vnet(lab)
    equal(left.ping("10.2.0.2", "-i", "0.1", count=3), [63] * 3, "TTL of the replies")
    equal(right.ping("10.1.0.2", "-s", "1472", "-M", "do"), [63], "TTL of the reply")
    summary = lab.stop()
    # The first packet each way waited for ARP.
    equal(summary.statistic("ips_forward"), 8, "ips_forward")
    equal(summary.drops(), {}, "drops")


@case()
def traceroute_through_one_vnet(lab: Lab):
    left, _ = one_vnet(lab)
    way = [("10.1.0.1", *TIME_EXCEEDED), ("10.2.0.2", *PORT_UNREACHABLE)]
    equal(left.traceroute("10.2.0.2", 2), way, "hops")


@case(vnets=2)
def ping_through_two_vnets(lab: Lab):
    left, right = two_vnets(lab)
    equal(left.ping("10.2.0.2", "-i", "0.1", count=3), [62] * 3, "TTL of the replies")
    equal(right.ping("10.1.0.2", "-s", "1472", "-M", "do"), [62], "TTL of the reply")
    summary = lab.stop()
    for name in ("red", "blue"):
        equal(summary.statistic("ips_forward", name), 8, f"ips_forward of {name}")
        drops = summary.drops(name)
        drops.pop("arp_not_for_us", None)  # the other one's announcements
        equal(drops, {}, f"drops of {name}")


@case(vnets=2)
def traceroute_through_two_vnets(lab: Lab):
    left, right = two_vnets(lab)
    there = [("10.1.0.1", *TIME_EXCEEDED), ("10.9.0.2", *TIME_EXCEEDED), ("10.2.0.2", *PORT_UNREACHABLE)]
    equal(left.traceroute("10.2.0.2", 3), there, "hops")
    back = [("10.2.0.1", *TIME_EXCEEDED), ("10.9.0.1", *TIME_EXCEEDED), ("10.1.0.2", *PORT_UNREACHABLE)]
    equal(right.traceroute("10.1.0.2", 3), back, "hops")


@case()
def the_kernel_takes_errors_about_no_route(lab: Lab):
    left, _ = one_vnet(lab)
    equal(left.probe("198.51.100.1", 64), ("10.1.0.1", 3, 0), "network unreachable")
    equal(left.probe("10.1.0.1", 64), ("10.1.0.1", *PORT_UNREACHABLE), "port unreachable")
    drops = lab.stop().drops()
    equal(drops, {"ip_no_route": 1, "udp_no_port": 1}, "drops")


@case()
def two_workers_share_the_ports(lab: Lab):
    if len(cpus := sorted(os.sched_getaffinity(0))) < 2:
        raise Skip("wants 2 CPUs")
    left = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    right = lab.kernel("p1", "10.2.0.2/24", "10.2.0.1")
    interfaces = {"em0": interface("p0", "10.1.0.1/24"), "em1": interface("p1", "10.2.0.1/24")}
    lab.start(vnet("red", interfaces, sysctl={**FORWARDING, "net.inet.icmp.icmplim": 0}), cpus=cpus[:2])
    equal(left.ping("10.2.0.2", "-i", "0.01", count=100), [63] * 100, "TTL of the replies")
    equal(right.ping("10.2.0.1", "-i", "0.01", count=50), [64] * 50, "TTL of the replies")
    summary = lab.stop()
    equal(summary.drops(), {}, "drops")
    equal(summary.statistic("ips_forward"), 200, "ips_forward")
    packets = [worker["packets"] for worker in summary.document["workers"]]
    that(min(packets) >= 100, f"packets of the workers: {packets}")


@case()
def two_queues_of_a_port_feed_two_workers(lab: Lab):
    if len(cpus := sorted(os.sched_getaffinity(0))) < 2:
        raise Skip("wants 2 CPUs")
    left, right = two_arms(lab, driver="af_packet_2", cpus=cpus[:2])
    flows = [IP(src="10.1.0.2", dst="10.2.0.2") / UDP(sport=1000 + flow, dport=9) for flow in range(200)]
    for at in range(0, len(flows), 20):
        left.ask(*flows[at : at + 20])
    ports = {packet[UDP].sport for packet in right.fence()}
    equal(ports, {1000 + flow for flow in range(200)}, "flows that arrived")
    summary = lab.stop()
    packets = [worker["packets"] for worker in summary.document["workers"]]
    that(min(packets) >= 20, f"packets of the workers: {packets}")
