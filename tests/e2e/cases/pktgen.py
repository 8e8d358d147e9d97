"""curvnet-bench pktgen in a second process, over memif: both sides count the same packets."""

import json
import os

from harness import Lab, case, equal, interface, that, vnet
from harness.program import bench

OURS = {"em0": "02:00:00:00:02:00", "em1": "02:00:00:00:02:01"}
DUT = "02:00:00:00:01:00"
ONE_FLOW = ("--src", "198.18.0.1", "--dst", "198.19.0.1", "--sport", "1024", "--dport", "53")


def device_under_test(lab: Lab, neighbors=True):
    """pktgen -- memif -- em0 dut em1 -- memif -- pktgen"""
    for number in (0, 1):
        device = f"net_memif{number},id={number},role=server,socket={socket(lab)},socket-abstract=no"
        lab.ports.append({"name": f"p{number}", "device": device})
    interfaces = {
        "em0": interface("p0", "172.16.0.1/24", mac=DUT),
        "em1": interface("p1", "172.16.1.1/24", mac=DUT.replace(":01:00", ":01:01")),
    }
    lab.start(
        vnet(
            "dut",
            interfaces,
            sysctl={"net.inet.ip.forwarding": 1},
            neighbors=[("em0", "172.16.0.2", OURS["em0"]), ("em1", "172.16.1.2", OURS["em1"])] if neighbors else [],
            routes={"198.18.0.0/16": ["172.16.0.2"], "198.19.0.0/16": ["172.16.1.2"]},
        )
    )


def socket(lab: Lab):
    return lab.directory / "memif.sock"


def pktgen(lab: Lab, *arguments: str) -> dict:
    """Runs pktgen at both memif ports, away from the device's CPU; its JSON object."""
    lines = [
        f'{side}-device = "net_memif{number},id={number},role=client,socket={socket(lab)},socket-abstract=no"'
        for number, side in enumerate(("tx", "rx"))
    ]
    file = lab.directory / "pktgen.toml"
    file.write_text("\n".join(lines) + '\nhugepages = "none"\n')
    cpu = next((cpu for cpu in sorted(os.sched_getaffinity(0)) if cpu != lab.cpu), lab.cpu)
    done = bench("pktgen", file, "--json", "--cpu", cpu, *arguments)
    equal(done.returncode, 0, f"exit code ({done.stderr})")
    return json.loads(done.stdout)


def everything_came_back(report: dict, packets: int, ttl=63):
    sent, received = report["sent"], report["received"]
    equal(sent["packets"], packets, "sent")
    equal(report["lost"]["packets"], 0, "lost")
    equal((received["packets"], received["unique"], received["duplicates"]), (packets, packets, 0), "received")
    equal((received["ttl_min"], received["ttl_max"]), (ttl, ttl), "TTL")
    others = {name for name in received["others"] if not name.startswith("arp_")}
    equal(others, set(), "frames of other kinds")
    equal(report["latency"]["count"], packets, "latencies")


def both_sides_agree(lab: Lab, report: dict, packets: int):
    """The counters of pktgen, of its driver, and of the device under test. memif's own are gone with the peer that it
    counted for, so of the device's port what its worker polled, its interface, and what the port refused are taken."""
    summary = lab.stop()
    received, books = report["received"], summary.document["books"]
    equal(report["ports"]["tx"]["tx_packets"], packets, "packets that pktgen's driver sent")
    equal(report["ports"]["rx"]["rx_packets"], received["frames"], "frames that pktgen's driver received")
    equal((books["polled"], summary.interface("em0", "dut")["ipackets"]), (packets, packets), "into the device")
    out = summary.interface("em1", "dut")["opackets"] - summary.port("p1")["tx_dropped"]
    equal(out, received["frames"], "packets out of the device")
    equal(summary.statistic("ips_forward", "dut"), packets, "ips_forward")
    equal(summary.drops("dut"), {}, "drops")


@case(root=True)
def what_it_sends_comes_back_and_both_sides_count_the_same(lab: Lab):
    device_under_test(lab)
    report = pktgen(lab, "--dst-mac", DUT, "--count", "20000", "--rate", "40kpps", "--size", "imix")
    everything_came_back(report, 20000)
    both_sides_agree(lab, report, 20000)


@case(root=True)
def one_flow_stays_in_order(lab: Lab):
    device_under_test(lab)
    for protocol in ("udp", "tcp-syn", "icmp"):
        # Slow enough that no queue is full when one of the two has to wait for its CPU.
        arguments = ("--proto", protocol, "--size", "128", "--count", "5000", "--rate", "20kpps")
        report = pktgen(lab, "--dst-mac", DUT, *ONE_FLOW, *arguments)
        everything_came_back(report, 5000)
        equal(report["received"]["reordered"], 0, f"{protocol} out of order")
    lab.stop()


@case(root=True)
def arp_finds_the_device_and_the_device_finds_pktgen(lab: Lab):
    device_under_test(lab, neighbors=False)
    addresses = ("--gateway", "172.16.0.1", "--tx-address", "172.16.0.2", "--rx-address", "172.16.1.2")
    report = pktgen(lab, *addresses, *ONE_FLOW, "--count", "2000", "--rate", "5kpps")
    # Those that come while the device asks are held up to a limit.
    equal(report["received"]["unique"] + report["lost"]["packets"], 2000, "received and lost")
    that(report["received"]["unique"] > 1000, f"received: {report['received']}")
    that(report["received"]["arp_answered"] >= 1, "no ARP request was answered")
    again = pktgen(lab, *addresses, *ONE_FLOW, "--count", "2000", "--rate", "5kpps")
    that(again["received"]["unique"] > 1000, f"received: {again['received']}")
    lab.stop()


@case(root=True)
def packets_that_the_device_may_not_forward_are_lost_and_named(lab: Lab):
    device_under_test(lab)
    report = pktgen(lab, "--dst-mac", DUT, "--ttl", "1", "--count", "100", "--rate", "1kpps", "--drain", "200ms")
    equal((report["sent"]["packets"], report["lost"]["packets"], report["received"]["packets"]), (100, 100, 0), "packets")
    that(any("nothing came back" in note for note in report["notes"]), f"notes: {report['notes']}")
    that(report["returned"]["others"].get("icmp_time_exceeded", 0) >= 1, f"returned: {report['returned']}")
    drops = lab.stop().drops("dut")
    equal(drops.get("ip_ttl_exceeded"), 100, f"drops {drops}")


@case(root=True, alone=True)
def below_the_non_drop_rate_nothing_is_lost(lab: Lab):
    device_under_test(lab)
    search = ("--ndr", "--ndr-min", "1kpps", "--ndr-max", "40kpps", "--resolution", "50%", "--trial", "300ms")
    # It says that it was given too little of its CPU to send at any of these rates; then it is asked again.
    for _ in range(5):
        ndr = pktgen(lab, "--dst-mac", DUT, *search)["ndr"]
        if ndr["pps"] is not None:
            break
    verdicts = [trial["verdict"] for trial in ndr["trials"]]
    that(set(verdicts) <= {"passed", "lost", "rate-not-met"}, f"verdicts {verdicts}")
    equal(ndr["trials"][0]["asked"]["pps"], 40e3, "the first trial's rate")
    that(ndr["pps"] is not None and 1e3 <= ndr["pps"] <= 40e3, f"rate {ndr['pps']} after {verdicts}")
    last = ndr["trials"][-1]
    equal((last["verdict"], last["asked"]["pps"], last["lost"]["packets"]), ("passed", ndr["pps"], 0), "the last trial")
    for trial in ndr["trials"]:
        equal(trial["received"]["unique"] + trial["lost"]["packets"], trial["sent"]["packets"], "received and lost")
    half = pktgen(lab, "--dst-mac", DUT, "--rate", str(int(ndr["pps"] / 2)), "--duration", "500ms")
    everything_came_back(half, half["sent"]["packets"])
    lab.stop()


@case(root=False)
def what_is_wrong_is_pointed_at(lab: Lab):
    file = lab.directory / "wrong.toml"
    file.write_text('tx-device = "net_null0"\nraet = 5\n')
    done = bench("pktgen", file)
    equal(done.returncode, 2, "exit code")
    that("wrong.toml:2:1" in done.stderr and "did you mean `rate`?" in done.stderr, done.stderr)
    done = bench("pktgen", "--tx-device", "net_null0", "--rate", "fast")
    equal(done.returncode, 2, "exit code")
    that("--rate: 'fast' is not a rate" in done.stderr, done.stderr)
    done = bench("pktgen", "--tx-device", "net_nothing0", "--hugepages", "none")
    equal(done.returncode, 1, f"exit code ({done.stderr})")
