"""Hosts at the far end of a port: one made of scapy, one that is the kernel."""

import contextlib
import re
import socket
import struct
import subprocess
import time

from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import ARP, Dot1Q, Ether

from .netns import Namespace
from .wire import Frame, Wire

FENCE_ID = 0xFE2E
IP_RECVERR = 11
IP_MTU_DISCOVER = 10
IP_PMTUDISC_DO = 2
IP_MTU = 14
MSG_ERRQUEUE = 0x2000


class Peer:
    """A host that does only what a test says. It asks nobody and answers nobody: tests give its MAC address to
    curvnet, or play ARP themselves."""

    def __init__(self, wire: Wire, mac: str, address: str, router: str, router_mac: str, vlan: int | None = None):
        self.wire, self.mac, self.address = wire, mac, address
        self.router, self.router_mac, self.vlan = router, router_mac, vlan
        self.fences = 0

    def frame(self, packet, **ether):
        """The packet in a frame to the router, with the peer's tag; a packet that is a frame already stays as it is."""
        if isinstance(packet, Ether | bytes):
            return packet
        link = Ether(**{"src": self.mac, "dst": self.router_mac, **ether})
        return link / Dot1Q(vlan=self.vlan) / packet if self.vlan is not None else link / packet

    def arp(self, **fields):
        """An ARP request for the router's address, broadcast; `fields` change it."""
        fields = {"hwsrc": self.mac, "psrc": self.address, "pdst": self.router, **fields}
        target = "ff:ff:ff:ff:ff:ff" if fields.get("op", 1) == 1 else self.router_mac
        return self.frame(ARP(**fields), src=fields["hwsrc"], dst=target)

    def echo(self, to: str | None = None, size: int = 32, seq: int = 1, **ip):
        """An echo request, to the router unless `to` says otherwise."""
        fields = {"src": self.address, "dst": to or self.router, **ip}
        return IP(**fields) / ICMP(id=0x1234, seq=seq) / bytes(range(256))[:size]

    def send(self, *packets):
        """Sends packets, each in a frame."""
        self.wire.send(*(self.frame(packet) for packet in packets))

    def ask(self, *packets) -> list:
        """Sends packets and returns what comes back. Nothing is left out and nothing is waited for: an echo request
        follows them, and another one the answer to that. A worker may answer the first before it is done with the
        packets, which were received together, but then it sends all its answers at once."""
        self.send(*packets)
        return self.fence() + self.fence()

    def fence(self) -> list:
        """Everything received up to the answer to an echo request, without the router's announcements."""
        self.fences += 1
        request = IP(src=self.address, dst=self.router) / ICMP(id=FENCE_ID, seq=self.fences & 0xFFFF)
        self.send(request)
        found, end = [], time.monotonic() + 20
        while (left := end - time.monotonic()) > 0:
            frame = self.wire.read(left)
            if frame is None or frame.outgoing or is_announcement(packet := frame.packet):
                continue
            if is_fence(packet, self.fences & 0xFFFF):
                return found
            found.append(packet)
        raise AssertionError(f"{self.router} does not answer {self.address}")

    def announced(self, timeout_s: float) -> Frame:
        """Waits for the router's gratuitous ARP: from then on it forwards."""
        return self.wire.until(is_announcement, timeout_s, f"the announcement of {self.router}")


def is_announcement(packet) -> bool:
    """A gratuitous ARP request (RFC 5227 1.1)."""
    return packet.haslayer(ARP) and packet[ARP].op == 1 and packet[ARP].psrc == packet[ARP].pdst


def is_fence(packet, number: int) -> bool:
    return packet.haslayer(ICMP) and (packet[ICMP].type, packet[ICMP].id, packet[ICMP].seq) == (0, FENCE_ID, number)


class KernelHost:
    """The kernel as a host, in a namespace of its own."""

    def __init__(self, namespace: Namespace, wire: Wire, mac: str, address: str, router: str):
        self.namespace, self.wire, self.mac = namespace, wire, mac
        self.address, self.router = address.split("/")[0], router
        namespace.ip("address", "add", address, "dev", "eth0")
        namespace.ip("route", "add", "default", "via", router)

    def run(self, *command: str, timeout_s: float = 30.0) -> subprocess.CompletedProcess:
        """Runs a command in the namespace."""
        line = ["ip", "netns", "exec", self.namespace.name, *command]
        return subprocess.run(line, capture_output=True, text=True, timeout=timeout_s)

    def ping(self, to: str, *options: str, count: int = 1) -> list[int]:
        """Pings until `count` requests are answered; the TTL of each reply. Fails when one is lost or altered."""
        done = self.run("ping", "-n", "-c", str(count), "-W", "10", *options, to)
        if done.returncode != 0 or "wrong data" in done.stdout:
            raise AssertionError(f"ping {' '.join(options)} {to}:\n{done.stdout}{done.stderr}")
        return [int(ttl) for ttl in re.findall(r"ttl=(\d+)", done.stdout)]

    def neighbor(self, address: str) -> str | None:
        """The MAC address that the kernel found by ARP."""
        found = re.search(r"lladdr (\S+)", self.namespace.ip("neigh", "show", address))
        return found and found.group(1)

    def socket(self, kind=socket.SOCK_DGRAM) -> socket.socket:
        """A socket of the host."""
        with self.namespace.entered():
            return socket.socket(socket.AF_INET, kind)

    def traceroute(self, to: str, hops: int) -> list[tuple[str, int, int] | None]:
        """Who answered for each TTL from 1 on, and the answer's ICMP type and code, as the kernel reports them to a
        socket: it takes no error with a wrong checksum, nor one that quotes no packet of that socket."""
        return [self.probe(to, ttl) for ttl in range(1, hops + 1)]

    def probe(self, to: str, ttl: int, size: int = 20) -> tuple[str, int, int] | None:
        """The ICMP error that one UDP datagram with this TTL provokes."""
        with self.socket() as sender:
            sender.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
            sender.sendto(bytes(size), (to, 33434 + ttl))
            return error_of(sender)

    def path_mtu(self, to: str, size: int) -> int:
        """Sends a datagram that must not be fragmented; the path MTU that the kernel believes in afterwards."""
        with self.socket() as sender:
            sender.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
            sender.connect((to, 9))
            sender.send(bytes(size))
            end = time.monotonic() + 3
            while (mtu := sender.getsockopt(socket.IPPROTO_IP, IP_MTU)) >= size and time.monotonic() < end:
                time.sleep(0.01)
            return mtu


def error_of(sender: socket.socket) -> tuple[str, int, int] | None:
    """The error that waits in the socket's error queue (ip(7), IP_RECVERR): who sent it, type and code."""
    end = time.monotonic() + 3
    while time.monotonic() < end:
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError, OSError):
            _, control, _, _ = sender.recvmsg(512, 512, MSG_ERRQUEUE | socket.MSG_DONTWAIT)
            for level, kind, value in control:
                if (level, kind) == (socket.IPPROTO_IP, IP_RECVERR):
                    kind, code = struct.unpack_from("IBBB", value)[2:4]
                    return socket.inet_ntoa(value[20:24]), kind, code
        time.sleep(0.005)
    return None
