"""Tables of packets: what each must provoke on either side, and the one drop counter that it must end in."""

import collections
from dataclasses import dataclass

from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from .check import equal, is_echo_reply, is_icmp_error, that
from .lab import Lab
from .peer import Peer

# Types that quote the packet that they are about.
ERRORS = {3, 5, 11, 12}
ECHO_REPLY = (0, 0)


@dataclass
class Case:
    """A packet from the left host. `answer` is the ICMP type and code that comes back, and `source` the address it
    comes from; `forwarded` is the packet that arrives on the right, True for the same one a hop later; `drop` is the
    reason that is counted, None when it is none."""

    name: str
    packet: Packet | bytes
    answer: tuple[int, int] | None = None
    drop: str | None = None
    forwarded: Packet | bool = False
    source: str | None = None


def run_table(lab: Lab, left: Peer, right: Peer, cases: list[Case]):
    """Sends each case's packet and judges what follows; in the end every drop must be one that a case names."""
    failures = []
    for case in cases:
        try:
            judge(case, left, right)
        except AssertionError as error:
            failures.append(f"{case.name}: {error}")
    expected = collections.Counter(case.drop for case in cases if case.drop)
    actual = lab.stop().drops()
    if actual != dict(expected):
        failures.append(f"drops {actual}, expected {dict(expected)}")
    that(not failures, "\n  " + "\n  ".join(failures))


def judge(case: Case, left: Peer, right: Peer):
    """One case: the answer on the left, then what came out on the right."""
    answers = left.ask(case.packet)
    arrived = right.fence()
    expected = [] if case.answer is None else [case.answer]
    equal([describe(answer) for answer in answers], [describe_answer(answer) for answer in expected], "answers")
    if case.answer == ECHO_REPLY:
        is_echo_reply(answers[0], case.packet, case.source)
    elif case.answer is not None and case.answer[0] in ERRORS:
        is_icmp_error(answers[0], *case.answer, about=case.packet, source=case.source or left.router)
    if not case.forwarded:
        equal([describe(packet) for packet in arrived], [], "forwarded")
        return
    equal(len(arrived), 1, "packets forwarded")
    wanted = one_hop_later(case.packet) if case.forwarded is True else case.forwarded
    got = arrived[0]
    equal((got[Ether].src, got[Ether].dst), (right.router_mac, right.mac), "link header")
    equal(ip_bytes(got).hex(), ip_bytes(wanted).hex(), "forwarded packet")


def one_hop_later(packet: Packet) -> Packet:
    """What a router sends on: one less in the TTL, and scapy's own checksum for it."""
    later = IP(bytes(packet[IP]))
    later.ttl -= 1
    del later.chksum
    return later


def ip_bytes(packet: Packet) -> bytes:
    """The datagram without the link's padding."""
    data = bytes(packet[IP])
    return data[: IP(data).len]


def describe(packet: Packet) -> str:
    """In a word, for comparison with what was expected."""
    if packet.haslayer("ICMP"):
        return describe_answer((packet["ICMP"].type, packet["ICMP"].code))
    return packet.summary()


def describe_answer(answer: tuple[int, int]) -> str:
    return f"ICMP {answer[0]}/{answer[1]}"
