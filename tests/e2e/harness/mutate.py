"""Requests of the control protocol for a fuzzer: the examples of docs/protocol.md with other values in them, and then
damaged, as structures and as bytes; and configurations that are random behind what the test looks after."""

import json
import re
from random import Random

from .program import ROOT

LINE_MAX = 65536
ID_MAX = 64

# Values by the name of the field that they stand in. None of them names what the test looks after, vnet red and its
# interface, or is one wrong bit away from it; nor does a port come and go that has a name like p0.
NAMES = ["blue", "blue", "green", "vnet0", "", "\0", "b" * 300, "bl\u00fce", "../blue", "blue\n"]
PLACES = ["em1", "em2", "em1.5", "lo0", "epair0a", "epair0b", "epair1a", "p0", "p9", "", "1em", "e" * 16]
PORTS = ["dev7", "dev8", "dev7", "dev8", "", "d" * 300]
# Ones that come and go in a namespace of the test's own; net_null without `no-rx` receives without end.
DEVICES = ["net_null7,no-rx=1", "net_null8", "net_ring7", "net_ring8", "net_tap7,iface=tap7", "net_nothing7", "net_null7,x=1",
           "net_pcap7,rx_pcap=/nowhere", "0000:00:00.0", ""]  # fmt: skip
ADDRESSES = ["10.1.0.1", "10.1.0.2", "10.2.0.9", "0.0.0.0", "255.255.255.255", "127.0.0.1", "224.0.0.1", "10.1.0", "::1"]
PREFIXES = ["10.1.0.1/24", "10.2.0.0/16", "10.2.0.1/24", "0.0.0.0/0", "10.9.0.1/32", "10.9.0.1/31", "10.1.0.1/33", "10/8"]
NUMBERS = [0, 1, 2, 7, 9, 255, 1400, 4094, 4095, 65535, 65536, 2**31, 2**32, 2**63, 2**64 - 1, -1]
FIELDS = {
    "vnet": NAMES, "name": NAMES, "to": NAMES, "from": NAMES, "interface": PLACES, "address": ADDRESSES + PREFIXES,
    "port": ["p0", "p0", *PORTS], "device": DEVICES, "queues": [1, 1, 0, 2, 65535], "force": [True, False, 1],
    "rx_descriptors": [64, 256, *NUMBERS], "tx_descriptors": [64, 256, *NUMBERS], "epair": ["epair0", "epair1", "epair", "em1"],
    "prefix": PREFIXES, "prefixes": PREFIXES, "via": ADDRESSES, "vlan": [7, 9, *NUMBERS], "mtu": [576, 1400, *NUMBERS],
    "mac": ["02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", "02:00", 7], "up": [True, False, None, "up"],
    "after": [0, 2**64 - 1, "10.1.0.0/24", [2, "10.1.0.1"], []],
    "value": [0, 1, 64, -1, 2**63, "1", "", 1.5, [], None],
}  # fmt: skip
MAKING = {"vnet.create", "interface.create", "address.add", "route.add", "interface.move", "epair.create", "port.attach"}
SYSCTLS = ["net", "net.inet", "net.inet.ip.ttl", "net.inet.ip.forwarding", "net.link.ether.inet.maxhold", "", "net.", "x"]
ODD = [None, True, 0, -1, 1.5, 1e308, 2**64, 2**200, "", "x" * 5000, "\U0001f600", "\ud800", [], {}, [[]], {"": {"": []}}]


def examples() -> list[dict]:
    """The requests of the protocol's description."""
    text = (ROOT / "docs/protocol.md").read_text().replace('"red"', '"green"')
    return [json.loads(line) for line in re.findall(r"^> (.*)$", text, re.M)]


class Mutator:
    """Makes lines, the same ones for the same seed. `base` is the configuration that every other one begins with."""

    def __init__(self, seed: str, base: str):
        self.random, self.base, self.examples = Random(seed), base, examples()
        # More is made than destroyed, so that there is something to work on.
        self.examples += 3 * [example for example in self.examples if example["command"] in MAKING]

    def lines(self, count: int) -> list[bytes]:
        """So many lines without their newlines, or some more; damage may make several lines of one."""
        lines = []
        for number in range(count):
            if self.random.random() < 0.02:
                lines += [self.text(request) for request in self.configuration(f"apply {number}")]
                continue
            request = self.request(number)
            if self.random.random() < 0.5:
                lines.append(self.text(request))
            else:
                lines += self.damaged(request).split(b"\n")
        return lines

    def configuration(self, name: str) -> list[dict]:
        """A configuration is applied. Only what is behind the base is damaged."""
        apply = {"id": name, "version": 1, "command": "config.apply", "dry_run": self.random.random() < 0.2}
        put = {"version": 1, "command": "config.put", "stream": name}
        rest = self.tables().encode()
        for _ in range(self.random.choice([0, 0, 0, 1, 3])):
            rest = self.damage_bytes(rest)
        texts = [self.base, rest.decode(errors="replace")]
        puts = [{"id": f"{name} {part}", **put, "text": text, "last": part == 1} for part, text in enumerate(texts)]
        # Some never get to their end, or are not heard of again.
        return [apply, *puts][: self.random.choice([1, 2, 3, 3, 3, 3, 3, 3])]

    def tables(self) -> str:
        """Ports and vnets as a configuration has them. They begin with a vnet, so that nothing is said of one before."""
        pick, lines = self.random.choice, []
        for name in self.random.sample(["green", "blue", "grey"], self.random.randrange(4)):
            lines += ["[[vnet]]", f'name = "{name}"', f'sysctl = {{ "net.inet.ip.ttl" = {pick([32, 64, 300])} }}']
            for number in range(self.random.randrange(3)):
                lines += ["[[vnet.interface]]", f'name = "em{number + 1}"', f'port = "{pick(["p0", "p0", "dev7", "dev8"])}"']
                lines += [f"vlan = {pick([7, 9, 11, 4095])}"] * pick([0, 1, 1])
                lines += [f'addresses = ["10.{pick([1, 2, 3])}.{number}.1/24"]'] * pick([0, 1, 1])
            for _ in range(self.random.randrange(3)):
                lines += ["[[vnet.route]]", f'prefix = "{pick(PREFIXES)}"', pick(['type = "blackhole"', 'via = ["10.1.0.9"]'])]
        for number in self.random.sample([7, 8], self.random.randrange(3)):
            lines += ["[[port]]", f'name = "dev{number}"', f'device = "{pick([f"net_null{number},no-rx=1", f"net_ring{number}"])}"']
            lines += ["queues = 1", "rx_descriptors = 256", "tx_descriptors = 256"]
        return "\n".join(['[[vnet]]\nname = "white"', *lines, ""])

    def request(self, number: int) -> dict:
        """A request as a client sends them, with values that may make sense."""
        request = json.loads(json.dumps(self.random.choice(self.examples)))
        self.choose_values(request)
        request["id"] = number if self.random.random() < 0.8 else f"id {number}"
        return request

    def choose_values(self, node):
        for key, value in node.items():
            if isinstance(value, dict):
                self.choose_values(value)
            elif isinstance(value, list) and value and isinstance(value[0], dict):
                for item in value:
                    self.choose_values(item)
            elif self.random.random() < 0.4 or (key == "name" and value == "p7"):
                node[key] = self.value(node, key, value)

    def value(self, node: dict, key: str, old):
        choices = PORTS if key == "name" and node.get("command", "").startswith("port.") else FIELDS.get(key)
        if node.get("command", "").startswith("sysctl") and key == "name":
            choices = SYSCTLS
        if choices is None:
            return old
        if isinstance(old, list) and key != "after":
            return [self.random.choice(choices) for _ in range(self.random.choice([0, 1, 2, 600]))]
        return self.random.choice(choices)

    def text(self, request) -> bytes:
        return json.dumps(request, ensure_ascii=self.random.random() < 0.5).encode(errors="surrogatepass")

    def damaged(self, request: dict) -> bytes:
        """A line, or several, of which somebody has changed something."""
        kind = self.random.randrange(10)
        if kind < 4:
            for _ in range(self.random.choice([1, 1, 2, 5])):
                self.damage_structure(request)
                if len(str(request)) > LINE_MAX:
                    break
            return self.text(request)[: 2 * LINE_MAX]
        if kind < 8:
            line = self.text(request)
            for _ in range(self.random.choice([1, 1, 2, 8])):
                line = self.damage_bytes(line)
            return line
        if kind == 8:
            return self.nested(request)
        return self.random.choice([
            b"", b"\r", b"\n\n", b"null", b"[]", b"{}", b'""', b"\xef\xbb\xbf{}", b"\xff\xfe", b"0" * 5000, b'{"id":',
            self.random.randbytes(self.random.randrange(300)),
        ])  # fmt: skip

    def damage_structure(self, request: dict):
        key = self.random.choice([*request, "new", "\0"])
        what = self.random.randrange(5)
        if what == 0:
            request.pop(key, None)
        elif what == 1:
            request[key] = self.random.choice(ODD)
        elif what == 2:
            request[self.random.choice([*request, "nme"])] = request.get(key)
        elif what == 3:
            request[key] = [request.get(key)] * self.random.choice([0, 1, 3, 600])
        else:
            request[key] = {"id": 1, key: request.get(key)}

    def damage_bytes(self, line: bytes) -> bytes:
        at = self.random.randrange(len(line) + 1)
        end = min(len(line), at + self.random.randrange(20))
        return self.random.choice([
            lambda: line[:at],
            lambda: line[:at] + line[end:],
            lambda: line[:end] + line[at:],
            lambda: line[:at] + self.random.randbytes(self.random.choice([1, 1, 4])) + line[at:],
            lambda: line[:at] + bytes([line[at] ^ 1 << self.random.randrange(8)]) + line[at + 1 :] if at < len(line) else line,
            lambda: line[:at] + self.random.choice([b"9" * 400, b"1e999", b"NaN", b"\0", b"\xc3", b'\\ud800', b"\n"]) + line[end:],
        ])()  # fmt: skip

    def nested(self, request: dict) -> bytes:
        """Brackets in brackets, up to a line that is too long, which ends the connection."""
        depth = self.random.choice([5, 120, 130, 1000, 20_000])
        opened, closed = self.random.choice([(b"[", b"]"), (b'{"a":', b"}")])
        inner = opened * depth + b"1" + closed * self.random.choice([depth, depth, 0])
        line = self.text({**request, "deep": 0})
        return line.replace(b'"deep": 0', b'"deep": ' + inner)


class FieldTwice(Exception):
    """An object with a field that is there twice, which is refused as a whole."""


def once(pairs: list[tuple]) -> dict:
    """The object of these fields."""
    if len(fields := dict(pairs)) < len(pairs):
        raise FieldTwice
    return fields


def ids_of(line: bytes) -> set:
    """What the response to a line may repeat as its id; None stands for null. By Python's parser, which takes a little
    more than JSON; where it does, null is right as well."""
    try:
        fields = json.loads(line.decode(), object_pairs_hook=once)
    except (RecursionError, FieldTwice):
        return {None}
    except ValueError as error:
        # Python bounds the digits of a number, JSON does not.
        return {None} if isinstance(error, json.JSONDecodeError | UnicodeError) else {None, ANY}
    name = fields.get("id") if isinstance(fields, dict) else None
    if isinstance(name, int) and not isinstance(name, bool) and 0 <= name < 2**64:
        pass
    elif not isinstance(name, str) or len(name.encode(errors="surrogatepass")) > ID_MAX:
        return {None}
    return {name, None} if MORE_THAN_JSON.search(line) or depth_of(line) > 100 else {name}


ANY = object()
# Numbers that no 64 bits hold, halves of surrogate pairs, and words that are no JSON.
MORE_THAN_JSON = re.compile(rb"NaN|Infinity|\\u[dD][89a-fA-F]|[\d.][eE][-+\d]|\d{17}")


def depth_of(line: bytes) -> int:
    """No less than how deep the line's brackets are nested."""
    return line.count(b"[") + line.count(b"{")
