"""TCP of two kernels through curvnet: everything arrives as it was sent."""

import hashlib
import os
import socket
import threading

from harness import Lab, case, equal, interface, vnet

MEGABYTE = 1 << 20
FORWARDING = {"net.inet.ip.forwarding": 1}


def hosts(lab: Lab, **em1):
    left = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    right = lab.kernel("p1", "10.2.0.2/24", "10.2.0.1")
    interfaces = {"em0": interface("p0", "10.1.0.1/24"), "em1": interface("p1", "10.2.0.1/24", **em1)}
    lab.start(vnet("red", interfaces, sysctl=FORWARDING))
    return left, right


def transfer(sender_host, receiver_host, data: bytes):
    """Sends `data` over one connection; fails unless the same arrives."""
    with receiver_host.socket(socket.SOCK_STREAM) as listener:
        listener.bind((receiver_host.address, 5001))
        listener.listen(1)
        listener.settimeout(20)
        thread = threading.Thread(target=send, args=(sender_host, receiver_host.address, data))
        thread.start()
        connection, _ = listener.accept()
        connection.settimeout(20)
        digest, size = hashlib.sha256(), 0
        with connection:
            while part := connection.recv(1 << 16):
                digest.update(part)
                size += len(part)
        thread.join()
    equal((size, digest.hexdigest()), (len(data), hashlib.sha256(data).hexdigest()), "bytes and sha256")


def send(host, address: str, data: bytes):
    with host.socket(socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        connection.connect((address, 5001))
        connection.sendall(data)


@case()
def a_tcp_stream_arrives_intact(lab: Lab):
    left, right = hosts(lab)
    transfer(left, right, os.urandom(16 * MEGABYTE))


@case()
def a_tcp_stream_arrives_intact_the_other_way(lab: Lab):
    left, right = hosts(lab)
    transfer(right, left, os.urandom(16 * MEGABYTE))


@case()
def a_tcp_stream_finds_its_way_into_a_narrow_link(lab: Lab):
    left, right = hosts(lab, mtu=600)
    # The narrow side must send no more than its link takes; the other side has to learn it.
    right.namespace.ip("link", "set", "eth0", "mtu", "600")
    transfer(left, right, os.urandom(2 * MEGABYTE))


@case()
def tcp_and_pings_share_the_router(lab: Lab):
    left, right = hosts(lab)
    thread = threading.Thread(target=transfer, args=(left, right, os.urandom(4 * MEGABYTE)))
    thread.start()
    equal(left.ping("10.2.0.2", "-i", "0.05", count=10), [63] * 10, "TTL of the replies")
    thread.join()
