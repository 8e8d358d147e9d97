"""Which worker has which queues, and what several workers send through one."""

import os

from harness import Lab, Skip, case, equal, interface, that, vnet
from harness.client import answer, ask, refused
from harness.lab import DRIVERS
from harness.netns import veth
from harness.peer import KernelHost
from harness.running import lost_nothing, pings
from harness.wire import Wire

LAN = {"em0": interface("p0", "10.1.0.1/24")}
BOTH = {**LAN, "em1": interface("p1", "10.2.0.1/24")}
FORWARDING = {"net.inet.ip.forwarding": 1, "net.inet.icmp.icmplim": 0}
FEW = ("--rx-descriptors", "256", "--tx-descriptors", "256")


def two_cpus() -> list[int]:
    """Where two workers run."""
    if len(cpus := sorted(os.sched_getaffinity(0))) < 2:
        raise Skip("wants 2 CPUs")
    return cpus[:2]


def queues(lab: Lab) -> list[tuple]:
    """By worker: the ports that it polls, those that it sends through by a queue of its own, and those by a shared one."""
    shown = answer(lab, "stats", "queues")["list"]
    equal([line["worker"] for line in shown], list(range(len(shown))), "workers")
    return [
        (
            [queue["port"] for queue in line["receive"]],
            [queue["port"] for queue in line["transmit"] if not queue.get("shared")],
            [queue["port"] for queue in line["transmit"] if queue.get("shared")],
        )
        for line in shown
    ]


def router_of_two_workers(lab: Lab) -> tuple[list[int], KernelHost, KernelHost]:
    """Starts a router between two ports; the CPUs of its workers, and a host on each port."""
    cpus = two_cpus()
    left = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    right = lab.kernel("p1", "10.2.0.2/24", "10.2.0.1")
    lab.start(vnet("red", BOTH, sysctl=FORWARDING), cpus=cpus)
    return cpus, left, right


@case()
def packets_leave_by_a_port_that_another_worker_polls(lab: Lab):
    cpus, left, right = router_of_two_workers(lab)
    equal(queues(lab), [(["p0"], [], ["p0", "p1"]), (["p1"], [], ["p0", "p1"])], "queues")
    text = ask(lab, "stats", "queues")
    that(f"worker 1 on CPU {cpus[1]}\n\treceives p1 queue 0\n\tsends    p0 queue 0 (shared), p1 queue 0 (shared)\n" in text, text)
    for host, far in ((left, "10.2.0.2"), (right, "10.1.0.2")):
        host.ping(far, "-i", "0.005", count=200)
    summary = lab.stop()
    equal(summary.drops(), {}, "drops")
    packets = [worker["packets"] for worker in summary.document["workers"]]
    that(min(packets) >= 400, f"packets of the workers: {packets}")


@case()
def more_workers_than_queues_wait_for_a_port(lab: Lab):
    cpus = two_cpus()
    left = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN, sysctl=FORWARDING), cpus=cpus)
    that("2 workers, but 1 rx queue (p0 1): one waits" in lab.program.log(), "there is no warning")
    equal(queues(lab), [(["p0"], [], ["p0"]), ([], [], ["p0"])], "queues")
    that(f"worker 1 on CPU {cpus[1]}\n\treceives nothing\n" in ask(lab, "stats", "queues"), "an idle worker")
    left.ping("10.1.0.1")
    far = lab.namespace("p1")
    veth(lab.home(), "p1", "02:00:00:00:10:99", far, "eth0", "02:00:00:00:20:99")
    lab.wires.append(wire := Wire(far, "eth0"))
    right = KernelHost(far, wire, "02:00:00:00:20:99", "10.2.0.2/24", "10.2.0.1")
    for _ in range(2):
        ask(lab, "port", "attach", "p1", DRIVERS["af_packet"].format(number=9, name="p1"), "--queues", "1", *FEW)
        equal(queues(lab), [(["p0"], [], ["p0", "p1"]), (["p1"], [], ["p0", "p1"])], "queues")
        ask(lab, "-v", "red", "ifconfig", "em1", "create", "port", "p1")
        ask(lab, "-v", "red", "ifconfig", "em1", "10.2.0.1/24")
        right.ping("10.1.0.2", "-i", "0.005", count=50)
        ask(lab, "port", "detach", "p1", "--force")
        equal(queues(lab), [(["p0"], [], ["p0"]), ([], [], ["p0"])], "queues")
    left.ping("10.1.0.1")
    lab.stop()


@case()
def a_port_is_polled_by_the_workers_that_are_named(lab: Lab):
    cpus = two_cpus()
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.ports[0]["workers"] = [1]
    lab.start(vnet("red", LAN), cpus=cpus)
    equal(queues(lab), [([], [], ["p0"]), (["p0"], [], ["p0"])], "queues")
    # ARP and answers of the control thread leave by way of the first worker.
    host.ping("10.1.0.1", "-i", "0.005", count=20)
    ask(lab, "port", "attach", "p7", "net_null7,no-rx=1", "--workers", "1,0", *FEW)
    that(queues(lab)[1][0] == ["p0", "p7"], f"queues: {queues(lab)}")
    ask(lab, "-v", "red", "ifconfig", "em7", "create", "port", "p7")
    shown = ask(lab, "config", "show")
    that("workers = [1]\n" in shown and "workers = [1, 0]\n" in shown, shown)
    for wish, words in (("2", ["there is no worker 2", "choose from 0, 1"]), ("0,0", ["worker 0 polls the port twice", "once"])):
        message = refused(lab, "port", "attach", "p8", "net_null8,no-rx=1", "--workers", wish, *FEW)
        for word in words:
            that(word in message, message)
    file = lab.directory / "other.toml"
    file.write_text(shown.replace("workers = [1]\n", "workers = [0]\n"))
    equal(ask(lab, "config", "diff", file), "process:\n  ~ port p0 workers: [1] -> [0]\n1 change\n", "diff")
    that("~ port p0 workers: [1] -> [0]" in ask(lab, "config", "apply", file), "nothing was applied")
    equal(queues(lab)[0][0], ["p0", "p7"], "queues of worker 0")
    host.ping("10.1.0.1", "-i", "0.005", count=20)
    lab.stop()


@case()
def queues_move_to_another_worker_while_packets_come(lab: Lab):
    _, left, right = router_of_two_workers(lab)
    with pings(left, "10.2.0.2", 2000) as through:
        for worker in ("1", "0") * 5:
            ask(lab, "port", "workers", "p0", worker)
            polls = [ports for ports, _, _ in queues(lab)]
            equal(["p0" in ports for ports in polls], [worker == "0", worker == "1"], "p0 is polled")
            that(f"workers = [{worker}]\n" in ask(lab, "config", "show"), "config show")
        lost_nothing(through)
    for wish, words in (("2", "there is no worker 2"), ("0,0", "worker 0 polls the port twice")):
        message = refused(lab, "port", "workers", "p0", wish)
        that(words in message, message)
    that("there is no port p3" in refused(lab, "port", "workers", "p3", "0"), "a port that is not there")
    equal(["p0" in ports for ports, _, _ in queues(lab)], [True, False], "p0 is polled by the worker that it had last")
    right.ping("10.1.0.2", "-i", "0.005", count=20)
    equal(lab.stop().drops(), {}, "drops")
