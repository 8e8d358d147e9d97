"""The topology that most tests of IPv4 share."""

from .config import interface, vnet
from .lab import Lab
from .peer import Peer

UNLIMITED = {"net.inet.ip.forwarding": 1, "net.inet.icmp.icmplim": 0}


def two_arms(lab: Lab, *, sysctl=None, routes=None, em0=None, em1=None, neighbors=(), driver="af_packet", cpus=None):
    """vnet red between two scapy hosts, whose MAC addresses it knows:

    10.1.0.2 -- p0 em0 10.1.0.1/24  red  em1 10.2.0.1/24 p1 -- 10.2.0.2

    It forwards, and sends as many ICMP messages as it likes; `sysctl` changes that. `em0` and `em1` are further keys
    of the interfaces. Tests that send fragments need the driver pcap."""
    left = lab.peer("p0", "10.1.0.2", "10.1.0.1", driver)
    right = lab.peer("p1", "10.2.0.2", "10.2.0.1", driver)
    # net_pcap has a MAC address of its own, whatever the interface's is.
    interfaces = {
        "em0": interface("p0", "10.1.0.1/24", mac=left.router_mac, **(em0 or {})),
        "em1": interface("p1", "10.2.0.1/24", mac=right.router_mac, **(em1 or {})),
    }
    known = [("em0", left.address, left.mac), ("em1", right.address, right.mac), *neighbors]
    values = {**UNLIMITED, **(sysctl or {})}
    lab.start(vnet("red", interfaces, sysctl=values, neighbors=known, routes=routes), cpus=cpus)
    return left, right
