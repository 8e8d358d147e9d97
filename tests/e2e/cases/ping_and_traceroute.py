"""`curvnet ping` and `curvnet traceroute`, from inside a vnet, to the kernel and to scapy."""

import contextlib
import json
import re
import subprocess

from scapy.layers.inet import ICMP, IP, UDP

from harness import Lab, case, equal, interface, loopback, that, vnet
from harness.check import header_is_right, icmp_checksum_is_right
from harness.netns import veth
from harness.program import BINARY, command

LAN = {"em0": interface("p0", "10.1.0.1/24")}
FRAME_S = 20.0


def words_of(lab: Lab, *words: str) -> list[str]:
    return ["-s", str(lab.directory / "control.sock"), "-v", "red", *words]


def run(lab: Lab, *words: str, code: int = 0) -> subprocess.CompletedProcess:
    """A command to its end."""
    done = command(*words_of(lab, *words))
    equal(done.returncode, code, f"exit code of {words}: {done.stdout}{done.stderr}")
    return done


@contextlib.contextmanager
def running(lab: Lab, *words: str):
    """A command that goes on meanwhile."""
    line = [str(BINARY), *words_of(lab, *words)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@case()
def the_kernel_answers_every_size(lab: Lab):
    lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN))
    sizes = [0, 1, 55, 56, 57, 1000, 1471, 1472]
    for size in sizes:
        text = run(lab, "ping", "-c", "1", "-D", "-s", str(size), "10.1.0.2").stdout
        want = (
            rf"PING 10.1.0.2 \(10.1.0.2\): {size} data bytes\n"
            rf"{size + 8} bytes from 10.1.0.2: icmp_seq=0 ttl=64 time=\d+\.\d\d\d ms\n\n"
            r"--- 10.1.0.2 ping statistics ---\n1 packets transmitted, 1 packets received, 0.0% packet loss\n"
            r"round-trip min/avg/max/stddev = \d+\.\d\d\d/\d+\.\d\d\d/\d+\.\d\d\d/0\.000 ms\n"
        )
        that(re.fullmatch(want, text), text)
    done = run(lab, "ping", "-c", "1", "-D", "-s", "1473", "10.1.0.2", code=1)
    that("1501 bytes do not fit" in done.stderr and "em0, which is 1500" in done.stderr, done.stderr)
    summary = lab.stop()
    # The first one waited for ARP, and none was dropped.
    equal(summary.drops(), {}, "drops")
    equal(summary.statistic("ips_localout"), len(sizes), "ips_localout")


@case()
def many_in_a_row_lose_none(lab: Lab):
    lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN))
    text = run(lab, "ping", "-q", "-c", "300", "-i", "0.002", "10.1.0.2").stdout
    that("300 packets transmitted, 300 packets received, 0.0% packet loss" in text and "icmp_seq" not in text, text)
    told = lines(run(lab, "-j", "ping", "-c", "20", "-i", "0.001", "10.1.0.2").stdout)
    summary = told.pop()
    equal([reply["sequence"] for reply in told], list(range(20)), "replies")
    times = [reply["rtt_ns"] for reply in told]
    equal((summary["received"], summary["rtt_ns"]["min"], summary["rtt_ns"]["max"]), (20, min(times), max(times)), "summary")
    that(summary["rtt_ns"]["min"] <= summary["rtt_ns"]["avg"] <= summary["rtt_ns"]["max"], f"{summary}")
    equal(lab.stop().drops(), {}, "drops")


@case()
def requests_are_as_scapy_would_write_them(lab: Lab):
    peer = lab.peer("p0", "10.1.0.2", "10.1.0.1")
    lab.start(vnet("red", LAN, neighbors=[("em0", peer.address, peer.mac)], routes={"10.9.0.0/16": ["10.1.0.2"]}))
    options = ["-S", "10.1.0.1", "-m", "9", "-D", "-s", "100", "-W", "3000"]
    with running(lab, "ping", "-c", "2", "-i", "0.01", *options, "10.9.0.5") as ping:
        for _ in range(2):
            request = peer.wire.until(is_echo_to("10.9.0.5"), FRAME_S, "an echo request").packet
            header_is_right(request)
            icmp_checksum_is_right(request)
            ip = request[IP]
            equal((ip.src, ip.ttl, ip.flags.value, len(request[ICMP].payload)), ("10.1.0.1", 9, 2, 100), "request")
            peer.send(IP(src="10.9.0.5", dst=ip.src, ttl=55) / reply_to(request))
        text, _ = ping.communicate(timeout=20)
    equal(ping.returncode, 0, "exit code")
    that("PING 10.9.0.5 (10.9.0.5) from 10.1.0.1: 100 data bytes\n" in text, text)
    that(text.count("108 bytes from 10.9.0.5: icmp_seq=") == 2 and text.count(" ttl=55 ") == 2, text)
    with running(lab, "traceroute", "-q", "1", "-m", "3", "-w", "0.1", "10.9.0.5"):
        for ttl in (1, 2, 3):
            probe = peer.wire.until(lambda packet: packet.haslayer(UDP), FRAME_S, "a datagram").packet
            written = probe[IP].copy()
            del written.chksum, written[UDP].chksum
            equal(bytes(written), bytes(probe[IP])[:40], "datagram")
            equal((probe[IP].ttl, probe[IP].len, probe[IP].dst), (ttl, 40, "10.9.0.5"), "TTL, length, destination")
            that(33434 <= probe[UDP].dport < 33498 and probe[UDP].sport >= 32768, f"ports {probe[UDP]!r}")
    lab.stop()


def is_echo_to(address: str):
    return lambda packet: packet.haslayer(ICMP) and packet[ICMP].type == 8 and packet[IP].dst == address


def reply_to(request, **fields):
    icmp = request[ICMP].copy()
    del icmp.chksum
    icmp.type = 0
    for name, value in fields.items():
        setattr(icmp, name, value)
    return icmp


@case()
def odd_answers_are_told_or_ignored(lab: Lab):
    peer = lab.peer("p0", "10.1.0.2", "10.1.0.1")
    lab.start(vnet("red", LAN, neighbors=[("em0", peer.address, peer.mac)]))
    us = IP(src="10.1.0.2", dst="10.1.0.1")
    with running(lab, "ping", "-c", "2", "-i", "0.5", "10.1.0.2") as ping:
        request = peer.wire.until(is_echo_to("10.1.0.2"), FRAME_S, "an echo request").packet
        quote = bytes(request[IP])
        other = request[IP].copy()
        other.dst = "10.1.0.3"
        wrong = [
            us / reply_to(request, id=request[ICMP].id ^ 1),
            us / reply_to(request, seq=request[ICMP].seq ^ 64),
            us / reply_to(request, seq=request[ICMP].seq ^ 1),
            us / ICMP(type=11) / quote[:27],
            us / ICMP(type=3, code=1) / bytes(other),
            us / ICMP(type=5, code=1, gw="10.1.0.9") / quote,
            us / ICMP(type=3, code=3) / (b"\xff" * 40),
        ]
        peer.send(*wrong)
        # Somebody else answers, which is told, and then thrice the host.
        peer.send(IP(src="10.1.0.77", dst="10.1.0.1", ttl=3) / reply_to(request), *3 * [us / reply_to(request)])
        second = peer.wire.until(is_echo_to("10.1.0.2"), FRAME_S, "the second request").packet
        peer.send(IP(src="10.1.0.9", dst="10.1.0.1") / ICMP(type=3, code=13) / bytes(second[IP])[:28])
        text, _ = ping.communicate(timeout=20)
    that("64 bytes from 10.1.0.77: icmp_seq=0 ttl=3 time=" in text, text)
    equal(text.count("(DUP!)"), 3, f"duplicates in {text}")
    that("36 bytes from 10.1.0.9: Communication prohibited by filter\n" in text, text)
    that("2 packets transmitted, 1 packets received, +3 duplicates, 50.0% packet loss" in text, text)
    summary = lab.stop()
    equal(summary.drops(), {"icmp_no_listener": len(wrong)}, "drops")


@case()
def traceroute_finds_the_kernels_on_the_way(lab: Lab):
    first = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1").namespace
    second, last = lab.namespace("second"), lab.namespace("last")
    veth(first, "eth1", "02:00:00:00:30:01", second, "eth0", "02:00:00:00:30:02")
    veth(second, "eth1", "02:00:00:00:30:03", last, "eth0", "02:00:00:00:30:04")
    for namespace, address, device in (
        (first, "10.2.0.1/24", "eth1"), (second, "10.2.0.2/24", "eth0"), (second, "10.3.0.1/24", "eth1"), (last, "10.3.0.2/24", "eth0"),
    ):  # fmt: skip
        namespace.ip("address", "add", address, "dev", device)
        namespace.sysctl("net/ipv4/ip_forward", 1)
        namespace.sysctl("net/ipv4/icmp_ratelimit", 0)
    first.ip("route", "add", "10.3.0.0/24", "via", "10.2.0.2")
    second.ip("route", "add", "default", "via", "10.2.0.1")
    last.ip("route", "add", "default", "via", "10.3.0.1")
    lab.start(vnet("red", LAN, routes={"10.0.0.0/8": ["10.1.0.2"]}))
    time = r"\d+\.\d\d\d ms"
    for options in ((), ("-I",)):
        text = run(lab, "traceroute", *options, "10.3.0.2").stdout
        want = "traceroute to 10.3.0.2 (10.3.0.2), 64 hops max, 40 byte packets\n".replace("(", r"\(").replace(")", r"\)")
        for hop, address in enumerate(("10.1.0.2", "10.2.0.2", "10.3.0.2"), 1):
            want += rf" {hop}  {address}  {time}  {time}  {time}\n"
        that(re.fullmatch(want, text), text)
    told = lines(run(lab, "-j", "traceroute", "-q", "1", "10.3.0.2").stdout)
    equal([hop.get("address") for hop in told[:-1]], ["10.1.0.2", "10.2.0.2", "10.3.0.2"], "hops")
    equal((told[-1]["reached"], told[-1]["hops"]), (True, 3), "summary")
    text = run(lab, "traceroute", "-m", "2", "-q", "1", "10.3.0.2", code=1).stdout
    that(len(text.splitlines()) == 3, text)
    # Nobody has this one: the last router says so. An echo to a port that is too far away ends as it should.
    text = run(lab, "traceroute", "-w", "5", "-q", "1", "10.3.0.77", code=1).stdout
    that(re.search(r"^ 3  10.2.0.2  \d+\.\d+ ms !H$", text, re.M), text)
    text = run(lab, "ping", "-c", "1", "-m", "2", "10.3.0.2", code=1).stdout
    that("bytes from 10.2.0.2: Time to live exceeded\n" in text, text)
    lab.stop()


@case()
def our_own_addresses_answer(lab: Lab):
    lab.peer("p0", "10.1.0.2", "10.1.0.1")
    lab.start(vnet("red", {"lo0": loopback("127.0.0.1/8", "10.99.1.1/32"), **LAN}))
    for address in ("10.1.0.1", "127.0.0.1", "10.99.1.1"):
        text = run(lab, "ping", "-c", "3", "-i", "0.01", "-s", "4000", address).stdout
        that("3 packets transmitted, 3 packets received" in text, text)
        text = run(lab, "traceroute", address).stdout
        that(re.search(rf"^ 1  {address}  ", text, re.M), text)
    equal(lab.stop().drops(), {"udp_no_port": 9}, "drops")


@case()
def long_requests_go_out_in_fragments(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1", driver="pcap")
    lab.start(vnet("red", {"em0": interface("p0", "10.1.0.1/24", mac="02:00:00:00:10:01")}))
    host.ping("10.1.0.1")
    done = run(lab, "ping", "-c", "1", "-W", "700", "-s", "5000", "10.1.0.2", code=1)
    that("1 packets transmitted, 0 packets received, 100.0% packet loss" in done.stdout, done.stdout)
    # The kernel answered in as many fragments, which this build does not put together.
    equal(lab.stop().drops(), {"ip_fragment_local": 4}, "drops")


@case()
def what_cannot_be_sent_names_cause_and_cure(lab: Lab):
    lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN, routes={"10.9.0.0/16": "blackhole"}, sysctl={"net.link.ether.inet.maxtries": 1}))
    for words, parts in (
        (("ping", "-c", "1", "8.8.8.8"), ["vnet red has no route to 8.8.8.8", "netstat -r"]),
        (("traceroute", "8.8.8.8"), ["no route to 8.8.8.8", "netstat -r"]),
        (("ping", "-c", "1", "10.9.0.1"), ["10.9.0.0/16", "discarded"]),
        (("ping", "-c", "1", "10.1.0.255"), ["10.1.0.255", "one host"]),
        (("ping", "-c", "1", "224.0.0.1"), ["224.0.0.1", "one host"]),
        (("ping", "-c", "1", "-S", "10.1.0.3", "10.1.0.2"), ["10.1.0.3", "no address of this vnet", "ifconfig"]),
    ):
        done = run(lab, *words, code=1)
        equal(done.stdout, "", "standard output")
        for part in (*parts, "\nhelp: "):
            that(part in done.stderr, f"no {part!r} in the answer to {words}:\n{done.stderr}")
    for words in (
        ("ping",), ("ping", "there"), ("ping", "-c", "0", "10.1.0.2"), ("ping", "-i", "0", "10.1.0.2"),
        ("ping", "-m", "256", "10.1.0.2"), ("ping", "-s", "65508", "10.1.0.2"), ("traceroute", "-q", "0", "10.1.0.2"),
    ):
        run(lab, *words, code=2)
    done = run(lab, "ping", "-c", "1", "-W", "300", "10.1.0.77", code=1)
    that("1 packets transmitted, 0 packets received, 100.0% packet loss\n" in done.stdout, done.stdout)
    that("10.1.0.77 did not answer" in done.stderr, done.stderr)
    # ARP gives up, and the vnet tells itself.
    done = run(lab, "ping", "-c", "1", "10.1.0.78", code=1)
    that("bytes from 10.1.0.1: Destination Host Unreachable\n" in done.stdout, done.stdout)
    lab.stop()


@case(root=False)
def a_ping_without_instance_says_so(lab: Lab):
    for words in (("ping", "10.1.0.2"), ("traceroute", "10.1.0.2")):
        done = run(lab, *words, code=1)
        that("no instance answers" in done.stderr, done.stderr)
