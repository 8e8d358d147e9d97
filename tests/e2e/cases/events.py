"""`curvnet events`: what happens is told, in its order, to who listens."""

import json
import socket
import subprocess

from harness import Lab, case, equal, interface, that, vnet
from harness.program import BINARY, command

LAN = {"em0": interface("p0", "10.1.0.1/24")}


def ask(lab: Lab, *words: str):
    """A command to the instance, which does it."""
    done = command("-s", lab.directory / "control.sock", *words)
    equal((done.returncode, done.stderr), (0, ""), f"exit code and standard error of {words}")


class Listener:
    """`curvnet -j events`, which has begun to listen."""

    def __init__(self, lab: Lab):
        words = [BINARY, "-j", "-s", lab.directory / "control.sock", "events"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        lab.stack.callback(self.process.kill)
        # It listens when it is told of what somebody does.
        while True:
            ask(lab, "-v", "red", "ifconfig", "lo0", "down")
            ask(lab, "-v", "red", "ifconfig", "lo0", "up")
            if self.process.stdout.readline():
                break

    def next(self) -> dict:
        """The next event that is not of lo0."""
        while True:
            event = json.loads(self.process.stdout.readline())["event"]
            if event.get("interface") != "lo0" or event["kind"] not in ("interface_up", "interface_down"):
                return event

    def until(self, kind: str) -> dict:
        """The next event of this kind."""
        while (event := self.next())["kind"] != kind:
            pass
        return event


@case(vnets=2)
def what_is_done_is_told_in_its_order(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN))
    listener = Listener(lab)
    host.ping("10.1.0.1")
    event = listener.until("neighbor_reachable")
    equal((event["vnet"], event["interface"], event["address"], event["mac"]), ("red", "em0", "10.1.0.2", host.mac), "who")
    ask(lab, "vnet", "create", "blue")
    ask(lab, "-v", "blue", "ifconfig", "em7", "create", "port", "p0", "vlan", "7")
    ask(lab, "-v", "blue", "ifconfig", "em7", "10.7.0.1/24")
    ask(lab, "-v", "blue", "route", "add", "10.8.0.0/16", "10.7.0.2")
    ask(lab, "-v", "blue", "ifconfig", "em7", "down")
    ask(lab, "-v", "blue", "arp", "-s", "10.7.0.2", "02:00:00:00:00:77")
    ask(lab, "-v", "blue", "ifconfig", "em7", "destroy")
    ask(lab, "vnet", "destroy", "blue")
    told = []
    while not told or told[-1]["kind"] != "vnet_destroyed":
        told.append(listener.next())
    blue = [(event["kind"], event.get("interface")) for event in told if event.get("vnet") == "blue"]
    expected = [
        ("vnet_created", None), ("interface_created", "lo0"), ("interface_created", "em7"), ("routes_added", None),
        ("address_added", "em7"), ("routes_added", None), ("interface_down", "em7"), ("neighbor_static", "em7"),
        ("routes_deleted", None), ("neighbor_gone", "em7"), ("address_deleted", "em7"), ("routes_deleted", None),
        ("interface_destroyed", "em7"), ("vnet_destroyed", None),
    ]
    equal(blue, expected, "events")
    numbers = [event["sequence"] for event in told]
    equal(numbers, sorted(set(numbers)), "sequence numbers")
    added = [event for event in told if event["kind"] == "routes_added"][-1]
    equal((added["count"], added["prefixes"]), (1, ["10.8.0.0/16"]), "the route")
    lab.stop()
    ends = [line["end"] for line in map(json.loads, listener.process.stdout) if "end" in line]
    equal([end["reason"] for end in ends], ["shutdown"], "the stream's last line")


@case()
def who_does_not_listen_any_more_harms_nobody(lab: Lab):
    lab.peer("p0", "10.1.0.2", "10.1.0.1")
    lab.start(vnet("red", LAN))
    deaf = socket.socket(socket.AF_UNIX)
    deaf.connect(str(lab.directory / "control.sock"))
    deaf.send(b'{"id":1,"version":1,"command":"events"}\n')
    listener = Listener(lab)
    requests = socket.socket(socket.AF_UNIX)
    requests.connect(str(lab.directory / "control.sock"))
    answers = requests.makefile()
    prefixes = [f"20.{n // 256}.{n % 256}.0/24" for n in range(512)]
    routes = json.dumps([{"prefix": prefix, "target": "reject"} for prefix in prefixes])
    for _ in range(300):
        add = f'{{"id":2,"version":1,"command":"route.add","vnet":"red","routes":{routes}}}\n'
        delete = f'{{"id":3,"version":1,"command":"route.delete","vnet":"red","prefixes":{json.dumps(prefixes)}}}\n'
        for request in (add, delete):
            requests.sendall(request.encode())
            that('"ok"' in answers.readline(), "a request was refused")
        equal([listener.next()["count"] for _ in "ad"], [512, 512], "routes")
    lab.stop()
