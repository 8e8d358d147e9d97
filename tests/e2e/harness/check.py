"""Assertions that say what was expected, and what makes an ICMP message right. The judge is scapy, which shares no
code with the program."""

from scapy.layers.inet import ICMP, IP
from scapy.packet import Packet


def equal(actual, expected, what: str):
    """Fails unless both are equal."""
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r}, expected {expected!r}")


def that(condition, what: str):
    """Fails unless `condition` holds."""
    if not condition:
        raise AssertionError(what)


def header_is_right(packet: Packet):
    """Fails unless version, lengths and checksum of the IPv4 header are as scapy would write them."""
    ip = packet[IP]
    again = ip.copy()
    del again.chksum, again.len, again.ihl
    equal(bytes(ip)[: ip.ihl * 4], bytes(again)[: ip.ihl * 4], "IPv4 header")
    that(ip.ttl > 1, f"TTL {ip.ttl}")


def icmp_checksum_is_right(packet: Packet):
    """Fails unless the ICMP checksum is as scapy would write it."""
    message = bytes(packet[ICMP])
    again = packet[ICMP].copy()
    del again.chksum
    equal(message[2:4].hex(), bytes(again)[2:4].hex(), "ICMP checksum")


def is_icmp_error(reply: Packet, kind: int, code: int, about: Packet, source: str):
    """Fails unless `reply` is that ICMP error about the IPv4 packet `about`, sent from `source`: headers, checksums,
    and a quote of the original that begins where it begins and is as long as RFC 1812 4.3.2.3 wants."""
    that(reply.haslayer(ICMP), f"no ICMP: {reply.summary()}")
    equal((reply[ICMP].type, reply[ICMP].code), (kind, code), "ICMP type and code")
    equal((reply[IP].src, reply[IP].dst), (source, about[IP].src), "source and destination")
    header_is_right(reply)
    icmp_checksum_is_right(reply)
    original = bytes(about[IP])[: IP(bytes(about[IP])).len]
    quote = bytes(reply[ICMP])[8 : reply[IP].len - 20]
    equal(len(quote), min(len(original), 576 - 28), "length of the quote")
    equal(quote.hex(), original[: len(quote)].hex(), "quote")


def is_echo_reply(reply: Packet, request: Packet, source: str | None = None):
    """Fails unless `reply` answers the echo `request`: same identifier, sequence number and data, nothing behind."""
    that(reply.haslayer(ICMP), f"no ICMP: {reply.summary()}")
    equal((reply[ICMP].type, reply[ICMP].code), (0, 0), "ICMP type and code")
    equal((reply[IP].src, reply[IP].dst), (source or request[IP].dst, request[IP].src), "source and destination")
    header_is_right(reply)
    icmp_checksum_is_right(reply)
    message = bytes(IP(bytes(request[IP]))[ICMP])
    answer = bytes(reply[ICMP])[: reply[IP].len - 20]
    equal(answer[4:].hex(), message[4 : len(answer)].hex(), "identifier, sequence number and data")
