"""Packets that are longer than the next link: refused or cut, and what comes of the pieces."""

import hashlib
import os
import socket

from scapy.layers.inet import ICMP, IP, UDP, IPOption, defragment
from scapy.plist import PacketList

from harness import Case, Lab, case, equal, interface, is_icmp_error, run_table, that, two_arms, vnet
from harness.table import one_hop_later

HERE, THERE = "10.1.0.2", "10.2.0.2"
NARROW = {"mtu": 600}


def datagram(size: int, **ip):
    """A UDP datagram whose data are not all alike."""
    data = (bytes(range(251)) * 7)[:size]
    return IP(**{"src": HERE, "dst": THERE, "id": 0x4321, **ip}) / UDP(sport=1, dport=2) / data


def pieces_of(left, right, packet) -> list[IP]:
    """What comes out for one packet, each as IPv4 with its checksum verified."""
    left.ask(packet)
    pieces = [IP(bytes(frame[IP])[: frame[IP].len]) for frame in right.fence()]
    for piece in pieces:
        again = piece.copy()
        del again.chksum
        equal(piece.chksum, IP(bytes(again)).chksum, "header checksum of a fragment")
    return pieces


def joined(pieces: list[IP]) -> bytes:
    """The data that scapy puts together from the fragments."""
    whole = defragment(PacketList(pieces))
    equal(len(whole), 1, "datagrams after reassembly")
    return bytes(whole[0][IP].payload)


@case()
def a_datagram_is_cut_and_comes_together(lab: Lab):
    left, right = two_arms(lab, em1=NARROW)
    sent = 0
    for size in (573, 574, 1144, 1145, 1152, 1472):
        packet = datagram(size)
        pieces = pieces_of(left, right, packet)
        that(all(len(piece) <= 600 for piece in pieces), f"{[len(piece) for piece in pieces]} bytes")
        equal(len(pieces), -(-(size + 8) // 576), f"fragments of {size} bytes of data")
        equal([piece.frag for piece in pieces], [72 * at for at in range(len(pieces))], "offsets")
        equal([int(piece.flags) for piece in pieces], [1] * (len(pieces) - 1) + [0], "more fragments")
        equal({(piece.id, piece.ttl) for piece in pieces}, {(0x4321, 63)}, "identification and TTL")
        equal(joined(pieces), bytes(packet[IP].payload), "data after reassembly")
        sent += len(pieces)
    summary = lab.stop()
    equal((summary.statistic("ips_fragmented"), summary.statistic("ips_ofragments")), (6, sent), "ipstat")
    equal(summary.drops(), {}, "drops")


@case()
def what_fits_exactly_is_not_cut(lab: Lab):
    left, right = two_arms(lab, em1=NARROW)
    cases = [
        Case("600 bytes", datagram(572), forwarded=True),
        Case("600 bytes and DF", datagram(572, flags="DF"), forwarded=True),
    ]
    run_table(lab, left, right, cases)


@case()
def padding_beyond_the_next_mtu_is_cut_off(lab: Lab):
    left, right = two_arms(lab, em1=NARROW)
    for flags in (0, "DF"):
        packet = datagram(100, flags=flags)
        equal(left.ask(bytes(left.frame(packet)) + bytes(1000)), [], "answers")
        arrived = right.fence()
        equal([bytes(frame[IP]) for frame in arrived], [bytes(one_hop_later(packet))], "what came out")
    equal(lab.stop().drops(), {}, "drops")


@case()
def a_fragment_is_cut_again(lab: Lab):
    left, right = two_arms(lab, em1=NARROW, driver="pcap")
    middle = IP(src=HERE, dst=THERE, id=7, proto=17, flags="MF", frag=100) / bytes(range(200)) / bytes(1000)
    pieces = pieces_of(left, right, middle)
    equal([(piece.frag, int(piece.flags)) for piece in pieces], [(100, 1), (172, 1), (244, 1)], "offsets and flags")
    equal(b"".join(bytes(piece.payload) for piece in pieces), bytes(middle.payload), "data")
    last = IP(src=HERE, dst=THERE, id=8, proto=17, frag=100) / bytes(700)
    pieces = pieces_of(left, right, last)
    equal([(piece.frag, int(piece.flags)) for piece in pieces], [(100, 1), (172, 0)], "offsets and flags")


@case()
def options_are_copied_as_they_say(lab: Lab):
    left, right = two_arms(lab, em1=NARROW)
    copied, once = bytes([0x88, 4, 1, 2]), bytes([0x1E, 4, 3, 4])
    packet = datagram(1200, options=[IPOption(once + copied + b"\1\1\1\0")])
    pieces = pieces_of(left, right, packet)
    options = [bytes(piece)[20 : piece.ihl * 4] for piece in pieces]
    equal(options[0], once + copied + b"\1\1\1\0", "options of the first fragment")
    equal([later.rstrip(b"\0\1") for later in options[1:]], [copied] * (len(pieces) - 1), "options of the others")
    data = {piece.frag * 8: bytes(piece.payload) for piece in pieces}
    equal(b"".join(data[at] for at in sorted(data)), bytes(packet.payload), "data")
    equal(sorted(data), [sum(len(data[x]) for x in data if x < at) for at in sorted(data)], "offsets")


@case()
def with_df_the_sender_learns_the_mtu(lab: Lab):
    left, right = two_arms(lab, em1=NARROW)
    for size in (573, 1472):
        packet = datagram(size, flags="DF")
        answers = left.ask(packet)
        equal(len(answers), 1, "answers")
        # RFC 1812 4.3.2.3: a router need not undo in the quote what forwarding changed.
        is_icmp_error(answers[0], 3, 4, one_hop_later(packet), "10.1.0.1")
        equal(answers[0][ICMP].nexthopmtu, 600, "next hop's MTU")
    equal(right.fence(), [], "forwarded")
    equal(lab.stop().drops(), {"ip_needs_fragmentation": 2}, "drops")


def kernels(lab: Lab):
    """Two kernels with a narrow link behind the router."""
    left = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    right = lab.kernel("p1", "10.2.0.2/24", "10.2.0.1")
    interfaces = {"em0": interface("p0", "10.1.0.1/24"), "em1": interface("p1", "10.2.0.1/24", mtu=600)}
    lab.start(vnet("red", interfaces, sysctl={"net.inet.ip.forwarding": 1}))
    return left, right


@case()
def the_kernel_reassembles_what_was_cut(lab: Lab):
    left, right = kernels(lab)
    with left.socket() as sender, right.socket() as receiver:
        sender.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER, IP_PMTUDISC_DONT: no DF
        receiver.bind(("10.2.0.2", 4000))
        receiver.settimeout(5)
        for size in (572, 573, 1000, 1472):
            data = os.urandom(size)
            sender.sendto(data, ("10.2.0.2", 4000))
            equal(hashlib.sha256(receiver.recv(2000)).hexdigest(), hashlib.sha256(data).hexdigest(), f"{size} bytes")
    equal(lab.stop().drops(), {}, "drops")


@case()
def the_kernel_believes_fragmentation_needed(lab: Lab):
    left, _ = kernels(lab)
    equal(left.path_mtu("10.2.0.2", 1400), 600, "path MTU")
    equal(lab.stop().drops(), {"ip_needs_fragmentation": 1}, "drops")
