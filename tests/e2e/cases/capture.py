"""`curvnet capture`: what it writes is read by tcpdump and by scapy."""

import json
import signal
import subprocess
import time

from scapy.layers.inet import ICMP, IP, UDP
from scapy.utils import rdpcap

from harness import Lab, case, equal, interface, that, two_arms, vnet
from harness.program import BINARY, command
from harness.running import answers

LAN = {"em0": interface("p0", "10.1.0.1/24")}
QUIET = "curvnet: listening in vnet "


class Capture:
    """`curvnet capture`, which has begun."""

    def __init__(self, lab: Lab, *words: str, name="red", file="capture.pcapng"):
        self.file = lab.directory / file
        words = ["-s", lab.directory / "control.sock", "capture", "-v", name, "-w", self.file, *words]
        self.process = subprocess.Popen([BINARY, *words], stderr=subprocess.PIPE, text=True)
        lab.stack.callback(self.process.kill)
        that(self.process.stderr.readline().startswith(QUIET), "it does not begin")

    def end(self, code: int = 0) -> tuple[int, int, int]:
        """Waits for its end; packets captured, received by the filter, and dropped."""
        text = self.process.communicate(timeout=20)[1]
        equal(self.process.returncode, code, f"exit code: {text}")
        return tuple(int(line.split()[0]) for line in text.splitlines()[:3])

    def stop(self) -> tuple[int, int, int]:
        """Interrupts it."""
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def tcpdump(self, *words: str) -> list[str]:
        """The lines that tcpdump shows of the file."""
        words = ["tcpdump", "-n", "-t", "-r", str(self.file), *words]
        done = subprocess.run(words, capture_output=True, text=True, timeout=20)
        equal(done.returncode, 0, f"tcpdump's exit code: {done.stderr}")
        return done.stdout.splitlines()


def blocks(file) -> list[tuple[int, bytes]]:
    """The blocks of a pcapng file: type and body."""
    data, found = file.read_bytes(), []
    while data:
        kind, length = (int.from_bytes(data[at : at + 4], "little") for at in (0, 4))
        equal(int.from_bytes(data[length - 4 : length], "little"), length, "the length behind a block")
        found.append((kind, data[8 : length - 4]))
        data = data[length:]
    return found


def options(data: bytes) -> dict[int, bytes]:
    found = {}
    while (code := int.from_bytes(data[:2], "little")) != 0:
        length = int.from_bytes(data[2:4], "little")
        found[code] = data[4 : 4 + length]
        data = data[4 + (length + 3) // 4 * 4 :]
    return found


def described(file) -> list[tuple[str, str, bytes]]:
    """Of each packet: its interface, In, Out or the reason of its drop, and its bytes."""
    names, packets = [], []
    for kind, body in blocks(file):
        if kind == 1:
            names.append(options(body[8:])[2].decode())
        elif kind == 6:
            number, length = (int.from_bytes(body[at : at + 4], "little") for at in (0, 12))
            more = options(body[20 + (length + 3) // 4 * 4 :])
            way = {b"\1\0\0\0": "In", b"\2\0\0\0": "Out", None: None}[more.get(2)]
            packets.append((names[number], way or more[1].decode(), body[20 : 20 + length]))
    return packets


@case()
def received_sent_and_dropped_packets_are_in_the_file(lab: Lab):
    left, right = two_arms(lab)
    began = time.time()
    capture = Capture(lab, "--drops")
    through = IP(src="10.1.0.2", dst="10.2.0.2") / UDP(sport=1000, dport=2000) / b"through"
    nowhere = IP(src="10.1.0.2", dst="192.0.2.9") / UDP(sport=1000, dport=2001) / b"nowhere"
    answer = left.ask(through, nowhere)
    equal([packet[ICMP].type for packet in answer if packet.haslayer(ICMP) and packet[ICMP].type != 0], [3], "refused")
    that(any(packet.haslayer(UDP) for packet in right.fence()), "it did not arrive")
    captured, received, dropped = capture.stop()
    packets = described(capture.file)
    equal((captured, received, dropped), (len(packets), len(packets), 0), "counts")
    of = lambda text: [(name, way) for name, way, data in packets if data.endswith(text) and data[23] == 17]
    equal(of(b"through"), [("em0", "In"), ("em1", "Out")], "the one that was forwarded")
    equal(of(b"nowhere"), [("em0", "In"), ("em0", "dropped: ip_no_route")], "the one that was not")
    lines = capture.tcpdump("udp", "and", "dst", "port", "2000")
    equal(lines, ["IP 10.1.0.2.1000 > 10.2.0.2.2000: UDP, length 7"] * 2, "tcpdump")
    times = [float(packet.time) for packet in rdpcap(str(capture.file))]
    that(began - 1 < min(times) <= max(times) < time.time() + 1, f"times: {times}, {began}")
    ttl = [packet[IP].ttl for packet in rdpcap(str(capture.file)) if packet.haslayer(UDP) and packet[UDP].dport == 2000]
    equal(ttl, [64, 63], "TTL as it came and as it left")
    lab.stop()


@case()
def a_filter_an_interface_a_count_and_a_length_select(lab: Lab):
    left, right = two_arms(lab)
    icmp = Capture(lab, "-i", "em1", "-c", "2", "-s", "60", "icmp", "and", "dst", "host", "10.2.0.2", file="icmp.pcapng")
    nothing = Capture(lab, "ip6", "or", "(tcp and port 80)", file="nothing.pcapng")
    echoes = [IP(src="10.1.0.2", dst="10.2.0.2") / ICMP(id=9, seq=seq) / bytes(100) for seq in range(3)]
    left.ask(*echoes)
    right.fence()
    equal(icmp.end()[0], 2, "packets captured")
    packets = described(icmp.file)
    equal([(name, way, len(data)) for name, way, data in packets], [("em1", "Out", 60)] * 2, "packets")
    lines = icmp.tcpdump()
    that("10.1.0.2 > 10.2.0.2: ICMP echo request, id 9, seq 0" in lines[0], lines)
    equal(nothing.stop(), (0, 0, 0), "what nobody sent")
    wrong = command("-s", lab.directory / "control.sock", "capture", "-v", "red", "no", "such", "filter")
    equal(wrong.returncode, 2, f"exit code for a wrong filter: {wrong.stderr}")
    wrong = command("-s", lab.directory / "control.sock", "capture", "-v", "red", "-i", "em9")
    that(wrong.returncode == 1 and "em9" in wrong.stderr, wrong.stderr)
    lab.stop()


@case()
def lines_for_people_and_a_pipe(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN))
    socket = lab.directory / "control.sock"
    with (
        subprocess.Popen(
            [BINARY, "-s", socket, "capture", "-v", "red", "-c", "4", "icmp"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as lines,
        subprocess.Popen(
            [BINARY, "-s", socket, "capture", "-v", "red", "-w", "-", "-c", "4", "icmp"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as pipe,
    ):
        for process in (lines, pipe):
            that(QUIET in str(process.stderr.readline()), "it does not begin")
        tcpdump = subprocess.Popen(["tcpdump", "-n", "-r", "-"], stdin=pipe.stdout, stdout=subprocess.PIPE, text=True)
        host.ping("10.1.0.1", "-i", "0.1", count=2)
        shown, _ = lines.communicate(timeout=20)
        way = [line.split()[1:] for line in shown.splitlines()]
        ask, reply = "10.1.0.2 > 10.1.0.1: ICMP echo request,", "10.1.0.1 > 10.1.0.2: ICMP echo reply,"
        # Those that came in one burst are shown before what left in answer.
        expected = [("In", ask)] * 2 + [("Out", reply)] * 2
        for words, (direction, text) in zip(sorted(way), expected, strict=True):
            equal(words[:2], ["em0", direction], "interface and direction")
            that(text in " ".join(words), f"{words}: no {text}")
        equal(len(tcpdump.communicate(timeout=20)[0].splitlines()), 4, "lines of tcpdump")
    lab.stop()


@case(vnets=2)
def two_vnets_with_the_same_addresses_never_mix(lab: Lab):
    far, wire, mac, port_mac = lab.cable("p0")
    red = lab.peer_on(wire, mac, port_mac, "10.1.0.2", "10.1.0.1", vlan=100)
    blue = lab.peer_on(wire, mac, port_mac, "10.1.0.2", "10.1.0.1", vlan=200)
    tenant = lambda vlan: {"em0": interface("p0", "10.1.0.1/24", vlan=vlan)}
    lab.start(vnet("red", tenant(100)), vnet("blue", tenant(200)))
    captures = {name: Capture(lab, "--drops", name=name, file=f"{name}.pcapng") for name in ("red", "blue")}
    for peer in (red, blue):
        peer.send(peer.arp())
        peer.wire.until(lambda packet: packet.haslayer("ARP") and packet["ARP"].op == 2, what="the ARP reply")
    for peer, name in ((red, b"red"), (blue, b"blue")) * 5:
        peer.ask(IP(src="10.1.0.2", dst="10.1.0.1") / UDP(dport=9) / (name * 3))
    for name, capture in captures.items():
        capture.stop()
        packets = described(capture.file)
        other = b"blue" if name == "red" else b"red"
        mine = [data for _, _, data in packets if name.encode() in data]
        that(len(mine) >= 10, f"{name}: {len(mine)} packets")
        equal([data for _, _, data in packets if other in data], [], f"{name}: packets of the other vnet")
        that(all(data[12:14] != b"\x81\x00" for _, _, data in packets), "a VLAN tag is shown")
        that(any(way == "dropped: udp_no_port" for _, way, _ in packets), "no drop")
    lab.stop()


@case(vnets=2)
def a_capture_ends_with_its_vnet_or_its_interface(lab: Lab):
    lab.peer("p0", "10.1.0.2", "10.1.0.1")
    lab.start(vnet("red", LAN), vnet("blue", {"em7": interface("p0", "10.7.0.1/24", vlan=7)}))
    of_interface = Capture(lab, "-i", "em7", name="blue", file="interface.pcapng")
    of_vnet = Capture(lab, name="blue", file="vnet.pcapng")
    asked = command("-s", lab.directory / "control.sock", "-v", "blue", "ifconfig", "em7", "destroy")
    equal(asked.returncode, 0, asked.stderr)
    text = of_interface.process.communicate(timeout=20)[1]
    that(of_interface.process.returncode == 1 and "the interface was destroyed" in text, text)
    asked = command("-s", lab.directory / "control.sock", "vnet", "destroy", "blue")
    equal(asked.returncode, 0, asked.stderr)
    text = of_vnet.process.communicate(timeout=20)[1]
    that(of_vnet.process.returncode == 1 and "the vnet was destroyed" in text, text)
    of_red = Capture(lab, file="red.pcapng")
    lab.stop()
    text = of_red.process.communicate(timeout=20)[1]
    that(of_red.process.returncode == 1 and "the instance has ended" in text, text)


@case()
def a_capture_without_packets_is_a_file_and_two_interrupts_are_one(lab: Lab):
    lab.port("p0", "net_ring{number}")
    lab.start(vnet("red", {"em0": interface("p0", "10.1.0.1/24")}))
    answers(lab)
    empty = Capture(lab)
    # As timeout(1) does: to the process, and to its group.
    for _ in range(2):
        empty.process.send_signal(signal.SIGINT)
    equal(empty.end(), (0, 0, 0), "packets captured, received and dropped")
    equal(empty.tcpdump(), [], "lines of the empty file")
    lab.stop()


@case()
def who_stops_reading_harms_nobody(lab: Lab):
    left, right = two_arms(lab)
    deaf = Capture(lab, "--drops")
    deaf.process.send_signal(signal.SIGSTOP)
    burst = [IP(src="10.1.0.2", dst="10.2.0.2") / UDP(sport=1, dport=2) / bytes(1000) for _ in range(100)]
    for _ in range(20):
        left.ask(*burst)
        that(right.fence(), "nothing arrives")
    asked = command("-s", lab.directory / "control.sock", "-j", "vnet", "list")
    that(asked.returncode == 0 and json.loads(asked.stdout)["list"], asked.stderr)
    deaf.process.kill()
    summary = lab.stop()
    that(summary.statistic("ips_forward") >= 2000, "packets were lost")
