"""Epairs in configurations: started with, shown, compared, and applied beside a vnet that notices nothing."""

from harness import Lab, case, epair, equal, interface, that, vnet
from harness.client import answer, ask, refused
from harness.program import command
from harness.running import answers, lost_nothing, pings, write

LAN = {"em0": interface("p0", "10.1.0.1/24")}
UNLIMITED = {"net.inet.icmp.icmplim": 0, "net.inet.ip.forwarding": 1}
MAC = "02:00:00:00:00:0b"


def red(*joint: str, **more) -> str:
    """The vnet of the left host; with addresses for the end of an epair, one that leads to blue."""
    ends = {"epair0a": epair("joint", *joint, **more)} if joint else {}
    routes = {"10.2.0.0/24": ["10.9.0.2"]} if joint else {}
    return vnet("red", {**LAN, **ends}, sysctl=UNLIMITED, routes=routes)


def blue(*joint: str, **more) -> str:
    """The vnet of the right host."""
    ends = {"epair0b": epair("joint", *joint, **more)} if joint else {}
    routes = {"10.1.0.0/24": ["10.9.0.1"]} if joint else {}
    return vnet("blue", {"em0": interface("p1", "10.2.0.1/24"), **ends}, sysctl=UNLIMITED, routes=routes)


def hosts(lab: Lab):
    """host 10.1.0.2 -- em0 red epair0a 10.9.0.1 == 10.9.0.2 epair0b blue em0 -- host 10.2.0.2"""
    return lab.kernel("p0", "10.1.0.2/24", "10.1.0.1"), lab.kernel("p1", "10.2.0.2/24", "10.2.0.1")


@case(vnets=2)
def vnets_that_a_file_joins_forward_and_are_shown_as_they_are(lab: Lab):
    left, right = hosts(lab)
    lab.start(red("10.9.0.1/30"), blue("10.9.0.2/30", mtu=1400, mac=MAC))
    equal(left.ping("10.2.0.2", "-i", "0.01", count=20), [62] * 20, "TTL of the replies")
    equal(right.ping("10.1.0.2"), [62], "TTL of the reply")
    [end] = answer(lab, "-v", "blue", "ifconfig", "epair0b")["list"]
    shown = (end["peer"], end["mtu"], end["mac"])
    equal(shown, ({"vnet": "red", "interface": "epair0a"}, 1400, MAC), "the end in blue")
    equal(ask(lab, "config", "diff", lab.directory / "test.toml"), "no change\n", "the file that it was started with")
    # One that a command has made is shown as well, and so are the neighbours that have its address.
    ask(lab, "-v", "blue", "ifconfig", "epair", "create")
    ask(lab, "-v", "blue", "ifconfig", "epair1a", "10.8.0.1/30")
    mac = answer(lab, "-v", "blue", "ifconfig", "epair1b")["list"][0]["mac"]
    ask(lab, "-v", "blue", "arp", "-s", "10.8.0.2", mac)
    text = ask(lab, "config", "show")
    for name, count in (("epair0", 2), ("epair1", 2)):
        equal(text.count(f'epair = "{name}"'), count, f"ends of {name}:\n{text}")
    that(f'mac = "{MAC}"' in text and text.count(f'mac = "{mac}"') == 2, text)
    file = lab.directory / "shown.toml"
    file.write_text(text)
    equal(ask(lab, "config", "apply", file), "no change\n", "what is applied")
    summary = lab.stop()
    one, other = summary.interface("epair0a", "red"), summary.interface("epair0b", "blue")
    equal((one["opackets"], other["opackets"]), (other["ipackets"], one["ipackets"]), "sent by one, received by the other")
    equal(command("check", file).returncode, 0, "check of what was shown")
    lab.run(file)
    answers(lab)
    equal(ask(lab, "config", "show"), text, "what is shown by an instance that was started with it")
    equal(left.ping("10.2.0.2"), [62], "TTL of the reply")
    lab.stop()


@case(vnets=2)
def one_comes_and_goes_beside_a_vnet_that_notices_nothing(lab: Lab):
    left, _ = hosts(lab)
    other = lab.kernel("p2", "10.1.0.2/24", "10.1.0.1")
    green = vnet("green", {"em0": interface("p2", "10.1.0.1/24")}, sysctl=UNLIMITED)
    lab.start(red(), blue(), green)
    apart = write(lab, red(), blue(), green, name="apart.toml")
    joined = write(lab, red("10.9.0.1/30"), blue("10.9.0.2/30", mtu=1400, mac=MAC), green, name="joined.toml")
    expected = (
        "vnet blue:\n"
        "  + route 10.1.0.0/24 via 10.9.0.1\n"
        "vnet red:\n"
        f"  + epair epair0a mtu 1500: 10.9.0.1/30; to epair0b of blue mtu 1400 mac {MAC}: 10.9.0.2/30\n"
        "  + route 10.2.0.0/24 via 10.9.0.2\n"
    )
    equal(ask(lab, "config", "apply", "--dry-run", joined), expected + "3 changes\n", "the dry run")
    other.ping("10.1.0.1")
    with pings(other, "10.1.0.1", 2000) as beside:
        rounds = 0
        while beside.poll() is None:
            equal(ask(lab, "config", "apply", joined), expected + "applied: 3 changes\n", "what was done")
            equal(left.ping("10.2.0.2"), [62], "TTL of the reply")
            text = ask(lab, "config", "apply", apart)
            that("  - epair epair0a mtu 1500 mac 02:" in text and "epair0b" in text, text)
            that("epair0b" in refused(lab, "-v", "blue", "ifconfig", "epair0b"), "both ends go")
            rounds += 1
        lost_nothing(beside)
    that(rounds > 5, f"{rounds} rounds")
    lab.stop()


@case(vnets=2)
def one_that_cannot_stay_comes_back_as_it_was(lab: Lab):
    left, _ = hosts(lab)
    lab.start(red("10.9.0.1/30"), blue("10.9.0.2/30"))
    before = ask(lab, "config", "show")
    # blue and its epair go, and red gets routes that take more than it may have: only the stack knows that.
    many = {f"10.{number}.0.0/16": ["10.1.0.2"] for number in range(8, 208)}
    file = write(lab, vnet("red", LAN, sysctl={**UNLIMITED, "net.vnet.maxmemory": 8192}, routes=many))
    message = refused(lab, "config", "apply", file)
    that("vnet red: + route 10." in message and "net.vnet.maxmemory" in message and "undone" in message, message)
    equal(ask(lab, "config", "show"), before, "what runs")
    equal(left.ping("10.2.0.2"), [62], "TTL of the reply")
    lab.stop()
