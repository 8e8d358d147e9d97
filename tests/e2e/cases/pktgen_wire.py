"""curvnet-bench pktgen through the kernel: two network cards, as far as it can tell, and a router that we did not write."""

import json
import os

from harness import Lab, case, equal, that
from harness.netns import veth
from harness.program import bench

OURS = ("02:00:00:00:02:00", "02:00:00:00:02:01")
ROUTERS = ("02:00:00:00:01:00", "02:00:00:00:01:01")
PACKETS = 3000


def router(lab: Lab):
    """pktgen left -- eth0 kernel eth1 -- right pktgen"""
    far = lab.namespace("router")
    for number, end in enumerate(("left", "right")):
        name = f"eth{number}"
        veth(lab.home(), end, OURS[number], far, name, ROUTERS[number])
        far.sysctl(f"net/ipv6/conf/{name}/disable_ipv6", 0)
        far.sysctl(f"net/ipv4/conf/{name}/rp_filter", 0)
        far.ip("addr", "add", f"172.16.{number}.1/24", "dev", name)
        far.ip("-6", "addr", "add", f"fd00:{number}::1/64", "dev", name, "nodad")
        for next_hop in (f"172.16.{number}.2", f"fd00:{number}::2"):
            far.ip("neigh", "replace", next_hop, "lladdr", OURS[number], "dev", name, "nud", "permanent")
        for prefix, next_hop in ((f"198.{18 + number}.0.0/16", f"172.16.{number}.2"), (f"2001:db8:{number}::/48", f"fd00:{number}::2")):
            far.ip("route", "add", prefix, "via", next_hop, "dev", name)
    for path, value in (("ip_forward", 1), ("conf/all/rp_filter", 0)):
        far.sysctl(f"net/ipv4/{path}", value)
    far.sysctl("net/ipv6/conf/all/forwarding", 1)
    return far


def forwarded(router) -> dict[str, int]:
    """What the kernel says that it forwarded, by version of IP."""
    with router.entered():
        with open("/proc/thread-self/net/snmp6") as file:
            six = dict(line.split() for line in file)
        with open("/proc/thread-self/net/snmp") as file:
            names, values = [line.split() for line in file if line.startswith("Ip:")]
    return {"4": int(dict(zip(names, values))["ForwDatagrams"]), "6": int(six["Ip6OutForwDatagrams"])}


def pktgen(lab: Lab, *arguments: str) -> dict:
    """Runs pktgen with both ends; its JSON object."""
    devices = [f"net_af_packet{number},iface={end},framecnt=2048" for number, end in enumerate(("left", "right"))]
    flags = ("--tx-device", devices[0], "--rx-device", devices[1], "--hugepages", "none", "--dst-mac", ROUTERS[0])
    often = ("--count", PACKETS, "--rate", "5kpps")
    done = bench("pktgen", *flags, "--json", *often, *arguments, namespace=lab.home().name)
    equal(done.returncode, 0, f"exit code ({done.stderr})")
    return json.loads(done.stdout)


def all_came_back(report: dict):
    received = report["received"]
    equal((report["sent"]["packets"], report["lost"]["packets"]), (PACKETS, 0), "sent and lost")
    equal((received["unique"], received["duplicates"]), (PACKETS, 0), "received")
    equal((received["ttl_min"], received["ttl_max"]), (63, 63), "hop limit")
    # What has a wrong checksum above IP.
    equal(received["others"].get("corrupted", 0), 0, "corrupted")


@case(root=True)
def ipv6_and_ipv4_pass_the_kernel(lab: Lab):
    far = router(lab)
    six = ("--src", "2001:db8:0:1::/64", "--dst", "2001:db8:1:2::/64")
    for version, addresses in (("6", six), ("4", ("--src", "198.18.0.0/16", "--dst", "198.19.0.0/16"))):
        for protocol in ("udp", "tcp-syn", "icmp"):
            before = forwarded(far)
            report = pktgen(lab, *addresses, "--proto", protocol, "--size", "128")
            all_came_back(report)
            after = forwarded(far)
            that(after[version] - before[version] >= PACKETS, f"IPv{version} {protocol}: {before} {after}")


@case(root=True)
def one_thread_sends_while_another_receives(lab: Lab):
    router(lab)
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        return
    report = pktgen(lab, "--cpu", cpus[0], "--rx-cpu", cpus[1])
    all_came_back(report)
    equal(report["latency"]["count"], PACKETS, "latencies")
