"""Configurations as text: short calls for the tables that most tests need."""

import json


def text(value) -> str:
    """A TOML value: strings, numbers, booleans, and lists of them are written as in JSON."""
    return json.dumps(value)


def keys(table: dict) -> list[str]:
    """`key = value` lines, without what is None."""
    return [f"{key} = {text(value)}" for key, value in table.items() if value is not None]


def interface(port: str, *addresses: str, **more) -> dict:
    """An interface on `port`; `more` are further keys such as vlan, mtu, mac, up."""
    return {"port": port, "addresses": list(addresses), **more}


def epair(name: str, *addresses: str, **more) -> dict:
    """An end of the epair of that name; `more` are further keys such as mtu, mac, up."""
    return {"epair": name, "addresses": list(addresses), **more}


def loopback(*addresses: str) -> dict:
    """The interface lo0."""
    return {"kind": "loopback", "addresses": list(addresses)}


def vnet(name: str, interfaces: dict, *, sysctl=None, neighbors=(), routes=None) -> str:
    """The tables of one vnet. `neighbors` are (interface, address, mac); `routes` maps prefixes to a list of next
    hops or to "blackhole" or "reject"."""
    lines = ["[[vnet]]", *keys({"name": name})]
    if sysctl:
        pairs = ", ".join(f"{text(key)} = {text(value)}" for key, value in sysctl.items())
        lines.append(f"sysctl = {{ {pairs} }}")
    for title, table in interfaces.items():
        lines += ["[[vnet.interface]]", *keys({"name": title, **table})]
    for place, address, mac in neighbors:
        lines += ["[[vnet.neighbor]]", *keys({"interface": place, "address": address, "mac": mac})]
    for prefix, target in (routes or {}).items():
        key = "via" if isinstance(target, list) else "type"
        lines += ["[[vnet.route]]", *keys({"prefix": prefix, key: target})]
    return "\n".join(lines) + "\n"


def document(ports: list[dict], vnets: list[str], *, cpus: list[int], mbufs: int, socket: str) -> str:
    """A whole file that runs on any machine: no hugepages, no NIC, and workers that sleep when idle."""
    lines = ["[dpdk]", *keys({"hugepages": "none", "eal_args": ["--no-pci"], "mbufs": mbufs})]
    lines += ["[workers]", *keys({"cpus": cpus, "idle_sleep_us": 50})]
    lines += ["[control]", *keys({"socket": socket})]
    for port in ports:
        lines += ["[[port]]", *keys(port)]
    return "\n".join(lines) + "\n" + "".join(vnets)
