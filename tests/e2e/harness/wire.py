"""The far end of a port's cable: a packet socket that sends and receives whole frames, tags included."""

import collections
import itertools
import select
import socket
import struct
import time
from dataclasses import dataclass

from scapy.layers.l2 import Ether

SOL_PACKET = 263
PACKET_AUXDATA = 8
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33
ETH_P_ALL = 3
TP_STATUS_VLAN_VALID = 1 << 4
BUFFER_BYTES = 16 << 20
LOG_FRAMES = 60


@dataclass
class Frame:
    """One frame as it was on the wire."""

    time_s: float
    data: bytes
    outgoing: bool

    @property
    def packet(self) -> Ether:
        """Dissected by scapy."""
        return Ether(self.data)

    def describe(self) -> str:
        """Direction, length and what it is."""
        return f"{'->' if self.outgoing else '<-'} {len(self.data):4} {self.packet.summary()}"


class Wire:
    """Frames of one interface. What is read is kept for the report of a failure."""

    def __init__(self, namespace, interface: str):
        with namespace.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        self.socket.bind((interface, ETH_P_ALL))
        self.name = f"{namespace.name} {interface}"
        self.log = collections.deque(maxlen=LOG_FRAMES)

    def send(self, *packets):
        """Sends frames: scapy packets that begin with Ether, or bytes."""
        for packet in packets:
            data = bytes(packet)
            self.log.append(Frame(time.time(), data, True))
            self.socket.send(data)

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame, sent or received; None when there is none in time."""
        if not select.select([self.socket], [], [], max(timeout_s, 0))[0]:
            return None
        try:
            data, control, _, address = self.socket.recvmsg(65536, 256)
        except OSError:
            return None  # the interface went away
        frame = Frame(*with_tag(data, control), address[2] == socket.PACKET_OUTGOING)
        self.log.append(frame)
        return frame

    def frames(self, seconds: float) -> list[Frame]:
        """Everything that is received within so many seconds."""
        found, end = [], time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            frame = self.read(left)
            if frame and not frame.outgoing:
                found.append(frame)
        return found

    def until(self, matches, timeout_s: float = 20.0, what: str = "the frame") -> Frame:
        """The first received frame whose packet `matches`; fails when none comes."""
        end = time.monotonic() + timeout_s
        while (left := end - time.monotonic()) > 0:
            frame = self.read(left)
            if frame and not frame.outgoing and matches(frame.packet):
                return frame
        raise AssertionError(f"{what} did not come within {timeout_s} s")

    def discard(self):
        """Forgets what waits to be read, after a flood that nobody wants to look at."""
        while select.select([self.socket], [], [], 0.1)[0]:
            self.socket.recv(1)

    def explain(self) -> str:
        """The last frames, for people."""
        while self.read(0):
            pass
        lines = [f"--- last frames at {self.name}"]
        log = sorted(self.log, key=lambda frame: frame.time_s)
        first = log[0].time_s if log else 0
        for text, run in itertools.groupby(log, key=lambda frame: frame.describe()):
            run = list(run)
            times = f" ({len(run)} times)" if len(run) > 1 else ""
            lines.append(f"{run[0].time_s - first:9.4f} {text}{times}")
        return "\n".join(lines)

    def close(self):
        """Closes the socket."""
        self.socket.close()


def with_tag(data: bytes, control) -> tuple[float, bytes]:
    """The frame's time, and its bytes with the tag that the kernel took off put back (packet(7), PACKET_AUXDATA)."""
    seconds = time.time()
    for level, kind, value in control:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            whole, nanoseconds = struct.unpack("qq", value[:16])
            seconds = whole + nanoseconds / 1e9
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", value[:20])
            if status & TP_STATUS_VLAN_VALID:
                data = data[:12] + struct.pack("!HH", tpid or 0x8100, tci) + data[12:]
    return seconds, data
