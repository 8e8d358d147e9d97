"""The control socket and its client: a running instance is asked and changed while packets flow."""

import json
import os
import re
import socket
import stat
import subprocess

from harness import Lab, case, equal, interface, is_echo_reply, that, vnet
from harness.client import answer, ask, path, refused, tried
from harness.program import BINARY, command

LAN = {"em0": interface("p0", "10.1.0.1/24")}
NOBODY = 65534


@case()
def it_shows_what_the_kernel_sees(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN, routes={"0.0.0.0/0": ["10.1.0.2"], "10.9.0.0/16": "blackhole"}))
    host.ping("10.1.0.1", count=3)
    text = ask(lab, "-v", "red", "ifconfig", "em0")
    that("em0: flags=843<UP,BROADCAST,RUNNING,SIMPLEX> metric 0 mtu 1500\n" in text, text)
    that(f"\tether {host.neighbor('10.1.0.1')}\n" in text, text)
    that("\tinet 10.1.0.1 netmask 0xffffff00 broadcast 10.1.0.255\n" in text, text)
    text = ask(lab, "-v", "red", "netstat", "-r")
    for line in ("default +10.1.0.2 +UGS +em0", r"10.1.0.0/24 +link#2 +U +em0", "10.9.0.0/16 +- +USB"):
        that(re.search(f"^{line}$", text, re.M), f"no {line}:\n{text}")
    text = ask(lab, "-v", "red", "arp", "-a")
    that(re.search(rf"^\? \(10.1.0.2\) at {host.mac} on em0 expires in \d+ seconds \[ethernet\]$", text, re.M), text)
    text = ask(lab, "-v", "red", "netstat", "-s")
    that("\t3 echo requests received\n" in text, text)
    shown = answer(lab, "-v", "red", "ifconfig", "em0")["list"][0]
    summary = lab.stop()
    for counter, value in shown["counters"].items():
        that(value <= summary.interface("em0")[counter], f"{counter}: {value}")


@case()
def addresses_come_and_go(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    host.namespace.ip("address", "add", "10.2.0.2/24", "dev", "eth0")
    lab.start(vnet("red", LAN))
    host.ping("10.1.0.1")
    ask(lab, "-v", "red", "ifconfig", "em0", "10.2.0.1/24", "alias")
    host.ping("10.2.0.1", "-I", "10.2.0.2")
    ask(lab, "-v", "red", "ifconfig", "em0", "10.1.0.1", "delete")
    that("10.1.0" not in ask(lab, "-v", "red", "netstat", "-r"), "its routes stayed")
    that("10.1.0" not in ask(lab, "-v", "red", "arp", "-a"), "its neighbours stayed")
    done = host.run("ping", "-n", "-c", "1", "-W", "1", "10.1.0.1")
    that(done.returncode != 0, f"the address that was deleted answers:\n{done.stdout}")
    host.ping("10.2.0.1", "-I", "10.2.0.2")
    that("10.1.0.1" in refused(lab, "-v", "red", "ifconfig", "em0", "10.1.0.1", "delete"), "it is not named")
    ask(lab, "-v", "red", "ifconfig", "em0", "10.1.0.1/24")
    host.ping("10.1.0.1")
    lab.stop()


@case()
def an_interface_goes_down_and_up(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN))
    host.ping("10.1.0.1")
    ask(lab, "-v", "red", "ifconfig", "em0", "down")
    that(host.run("ping", "-n", "-c", "1", "-W", "1", "10.1.0.1").returncode != 0, "it answers while it is down")
    ask(lab, "-v", "red", "ifconfig", "em0", "up", "mtu", "1000")
    that("mtu 1000" in ask(lab, "-v", "red", "ifconfig", "em0"), "the MTU")
    host.ping("10.1.0.1", "-s", "900")
    that("1500" in refused(lab, "-v", "red", "ifconfig", "em0", "mtu", "9000"), "the port's MTU is not named")
    lab.stop()


@case()
def an_interface_is_destroyed_and_made_again_under_traffic(lab: Lab):
    left = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    right = lab.kernel("p1", "10.2.0.2/24", "10.2.0.1")
    lan = {**LAN, "em1": interface("p1", "10.2.0.1/24")}
    routes = {"10.9.0.0/16": ["10.2.0.2"], "10.8.0.0/16": ["10.1.0.2", "10.2.0.2"]}
    sysctl = {"net.inet.icmp.icmplim": 0, "net.inet.ip.forwarding": 1}
    lab.start(vnet("red", lan, routes=routes, sysctl=sysctl))
    left.ping("10.2.0.2")

    def pings(host, to: str):
        line = ["ip", "netns", "exec", host.namespace.name, "ping", "-n", "-q", "-c", "1500", "-i", "0.001", "-W", "1", to]
        return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)

    with pings(left, "10.1.0.1") as beside, pings(left, "10.2.0.2") as through, pings(right, "10.1.0.2") as back:
        rounds = 0
        while beside.poll() is None:
            ask(lab, "-v", "red", "ifconfig", "em1", "destroy")
            table = ask(lab, "-v", "red", "netstat", "-r")
            that("10.2.0" not in table and "10.9.0.0" not in table, f"routes stayed:\n{table}")
            that(re.search("^10.8.0.0/16 +10.1.0.2 +UGS +em0$", table, re.M), f"the other way is gone:\n{table}")
            that("em1" not in ask(lab, "-v", "red", "arp", "-a"), "neighbours stayed")
            ask(lab, "-v", "red", "ifconfig", "em1", "create", "port", "p1")
            ask(lab, "-v", "red", "ifconfig", "em1", "10.2.0.1/24")
            rounds += 1
        that(" 0% packet loss" in (text := beside.stdout.read()), text)
        through.wait()
        back.wait()
    that(rounds > 10, f"{rounds} rounds")
    left.ping("10.2.0.2")
    that("lo0 cannot be destroyed" in refused(lab, "-v", "red", "ifconfig", "lo0", "destroy"), "lo0")
    equal(lab.stop().vnet()["in_flight"], 0, "packets in flight")


@case(vnets=2)
def a_vnet_made_at_run_time_forwards(lab: Lab):
    _, wire, mac, port_mac = lab.cable("p0")
    lab.peer_on(wire, mac, port_mac, "10.0.0.2", "10.0.0.1", 100)
    lab.start(vnet("red", {"em0": interface("p0", "10.0.0.1/24", vlan=100)}))
    left, right = (
        lab.peer_on(wire, mac, port_mac, f"10.{net}.0.2", f"10.{net}.0.1", vlan) for net, vlan in ((2, 200), (3, 300))
    )
    ask(lab, "vnet", "create", "blue")
    for name, peer in (("em1", left), ("em2", right)):
        ask(lab, "-v", "blue", "ifconfig", name, "create", "port", "p0", "vlan", str(peer.vlan))
        ask(lab, "-v", "blue", "ifconfig", name, f"{peer.router}/24")
    text = ask(lab, "-v", "blue", "sysctl", "net.inet.ip.forwarding=1")
    equal(text, "net.inet.ip.forwarding: 0 -> 1\n", "sysctl")
    for peer in (left, right):
        ask(lab, "-v", "blue", "arp", "-s", peer.address, mac)
    ask(lab, "-v", "blue", "route", "add", "10.9.0.0/16", right.address)
    that("gateway: 10.3.0.2" in ask(lab, "-v", "blue", "route", "get", "10.9.1.1"), "route get")
    for to in (right.address, "10.9.1.1"):
        request = left.echo(to)
        left.send(request)
        frame = wire.until(lambda packet, to=to: packet.haslayer("IP") and packet["IP"].dst == to, what=f"to {to}")
        equal(frame.packet["Dot1Q"].vlan, 300, "VLAN of what was forwarded")
        equal(frame.packet["IP"].ttl, request["IP"].ttl - 1, "TTL of what was forwarded")
    request = left.echo()
    is_echo_reply(left.ask(request)[0], request)
    ask(lab, "vnet", "destroy", "blue")
    that("blue" not in ask(lab, "vnet", "list"), "it is still there")
    that("there is no vnet blue" in refused(lab, "-v", "blue", "netstat", "-r"), "the vnet is not named")
    lab.stop()


@case(vnets=2)
def vnets_come_and_go_beside_pings_that_lose_none(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN, sysctl={"net.inet.icmp.icmplim": 0}))
    host.ping("10.1.0.1")
    line = ["ip", "netns", "exec", host.namespace.name, "ping", "-n", "-q", "-c", "1000", "-i", "0.002", "-W", "3", "10.1.0.1"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as ping:
        rounds = 0
        while ping.poll() is None:
            requests = [
                ("vnet.create", {"name": "blue"}),
                ("interface.create", {"vnet": "blue", "interface": "em1", "port": "p0", "vlan": 7}),
                ("address.add", {"vnet": "blue", "interface": "em1", "address": "10.1.0.1/24"}),
                ("route.add", {"vnet": "blue", "routes": [
                    {"prefix": f"10.{net}.0.0/16", "target": {"via": ["10.1.0.2"]}} for net in range(2, 102)
                ]}),
                ("vnet.destroy", {"name": "blue"}),
            ]
            for response in spoken(lab, requests):
                that("ok" in response, f"round {rounds}: {response}")
            rounds += 1
        text = ping.stdout.read()
    that(" 0% packet loss" in text, text)
    that(rounds > 10, f"{rounds} rounds")
    lab.stop()


def spoken(lab: Lab, requests: list) -> list[dict]:
    """The responses to requests, sent without the client."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(20)
        stream.connect(str(path(lab)))
        for number, (name, arguments) in enumerate(requests):
            line = json.dumps({"id": number, "version": 1, "command": name, **arguments})
            stream.sendall(line.encode() + b"\n")
        lines = stream.makefile()
        return [json.loads(lines.readline()) for _ in requests]


@case(vnets=2)
def stats_add_up_the_drops_of_all_vnets(lab: Lab):
    hosts = [lab.kernel(f"p{n}", f"10.{n}.0.2/24", f"10.{n}.0.1") for n in (1, 2)]
    lab.start(*(vnet(name, {"em0": interface(f"p{n}", f"10.{n}.0.1/24")}) for n, name in ((1, "red"), (2, "blue"))))
    for host, count in zip(hosts, (2, 3)):
        # Nobody forwards: each is dropped.
        host.run("ping", "-n", "-c", str(count), "-i", "0.01", "-W", "0.1", "10.9.0.1")
    lab.while_running(lambda _: equal(answer(lab, "stats")["drops"], {"ip_not_forwarding": 5}, "drops"))
    names = [shown["name"] for shown in answer(lab, "vnet", "list")["list"]]
    equal(names, ["vnet0", "red", "blue"], "vnets, in their order")
    drops, ports = (
        [page["ok"] for page in spoken(lab, [(command, {"after": after}) for after in places])]
        for command, places in (("vnet.drops", range(3)), ("port.list", ("p0", "p1", "p2")))
    )
    sums = [page["drops"].get("ip_not_forwarding", 0) for page in drops]
    equal(sums, [5, 3, 0], "drops behind each vnet")
    equal([[port["name"] for port in page["list"]] for page in ports], [["p1", "p2"], ["p2"], []], "ports behind a name")
    summary = lab.stop()
    equal([summary.drops(name) for name in ("red", "blue")], [{"ip_not_forwarding": n} for n in (2, 3)], "drops in the summary")


@case(root=False)
def it_says_when_nobody_listens(lab: Lab):
    message = refused(lab, "vnet", "list")
    that(str(path(lab)) in message and "curvnet run" in message and "-s" in message, message)


@case()
def what_cannot_be_done_names_cause_and_cure(lab: Lab):
    lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN, routes={"10.9.0.0/16": "reject"}))
    red = ("-v", "red")
    for words, parts in (
        (("-v", "rde", "ifconfig"), ["rde", "did you mean red?"]),
        ((*red, "ifconfig", "em1"), ["em1", "did you mean em0?"]),
        ((*red, "ifconfig", "em1", "create", "port", "p9", "vlan", "3"), ["p9", "did you mean p0?"]),
        ((*red, "ifconfig", "em1", "create", "port", "p0"), ["red.em0", "VLAN"]),
        ((*red, "ifconfig", "em0", "10.1.0.1/24"), ["10.1.0.1 already", "another one"]),
        ((*red, "ifconfig", "em0", "10.1.0.255/32"), ["10.1.0.1/24", "disjoint"]),
        ((*red, "ifconfig", "lo0", "10.1.0.3/32"), ["10.1.0.1/24", "disjoint"]),
        ((*red, "route", "add", "default", "10.1.0.255"), ["10.1.0.255", "router"]),
        ((*red, "route", "add", "default", "-interface", "lo0"), ["lo0", "-blackhole"]),
        ((*red, "arp", "-s", "10.1.0.255", "02:00:00:00:00:01"), ["10.1.0.255", "ifconfig"]),
        ((*red, "arp", "-s", "10.1.0.1", "02:00:00:00:00:01"), ["10.1.0.1", "another host"]),
        ((*red, "route", "add", "10.9.0.0/16", "10.1.0.2"), ["10.9.0.0/16", "delete it first"]),
        ((*red, "route", "add", "default", "10.7.0.1"), ["10.7.0.1", "next to it"]),
        ((*red, "route", "delete", "10.1.0.0/24"), ["10.1.0.0/24", "remove the address"]),
        ((*red, "route", "get", "10.7.0.1"), ["10.7.0.1"]),
        ((*red, "arp", "-d", "10.1.0.77"), ["10.1.0.77", "arp -a"]),
        ((*red, "arp", "-s", "10.7.0.1", "02:00:00:00:00:01"), ["10.7.0.1", "ifconfig"]),
        ((*red, "sysctl", "net.inet.ip.ttl=256"), ["256", "1 to 255"]),
        ((*red, "sysctl", "net.inet.ip.ttl=many"), ["`many`", "integer"]),
        ((*red, "sysctl", "x.y.z"), ["x.y.z", "`sysctl -a`"]),
        ((*red, "sysctl", "net.inet.ip.tll"), ["did you mean net.inet.ip.ttl?"]),
        (("vnet", "create", "red"), ["red", "another name"]),
        (("vnet", "destroy", "blue"), ["blue"]),
    ):
        message = refused(lab, *words)
        for part in parts:
            that(part in message, f"no {part!r} in the answer to {words}:\n{message}")
        that("\nhelp: " in message, f"no cure in the answer to {words}:\n{message}")
    for words in (
        ("vnet",), ("route", "add", "default"), ("ifconfig", "em0", "walk"), ("arp",), ("netstat",), ("sysctl",),
        ("arp", "-s", "10.1.0.9", "zz"), ("route", "get", "there"), ("run", "x.toml"), ("capture", "-c", "0"),
    ):
        refused(lab, *words, code=2)
    lab.stop()


@case()
def addresses_of_one_network_come_and_go(lab: Lab):
    peer = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", {"em0": interface("p0", "10.1.0.1/24", "10.1.0.3/24")}))
    em0 = ("-v", "red", "ifconfig", "em0")
    ask(lab, *em0, "10.1.0.4/32", "alias")
    for address in ("10.1.0.1", "10.1.0.3", "10.1.0.4"):
        equal(peer.ping(address), [64], f"TTL of {address}'s reply")
    shown = lab.directory / "shown.toml"
    shown.write_text(ask(lab, "config", "show"))
    equal(ask(lab, "config", "diff", str(shown)), "no change\n", "what is shown, compared")
    # The network stays with those that are left.
    ask(lab, *em0, "10.1.0.1", "-alias")
    equal(peer.ping("10.1.0.3"), [64], "TTL of the reply")
    ask(lab, "-v", "red", "ping", "-c", "1", "10.1.0.2")
    for address in ("10.1.0.3", "10.1.0.4"):
        ask(lab, *em0, address, "delete")
    equal(answer(lab, "-v", "red", "netstat", "-r")["list"], [], "routes that are left")
    lab.stop()


@case()
def the_socket_is_of_root_its_owner_and_its_group(lab: Lab):
    lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    for directory in (lab.directory, lab.directory.parent):
        directory.chmod(0o711)
    lab.start(vnet("red", LAN))
    equal(stat.S_IMODE(os.stat(path(lab)).st_mode), 0o660, "mode of the socket")
    equal(as_nobody(lab), None, "what nobody gets")
    # Somebody opens it to all: it still asks who comes.
    path(lab).chmod(0o666)
    that('"code":"denied"' in as_nobody(lab), "nobody was not denied")
    ask(lab, "vnet", "list")
    lab.stop()
    that(not path(lab).exists(), "the socket stayed")
    # The same configuration with a group, of which it is the main one, or another one, of who comes.
    file = lab.directory / "test.toml"
    file.write_text(file.read_text().replace("[control]", '[control]\ngroup = "4711"'))
    lab.run(file)
    lab.while_running(lambda _: that("red" in ask(lab, "vnet", "list"), "no vnet red"))
    equal(os.stat(path(lab)).st_gid, 4711, "group of the socket")
    equal(as_nobody(lab), None, "what nobody gets")
    for groups in ({"group": 4711}, {"extra_groups": [4711]}):
        that('"ok":' in as_nobody(lab, **groups), f"{groups} is not served")
    lab.stop()
    # And with an owner.
    file.write_text(file.read_text().replace("[control]", f'[control]\nowner = "{NOBODY}"'))
    lab.run(file)
    lab.while_running(lambda _: that("red" in ask(lab, "vnet", "list"), "no vnet red"))
    equal(os.stat(path(lab)).st_uid, NOBODY, "owner of the socket")
    that('"ok":' in as_nobody(lab), "the owner is not served")
    equal(as_nobody(lab, user=NOBODY - 1), None, "what another user gets")
    lab.stop()
    equal([file.name for file in lab.directory.glob("control.*")], [], "files that stayed")


def as_nobody(lab: Lab, **groups) -> str | None:
    """What a user without rights but those of his groups gets when he asks; none when he cannot connect."""
    script = f"""
import socket
with socket.socket(socket.AF_UNIX) as stream:
    stream.settimeout(20)
    stream.connect({str(path(lab))!r})
    lines = stream.makefile("rw")
    try:
        lines.write('{{"id":1,"version":1,"command":"vnet.list"}}\\n')
        lines.flush()
    except BrokenPipeError:
        pass
    print(lines.readline())
"""
    groups = {"user": NOBODY, "group": NOBODY, "extra_groups": [], **groups}
    done = subprocess.run(["/usr/bin/python3", "-c", script], capture_output=True, text=True, **groups)
    that(done.returncode == 0 or "PermissionError" in done.stderr, done.stderr)
    return done.stdout if done.returncode == 0 else None


@case()
def two_instances_do_not_share_a_socket(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN))
    done = command("run", lab.directory / "test.toml", "--json")
    equal((done.returncode, done.stdout), (1, ""), "exit code and standard output of the second")
    for word in ("another instance", "[control] socket", str(path(lab))):
        that(word in done.stderr, f"no {word!r}:\n{done.stderr}")
    that("EAL" not in done.stderr, f"DPDK was started:\n{done.stderr}")
    host.ping("10.1.0.1")
    ask(lab, "vnet", "list")
    # Killed, it leaves its socket behind; the next one takes its place.
    lab.program.kill()
    that(path(lab).is_socket(), "no socket was left behind")
    that("Connection refused" in refused(lab, "vnet", "list"), "the reason is not named")
    lab.run(lab.directory / "test.toml")
    lab.while_running(lambda _: host.ping("10.1.0.1"))
    ask(lab, "vnet", "list")
    lab.stop()


@case(root=False)
def a_socket_that_cannot_be_made_names_the_key(lab: Lab):
    (lab.directory / "file").write_text("precious")
    for place in ("file", "file/control.sock"):
        file = lab.directory / "bad.toml"
        file.write_text(
            f'[dpdk]\nhugepages = "none"\n[control]\nsocket = "{lab.directory}/{place}"\n'
            '[[port]]\nname = "p0"\ndevice = "net_null0"\n[[vnet]]\nname = "red"\n'
            '[[vnet.interface]]\nname = "em0"\nport = "p0"\n'
        )
        done = command("run", file)
        equal((done.returncode, done.stdout), (1, ""), "exit code and standard output")
        that("[control] socket" in done.stderr and "EAL" not in done.stderr, done.stderr)
    equal((lab.directory / "file").read_text(), "precious", "the file that was in the way")


@case(root=False)
def help_shows_every_command(lab: Lab):
    text = command("--help").stdout
    for word in ("run", "check", "doctor", "vnet", "ifconfig", "route", "arp", "netstat", "sysctl", "stats", "features", "port"):
        that(re.search(rf"^  {word} ", text, re.M), f"no {word}:\n{text}")
    for word in ("vnet", "ifconfig", "route", "arp", "netstat", "sysctl"):
        equal(command(word, "--help").returncode, 0, f"exit code of {word} --help")


@case()
def features_are_those_of_the_build(lab: Lab):
    lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN))
    features, stats = answer(lab, "features"), answer(lab, "stats")
    build = lab.stop().document["build"]
    equal(features["git"], build["git"], "git")
    equal([features["arm"]["name"]], build["features"], "arm")
    equal(features["dpdk"], build["dpdk"], "DPDK")
    equal(list(stats["ports"]), ["p0"], "ports")
    that(f"({features['git']})" in subprocess.run([BINARY, "--version"], capture_output=True, text=True).stdout, "version")
