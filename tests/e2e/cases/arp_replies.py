"""ARP: what curvnet answers, and what it learns and does not learn from others."""

import time

from scapy.layers.inet import ICMP
from scapy.layers.l2 import ARP, Ether

from harness import Lab, case, equal, interface, that, vnet
from harness.peer import is_announcement

OTHER_MAC = "02:00:00:00:00:77"
LAN = {"em0": interface("p0", "10.1.0.1/24")}


def lan(lab: Lab, *, sysctl=None, known=True):
    """A host, static in curvnet's table if `known`, on the network of vnet red."""
    peer = lab.peer("p0", "10.1.0.2", "10.1.0.1")
    neighbors = [("em0", peer.address, peer.mac)] if known else []
    lab.start(vnet("red", LAN, sysctl={"net.inet.icmp.icmplim": 0, **(sysctl or {})}, neighbors=neighbors))
    return peer


def is_reply(packet) -> bool:
    return packet.haslayer(ARP) and packet[ARP].op == 2


def asks_for(address: str):
    """Whether a packet is curvnet's request for `address`."""
    return lambda packet: packet.haslayer(ARP) and packet[ARP].op == 1 and packet[ARP].pdst == address


def answer_goes_to(peer, source: str) -> str | None:
    """The MAC address that an echo from `source` is answered to; None when curvnet asks for it first."""
    peer.send(peer.echo(src=source))
    asks = asks_for(source)
    frame = peer.wire.until(lambda packet: asks(packet) or packet.haslayer(ICMP), what="an answer or a request")
    return frame.packet.dst if frame.packet.haslayer(ICMP) else None


def quiet(peer) -> list:
    """What comes before the answer to a probe, which teaches nothing (RFC 5227 1.1); without announcements."""
    peer.send(peer.arp(psrc="0.0.0.0"))
    found, end = [], time.monotonic() + 20
    while time.monotonic() < end:
        frame = peer.wire.read(1)
        if frame is None or frame.outgoing or is_announcement(packet := frame.packet):
            continue
        if is_reply(packet) and packet[ARP].pdst == "0.0.0.0":
            return found
        found.append(packet)
    raise AssertionError("the probe is not answered")


@case()
def a_request_is_answered_byte_for_byte(lab: Lab):
    peer = lan(lab, known=False)
    peer.send(peer.arp())
    reply = peer.wire.until(is_reply, what="the reply")
    expected = (
        "020000002001 020000001001 0806"
        "0001 0800 06 04 0002 020000001001 0a010001 020000002001 0a010002" + "00" * 18
    )
    equal(reply.data.hex(), expected.replace(" ", ""), "frame")
    summary = lab.stop()
    equal((summary.statistic("rxrequests"), summary.statistic("txreplies")), (1, 1), "rxrequests and txreplies")


@case()
def a_request_for_another_is_not_answered(lab: Lab):
    peer = lan(lab, known=False)
    peer.send(*(peer.arp(pdst=f"10.1.0.{last}") for last in range(3, 13)))
    equal(quiet(peer), [], "answers")
    equal(lab.stop().drops(), {"arp_not_for_us": 10}, "drops")


@case()
def an_address_of_another_interface_is_not_answered(lab: Lab):
    left = lab.peer("p0", "10.1.0.2", "10.1.0.1")
    lab.peer("p1", "10.2.0.2", "10.2.0.1")
    lab.start(vnet("red", {**LAN, "em1": interface("p1", "10.2.0.1/24")}))
    left.send(left.arp(pdst="10.2.0.1"))
    equal(quiet(left), [], "answers")
    equal(lab.stop().drops(), {"arp_not_for_us": 1}, "drops")


@case()
def a_probe_is_answered_and_teaches_nothing(lab: Lab):
    peer = lan(lab, known=False)
    peer.send(peer.arp(psrc="0.0.0.0", hwsrc=OTHER_MAC))
    reply = peer.wire.until(is_reply, what="the reply").packet[ARP]
    equal((reply.psrc, reply.pdst, reply.hwdst), ("10.1.0.1", "0.0.0.0", OTHER_MAC), "reply")
    equal(answer_goes_to(peer, "10.1.0.9"), None, "a stranger's MAC address")


@case()
def a_request_for_us_teaches_its_sender(lab: Lab):
    peer = lan(lab, known=False)
    peer.send(peer.arp(psrc="10.1.0.9", hwsrc=OTHER_MAC))
    peer.wire.until(is_reply, what="the reply")
    equal(answer_goes_to(peer, "10.1.0.9"), OTHER_MAC, "the sender's MAC address")


@case()
def a_request_from_another_network_teaches_nothing(lab: Lab):
    peer = lan(lab, known=False)
    peer.send(peer.arp(psrc="192.0.2.9"))
    quiet(peer)
    peer.send(peer.echo(src="192.0.2.9"))
    equal(quiet(peer), [], "answers to a source without a route")
    equal(lab.stop().drops().get("ip_no_route"), 1, "drops as ip_no_route")


@case()
def an_unsolicited_reply_is_not_learned(lab: Lab):
    peer = lan(lab, known=False)
    peer.send(peer.arp(op=2, psrc="10.1.0.9", hwsrc=OTHER_MAC, pdst="10.1.0.8", hwdst=peer.router_mac))
    equal(answer_goes_to(peer, "10.1.0.9"), None, "the MAC address that nobody asked for")
    drops = lab.stop().drops()
    equal(drops.get("arp_not_for_us"), 1, "drops as arp_not_for_us")


@case()
def an_unsolicited_reply_to_us_is_not_learned(lab: Lab):
    peer = lan(lab, known=False)
    peer.send(peer.arp(op=2, psrc="10.1.0.9", hwsrc=OTHER_MAC, hwdst=peer.router_mac))
    equal(answer_goes_to(peer, "10.1.0.9"), None, "the MAC address that nobody asked for")


@case()
def a_gratuitous_request_updates_only_who_is_known(lab: Lab):
    peer = lan(lab, known=False)
    gratuitous = {"psrc": "10.1.0.9", "pdst": "10.1.0.9"}
    peer.send(peer.arp(**gratuitous, hwsrc=OTHER_MAC))
    equal(answer_goes_to(peer, "10.1.0.9"), None, "a stranger's MAC address")
    peer.send(peer.arp(op=2, psrc="10.1.0.9", hwsrc=OTHER_MAC, hwdst=peer.router_mac))
    peer.wire.until(lambda packet: packet.haslayer(ICMP), what="the held reply")
    peer.send(peer.arp(**gratuitous, hwsrc="02:00:00:00:00:88"))
    equal(quiet(peer), [], "answers")
    equal(answer_goes_to(peer, "10.1.0.9"), "02:00:00:00:00:88", "the neighbour's new MAC address")
    summary = lab.stop()
    equal(summary.drops(), {"arp_not_for_us": 1}, "drops")
    that("moved from 02:00:00:00:00:77 to 02:00:00:00:00:88" in lab.program.log(), "the log does not tell of the move")


@case()
def a_static_neighbor_never_changes(lab: Lab):
    peer = lan(lab)
    peer.send(peer.arp(psrc=peer.address, hwsrc=OTHER_MAC))
    peer.wire.until(is_reply, what="the reply")
    equal(answer_goes_to(peer, peer.address), peer.mac, "MAC address of the static neighbour")


@case(slow=True)
def our_address_is_defended_once_in_ten_seconds(lab: Lab):
    peer = lan(lab)
    peer.wire.until(is_announcement, what="the second announcement")
    claim = peer.arp(op=1, psrc=peer.router, pdst=peer.router, hwsrc=OTHER_MAC)
    times = []
    for _ in range(26):
        peer.send(claim)
        times += [frame.time_s for frame in peer.wire.frames(0.5) if is_announcement(frame.packet)]
    that(len(times) == 2, f"{len(times)} defences in 13 s")
    that(times[1] - times[0] >= 9, f"{times[1] - times[0]:.1f} s between two defences")
    peer.fence()
    summary = lab.stop()
    equal(summary.statistic("dupips"), 26, "dupips")
    that(f"{OTHER_MAC} is using my IP address 10.1.0.1" in lab.program.log(), "the log does not tell of it")


@case()
def a_quarrel_over_an_address_does_not_flood_the_log(lab: Lab):
    peer = lan(lab)
    claims = [peer.arp(psrc=peer.router, pdst=peer.router, hwsrc=f"02:00:00:00:77:{last:02x}") for last in range(200)]
    peer.send(*claims)
    quiet(peer)
    equal(lab.stop().statistic("dupips"), 200, "dupips")
    lines = lab.program.log().count("is using my IP address")
    that(1 <= lines <= 30, f"{lines} lines in the log")


MALFORMED = {
    "cut off": lambda frame: frame[: 14 + 27],
    "hardware type 6": lambda frame: frame[:14] + b"\0\6" + frame[16:],
    "protocol type IPv6": lambda frame: frame[:16] + b"\x86\xdd" + frame[18:],
    "hardware length 8": lambda frame: frame[:18] + b"\x08" + frame[19:],
    "protocol length 16": lambda frame: frame[:19] + b"\x10" + frame[20:],
    "operation 0": lambda frame: frame[:20] + b"\0\0" + frame[22:],
    "operation 3, RARP": lambda frame: frame[:20] + b"\0\3" + frame[22:],
    "sender's MAC a group": lambda frame: frame[:22] + b"\x01" + frame[23:],
    "sender's MAC broadcast": lambda frame: frame[:22] + b"\xff" * 6 + frame[28:],
    "sender 127.0.0.1": lambda frame: frame[:28] + b"\x7f\0\0\1" + frame[32:],
    "sender 224.0.0.1": lambda frame: frame[:28] + b"\xe0\0\0\1" + frame[32:],
    "sender 255.255.255.255": lambda frame: frame[:28] + b"\xff" * 4 + frame[32:],
}


@case()
def malformed_arp_is_dropped_by_name(lab: Lab):
    peer = lan(lab)
    good = bytes(peer.arp())
    equal(peer.ask(*(spoil(good) for spoil in MALFORMED.values())), [], "answers")
    equal(lab.stop().drops(), {"arp_malformed": len(MALFORMED)}, "drops")


@case()
def a_request_in_a_longer_frame_is_answered(lab: Lab):
    peer = lan(lab, known=False)
    peer.send(bytes(peer.arp()) + bytes(100))
    equal(len(peer.wire.until(is_reply, what="the reply").data), 60, "length of the reply")


@case()
def frames_for_other_stations_end_at_the_mac_filter(lab: Lab):
    peer = lan(lab)
    link = {"src": peer.mac, "dst": peer.router_mac}
    frames = [
        Ether(**{**link, "dst": "02:00:00:00:55:55"}) / peer.echo(),
        Ether(**{**link, "src": "01:00:5e:00:00:01"}) / peer.echo(),
        Ether(**link, type=0x88B5) / bytes(46),
        Ether(**link, type=0x0026) / bytes(46),
    ]
    equal(peer.ask(*frames), [], "answers")
    expected = {"ether_not_for_us": 1, "ether_bad_source": 1, "ether_unknown_type": 2}
    equal(lab.stop().drops(), expected, "drops")
