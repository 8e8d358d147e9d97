"""The configuration as state: shown, compared with a file, and applied while packets flow."""

import json
import signal
import socket
import threading
import time

from harness import Lab, case, equal, interface, loopback, that, vnet
from harness.client import answer, ask, path, refused
from harness.program import command
from harness.running import answers, lost_nothing, pings, write

LAN = {"em0": interface("p0", "10.1.0.1/24")}
UNLIMITED = {"net.inet.icmp.icmplim": 0, "net.inet.ip.forwarding": 1}
NEIGHBOR = ("em0", "10.1.0.9", "02:00:00:00:00:99")


def logged(lab: Lab, words: str):
    """Waits until the log has it."""
    end = time.monotonic() + 10
    while words not in lab.program.log():
        that(time.monotonic() < end, f"not in the log: {words}")
        time.sleep(0.02)


@case(vnets=2)
def what_is_shown_can_be_run_and_is_the_same_again(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    interfaces = {"lo0": loopback("127.0.0.1/8"), **LAN, "em1": interface("p0", "10.2.0.1/24", vlan=7, mtu=1400)}
    lab.start(vnet("red", interfaces, neighbors=[NEIGHBOR], routes={"10.8.0.0/16": "reject"}), vnet("blue", {}))
    # What was changed since the start is shown as it is now.
    for words in (
        "vnet create green",
        "vnet destroy blue",
        "-v red ifconfig em0 10.3.0.1/24 alias",
        "-v red ifconfig em1 down mtu 1000",
        "-v red sysctl net.inet.ip.forwarding=1",
        "-v red sysctl net.inet.ip.ttl=33",
        "-v red route add 10.9.0.0/16 10.1.0.2 10.3.0.2",
        "-v red route delete 10.8.0.0/16",
        "-v red arp -s 10.3.0.9 02:00:00:00:00:98",
        "-v green ifconfig em0 create port p0 vlan 9 ether 02:00:00:00:00:97",
    ):
        ask(lab, *words.split())
    text = ask(lab, "config", "show")
    for line in ('name = "green"', '"net.inet.ip.ttl" = 33', 'via = ["10.1.0.2", "10.3.0.2"]', "up = false", "mtu = 1000"):
        that(line in text, f"no {line}:\n{text}")
    that("blue" not in text and "10.8" not in text and '"vnet0"' not in text, text)
    file = lab.directory / "shown.toml"
    file.write_text(text)
    equal(ask(lab, "config", "diff", file), "no change\n", "the difference")
    equal(ask(lab, "config", "apply", file), "no change\n", "what is applied")
    equal(answer(lab, "config", "show")["text"], text, "as JSON")
    lab.stop()
    equal(command("check", file).returncode, 0, "check of what was shown")
    lab.run(file)
    answers(lab)
    equal(ask(lab, "config", "show"), text, "what is shown by an instance that was started with it")
    host.ping("10.1.0.1")
    lab.stop()


@case(vnets=2)
def a_difference_is_readable_and_applied_beside_a_vnet_that_notices_nothing(lab: Lab):
    left = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    right = lab.kernel("p1", "10.2.0.2/24", "10.2.0.1")
    other = lab.kernel("p2", "10.1.0.2/24", "10.1.0.1")
    red = vnet("red", {**LAN, "em1": interface("p1", "10.2.0.1/24")}, sysctl=UNLIMITED)
    lan = {"em0": interface("p2", "10.1.0.1/24")}
    old, sysctl = {"10.9.0.0/16": ["10.1.0.2"], "10.8.0.0/16": "reject"}, {"net.inet.icmp.icmplim": 0}
    one = [red, vnet("blue", lan, sysctl=sysctl, routes=old, neighbors=[NEIGHBOR])]
    lan = {"em0": interface("p2", "10.1.0.1/24", "10.3.0.1/24"), "em1": interface("p1", "10.4.0.1/24", vlan=4, up=False)}
    two = [
        vnet("blue", lan, sysctl={**sysctl, "net.inet.ip.ttl": 9}, routes={"10.9.0.0/16": "blackhole", "10.7.0.0/16": "reject"}),
        red,
        vnet("green", {"em0": interface("p0", "10.1.0.1/24", vlan=5)}, routes={"0.0.0.0/0": ["10.1.0.2"]}),
    ]
    lab.start(*one)
    first, second = write(lab, *one, name="first.toml"), write(lab, *two, name="second.toml")
    left.ping("10.2.0.2")
    other.ping("10.1.0.1")
    expected = (
        "vnet blue:\n"
        "  - route 10.8.0.0/16 reject\n"
        "  - neighbor 10.1.0.9 at 02:00:00:00:00:99 on em0\n"
        "  ~ sysctl net.inet.ip.ttl: default -> 9\n"
        "  + interface em1 on p1 vlan 4 mtu 1500 down: 10.4.0.1/24\n"
        "  + address 10.3.0.1/24 on em0\n"
        "  ~ route 10.9.0.0/16: via 10.1.0.2 -> blackhole\n"
        "  + route 10.7.0.0/16 reject\n"
        "vnet green:\n"
        "  + vnet green\n"
        "  + interface em0 on p0 vlan 5 mtu 1500: 10.1.0.1/24\n"
        "  + route 0.0.0.0/0 via 10.1.0.2\n"
    )
    equal(ask(lab, "config", "diff", second), expected + "10 changes\n", "the difference")
    equal(ask(lab, "config", "apply", "--dry-run", second), expected + "10 changes\n", "the dry run")
    changes = answer(lab, "config", "diff", second)
    change = {"vnet": "green", "action": "add", "object": "route", "name": "0.0.0.0/0", "to": "via 10.1.0.2"}
    that(change in changes["changes"] and changes["applied"] is False, json.dumps(changes))
    equal(ask(lab, "config", "diff", first), "no change\n", "nothing has changed")

    ids = {line["name"]: line["index"] for line in answer(lab, "vnet", "list")["list"]}
    with pings(left, "10.2.0.2", 2000) as through, pings(other, "10.1.0.1", 2000) as beside:
        rounds = 0
        while through.poll() is None:
            equal(ask(lab, "config", "apply", second), expected + "applied: 10 changes\n", "what was done")
            that("- vnet green\n" in ask(lab, "config", "apply", first), "green goes")
            rounds += 1
        lost_nothing(through)
        # Its interface and its address stay, whatever else becomes of blue.
        lost_nothing(beside)
    that(rounds > 5, f"{rounds} rounds")
    ids_now = {line["name"]: line["index"] for line in answer(lab, "vnet", "list")["list"]}
    equal(ids_now, ids, "the vnets")
    summary = lab.stop()
    equal(summary.vnet("red")["drops"], {}, "red's drops")
    equal(summary.statistic("ips_forward"), 2 * 2001, "packets forwarded")


@case()
def a_route_is_replaced_under_pings_that_lose_none(lab: Lab):
    left = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    right = lab.kernel("p1", "10.2.0.2/24", "10.2.0.1")
    right.namespace.ip("address", "add", "10.9.0.1/32", "dev", "eth0")
    lan = {**LAN, "em1": interface("p1", "10.2.0.1/24")}
    ways = [["10.2.0.2"], ["em1"]]
    vnets = [vnet("red", lan, sysctl=UNLIMITED, routes={"10.9.0.0/16": way}) for way in ways]
    lab.start(vnets[0])
    files = [write(lab, text, name=f"{at}.toml") for at, text in enumerate(vnets)]
    left.ping("10.9.0.1")
    with pings(left, "10.9.0.1", 2000) as through:
        rounds = 0
        while through.poll() is None:
            for file in (files[1], files[0]):
                that("~ route 10.9.0.0/16: via" in ask(lab, "config", "apply", file), "it is replaced")
            rounds += 1
        lost_nothing(through)
    that(rounds > 5, f"{rounds} rounds")
    lab.stop()


@case()
def a_bad_file_changes_nothing_and_is_explained_as_by_check(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN))
    before = ask(lab, "config", "show")
    file = write(lab, vnet("red", LAN, routes={"10.9.0.0/16": ["10.7.0.2"], "10.8.0.0/16": "rejct"}))
    explained = command("check", file).stderr
    that("next.toml:" in explained and "did you mean `reject`" in explained and "^^^" in explained, explained)
    equal(refused(lab, "config", "apply", file, code=2), explained, "what apply says")
    equal(refused(lab, "config", "diff", file, code=2), explained, "what diff says")
    that("cannot read" in refused(lab, "config", "diff", lab.directory / "nowhere.toml", code=2), "a file that is not there")
    equal(ask(lab, "config", "show"), before, "what runs")
    host.ping("10.1.0.1")
    lab.stop()


@case()
def a_step_that_fails_leaves_all_as_it_was(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.kernel("p1", "10.2.0.2/24", "10.2.0.1")
    lan = {**LAN, "em1": interface("p1", "10.2.0.1/24", "10.4.0.1/24", mtu=1400)}
    routes = {"10.9.0.0/16": ["10.2.0.2"], "10.8.0.0/16": "reject"}
    sysctl = {**UNLIMITED, "net.inet.ip.ttl": 40}
    lab.start(vnet("red", lan, sysctl=sysctl, routes=routes, neighbors=[("em1", "10.2.0.9", "02:00:00:00:00:99")]))
    before = ask(lab, "config", "show")
    # What the routes take is more than the vnet may have: only the stack knows that.
    lan = {**LAN, "em2": interface("p1", "10.2.0.1/24")}
    many = {f"10.{number}.0.0/16": ["10.2.0.2"] for number in range(8, 208)}
    file = write(lab, vnet("red", lan, sysctl={**UNLIMITED, "net.vnet.maxmemory": 8192}, routes=many))
    host.ping("10.1.0.1")
    with pings(host, "10.1.0.1", 1000) as beside:
        while beside.poll() is None:
            message = refused(lab, "config", "apply", file)
            that("vnet red: + route 10." in message and "net.vnet.maxmemory" in message and "undone" in message, message)
            equal(ask(lab, "config", "show"), before, "what runs")
        lost_nothing(beside)
    file.write_text(before)
    equal(ask(lab, "config", "diff", file), "no change\n", "the way back")
    lab.stop()


@case()
def what_needs_a_restart_is_refused_by_name(lab: Lab):
    lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN))
    file = write(lab, vnet("red", LAN, sysctl={"net.inet.ip.ttl": 9}), socket="/elsewhere.sock")
    text = file.read_text().replace("idle_sleep_us = 50", "burst = 32")
    file.write_text(text.replace('device = "net_af_packet0', 'device = "net_af_packet5'))
    message = refused(lab, "config", "apply", file)
    for words in ("~ [control] socket: ", "~ [workers] burst: default -> 32", "~ [workers] idle_sleep_us: 50 -> default"):
        that(words in message, f"no {words}: {message}")
    that("~ port p0 device: " in message and "start the instance again" in message and "ttl" not in message, message)
    equal(refused(lab, "config", "apply", "--dry-run", file), message, "the dry run")
    that("ttl" in ask(lab, "config", "diff", file), "diff shows all")
    that('"/elsewhere' not in ask(lab, "config", "show") and "ttl" not in ask(lab, "config", "show"), "it was changed")
    lab.stop()


@case()
def ports_come_and_go_with_the_file(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN))
    ring = {"name": "p7", "device": "net_null7", "queues": 1, "rx_descriptors": 512, "tx_descriptors": 512}
    more = {**LAN, "em7": interface("p7", "10.7.0.1/24")}
    with_port = write(lab, vnet("red", more), ports=[*lab.ports, ring], name="more.toml")
    without = write(lab, vnet("red", LAN), name="less.toml")
    for _ in range(3):
        text = ask(lab, "config", "apply", with_port)
        that("process:\n  + port p7 on net_null7\nvnet red:\n  + interface em7 on p7" in text, text)
        that("p7" in ask(lab, "config", "show"), "it is shown")
        text = ask(lab, "config", "apply", without)
        that("process:\n  - port p7 on net_null7\nvnet red:\n  - interface em7 on p7" in text, text)
    host.ping("10.1.0.1")
    lab.stop()


@case()
def sighup_applies_the_file_again(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN))
    write(lab, vnet("red", {"em0": interface("p0", "10.1.0.1/24", "10.3.0.1/24")}), name="test.toml")
    lab.program.process.send_signal(signal.SIGHUP)
    logged(lab, "test.toml: applied, 1 change")
    that("vnet red: + address 10.3.0.1/24 on em0" in lab.program.log(), "the change is not logged")
    host.ping("10.3.0.1")
    write(lab, vnet("red", {"em0": interface("p0", "10.1.0.1/24/9")}), name="test.toml")
    lab.program.process.send_signal(signal.SIGHUP)
    logged(lab, "test.toml: not applied, nothing has changed")
    that("test.toml:" in lab.program.log() and "10.1.0.1/24/9" in lab.program.log(), "the place is not named")
    host.ping("10.3.0.1")
    lab.stop()


@case()
def a_file_of_any_size_is_sent_and_shown(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN, sysctl=UNLIMITED))
    routes = {f"172.{16 + at // 256}.{at % 256}.0/24": ["10.1.0.2"] for at in range(4000)}
    file = write(lab, vnet("red", LAN, sysctl=UNLIMITED, routes=routes))
    that(file.stat().st_size > 3 * 65536, "it is small")
    host.ping("10.1.0.1")
    with pings(host, "10.1.0.1", 500) as beside:
        that(ask(lab, "config", "apply", file).endswith("applied: 4000 changes\n"), "what was done")
        lost_nothing(beside)
    equal(ask(lab, "config", "show").count("[[vnet.route]]"), 4000, "routes shown")
    equal(ask(lab, "config", "apply", file), "no change\n", "again")
    lab.stop()


@case()
def who_reads_an_answer_slowly_delays_no_other(lab: Lab):
    lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    routes = {f"20.{at // 256}.{at % 256}.0/24": ["10.1.0.2"] for at in range(20000)}
    lab.start(vnet("red", LAN, routes=routes))
    slow = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    for client in slow:
        client.connect(str(path(lab)))
        client.sendall(b'{"id":"s","version":1,"command":"config.show"}\n')
    done = threading.Event()

    def read():
        # Often enough to be no client that is stuck; minutes for the whole answer.
        while not done.wait(0.2):
            for client in slow:
                client.recv(2048)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        # Longer than what waits for a client: the answers of the others are on their way all the time.
        that(len(ask(lab, "config", "show")) > 1 << 20, "it is short")
    finally:
        done.set()
        reader.join()
    for client in slow:
        client.close()
    lab.stop()
