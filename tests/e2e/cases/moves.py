"""An interface of a port that moves to another vnet and back, while a host pings."""

import subprocess

from harness import Lab, case, equal, interface, that, vnet
from harness.client import answer, ask, refused

ADDRESS = "10.1.0.1/24"


@case(vnets=2)
def an_interface_moves_there_and_back_under_ping(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", {"em0": interface("p0", ADDRESS)}), vnet("blue", {}))
    host.ping("10.1.0.1")
    line = ["ip", "netns", "exec", host.namespace.name, "ping", "-n", "-q", "-i", "0.002", "10.1.0.1"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as pings:
        try:
            ask(lab, "-v", "red", "ifconfig", "em0", "vnet", "blue")
            there(lab, host, "blue", home="red")
            equal(answer(lab, "-v", "red", "ifconfig", "lo0")["list"][0]["name"], "lo0", "red goes on")
            that("em0" in refused(lab, "-v", "red", "ifconfig", "em0"), "red has no em0")
            ask(lab, "-v", "red", "ifconfig", "em0", "-vnet", "blue")
            there(lab, host, "red", home=None)
        finally:
            pings.kill()
    summary = lab.stop()
    for name in ("red", "blue"):
        that(summary.statistic("icps_in_echo", name) >= 3, f"echo requests of {name}")


def there(lab: Lab, host, name: str, home: str | None):
    """It is in that vnet, without an address; with one, it answers."""
    [em0] = answer(lab, "-v", name, "ifconfig", "em0")["list"]
    equal((em0["port"], em0["addresses"], em0.get("home")), ("p0", [], home), f"em0 in {name}")
    ask(lab, "-v", name, "ifconfig", "em0", ADDRESS)
    equal(host.ping("10.1.0.1", "-i", "0.01", count=3), [64] * 3, f"TTL of the replies of {name}")


@case(vnets=2)
def a_name_that_is_taken_there_is_refused(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(
        vnet("red", {"em0": interface("p0", ADDRESS)}),
        vnet("blue", {"em0": interface("p0", "10.2.0.1/24", vlan=7)}),
    )
    message = refused(lab, "-v", "red", "ifconfig", "em0", "vnet", "blue")
    that("em0" in message and "blue" in message, message)
    equal(host.ping("10.1.0.1"), [64], "TTL of the reply of red, as before")
    message = refused(lab, "-v", "red", "ifconfig", "lo0", "vnet", "blue")
    that("lo0" in message, message)
