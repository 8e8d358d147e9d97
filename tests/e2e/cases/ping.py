"""The kernel pings addresses of curvnet's own."""

from scapy.layers.l2 import ARP

from harness import Lab, case, equal, interface, loopback, that, vnet
from harness.peer import is_announcement

LAN = {"em0": interface("p0", "10.1.0.1/24")}


@case()
def the_kernel_pings_every_size(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN))
    sizes = [0, 1, 7, 8, 18, 46, 47, 56, 100, 999, 1000, 1400, 1471, 1472]
    for size in sizes:
        equal(host.ping("10.1.0.1", "-s", str(size), "-M", "do"), [64], f"TTL of {size} bytes")
    equal(host.neighbor("10.1.0.1"), "02:00:00:00:10:01", "what ARP told the kernel")
    summary = lab.stop()
    equal(summary.statistic("icps_in_echo"), len(sizes), "icps_in_echo")
    equal(summary.statistic("icps_out_echoreply"), len(sizes), "icps_out_echoreply")
    equal(summary.drops(), {}, "drops")


@case()
def a_thousand_pings_lose_none(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN, sysctl={"net.inet.icmp.icmplim": 0}))
    done = host.run("ping", "-n", "-q", "-c", "1000", "-i", "0.001", "-W", "3", "10.1.0.1")
    that(" 0% packet loss" in done.stdout, done.stdout)
    equal(lab.stop().statistic("icps_out_echoreply"), 1000, "icps_out_echoreply")


@case()
def an_address_on_lo0_answers(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", {"lo0": loopback("127.0.0.1/8", "10.99.1.1/32"), **LAN}))
    equal(host.ping("10.99.1.1"), [64], "TTL")
    equal(lab.stop().drops(), {}, "drops")


@case()
def a_new_address_is_announced_twice(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    host.namespace.ip("neigh", "add", "10.1.0.1", "lladdr", "02:00:00:00:00:99", "nud", "stale", "dev", "eth0")
    lab.start(vnet("red", LAN))
    first = next(frame for frame in host.wire.log if not frame.outgoing and is_announcement(frame.packet))
    second = host.wire.until(is_announcement, what="the second announcement")
    that(1 < second.time_s - first.time_s < 15, f"{second.time_s - first.time_s:.3f} s between announcements")
    arp = second.packet[ARP]
    equal((arp.psrc, arp.pdst, arp.hwsrc), ("10.1.0.1", "10.1.0.1", "02:00:00:00:10:01"), "announcement")
    equal(second.packet.dst, "ff:ff:ff:ff:ff:ff", "its destination")
    equal(host.neighbor("10.1.0.1"), "02:00:00:00:10:01", "what it told the kernel")


@case()
def replies_carry_the_ttl_of_the_sysctl(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN, sysctl={"net.inet.ip.ttl": 17}))
    equal(host.ping("10.1.0.1"), [17], "TTL")


@case()
def a_datagram_in_fragments_is_dropped_by_name(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1", driver="pcap")
    lab.start(vnet("red", {"em0": interface("p0", "10.1.0.1/24", mac="02:00:00:00:10:01")}))
    done = host.run("ping", "-n", "-c", "1", "-W", "1", "-s", "3000", "10.1.0.1")
    that("100% packet loss" in done.stdout, done.stdout)
    summary = lab.stop()
    equal(summary.drops(), {"ip_fragment_local": 3}, "drops")
    equal(summary.statistic("ips_fragdropped"), 3, "ips_fragdropped")
