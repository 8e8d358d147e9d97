#!/usr/bin/env python3
"""Writes demo-red.pcap and demo-blue.pcap, the traffic of demo.toml, beside this file.

Each holds 1024 packets: 64-byte Ethernet frames (60 here, since captures leave out the 4-byte
checksum) with IPv4 and UDP, from hosts of 172.16.0.0/24 to 1024 different destinations in
198.18.0.0/15, the network that RFC 2544 sets aside for benchmarks. All checksums are valid.

The frames are addressed to the MAC address that DPDK's net_pcap gives a replaying device, which
is 02:70:63:61:70:00 (02, then "pcap" in ASCII) for the first device and ends in 01 for the second.

The same bytes come out on every run. Plain Python 3, nothing to install.
"""

import pathlib
import random
import struct

PACKETS = 1024
FRAME_BYTES = 60
SENDER_MAC = bytes.fromhex("020000000099")  # the neighbor of demo.toml
GATEWAY = 0xAC100001  # 172.16.0.1, the address of em0; the senders come after it
DESTINATIONS = 0xC6120000  # 198.18.0.0/15
HOST_BITS = 17


def checksum(data):
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(port_mac, number, destination):
    """One Ethernet frame with IPv4 (RFC 791) and UDP (RFC 768)."""
    source = GATEWAY + 1 + number % 253  # 172.16.0.2 to 172.16.0.254
    payload = b"curvnet demo".ljust(FRAME_BYTES - 14 - 20 - 8)
    udp_bytes = 8 + len(payload)

    pseudo_header = struct.pack("!IIBBH", source, destination, 0, 17, udp_bytes)
    udp = struct.pack("!HHHH", 1024 + number, 9, udp_bytes, 0)  # 9 is the discard service
    udp_sum = checksum(pseudo_header + udp + payload) or 0xFFFF  # 0 would mean "none"
    udp = udp[:6] + struct.pack("!H", udp_sum)

    ip = struct.pack(
        "!BBHHHBBHII", 0x45, 0, 20 + udp_bytes, number, 0, 64, 17, 0, source, destination
    )
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return port_mac + SENDER_MAC + b"\x08\x00" + ip + udp + payload


def capture(port_mac, seed):
    """A pcap file: its header, then per packet 16 bytes of record header and the frame."""
    # Magic, version 2.4, time zone, accuracy, longest packet, link type 1 (Ethernet).
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    generator = random.Random(seed)
    hosts = []
    while len(hosts) < PACKETS:
        host = generator.getrandbits(HOST_BITS)
        if host not in hosts:
            hosts.append(host)
    for number, host in enumerate(hosts):
        data = frame(port_mac, number, DESTINATIONS + host)
        # Seconds, microseconds, bytes here, bytes on the wire.
        out.append(struct.pack("<IIII", 0, number, len(data), len(data)) + data)
    return b"".join(out)


folder = pathlib.Path(__file__).resolve().parent
for name, port_mac, seed in [("red", "027063617000", 1), ("blue", "027063617001", 2)]:
    (folder / f"demo-{name}.pcap").write_bytes(capture(bytes.fromhex(port_mac), seed))
