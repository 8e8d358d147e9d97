"""Commands as FreeBSD's administrators type them: with options that say what holds here anyway, and those that choose."""

from harness import Lab, case, equal, interface, that, vnet
from harness.client import answer, ask, refused

LAN = {"em0": interface("p0", "10.1.0.1/24")}


@case()
def options_without_a_choice_change_nothing(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN, routes={"0.0.0.0/0": ["10.1.0.2"]}))
    host.ping("10.1.0.1")
    for short, long in (
        ("ifconfig", "ifconfig -a"),
        ("netstat -r", "netstat -rn"),
        ("netstat -i", "netstat -in"),
        ("netstat -i", "netstat -ibnW"),
        ("netstat -s", "netstat -sn"),
        ("route show", "route -n show"),
        ("route get 10.7.0.1", "route -n get 10.7.0.1"),
    ):
        equal(ask(lab, "-v", "red", *long.split()), ask(lab, "-v", "red", *short.split()), long)
    # Of which the one is aged by the time of the other.
    neighbors = [ask(lab, "-v", "red", *words.split()).split(" expires ")[0] for words in ("arp -a", "arp -an", "arp -n 10.1.0.2")]
    equal(neighbors, [f"? (10.1.0.2) at {host.mac} on em0"] * 3, "neighbours")
    text = ask(lab, "-v", "red", "route", "-n", "get", "default")
    that("destination: default\n" in text and "gateway: 10.1.0.2\n" in text, text)
    ask(lab, "-v", "red", "route", "add", "0.0.0.0/8", "-blackhole")
    equal(ask(lab, "-v", "red", "route", "get", "default"), text, "the default, not the route to 0.0.0.0")
    ask(lab, "-v", "red", "route", "delete", "default")
    refused(lab, "-v", "red", "route", "get", "default")
    ask(lab, "-v", "red", "route", "add", "default", "10.1.0.2")
    sysctls = ("net.inet.ip.redirect=0", "nosuch=1")
    refused(lab, "-v", "red", "sysctl", *sysctls)
    equal(ask(lab, "-v", "red", "sysctl", sysctls[0]), "net.inet.ip.redirect: 1 -> 0\n", "nothing had changed")
    ask(lab, "-v", "red", "sysctl", "-w", "net.inet.ip.ttl=7")
    equal(ask(lab, "-v", "red", "sysctl", "-n", "net.inet.ip.ttl"), "7\n", "TTL")
    ask(lab, "-v", "red", "ping", "-n", "-c", "1", "10.1.0.2")
    ask(lab, "-v", "red", "traceroute", "-n", "10.1.0.2")
    lab.stop()


@case()
def options_choose_interfaces_and_neighbours(lab: Lab):
    lab.port("p0", "net_ring0")
    lab.start(vnet("red", LAN))
    lab.while_running(lambda _: ask(lab, "-v", "red", "ifconfig", "-l"))
    equal(ask(lab, "-v", "red", "ifconfig", "-l"), "lo0 em0\n", "names")
    ask(lab, "-v", "red", "ifconfig", "em0", "down")
    equal(ask(lab, "-v", "red", "ifconfig", "-lu"), "lo0\n", "names of those that are up")
    equal(ask(lab, "-v", "red", "ifconfig", "-ld"), "em0\n", "names of those that are down")
    text = ask(lab, "-v", "red", "ifconfig", "-ad")
    that(text.startswith("em0: ") and "lo0" not in text, text)
    equal([shown["name"] for shown in answer(lab, "-v", "red", "netstat", "-nI", "em0")["list"]], ["em0"], "one interface")
    that("10.1.0.9" in refused(lab, "-v", "red", "arp", "-n", "10.1.0.9"), "an address that nobody knows")
    ask(lab, "-v", "red", "route", "-n", "add", "-net", "10.2.0.0/16", "10.1.0.2")
    that("10.2.0.0/16" in ask(lab, "-v", "red", "netstat", "-rn"), "the route is not there")
    ask(lab, "-v", "red", "route", "-n", "delete", "-net", "10.2.0.0/16")
    that("10.2.0.0/16" not in ask(lab, "-v", "red", "netstat", "-rn"), "the route is there")
    lab.stop()
