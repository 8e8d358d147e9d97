"""VLANs of one port, each an interface of some vnet. scapy writes and reads the tags."""

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Dot1Q, Ether

from harness import Lab, case, equal, interface, is_echo_reply, that, vnet

UNLIMITED = {"net.inet.icmp.icmplim": 0, "net.inet.ip.forwarding": 1}


def tenants(lab: Lab):
    """The same addresses in vnet red behind VLAN 100 and in vnet blue behind VLAN 200; a host in each."""
    _, wire, mac, port_mac = lab.cable("p0")
    hosts = [lab.peer_on(wire, mac, port_mac, "10.0.0.2", "10.0.0.1", vlan) for vlan in (100, 200)]
    lab.start(
        *(
            vnet(name, {"em0": interface("p0", "10.0.0.1/24", vlan=vlan)}, sysctl=UNLIMITED)
            for name, vlan in (("red", 100), ("blue", 200))
        )
    )
    return hosts


def tag_of(packet) -> int | None:
    """The frame's VLAN id."""
    return packet[Dot1Q].vlan if packet.haslayer(Dot1Q) else None


@case(vnets=2)
def the_same_addresses_live_in_two_vnets(lab: Lab):
    red, blue = tenants(lab)
    for host, count in ((red, 5), (blue, 3)):
        host.send(host.arp())
        host.wire.until(lambda packet: packet.haslayer("ARP") and packet["ARP"].op == 2, what="the ARP reply")
        for seq in range(count):
            request = host.echo(seq=seq)
            answers = host.ask(request)
            equal([tag_of(answer) for answer in answers], [host.vlan], "tags of what came back")
            is_echo_reply(answers[0], request)
    summary = lab.stop()
    # Beside each request two fences.
    equal(summary.statistic("icps_out_echoreply", "red"), 15, "replies of red")
    equal(summary.statistic("icps_out_echoreply", "blue"), 9, "replies of blue")
    equal((summary.drops("red"), summary.drops("blue"), summary.unclaimed()), ({}, {}, {}), "drops")


@case(vnets=2)
def what_one_vnet_receives_the_other_never_counts(lab: Lab):
    red, _ = tenants(lab)
    red.send(red.arp())
    red.wire.until(lambda packet: packet.haslayer("ARP") and packet["ARP"].op == 2, what="the ARP reply")
    for seq in range(20):
        red.ask(red.echo(seq=seq))
    red.ask(IP(src=red.address, dst="203.0.113.1") / UDP(), IP(src=red.address, dst=red.router) / UDP())
    summary = lab.stop()
    blue = summary.interface("em0", "blue")
    equal((blue["ipackets"], blue["ibytes"]), (0, 0), "what blue received")
    equal(summary.vnet("blue")["received"], 0, "what blue received")
    equal(summary.vnet("blue")["delivered"], 0, "what blue delivered")
    equal(summary.drops("blue"), {}, "what blue dropped")
    # Its announcements of its own address are all that it sent.
    equal(summary.vnet("blue")["sent"], summary.vnet("blue")["originated"], "what blue sent")
    equal(summary.statistic("txrequests", "blue"), summary.vnet("blue")["sent"], "its announcements")
    equal(summary.drops("red"), {"ip_no_route": 1, "udp_no_port": 1}, "what red dropped")


@case(vnets=2)
def arp_is_answered_in_the_vlan_that_asked(lab: Lab):
    red, blue = tenants(lab)
    for host in (red, blue):
        host.send(host.arp())
        answer = host.wire.until(lambda packet: packet.haslayer("ARP") and packet["ARP"].op == 2, what="the ARP reply")
        equal(tag_of(answer.packet), host.vlan, "tag of the reply")
        equal(len(answer.data), 60, "frame with its tag")


@case()
def an_unknown_vlan_is_dropped_by_name(lab: Lab):
    _, wire, mac, port_mac = lab.cable("p0")
    known = lab.peer_on(wire, mac, port_mac, "10.0.0.2", "10.0.0.1", 100)
    stranger = lab.peer_on(wire, mac, port_mac, "10.0.0.2", "10.0.0.1", 101)
    lab.start(vnet("red", {"em0": interface("p0", "10.0.0.1/24", vlan=100)}, neighbors=[("em0", "10.0.0.2", mac)]))
    stranger.send(*(stranger.echo(seq=seq) for seq in range(7)))
    untagged = [Ether(src=mac, dst=port_mac) / known.echo(seq=seq) for seq in range(3)]
    equal(known.ask(*untagged), [], "answers")
    summary = lab.stop()
    equal(summary.unclaimed(), {"vlan_unknown": 7, "no_interface": 3}, "drops of the worker")
    equal(summary.statistic("icps_in_echo"), 2, "echo requests, the fences")


def beside_a_vlan(lab: Lab, **more):
    """A host without a tag, and one behind VLAN 100, on one port of vnet red."""
    _, wire, mac, port_mac = lab.cable("p0")
    plain = lab.peer_on(wire, mac, port_mac, "10.0.0.2", "10.0.0.1")
    tagged = lab.peer_on(wire, mac, port_mac, "10.1.0.2", "10.1.0.1", 100)
    interfaces = {"em0": interface("p0", "10.0.0.1/24"), "em1": interface("p0", "10.1.0.1/24", vlan=100)}
    known = [("em0", plain.address, mac), ("em1", tagged.address, mac)]
    lab.start(vnet("red", interfaces, sysctl=UNLIMITED, neighbors=known))
    return plain, tagged


@case()
def a_priority_tag_counts_as_none(lab: Lab):
    plain, _ = beside_a_vlan(lab)
    request = plain.echo()
    link = Ether(src=plain.mac, dst=plain.router_mac)
    answers = plain.ask(link / Dot1Q(vlan=0, prio=5) / request)
    equal([tag_of(answer) for answer in answers], [None], "tags of what came back")
    is_echo_reply(answers[0], request)
    equal(lab.stop().interface("em0")["ipackets"], 3, "received without a VLAN, the fences too")


@case()
def a_priority_tag_counts_as_none_without_vlans(lab: Lab):
    peer = lab.peer("p0", "10.0.0.2", "10.0.0.1")
    lab.start(vnet("red", {"em0": interface("p0", "10.0.0.1/24")}, neighbors=[("em0", peer.address, peer.mac)]))
    for size in (32, 1472):
        request = peer.echo(size=0) / bytes(size)
        answers = peer.ask(Ether(src=peer.mac, dst=peer.router_mac) / Dot1Q(vlan=0, prio=5) / request)
        equal([tag_of(answer) for answer in answers], [None], "tags of what came back")
        is_echo_reply(answers[0], request)


@case()
def a_tagged_frame_never_enters_an_untagged_interface(lab: Lab):
    peer = lab.peer("p0", "10.0.0.2", "10.0.0.1")
    lab.start(vnet("red", {"em0": interface("p0", "10.0.0.1/24")}, neighbors=[("em0", peer.address, peer.mac)]))
    frames = [Ether(src=peer.mac, dst=peer.router_mac) / Dot1Q(vlan=100) / peer.echo(seq=seq) for seq in range(4)]
    equal(peer.ask(*frames), [], "answers")
    summary = lab.stop()
    dropped = summary.unclaimed().get("vlan_unknown", 0) + summary.drops().get("vlan_unknown", 0)
    equal(dropped, 4, "dropped as vlan_unknown")


@case()
def priority_and_drop_bits_do_not_choose_the_vlan(lab: Lab):
    _, tagged = beside_a_vlan(lab)
    request = tagged.echo()
    link = Ether(src=tagged.mac, dst=tagged.router_mac)
    answers = tagged.ask(link / Dot1Q(vlan=100, prio=7, id=1) / request)
    equal([tag_of(answer) for answer in answers], [100], "tags of what came back")
    is_echo_reply(answers[0], request)


@case()
def a_vnet_routes_between_vlans_of_one_port(lab: Lab):
    plain, tagged = beside_a_vlan(lab)
    for sender, receiver in ((plain, tagged), (tagged, plain)):
        packet = IP(src=sender.address, dst=receiver.address, ttl=9) / UDP(sport=1, dport=2) / bytes(1472)
        arrived = [packet for packet in sender.ask(packet) if packet.haslayer(UDP)]
        equal([tag_of(packet) for packet in arrived], [receiver.vlan], "tags of what came out")
        equal((arrived[0][IP].ttl, len(arrived[0][IP])), (8, 1500), "TTL and length")
    summary = lab.stop()
    equal(summary.drops(), {}, "drops")
    for name in ("em0", "em1"):
        # The tag is not counted: one datagram of 1514 bytes, and two fences or announcements at least.
        that(summary.interface(name)["obytes"] >= 1514, f"bytes sent on {name}")


@case()
def a_tag_within_the_tag_is_no_ipv4(lab: Lab):
    _, tagged = beside_a_vlan(lab)
    link = Ether(src=tagged.mac, dst=tagged.router_mac)
    inner = link / Dot1Q(vlan=100) / Dot1Q(vlan=100) / tagged.echo()
    equal(tagged.ask(inner), [], "answers")
    equal(lab.stop().drops(), {"ether_unknown_type": 1}, "drops")
