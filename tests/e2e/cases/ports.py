"""Ports that come and go while others forward."""

from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from harness import Lab, case, equal, interface, that, vnet
from harness.client import answer, ask, refused
from harness.lab import DRIVERS
from harness.netns import veth
from harness.peer import KernelHost
from harness.running import answers, lost_nothing, pings
from harness.wire import Wire

LAN = {"em0": interface("p0", "10.1.0.1/24")}
UNLIMITED = {"net.inet.icmp.icmplim": 0, "net.inet.ip.forwarding": 1}
DEVICE = DRIVERS["af_packet"].format(number=9, name="p9")
FEW = ("--queues", "1", "--rx-descriptors", "256", "--tx-descriptors", "256")


def spare(lab: Lab) -> KernelHost:
    """A cable to a host, of which curvnet has not heard yet: 10.9.0.2 behind p9."""
    far = lab.namespace("p9")
    veth(lab.home(), "p9", "02:00:00:00:10:99", far, "eth0", "02:00:00:00:20:99")
    wire = Wire(far, "eth0")
    lab.wires.append(wire)
    return KernelHost(far, wire, "02:00:00:00:20:99", "10.9.0.2/24", "10.9.0.1")


def attach(lab: Lab):
    """The spare port, with an address of red's."""
    ask(lab, "port", "attach", "p9", DEVICE, *FEW)
    ask(lab, "-v", "red", "ifconfig", "em9", "create", "port", "p9")
    ask(lab, "-v", "red", "ifconfig", "em9", "10.9.0.1/24")


@case()
def a_refused_port_keeps_no_mbufs(lab: Lab):
    pcap = lab.directory / "long.pcap"
    wrpcap(str(pcap), [Ether() / bytes(60), Ether() / bytes(3000)])
    lab.port("p0", "net_ring{number}")
    lab.start(vnet("red", LAN))
    answers(lab)
    for _ in range(2):
        text = refused(lab, "port", "attach", "p9", f"net_pcap9,rx_pcap={pcap},infinite_rx=1")
        that("packet 2 " in text, text)
    # A driver that would take all mbufs of the pool.
    wrpcap(str(pcap), [Ether() / bytes(60)] * 20_000)
    text = refused(lab, "port", "attach", "p9", f"net_pcap9,rx_pcap={pcap},infinite_rx=1")
    that("packets to replay" in text, text)
    # The books at the end would show what is missing.
    lab.stop()


@case()
def a_tap_without_mac_addresses_works(lab: Lab):
    lab.port("p0", "net_tap{number},iface=tap0")
    lab.start(vnet("red", LAN))
    answers(lab)
    home = lab.home()
    home.ip("address", "add", "10.1.0.2/24", "dev", "tap0")
    home.ip("link", "set", "tap0", "up")
    ask(lab, "-v", "red", "ping", "-c", "1", "10.1.0.2")
    shown = answer(lab, "-v", "red", "ifconfig", "em0")["list"][0]
    that(shown["mac"] != answer(lab, "port", "list")["list"][0]["mac"], "both ends have one address")
    that("mac" not in ask(lab, "config", "show"), "it is shown as if it had been given")
    lab.stop()


@case()
def a_port_comes_and_goes_beside_pings_that_lose_none(lab: Lab):
    left = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    right = lab.kernel("p1", "10.2.0.2/24", "10.2.0.1")
    lab.start(vnet("red", {**LAN, "em1": interface("p1", "10.2.0.1/24")}, sysctl=UNLIMITED))
    host = spare(lab)
    left.ping("10.2.0.2")
    with pings(left, "10.2.0.2", 3000) as through, pings(right, "10.2.0.1", 3000) as beside:
        rounds = 0
        while through.poll() is None:
            attach(lab)
            host.ping("10.2.0.2")
            message = refused(lab, "port", "detach", "p9")
            that("red.em9" in message and "--force" in message, message)
            if rounds % 2 == 0:
                ask(lab, "port", "detach", "p9", "--force")
            else:
                ask(lab, "-v", "red", "ifconfig", "em9", "destroy")
                ask(lab, "port", "detach", "p9")
            that("em9" not in ask(lab, "-v", "red", "ifconfig"), "its interface stayed")
            rounds += 1
        for ping in (through, beside):
            lost_nothing(ping)
    that(rounds > 2, f"{rounds} rounds")
    attach(lab)
    host.ping("10.2.0.2")
    equal([port["name"] for port in answer(lab, "port", "list")["list"]], ["p0", "p1", "p9"], "ports")
    equal(answer(lab, "port", "list")["list"][2]["interfaces"], ["red.em9"], "what p9 carries")
    that(sorted(lab.stop().document["ports"]) == ["p0", "p1", "p9"], "ports of the summary")


@case()
def a_port_comes_and_goes_under_its_own_traffic_with_two_workers(lab: Lab):
    """Both workers send through its one transmit queue, also to the last moment."""
    left = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    right = lab.kernel("p1", "10.2.0.2/24", "10.2.0.1")
    interfaces = {**LAN, "em1": interface("p1", "10.2.0.1/24")}
    lab.start(vnet("red", interfaces, sysctl=UNLIMITED), cpus=[0, 1])
    host = spare(lab)
    with pings(left, "10.2.0.2", 2500) as through, pings(left, "10.9.0.2", 2500) as to, pings(right, "10.9.0.2", 2500):
        while through.poll() is None:
            attach(lab)
            host.ping("10.2.0.2")
            host.ping("10.1.0.2")
            ask(lab, "port", "detach", "p9", "--force")
        lost_nothing(through)
        to.wait()
    lab.stop()


@case()
def what_a_port_cannot_be_names_cause_and_cure(lab: Lab):
    lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN), mbufs=8191)
    for words, parts in (
        (("attach", "p0", "net_null7"), ["there is a port p0", "another name"]),
        (("attach", "p7", "net_af_packet0,iface=p0"), ["net_af_packet0 is port p0", "of its own"]),
        (("attach", "7p", "net_null7"), ["7p", "letter"]),
        (("attach", "p7", "net_null7", "--mtu", "20"), ["68 to 9600", "68"]),
        (("attach", "p7", "net_null7", "--queues", "2"), ["2 queues", "1"]),
        (("attach", "p7", "net_null7", "--mac", "01:00:00:00:00:01"), ["01:00:00:00:00:01"]),
        (("attach", "p7", "net_nothing7"), ["p7", "net_nothing7"]),
        (("attach", "p7", "net_pcap7,rx_pcap=nowhere.pcap"), ["nowhere.pcap"]),
        (("attach", "p7", "0000:ff:1f.7"), ["0000:ff:1f.7", "eal_args"]),
        # By hand: p0 has 512 of each, p7 8192 and 1024.
        (
            ("attach", "p7", "net_null7", "--rx-descriptors", "8192"),
            ["8192  p7: 1 rx queue x 8192 descriptors", "8191", "mbufs = 16383", "fewer queues or descriptors"],
        ),
        (("detach", "p1"), ["there is no port p1", "did you mean p0?"]),
        (("detach", "p0"), ["red.em0", "--force"]),
    ):
        message = refused(lab, "port", *words)
        for part in parts:
            that(part in message, f"no {part!r} in the answer to {words}:\n{message}")
        that("\nhelp: " in message, f"no cure in the answer to {words}:\n{message}")
    equal([port["name"] for port in answer(lab, "port", "list")["list"]], ["p0"], "ports")
    ask(lab, "port", "attach", "p7", "net_null7", "--rx-descriptors", "1024")
    lab.stop()


@case()
def a_port_whose_device_goes_takes_its_interfaces_along(lab: Lab):
    left = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN, sysctl=UNLIMITED))
    host = spare(lab)
    attach(lab)
    host.ping("10.9.0.1")
    with pings(left, "10.1.0.1", 2500) as beside:
        lab.home().ip("link", "del", "p9")
        lab.while_running(lambda _: that("p9" not in ask(lab, "port", "list"), "p9 is still there"))
        that("em9" not in ask(lab, "-v", "red", "ifconfig"), "em9 is still there")
        that("10.9.0" not in ask(lab, "-v", "red", "netstat", "-r"), "its routes are still there")
        lost_nothing(beside)
    that(lab.program.log().count("p9: its device is gone, and its interfaces with it") == 1, "the log does not tell of it")
    equal(lab.stop().port("p9")["removed"], True, "p9 removed")


@case(root=False)
def a_virtual_device_comes_and_goes_without_privileges(lab: Lab):
    lab.port("p0", "net_null0")
    lab.start(vnet("red", LAN))
    lab.while_running(lambda _: ask(lab, "port", "list"))
    for _ in range(20):
        ask(lab, "port", "attach", "p1", "net_null1", *FEW)
        ask(lab, "port", "detach", "p1")
    lab.stop()
