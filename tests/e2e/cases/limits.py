"""What a vnet may occupy: refused by name, counted, shown; and what a flood in one vnet is to another."""

from scapy.layers.inet import IP, UDP

from harness import Lab, case, equal, interface, that, vnet
from harness.client import answer, ask, refused, tried

LAN = {"em0": interface("p0", "10.1.0.1/24")}


@case()
def limits_refuse_by_name_and_are_shown(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    sysctl = {"net.vnet.maxroutes": 6, "net.vnet.maxinterfaces": 2, "net.link.ether.inet.maxneighbors": 2}
    lab.start(vnet("red", LAN, sysctl=sysctl, routes={"10.8.0.0/16": "blackhole"}))
    host.ping("10.1.0.1")
    ask(lab, "-v", "red", "route", "add", "10.9.0.0/16", "-reject")
    for words, name, least in (
        (("route", "add", "10.10.0.0/16", "-reject"), "routes", "net.vnet.maxroutes"),
        (("ifconfig", "em0", "10.11.0.1/24"), "routes", "net.vnet.maxroutes"),
        (("ifconfig", "em1", "create", "port", "p0", "vlan", "9"), "interfaces", "net.vnet.maxinterfaces"),
    ):
        message = refused(lab, "-v", "red", *words)
        that(f"its limit {name}" in message and f"raise sysctl {least}" in message, message)
    ask(lab, "-v", "red", "arp", "-s", "10.1.0.3", "02:00:00:00:00:03")
    that("its limit neighbors" in refused(lab, "-v", "red", "arp", "-s", "10.1.0.4", "02:00:00:00:00:04"), "neighbours")
    limits = answer(lab, "vnet", "show", "red")["limits"]
    counted = {name: (limits[name]["used"], limits[name]["limit"], limits[name]["refused"]) for name in limits}
    equal(counted["routes"], (6, 6, 2), "routes")
    equal(counted["interfaces"], (2, 2, 1), "interfaces")
    equal(counted["neighbors"], (2, 2, 1), "neighbours")
    text = ask(lab, "vnet", "show", "red")
    that("6/6 routes, 2 refused (net.vnet.maxroutes)\n" in text, text)
    that("net.vnet.routes: 6\n" in ask(lab, "-v", "red", "sysctl", "net.vnet"), "usage")
    # Not below what there is, so that a start accepts what runs.
    message = refused(lab, "-v", "red", "sysctl", "net.vnet.maxroutes=5")
    that("the vnet has 6 routes" in message and "delete some first" in message, message)
    # Memory, checked before it grows: a route is about 64 bytes.
    ask(lab, "-v", "red", "sysctl", "net.vnet.maxmemory=6144", "net.vnet.maxroutes=1000000")
    that(limits["memory"]["used"] <= 6144, f"{limits['memory']}")
    added = 0
    while added < 100 and (done := tried(lab, "-v", "red", "route", "add", f"10.{100 + added}.0.0/16", "-reject")).returncode == 0:
        added += 1
    that("its limit memory" in done.stderr and "6144" in done.stderr, f"{added} routes: {done.stderr}")
    ask(lab, "-v", "red", "sysctl", "net.vnet.maxmemory=12288")
    ask(lab, "-v", "red", "route", "add", f"10.{100 + added}.0.0/16", "-reject")
    lab.stop()


@case(vnets=2)
def a_flood_in_one_vnet_loses_nothing_of_another(lab: Lab):
    bad = lab.peer("p0", "10.1.0.2", "10.1.0.1")
    good = lab.kernel("p1", "10.2.0.2/24", "10.2.0.1")
    unlimited = {"net.inet.icmp.icmplim": 0, "net.inet.ip.forwarding": 1}
    red = vnet("red", {"em0": interface("p0", "10.1.0.1/16")}, sysctl=unlimited)
    lab.start(red, vnet("blue", {"em0": interface("p1", "10.2.0.1/24")}, sysctl=unlimited))
    # To hosts that are not there, and questions for us under addresses that nobody has.
    unknown = [bytes(bad.frame(IP(src="10.1.0.2", dst=f"10.1.{n}.9") / UDP())) for n in range(1, 250)]
    frames = unknown + [bytes(bad.arp())] * 20

    def flood():
        for frame in frames:
            bad.wire.socket.send(frame)

    end = lab.child(flood)
    for _ in range(5):
        # Each time it has to find its neighbour, and be found, first.
        good.namespace.ip("neigh", "flush", "dev", "eth0")
        if good.address in ask(lab, "-v", "blue", "arp", "-a"):
            ask(lab, "-v", "blue", "arp", "-d", good.address)
        done = good.run("ping", "-n", "-q", "-c", "200", "-i", "0.001", "-W", "3", "10.2.0.1")
        that(" 0% packet loss" in done.stdout, done.stdout)
    end()
    summary = lab.stop()
    that(summary.document["vnets"]["red"]["drops"].keys() & {"punt_limit", "arp_hold_full"}, "no flood")
    equal(summary.document["vnets"]["blue"]["drops"], {}, "drops of blue")
