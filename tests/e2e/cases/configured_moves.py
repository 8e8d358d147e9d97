"""Interfaces that a file has in another vnet than the one that they are in: they move, and are not made anew."""

from harness import Lab, case, epair, equal, interface, that, vnet
from harness.client import answer, ask, refused
from harness.running import lost_nothing, pings, write

LAN = {"em0": interface("p0", "10.1.0.1/24")}
UNLIMITED = {"net.inet.icmp.icmplim": 0}
RED = vnet("red", LAN, sysctl=UNLIMITED)


def em1(*addresses: str, **more) -> dict:
    return {"em1": interface("p1", *addresses, **more)}


def home(lab: Lab, name: str) -> str | None:
    """The vnet that em1, which is in that one, was made in."""
    [shown] = answer(lab, "-v", name, "ifconfig", "em1")["list"]
    return shown.get("home")


@case(vnets=2)
def it_moves_there_and_back_beside_a_vnet_that_notices_nothing(lab: Lab):
    other = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    host = lab.kernel("p1", "10.2.0.2/24", "10.2.0.1")
    neighbors, routes = [("em1", "10.2.0.9", "02:00:00:00:00:99")], {"10.9.0.0/16": ["10.2.0.2"]}
    old = [RED, vnet("blue", em1("10.2.0.1/24"), neighbors=neighbors, routes=routes), vnet("green", {})]
    new = [RED, vnet("blue", {}), vnet("green", em1("10.2.0.1/24", "10.3.0.1/24", mtu=1400), routes=routes)]
    lab.start(*old)
    there, back = write(lab, *new, name="there.toml"), write(lab, *old, name="back.toml")
    expected = (
        "vnet blue:\n"
        "  - route 10.9.0.0/16 via 10.2.0.2\n"
        "  - neighbor 10.2.0.9 at 02:00:00:00:00:99 on em1\n"
        "  - address 10.2.0.1/24 on em1\n"
        "vnet green:\n"
        "  ~ interface em1: vnet blue -> vnet green\n"
        "  ~ interface em1: mtu 1500 -> mtu 1400\n"
        "  + address 10.2.0.1/24 on em1\n"
        "  + address 10.3.0.1/24 on em1\n"
        "  + route 10.9.0.0/16 via 10.2.0.2\n"
    )
    equal(ask(lab, "config", "apply", "--dry-run", there), expected + "8 changes\n", "the dry run")
    for to in (other, host):
        to.ping("10.1.0.1" if to is other else "10.2.0.1")
    with pings(other, "10.1.0.1", 2000) as beside:
        rounds = 0
        while beside.poll() is None:
            equal(ask(lab, "config", "apply", there), expected + "applied: 8 changes\n", "what was done")
            equal((host.ping("10.2.0.1"), home(lab, "green")), ([64], "blue"), "the reply of green")
            that("~ interface em1: vnet green -> vnet blue\n" in ask(lab, "config", "apply", back), "it moves back")
            equal((host.ping("10.2.0.1"), home(lab, "blue")), ([64], None), "the reply of blue")
            rounds += 1
        lost_nothing(beside)
    that(rounds > 5, f"{rounds} rounds")
    summary = lab.stop()
    equal(summary.vnet("red")["drops"], {}, "red's drops")
    # What it counted stays in the books of the vnet that the packets were in.
    for name in ("blue", "green"):
        that(summary.statistic("icps_in_echo", name) >= rounds, f"echo requests of {name}")


@case(vnets=2)
def the_end_of_an_epair_moves_and_keeps_its_address(lab: Lab):
    lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    one, other = {"epair0a": epair("joint", "10.9.0.1/30")}, {"epair0b": epair("joint", "10.9.0.2/30")}
    lab.start(vnet("red", {**LAN, **one}), vnet("blue", other))
    # blue goes, and what was its end of the epair is in a vnet that comes.
    file = write(lab, vnet("red", {**LAN, **one}), vnet("green", other))
    macs = [end(lab, "red", "epair0a")["mac"], end(lab, "blue", "epair0b")["mac"]]
    text = ask(lab, "config", "apply", file)
    that("  ~ interface epair0b: vnet blue -> vnet green\n" in text and "epair0a" not in text, text)
    equal([end(lab, "red", "epair0a")["mac"], end(lab, "green", "epair0b")["mac"]], macs, "MAC addresses")
    equal(end(lab, "red", "epair0a")["peer"], {"vnet": "green", "interface": "epair0b"}, "the other end")
    ask(lab, "-v", "red", "ping", "-c", "1", "10.9.0.2")
    equal(ask(lab, "config", "diff", file), "no change\n", "the file")
    lab.stop()


def end(lab: Lab, name: str, interface_name: str) -> dict:
    [shown] = answer(lab, "-v", name, "ifconfig", interface_name)["list"]
    return shown


@case(vnets=2)
def a_step_that_fails_moves_it_back(lab: Lab):
    lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    host = lab.kernel("p1", "10.2.0.2/24", "10.2.0.1")
    routes = {"10.9.0.0/16": ["10.2.0.2"]}
    lab.start(RED, vnet("blue", em1("10.2.0.1/24", "10.4.0.1/24"), routes=routes))
    before = ask(lab, "config", "show")
    # Into a vnet that comes, with routes that take more than it may have: only the stack knows that.
    many = {f"10.{number}.0.0/16": ["10.2.0.2"] for number in range(8, 208)}
    limit = {"net.vnet.maxmemory": 8192}
    file = write(lab, RED, vnet("green", em1("10.2.0.1/24", mtu=1400, up=False), sysctl=limit, routes=many))
    message = refused(lab, "config", "apply", file)
    that("vnet green: + route 10." in message and "net.vnet.maxmemory" in message and "undone" in message, message)
    equal(ask(lab, "config", "show"), before, "what runs")
    equal((host.ping("10.2.0.1"), home(lab, "blue")), ([64], None), "the reply of blue")
    lab.stop()


@case(vnets=2)
def what_was_lent_to_a_vnet_that_goes_does_not_come_back(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.kernel("p1", "10.2.0.2/24", "10.2.0.1")
    others = {**LAN, "em2": interface("p1", vlan=2)}
    lab.start(vnet("red", {**others, **em1("10.2.0.1/24")}), vnet("blue", {}))
    ask(lab, "-v", "red", "ifconfig", "em1", "vnet", "blue")
    file = write(lab, vnet("red", others))
    that("- vnet blue\n" in ask(lab, "config", "apply", file), "blue goes")
    equal(ask(lab, "config", "diff", file), "no change\n", "the file")
    that("em1" in refused(lab, "-v", "red", "ifconfig", "em1"), "red has no em1")
    equal(host.ping("10.1.0.1"), [64], "TTL of the reply of red")
    lab.stop()
