"""The end of a run, at rest and under load: exit code 0, every packet accounted for, every mbuf back."""

import os
import pty
import re
import signal
import subprocess
import time

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.utils import wrpcap

from harness import Lab, case, config, equal, interface, that, two_arms, vnet
from harness.client import path
from harness.program import BINARY
from harness.running import answers


def under_load(lab: Lab):
    """The left host sends without end, through the router and to it; also returns what ends that."""
    left, right = two_arms(lab)
    through = bytes(left.frame(IP(src="10.1.0.2", dst="10.2.0.2") / UDP() / bytes(22)))
    frames = [through] * 62 + [bytes(left.frame(left.echo())), bytes(left.arp())]

    def send():
        for frame in frames:
            left.wire.socket.send(frame)

    stop_load = lab.child(send)
    right.wire.until(lambda packet: packet.haslayer(UDP), what="traffic")
    time.sleep(1)
    return left, right, stop_load


def logged(lab: Lab, *patterns: str):
    """Waits until one line of the log matches all of the patterns."""
    end = time.monotonic() + 20
    while not any(all(re.search(pattern, line) for pattern in patterns) for line in lab.program.log().splitlines()):
        that(time.monotonic() < end and lab.program.is_running(), f"the log does not tell of it: {patterns}")
        time.sleep(0.05)


@case(alone=True)
def sigint_under_load(lab: Lab):
    under_load(lab)
    summary = lab.stop(signal.SIGINT)
    that(summary.statistic("ips_forward") > 1000, f"{summary.statistic('ips_forward')} packets forwarded")
    that(summary.port("p1")["tx_packets"] > 1000, f"{summary.port('p1')['tx_packets']} packets sent")


@case(alone=True)
def sigterm_under_load(lab: Lab):
    under_load(lab)
    summary = lab.stop(signal.SIGTERM)
    that(summary.statistic("ips_forward") > 1000, f"{summary.statistic('ips_forward')} packets forwarded")


@case()
def a_run_ends_with_its_terminal(lab: Lab):
    file = lab.directory / "test.toml"
    lab.port("p0", "net_ring{number}")
    file.write_text(config.document(lab.ports, [vnet("red", {})], cpus=[lab.cpu], mbufs=16383, socket=str(path(lab))))
    terminal, program = pty.openpty()
    line = ["ip", "netns", "exec", lab.home().name, str(BINARY), "run", str(file)]
    process = subprocess.Popen(line, stdin=program, stdout=program, stderr=program, start_new_session=True)
    lab.stack.callback(process.kill)
    os.close(program)
    answers(lab)
    os.close(terminal)
    # The terminal is gone, so its last words have no reader.
    process.wait(20)
    that(not path(lab).exists(), "the socket stayed")


@case(alone=True)
def sigint_while_a_file_is_replayed_at_full_speed(lab: Lab):
    pcap = lab.directory / "load.pcap"
    right = lab.peer("p1", "10.2.0.2", "10.2.0.1")
    packets = [
        Ether(src="02:00:00:00:00:99", dst="02:70:63:61:70:00") / IP(src="10.1.0.2", dst=f"10.2.0.{last}") / UDP() / bytes(18)
        for last in [2] * 60 + [77, 78, 200, 255]
    ]
    wrpcap(str(pcap), packets)
    lab.port("p0", f"net_pcap0,rx_pcap={pcap},infinite_rx=1")
    interfaces = {"em0": interface("p0", "10.1.0.1/24"), "em1": interface("p1", "10.2.0.1/24")}
    known = [("em1", right.address, right.mac)]
    lab.start(vnet("red", interfaces, sysctl={"net.inet.ip.forwarding": 1}, neighbors=known))
    time.sleep(2)
    summary = lab.stop()
    that(summary.statistic("ips_forward") > 100_000, f"{summary.statistic('ips_forward')} packets forwarded")
    sent, refused = summary.port("p1")["tx_packets"], summary.port("p1")["tx_dropped"]
    that(sent > 1000, f"{sent} packets sent, {refused} refused")


@case(alone=True)
def a_cable_that_is_cut_under_load_ends_nothing(lab: Lab):
    _, right, stop_load = under_load(lab)
    lab.home().ip("link", "del", "p0")
    logged(lab, "removed|gone", "p0")
    stop_load()
    right.wire.discard()
    right.fence()
    summary = lab.stop()
    equal(summary.port("p0")["removed"], True, "p0 removed")
    equal(summary.port("p1")["removed"], False, "p1 removed")


@case(alone=True)
def the_egress_is_cut_under_load(lab: Lab):
    left, _, stop_load = under_load(lab)
    lab.home().ip("link", "del", "p1")
    logged(lab, "removed|gone", "p1")
    time.sleep(0.5)
    stop_load()
    left.wire.discard()
    left.fence()
    summary = lab.stop()
    equal(summary.port("p1")["removed"], True, "p1 removed")
    that(summary.port("p1")["tx_dropped"] > 0, "no frame was refused by the port that is gone")


@case(alone=True)
def a_cable_that_is_cut_at_rest_ends_nothing(lab: Lab):
    _, right = two_arms(lab)
    lab.home().ip("link", "del", "p0")
    logged(lab, "removed|gone", "p0")
    right.fence()
    equal(lab.stop().port("p0")["removed"], True, "p0 removed")


def answered(peer, wait_s: float):
    """Asks once, and waits so long."""
    peer.send(peer.arp())
    peer.wire.until(lambda packet: packet.haslayer(ARP) and packet[ARP].op == 2, wait_s, "the answer")


@case()
def a_link_that_goes_down_and_up_is_counted(lab: Lab):
    left, _ = two_arms(lab)
    namespace = lab.home()
    for state, up in (("down", "false"), ("up", "true")):
        namespace.ip("link", "set", "p0", state)
        logged(lab, "link changed", "p0", f"up={up}")
    # The kernel opens the cable's other end when it gets round to it, and drops what is sent before.
    lab.while_running(lambda wait_s: answered(left, wait_s))
    changes = lab.stop().port("p0")["link_changes"]
    that(changes >= 2, f"{changes} link changes")


@case()
def it_ends_by_itself_after_its_duration(lab: Lab):
    lab.peer("p0", "10.1.0.2", "10.1.0.1")
    lab.start(vnet("red", {"em0": interface("p0", "10.1.0.1/24")}), arguments=["--duration", "1s"])
    summary = lab.program.wait()
    that(1.0 <= summary.document["duration_s"] < 30, f"{summary.document['duration_s']} s")


@case()
def a_second_signal_does_no_harm(lab: Lab):
    two_arms(lab)
    for _ in range(5):
        lab.program.process.send_signal(signal.SIGINT)
    lab.stop(signal.SIGTERM)


@case()
def it_can_run_again_at_once(lab: Lab):
    left, _ = two_arms(lab)
    for _ in range(2):
        lab.stop()
        lab.run(lab.directory / "test.toml")
        lab.while_running(left.announced)
        left.fence()
