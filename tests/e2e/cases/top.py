"""curvnet top: one snapshot as JSON, and the live view on a terminal of its own, which it gives back whatever happens."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time

from harness import Lab, case, equal, interface, that, vnet
from harness.program import BINARY, command, die_with_parent

LAN = {"em0": interface("p0", "10.1.0.1/24")}


class Screen:
    """The view on a pseudo terminal."""

    def __init__(self, lab: Lab, *arguments: str):
        self.terminal, there = pty.openpty()
        os.set_blocking(self.terminal, False)
        fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(there)
        line = [str(BINARY), "-s", str(lab.directory / "control.sock"), *arguments, "top", "-d", "0.1"]
        self.process = subprocess.Popen(line, stdin=there, stdout=there, stderr=there, preexec_fn=die_with_parent)
        self.there = there
        self.text = ""

    def read(self):
        """What was written meanwhile, a few KiB at most."""
        try:
            self.text += os.read(self.terminal, 65536).decode(errors="replace")
        except BlockingIOError:
            time.sleep(0.01)

    def shows(self, words: str, within_s: float = 30.0):
        """Waits until this was drawn."""
        end = time.monotonic() + within_s
        while not re.search(words, self.text):
            that(time.monotonic() < end and self.process.poll() is None, f"no {words!r}:\n{self.text[-3000:]!r}")
            self.read()
        self.text = ""

    def press(self, keys: str):
        os.write(self.terminal, keys.encode())

    def ends(self, code: int = 0):
        """Ends, with the terminal as it was."""
        # A terminal that nobody reads holds up who writes to it.
        end = time.monotonic() + 20
        while (self.process.poll() is None or "\x1b[?1049l" not in self.text) and time.monotonic() < end:
            self.read()
        equal(self.process.poll(), code, "exit code")
        equal(termios.tcgetattr(self.there), self.before, "the terminal's settings")
        that("\x1b[?1049l" in self.text, f"the other screen stays: {self.text[-200:]!r}")
        os.close(self.terminal)
        os.close(self.there)


@case()
def one_snapshot_has_rates(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN))
    host.ping("10.1.0.1")
    pings = ["ip", "netns", "exec", host.namespace.name, "ping", "-n", "-q", "-i", "0.01", "10.1.0.1"]
    host.wire.discard()
    with subprocess.Popen(pings, stdout=subprocess.PIPE, text=True) as ping:
        host.wire.until(lambda packet: packet.haslayer("ICMP"), what="an answer")
        done = command("-j", "-s", lab.directory / "control.sock", "-v", "red", "top", "-d", "0.5")
        ping.send_signal(signal.SIGINT)
        count = int(re.search(r"(\d+) packets transmitted", ping.stdout.read()).group(1))
    equal((done.returncode, done.stderr), (0, ""), "exit code and standard error")
    view = json.loads(done.stdout)
    lab.stop()
    equal([row["name"] for row in view["vnets"]], ["red"], "vnets")
    row = view["vnets"][0]
    # ping sends no sooner than it is told to, but a busy machine has it send later, and then faster for a while.
    that(0 < row["in_pps"] <= count / 0.5 and 0 < row["out_pps"] <= count / 0.5, f"{row}, {count} pings")
    that(abs(row["in_bps"] - row["in_pps"] * 98 * 8) < 0.2 * row["in_bps"], f"98 bytes a packet: {row}")
    equal(sorted(interface["name"] for interface in view["interfaces"]), ["em0", "lo0"], "interfaces")
    equal(len(view["workers"]), 1, "workers")
    worker = view["workers"][0]
    that(abs(worker["busy"] + worker["idle"] + worker["sleep"] - 1) < 1e-6, f"{worker}")
    that(view["nodes"]["icmp_input"]["pps"] > 0, f"{view['nodes']}")


@case()
def the_view_follows_keys_and_gives_the_terminal_back(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN))
    host.ping("10.1.0.1")
    screen = Screen(lab)
    screen.shows("curvnet top.*red")
    for key, words in (("3", "cycles/packet"), ("4", "icmp_input"), ("5", "reason"), ("1", "drops")):
        screen.press(key)
        screen.shows(words)
    # red takes the place of vnet0, in the first line of the table.
    screen.press("/re\r")
    screen.shows(r"\x1b\[9;1H[^H]*red")
    screen.press("\r")
    screen.shows("em0")
    screen.press("q")
    screen.ends()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        screen = Screen(lab, "-v", "red")
        screen.shows("em0")
        screen.process.send_signal(number)
        screen.ends()
    lab.stop()


@case()
def it_says_that_the_instance_is_gone_and_finds_the_next(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN))
    host.ping("10.1.0.1")
    screen = Screen(lab)
    screen.shows("red")
    lab.stop()
    screen.shows("LOST")
    lab.run(lab.directory / "test.toml")
    lab.while_running(lambda _: host.ping("10.1.0.1"))
    screen.shows("quit.*pane")
    screen.press("q")
    screen.ends()


@case(root=False)
def without_a_terminal_or_an_instance_it_says_so(lab: Lab):
    done = command("-s", lab.directory / "none.sock", "top")
    equal((done.returncode, done.stdout), (1, ""), "exit code and standard output")
    that("no instance answers" in done.stderr, done.stderr)
    done = command("top", "-d", "0")
    equal(done.returncode, 2, "exit code")
    that("0.1 to 3600" in done.stderr, done.stderr)


@case()
def ends_with_its_terminal(lab: Lab):
    lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN))
    screen = Screen(lab)
    screen.shows("red")
    # No signal: it is not the terminal of its session.
    os.close(screen.there)
    os.close(screen.terminal)
    equal(screen.process.wait(timeout=20), 1, "exit code")
    lab.stop()
