"""The object that `--json` prints: what it holds, and that its numbers are right."""

from harness import Lab, case, equal, is_echo_reply, that, two_arms

WORKER = {"cpu", "polls", "packets", "busy_cycles", "idle_cycles", "cycles_per_packet"}
PORT = {"rx_packets", "rx_bytes", "tx_packets", "tx_bytes", "rx_missed", "tx_dropped"}
INTERFACE = {"ipackets", "ibytes", "opackets", "obytes"}


@case()
def it_holds_what_is_promised(lab: Lab):
    two_arms(lab)
    document = lab.stop().document
    that({"features", "git", "target-cpu"} <= set(document["build"]), f"build: {document['build']}")
    that(document["duration_s"] > 0, f"duration_s: {document['duration_s']}")
    for name in ("p0", "p1"):
        that(PORT <= set(document["ports"][name]), f"port: {document['ports'][name]}")
    interfaces = document["vnets"]["red"]["interfaces"]
    equal(sorted(interfaces), ["em0", "em1", "lo0"], "interfaces")
    that(all(INTERFACE <= set(counters) for counters in interfaces.values()), f"interfaces: {interfaces}")
    equal(len(document["workers"]), 1, "workers")
    that(WORKER <= set(document["workers"][0]), f"worker: {document['workers'][0]}")


@case()
def nothing_else_is_on_standard_output(lab: Lab):
    two_arms(lab)
    lab.stop()
    equal(lab.program.out_file.read_text().strip().count("\n"), 0, "lines beside the object")


@case()
def its_counters_are_those_of_the_wire(lab: Lab):
    left, right = two_arms(lab)
    requests = [left.echo(seq=number, size=size) for number, size in enumerate((0, 18, 100, 1400))]
    for request in requests:
        is_echo_reply(left.ask(request)[0], request)
    through = [left.echo(to=right.address, size=size) for size in (10, 1000)]
    left.ask(*through)
    right.fence()
    summary = lab.stop()
    fences = 2 * (len(requests) + 1)
    to_us, passing = (sum(14 + len(packet) for packet in packets) for packets in (requests, through))
    em0, em1 = summary.interface("em0"), summary.interface("em1")
    equal(em0["ipackets"], len(requests) + len(through) + fences, "packets in on em0")
    equal(em0["ibytes"], to_us + passing + fences * 42, "bytes in on em0")
    equal((em1["ipackets"], em1["ibytes"]), (1, 42), "packets and bytes in on em1")
    announced = {name: summary.interface(name)["opackets"] for name in ("em0", "em1")}
    that(announced["em0"] - len(requests) - fences in (1, 2), f"packets out on em0: {announced}")
    that(announced["em1"] - len(through) - 1 in (1, 2), f"packets out on em1: {announced}")
    equal(summary.port("p0")["rx_packets"], em0["ipackets"], "packets in on p0")
    equal(summary.port("p0")["tx_packets"], em0["opackets"], "packets out on p0")
    vnet = summary.vnet()
    equal(vnet["received"] + vnet["originated"], vnet["sent"] + vnet["delivered"], "books without drops")
