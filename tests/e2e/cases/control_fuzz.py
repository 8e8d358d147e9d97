"""The control protocol against clients that know it well and mean no good, while another client and traffic go on."""

import collections
import json
import os
import random
import selectors
import socket
import subprocess
import time

from harness import Lab, case, equal, interface, that, vnet
from harness.mutate import ANY, LINE_MAX, Mutator, ids_of

SECONDS = float(os.environ.get("CURVNET_FUZZ_S", 3))
SEED = int(os.environ.get("CURVNET_FUZZ_SEED", 1))
# Named like nothing that hostile clients speak of.
LAN = {"lan": interface("p0", "10.1.0.1/24")}
# A client that has not got its answers by then never gets them.
PATIENCE_S = 30
# One that reads nothing of what it is owed for longer may be dropped.
DEAF_S = 3
PING_EVERY_S = 0.005
# Requests are answered in their order, but what is none is answered at once.
AT_ONCE = {"bad_request", "unsupported_version", "unknown_command"}


class Account:
    """What lines must be answered with: each with one response, whose id is the line's, or null if it has none. Of some
    odd lines either is right, and damage may have given a name twice, so that names are counted."""

    def __init__(self, lines: list[bytes]):
        self.left = len(lines)
        self.got = collections.Counter()
        self.least, self.most, self.place, self.executed = collections.Counter(), collections.Counter(), {}, -1
        for place, line in enumerate(lines):
            names = ids_of(line)
            self.least.update(names if len(names) == 1 else [])
            self.most.update(names)
            self.place.update({name: place for name in names})

    def take(self, name, code: str | None) -> str | None:
        """One response, its error code if it is one; what is wrong with it."""
        self.left -= 1
        self.got[name] += 1
        if self.got[name] > self.most[name] and not self.most[ANY]:
            return f"{self.most[name]} lines, not {self.got[name]}, are called {name!r}"
        if name is None or code in AT_ONCE or self.most[name] != 1:
            return None
        last, self.executed = self.executed, self.place[name]
        return "out of order" if self.executed < last else None

    def check(self, who: str):
        """After the last response."""
        missing = {name: count for name, count in self.least.items() if self.got[name] < count}
        equal(missing, {}, f"{who}: names that are missing")

    def __str__(self) -> str:
        open_names = [name for name, count in self.least.items() if self.got[name] < count]
        return f"{self.left} of them, among them {open_names[:5]}"


class Fuzzer:
    """One hostile client: what it sends is made from the seed and its number alone. It keeps account of what each of its
    lines must be answered with."""

    def __init__(self, path, seed: int, number: int, base: str):
        self.name = f"client {number} of seed {seed}"
        maker = Mutator(f"{seed} {number}", base)
        self.random = maker.random
        lines = maker.lines(self.random.choice([1, 5, 30, 200]))
        if self.random.random() < 0.02:
            lines.insert(self.random.randrange(len(lines) + 1), b" " * (LINE_MAX + self.random.randrange(2)))
        self.left = b"".join(line + b"\n" for line in lines)
        if self.random.random() < 0.2:
            self.left += self.random.randbytes(50).replace(b"\n", b"")
        long = [place for place, line in enumerate(lines) if len(line) > LINE_MAX]
        # Beyond a line that is too long there are no answers but the one that says so.
        self.too_long = bool(long)
        self.owed = Account(lines[: long[0]] if long else lines)
        # All at once, or in pieces with pauses.
        self.piece = self.random.choice([1 << 20, 1 << 20, 4096, max(37, len(self.left) // 100)])
        self.pause_s = self.random.choice([0, 0.002])
        # Leaves in the middle of it all.
        self.deserts_at = self.random.randrange(len(self.left)) if self.random.random() < 0.15 else None
        # A connection stays for its streams.
        streams = any(word in self.left for word in (b'"events"', b'"capture"'))
        self.half_closes = self.random.random() < 0.3 and not streams
        now = time.monotonic()
        self.deaf_until = now + self.random.uniform(0, DEAF_S) if self.random.random() < 0.1 else now
        self.next_write = self.began = now
        self.input, self.ended, self.closed, self.total = b"", False, False, len(self.left)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.socket.setblocking(False)

    def wishes(self, now: float) -> int:
        """What it waits for."""
        wish = selectors.EVENT_READ if now >= self.deaf_until else 0
        return wish | (selectors.EVENT_WRITE if self.left and now >= self.next_write else 0)

    def work(self, events: int, now: float) -> bool:
        """Reads and writes; false when it is done."""
        if events & selectors.EVENT_WRITE:
            self.write(now)
        if self.deserts_at is not None and self.total - len(self.left) > self.deserts_at:
            return False
        if events & selectors.EVENT_READ:
            self.read()
        if self.ended or (not self.left and not self.owed.left and not self.too_long and not self.half_closes):
            self.end()
            return False
        that(now - self.began < PATIENCE_S, f"{self.name}: unanswered after {PATIENCE_S} s: {self.owed}")
        return True

    def write(self, now: float):
        try:
            sent = self.socket.send(self.left[: self.piece])
            self.left = self.left[sent:]
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            # It was refused; why, it has yet to read.
            self.left, self.closed = b"", True
        self.next_write = now + self.pause_s
        if not self.left and self.half_closes and not self.closed:
            self.socket.shutdown(socket.SHUT_WR)

    def read(self):
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        self.ended = not data
        *lines, self.input = (self.input + data).split(b"\n")
        for line in lines:
            self.response(line)

    def response(self, line: bytes):
        try:
            response = json.loads(line)
        except ValueError:
            raise AssertionError(f"{self.name} got what is no JSON: {line[:300]!r}") from None
        if "id" in response and not response.keys().isdisjoint(("event", "packets", "text", "change", "warnings", "end")):
            # Of a stream, which goes on until its client ends it.
            that(self.owed.most[response["id"]], f"{self.name}: no stream of it: {line[:300]!r}")
            return
        that("id" in response and ("ok" in response) != ("error" in response), f"{self.name}: no response: {line[:300]!r}")
        name, error = response["id"], response.get("error", {})
        if error:
            equal(set(error), {"code", "message", "cure"}, f"{self.name}: fields of the error")
        code = error.get("code")
        if code == "busy":
            self.closed, self.owed, self.too_long = True, Account([]), False
        elif code == "too_long":
            that(self.too_long, f"{self.name}: no line is too long")
            self.too_long, self.closed = False, True
        else:
            why = self.owed.take(name, code)
            that(not why, f"{self.name}: {why}: {line[:300]!r}")

    def end(self):
        """Looks at what is still open."""
        # In the middle of a stream it may leave in the middle of a line.
        that(not self.ended or not self.input, f"{self.name}: behind the last line: {self.input[:300]!r}")
        that(not self.owed.left and not self.too_long, f"{self.name}: closed without answers: {self.owed}")
        self.owed.check(self.name)


class Regular:
    """A client that behaves: one request at a time, and each is answered."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.input, self.asked, self.answered, self.slowest_s = b"", time.monotonic(), 0, 0.0
        self.ask()

    def ask(self):
        self.asked = time.monotonic()
        command = self.answered % 2
        line = {"id": self.answered, "version": 1, "command": ["stats", "interface.list"][command], "vnet": "red"}
        self.socket.sendall(json.dumps(line).encode() + b"\n")

    def work(self, now: float):
        that(now - self.asked < PATIENCE_S, f"a client that behaves is not answered for {PATIENCE_S} s")

    def read(self):
        data = self.socket.recv(1 << 16)
        that(data, "a client that behaves was dropped")
        self.input += data
        if not self.input.endswith(b"\n"):
            return
        response = json.loads(self.input)
        equal((response["id"], "ok" in response), (self.answered, True), "id and outcome")
        if self.answered % 2:
            names = [interface["name"] for interface in response["ok"]["list"]]
            that("lan" in names, f"interfaces of the vnet that nobody touches: {names}")
        self.slowest_s = max(self.slowest_s, time.monotonic() - self.asked)
        self.input, self.answered = b"", self.answered + 1
        self.ask()


@case(vnets=2, slow=True, timeout_s=90 + 2 * SECONDS)
def hostile_clients_get_answers_and_harm_no_one(lab: Lab):
    print(f"seed {SEED}: CURVNET_FUZZ_SEED={SEED} makes the same lines again", flush=True)
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN, sysctl={"net.inet.icmp.icmplim": 0}))
    host.ping("10.1.0.1")
    strangers = [lab.peer_on(host.wire, host.mac, lab.peers[0].router_mac, "10.1.0.2", "10.1.0.1", vlan) for vlan in (7, 9)]
    frames = [bytes(peer.frame(packet)) for peer in strangers for packet in (peer.echo(), peer.echo("10.2.0.9"), peer.arp())]

    def traffic():
        host.wire.send(*frames)
        time.sleep(0.002)

    end_traffic = lab.child(traffic)
    count = str(max(int(SECONDS / PING_EVERY_S), 1))
    line = ["ip", "netns", "exec", host.namespace.name, "ping", "-n", "-q", "-c", count, "-i", str(PING_EVERY_S), "-W", "5"]
    with subprocess.Popen([*line, "10.1.0.1"], stdout=subprocess.PIPE, text=True) as ping:
        regular, number = play(lab, ping)
        text = ping.stdout.read()
    end_traffic()
    print(f"{number} clients; {regular.answered} answers to the one that behaves, the slowest after {regular.slowest_s:.3f} s")
    that(" 0% packet loss" in text, text)
    that(number > 10 and regular.answered > 10, f"{number} clients, {regular.answered} answers")
    lab.stop(within_s=30)


def play(lab: Lab, ping) -> tuple[Regular, int]:
    """Hostile clients come and go until the ping ends; the regular one, and how many came."""
    path, base = lab.directory / "control.sock", (lab.directory / "test.toml").read_text()
    crowd = random.Random(SEED)
    regular, fuzzers, number, wanted = Regular(path), [], 0, 8
    while fuzzers or ping.poll() is None:
        ending = ping.poll() is not None
        while not ending and len(fuzzers) < wanted:
            fuzzers.append(Fuzzer(path, SEED, number, base))
            number += 1
            if number % 20 == 0:
                # There is room for 32 at a time.
                wanted = crowd.choice([4, 8, 16, 28, 40])
        turn(regular, fuzzers)
        that(lab.program.is_running(), "curvnet ended")
    regular.socket.close()
    return regular, number


def turn(regular: Regular, fuzzers: list[Fuzzer]):
    """Everybody reads and writes what can be read and written now."""
    now = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(regular.socket, selectors.EVENT_READ, regular)
        for fuzzer in fuzzers:
            if wish := fuzzer.wishes(now):
                selector.register(fuzzer.socket, wish, fuzzer)
        ready = {id(key.data): events for key, events in selector.select(0.002)}
    now = time.monotonic()
    if id(regular) in ready:
        regular.read()
    regular.work(now)
    for fuzzer in list(fuzzers):
        if not fuzzer.work(ready.get(id(fuzzer), 0), now):
            fuzzer.socket.close()
            fuzzers.remove(fuzzer)


@case()
def a_client_that_stops_reading_in_an_answer_harms_no_one(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN, sysctl={"net.inet.icmp.icmplim": 0}))
    host.ping("10.1.0.1")
    path, count = lab.directory / "control.sock", 5000
    with socket.socket(socket.AF_UNIX) as stuck, socket.socket(socket.AF_UNIX) as other:
        for client in (stuck, other):
            client.settimeout(PATIENCE_S)
            client.connect(str(path))
        answers = other.makefile()
        prefixes = [f"20.{number >> 8}.{number & 255}.0/24" for number in range(count)]
        for at in range(0, count, 500):
            routes = [{"prefix": prefix, "target": "blackhole"} for prefix in prefixes[at : at + 500]]
            equal(asked(other, answers, "route.add", routes=routes), {}, "answer to route.add")
        line = ["ip", "netns", "exec", host.namespace.name, "ping", "-n", "-q", "-c", "300", "-i", "0.005", "-W", "5"]
        with subprocess.Popen([*line, "10.1.0.1"], stdout=subprocess.PIPE, text=True) as ping:
            # It asks for pages of the table until nobody reads its requests any more, and stops within the first answer.
            stuck.send(request("route.list"))
            equal(stuck.recv(100)[:10], b'{"id":1,"o', "the first page")
            stuck.setblocking(False)
            refusals, pages = 0, 0
            while refusals < 20 or ping.poll() is None:
                try:
                    stuck.send(request("route.list") * 100)
                except BlockingIOError:
                    refusals += 1
                pages += 1
                page = asked(other, answers, "route.list", after="20.0.0.0/24")
                equal(page["list"][0]["prefix"], "20.0.1.0/24", "the first route of the second page")
            text = ping.stdout.read()
    that(" 0% packet loss" in text and pages > 20, f"{pages} pages\n{text}")
    lab.stop()


def request(name: str, **arguments) -> bytes:
    return json.dumps({"id": 1, "version": 1, "command": name, "vnet": "red", **arguments}).encode() + b"\n"


def asked(client: socket.socket, answers, name: str, **arguments):
    """The answer to one request."""
    client.sendall(request(name, **arguments))
    return json.loads(answers.readline())["ok"]
