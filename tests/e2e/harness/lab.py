"""The place where one test happens: its namespaces, cables, hosts and its curvnet, all removed at the end."""

import contextlib
import os
import signal
import time
from pathlib import Path

from . import config
from .netns import Namespace, veth
from .peer import KernelHost, Peer
from .program import BINARY, Program, Summary, die_with_parent
from .wire import Wire

MBUFS = 16383
# How DPDK takes an end of a veth pair. af_packet is the usual one; but it has the kernel put fragments together before
# they arrive (PACKET_FANOUT_FLAG_DEFRAG), so tests of fragments take pcap. Its rings are deep: what comes while the worker
# waits for its CPU on a busy machine must not be lost.
DRIVERS = {
    "af_packet": "net_af_packet{number},iface={name},framecnt=2048",
    "af_packet_2": "net_af_packet{number},iface={name},qpairs=2,framecnt=2048",
    "pcap": "net_pcap{number},rx_iface_in={name},tx_iface={name}",
}


class Lab:
    """`prefix` begins the names of its namespaces; `cpu` is where its curvnet's worker runs; `directory`, which is
    made here and removed with what contains it, takes its files."""

    def __init__(self, prefix: str, cpu: int, directory: Path):
        self.prefix, self.cpu, self.directory = prefix, cpu, directory
        self.directory.mkdir()
        self.namespaces: list[Namespace] = []
        self.wires: list[Wire] = []
        self.peers: list[Peer] = []
        self.ports: list[dict] = []
        self.program: Program | None = None
        self.curvnet: Namespace | None = None
        self.stack = contextlib.ExitStack()

    def namespace(self, name: str) -> Namespace:
        """A namespace of the test's own."""
        namespace = Namespace(self.prefix + name)
        self.namespaces.append(namespace)
        return namespace

    def home(self) -> Namespace:
        """The namespace that curvnet runs in."""
        if self.curvnet is None:
            self.curvnet = self.namespace("curvnet")
        return self.curvnet

    def port(self, name: str, device: str = DRIVERS["af_packet"]) -> str:
        """A port of curvnet's: the kernel interface of that name, or another device. Returns its MAC address."""
        queues = 2 if "qpairs=2" in device else 1
        device = device.format(number=len(self.ports), name=name)
        descriptors = {"rx_descriptors": 512, "tx_descriptors": 512}
        self.ports.append({"name": name, "device": device, "queues": queues, **descriptors})
        return f"02:00:00:00:10:{len(self.ports):02x}"

    def cable(self, port: str, driver: str = "af_packet") -> tuple[Namespace, Wire, str, str]:
        """A port with a veth pair to a namespace of its own: that namespace, its end, and both MAC addresses."""
        far = self.namespace(port)
        port_mac = self.port(port, DRIVERS[driver])
        far_mac = port_mac.replace(":10:", ":20:")
        veth(self.home(), port, port_mac, far, "eth0", far_mac)
        wire = Wire(far, "eth0")
        self.wires.append(wire)
        return far, wire, far_mac, port_mac

    def patch(self, left: str, right: str):
        """Two ports with a veth pair between them."""
        left_mac, right_mac = self.port(left), self.port(right)
        veth(self.home(), left, left_mac, self.home(), right, right_mac)

    def peer(self, port: str, address: str, router: str, driver: str = "af_packet") -> Peer:
        """A host made of scapy at a new port."""
        _, wire, mac, port_mac = self.cable(port, driver)
        return self.peer_on(wire, mac, port_mac, address, router)

    def peer_on(self, wire, mac, port_mac, address, router, vlan=None) -> Peer:
        """One more host made of scapy at a cable."""
        peer = Peer(wire, mac, address, router, port_mac, vlan)
        self.peers.append(peer)
        return peer

    def kernel(self, port: str, address: str, router: str, driver: str = "af_packet") -> KernelHost:
        """The kernel as a host at a new port."""
        namespace, wire, mac, port_mac = self.cable(port, driver)
        host = KernelHost(namespace, wire, mac, address, router)
        self.peers.append(Peer(wire, mac, host.address, router, port_mac))
        return host

    def start(self, *vnets: str, cpus: list[int] | None = None, mbufs: int = MBUFS, arguments=()):
        """Starts curvnet with the ports made so far, and waits until it announced itself at each of them."""
        socket = str(self.directory / "control.sock")
        text = config.document(self.ports, list(vnets), cpus=cpus or [self.cpu], mbufs=mbufs, socket=socket)
        file = self.directory / "test.toml"
        file.write_text(text)
        self.run(file, *arguments)
        for wire in self.wires:
            peer = next(peer for peer in self.peers if peer.wire is wire)
            self.while_running(peer.announced)

    def run(self, file, *arguments, **more) -> Program:
        """Starts curvnet with a configuration file."""
        if not BINARY.exists():
            raise AssertionError(f"{BINARY} is missing: make build")
        self.program = Program(file, self.directory, self.home().name, *arguments, **more)
        return self.program

    def while_running(self, wait):
        """Waits for something that only a running curvnet does, half a second at a time; fails early when it ends."""
        end = time.monotonic() + 20
        while True:
            try:
                return wait(0.5)
            except AssertionError:
                if not self.program.is_running() or time.monotonic() > end:
                    raise

    def stop(self, number=signal.SIGINT, **more) -> Summary:
        """Stops curvnet, with all that every end must fulfil; its summary."""
        return self.program.stop(number, **more)

    def child(self, work):
        """A process that does `work` for ever, such as sending; ended with the test, or by what this returns."""
        pid = os.fork()
        if pid == 0:
            die_with_parent()
            with contextlib.suppress(OSError, KeyboardInterrupt):
                while True:
                    work()
            os._exit(0)
        self.stack.callback(end_child, pid)
        return self.stack.close

    def finish(self):
        """What every test ends with: curvnet stops cleanly."""
        if self.program and self.program.summary is None:
            self.stop()

    def explain(self) -> str:
        """What a failure leaves behind, for people."""
        parts = [self.program.explain()] if self.program else []
        return "\n".join(parts + [wire.explain() for wire in self.wires])

    def close(self):
        """Removes everything."""
        self.stack.close()
        if self.program:
            self.program.kill()
        for wire in self.wires:
            wire.close()
        for namespace in self.namespaces:
            namespace.delete()


def end_child(pid: int):
    """Ends a child process of ours."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
