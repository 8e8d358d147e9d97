"""Captures and configurations of curvnet for bench/ratios.py: which packets come, and the vnets that they pass through.

All frames have 64 bytes on the wire and hold UDP over IPv4, from random ports and addresses, the same in every run.
"""

import dataclasses
import ipaddress
import random
import struct

FRAME_BYTES = 60  # captures leave out the frame check sequence
FRAMES = 1024
# Of the Nth net_pcap device of a process.
PORT_MAC = "02:70:63:61:70:{:02x}"
DESTINATIONS = "198.18.0.0/15"  # RFC 2544 C.2.2
SENDERS = "10.0.0.0/8"  # not on the link
GATEWAY = ipaddress.IPv4Address("172.16.0.2")  # of the receiving interface's network
FAR_GATEWAY = ipaddress.IPv4Address("172.17.0.2")  # the first of those behind the second port
VLANS = 4000


@dataclasses.dataclass
class Case:
    """Something that one program forwards: a capture for each port, and what the configuration says of them."""

    name: str
    captures: list  # of frames, by port; an empty one for a port that is only sent to
    vnets: str
    cpus: tuple = (1,)
    hugepages: bool = True


def cases():
    """Every case, by name."""
    plain = frames()
    tagged = {count: frames(vlans=count) for count in (1, 2, 8, 64, 512, VLANS)}
    neighbors = frames(senders="172.16.0.128/25")
    two = [plain, []]
    made = [
        Case("untagged", [plain], hairpin()),
        Case("no hugepages", [plain], hairpin(), hugepages=False),
        Case("redirects on", [plain], hairpin(redirects=True)),
        Case("redirects off, neighbors", [neighbors], hairpin(extra=senders_neighbors())),
        Case("redirects sent", [neighbors], hairpin(redirects=True, extra=senders_neighbors())),
        *(Case(f"vlan {count}", [tagged[count]], tenants(count)) for count in tagged),
        Case("one next hop", two, two_ports(1, route(DESTINATIONS, [FAR_GATEWAY]))),
        Case("512 routes", two, two_ports(64, "".join(routes_512()))),
        Case("ecmp", two, two_ports(8, route(DESTINATIONS, gateways(8)))),
        Case("on-link", [frames(destinations=gateways(1000)), []], two_ports(1000, "")),
        Case("two workers", [plain, frames(port=1)], hairpin() + hairpin(1), cpus=(0, 1)),
        Case("crossing, one worker", crossing_frames(), crossing()),
        Case("crossing, two workers", crossing_frames(), crossing(), cpus=(0, 1)),
    ]
    return {case.name: case for case in made}


def frames(vlans=0, destinations=None, senders=SENDERS, port=0):
    """Frames for the interface on port `port`; with `vlans`, tagged with so many in random order, each equally often."""
    draw = random.Random(0x63757276)
    count = max(FRAMES, vlans)
    tags = [1 + n % vlans for n in range(count - count % vlans)] if vlans else [None] * count
    draw.shuffle(tags)
    hosts = list(destinations or addresses(draw, DESTINATIONS, FRAMES))
    draw.shuffle(hosts)
    sources = addresses(draw, senders, 64)
    return [frame(port, tag, draw.choice(sources), hosts[at % len(hosts)], draw) for at, tag in enumerate(tags)]


def addresses(draw, network, count):
    """So many addresses of a network, at random, never its own or its broadcast address."""
    network = ipaddress.IPv4Network(network)
    return [network[draw.randrange(1, network.num_addresses - 1)] for _ in range(count)]


def frame(port, tag, source, destination, draw):
    """One frame, with the header checksum of RFC 791 and none for UDP."""
    link = bytes.fromhex(PORT_MAC.format(port).replace(":", "")) + bytes.fromhex("020000000003")
    link += struct.pack("!HH", 0x8100, tag) if tag else b""
    link += b"\x08\x00"
    length = FRAME_BYTES - len(link)
    head = struct.pack("!BBHHHBBH", 0x45, 0, length, draw.randrange(65536), 0, 64, 17, 0)
    head += source.packed + destination.packed
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[12:]
    udp = struct.pack("!HHHH", draw.randrange(1024, 65536), draw.randrange(1, 49152), length - 20, 0)
    return link + head + udp + bytes(FRAME_BYTES - len(link) - 28)


def write_capture(path, packets):
    """A file for net_pcap: pcap 2.4 of Ethernet frames."""
    header = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    records = (struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet for packet in packets)
    path.write_bytes(header + b"".join(records))


def gateways(count):
    """Hosts behind the second port."""
    return [FAR_GATEWAY + n for n in range(count)]


def vnet(name, parts, redirects=False):
    """A vnet that forwards."""
    sysctls = f'"net.inet.ip.forwarding" = 1, "net.inet.ip.redirect" = {int(redirects)}'
    return f'[[vnet]]\nname = "{name}"\nsysctl = {{ {sysctls} }}\n{parts}'


def interface(name, port, address, vlan=None):
    """An interface of the vnet above."""
    tag = f"vlan = {vlan}\n" if vlan else ""
    return f'[[vnet.interface]]\nname = "{name}"\nport = "p{port}"\n{tag}addresses = ["{address}"]\n'


def neighbor(interface_name, address, n=0):
    """A static neighbour, the nth."""
    mac = f"02:00:00:01:{n >> 8:02x}:{n & 255:02x}"
    return f'[[vnet.neighbor]]\ninterface = "{interface_name}"\naddress = "{address}"\nmac = "{mac}"\n'


def route(prefix, via):
    """A route."""
    return f'[[vnet.route]]\nprefix = "{prefix}"\nvia = {[str(gateway) for gateway in via]}\n'


def routes_512():
    """The /24s of 198.18.0.0/15, spread over 64 gateways."""
    nets = ipaddress.IPv4Network(DESTINATIONS).subnets(new_prefix=24)
    return (route(net, [FAR_GATEWAY + n % 64]) for n, net in enumerate(nets))


def hairpin(port=0, redirects=False, extra=""):
    """A vnet whose packets leave by the port that they came in on."""
    parts = interface("em0", port, "172.16.0.1/24") + neighbor("em0", GATEWAY) + extra
    return vnet(f"v{port}", parts + route(DESTINATIONS, [GATEWAY]), redirects)


def senders_neighbors():
    """Neighbours for all hosts that redirects can go to."""
    hosts = ipaddress.IPv4Network("172.16.0.128/25").hosts()
    return "".join(neighbor("em0", host, 2 + n) for n, host in enumerate(hosts))


def tenants(count):
    """A vnet behind each VLAN of one port."""
    return "".join(
        vnet(
            f"v{vlan}",
            interface("em0", 0, "172.16.0.1/24", vlan) + neighbor("em0", GATEWAY) + route(DESTINATIONS, [GATEWAY]),
        )
        for vlan in range(1, count + 1)
    )


def two_ports(hosts, routes):
    """A vnet that packets enter by the first port and leave by the second, behind which there are so many hosts."""
    parts = interface("em0", 0, "172.16.0.1/24") + interface("em1", 1, "172.17.0.1/16")
    return vnet("v0", parts + "".join(neighbor("em1", host, n) for n, host in enumerate(gateways(hosts))) + routes)


def crossing_frames():
    """Into each of two ports, what leaves by the other."""
    halves = ("198.18.0.0/16", "198.19.0.0/16")
    draw = random.Random(1)
    return [frames(destinations=addresses(draw, half, FRAMES), port=port) for port, half in enumerate(halves)]


def crossing():
    """A vnet whose packets all leave by the port that they did not come in on."""
    parts = interface("em0", 0, "172.16.0.1/24") + interface("em1", 1, "172.17.0.1/16")
    parts += neighbor("em0", GATEWAY) + neighbor("em1", FAR_GATEWAY)
    return vnet("v0", parts + route("198.18.0.0/16", [FAR_GATEWAY]) + route("198.19.0.0/16", [GATEWAY]))
