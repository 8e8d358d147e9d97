"""Network namespaces and veth pairs of the kernel."""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess

CLONE_NEWNET = 0x4000_0000
SIOCETHTOOL = 0x8946
# Receive and transmit checksums, TSO, GSO, GRO (linux/ethtool.h: ETHTOOL_S*).
OFFLOADS = (0x15, 0x17, 0x1F, 0x24, 0x2C)

libc = ctypes.CDLL(None, use_errno=True)


def ip(*arguments: str) -> str:
    """Runs iproute2's `ip`."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


class Namespace:
    """A network namespace, without IPv6 so that the kernel sends nothing by itself."""

    def __init__(self, name: str):
        self.name = name
        ip("netns", "add", name)
        for scope in ("all", "default"):
            self.sysctl(f"net/ipv6/conf/{scope}/disable_ipv6", 1)
        self.ip("link", "set", "lo", "up")

    def ip(self, *arguments: str) -> str:
        """Runs `ip` in the namespace."""
        return ip("-n", self.name, *arguments)

    @contextlib.contextmanager
    def entered(self):
        """What the calling thread does within happens in the namespace; sockets made there stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            enter(there)
            yield
        finally:
            enter(home)
            os.close(there)
            os.close(home)

    def sysctl(self, path: str, value):
        """Writes /proc/sys/`path` if the kernel has it."""
        with self.entered(), contextlib.suppress(FileNotFoundError):
            with open(f"/proc/sys/{path}", "w") as file:
                file.write(str(value))

    def without_offloads(self, interface: str):
        """Has the kernel write checksums and segments itself: what it leaves to a NIC, nobody does here."""
        with self.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for command in OFFLOADS:
                off = ctypes.create_string_buffer(struct.pack("II", command, 0))
                request = struct.pack("16sP", interface.encode(), ctypes.addressof(off))
                fcntl.ioctl(control, SIOCETHTOOL, request)

    def delete(self):
        """Deletes the namespace, and with it its end of every veth pair."""
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)


def enter(descriptor: int):
    """setns(2), which Python 3.11 lacks."""
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def veth(left: Namespace, left_name: str, left_mac: str, right: Namespace, right_name: str, right_mac: str):
    """A cable between two namespaces, both ends up."""
    ip(
        "link", "add", left_name, "netns", left.name, "address", left_mac,
        "type", "veth", "peer", "name", right_name, "netns", right.name, "address", right_mac,
    )  # fmt: skip
    for namespace, name in ((left, left_name), (right, right_name)):
        namespace.without_offloads(name)
        namespace.ip("link", "set", name, "up")


def delete_all(prefix: str):
    """Deletes the namespaces whose names begin with `prefix`, and ends what still runs in them: only a case that was
    itself killed leaves any."""
    for line in ip("netns", "list").splitlines():
        name = line.split()[0]
        if not name.startswith(prefix):
            continue
        for pid in ip("netns", "pids", name).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), 9)
        ip("netns", "del", name)
