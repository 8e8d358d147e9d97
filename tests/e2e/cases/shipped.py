"""The configuration files that curvnet ships with, as a reader would try them."""

import os
import re
import time

from harness import Lab, Skip, case, equal, that
from harness.peer import KernelHost
from harness.program import ROOT, command

CONFIG = ROOT / "config"


def copied(lab: Lab, name: str):
    """A shipped file with a control socket of the case's own: another instance may have the usual one."""
    text = (CONFIG / name).read_text()
    socket = f'socket = "{lab.directory}/control.sock"'
    text, places = re.subn(r'^(?:# )?socket = .*', socket, text, flags=re.M)
    file = lab.directory / name
    file.write_text(text if places else f"{text}\n[control]\n{socket}\n")
    return file


@case(vnets=2, alone=True)
def demo_forwards_in_both_vnets(lab: Lab):
    lab.run(copied(lab, "demo.toml"), "--duration", "3s")
    summary = lab.program.wait(within_s=20)
    for name in ("red", "blue"):
        sent = summary.interface("em0", name)["opackets"]
        that(sent > 100_000, f"vnet {name} sent {sent} packets")
        equal(summary.drops(name), {}, f"drops of vnet {name}")
    equal(summary.unclaimed(), {}, "frames that no vnet took")
    worker = summary.document["workers"][0]
    burst, nodes = worker["histograms"]["burst"], worker["histograms"]["nodes"]
    # Every poll of this device finds packets; one in 64 is in the sample.
    that(abs(burst["count"] - worker["polls"] / 64) <= 2, f"{burst['count']} samples of {worker['polls']} polls")
    for name, cycles in {"burst": burst, **nodes, "access": worker["histograms"]["accessor"]}.items():
        percentiles = [cycles[key] for key in ("p50", "p90", "p99", "p99.9", "p99.99", "max")]
        that(percentiles == sorted(percentiles) and percentiles[-1] > 0, f"percentiles of {name}: {percentiles}")
    that({"rx", "ip_tryforward", "tx"} <= set(nodes), f"nodes: {set(nodes)}")


def checked(lab: Lab, name: str):
    """`check` of a shipped file, with this machine's CPUs in place of the file's."""
    cpus = sorted(os.sched_getaffinity(0))
    text = (CONFIG / name).read_text()
    wanted = len(re.search(r"^cpus = \[(.*)\]", text, re.M).group(1).split(","))
    if len(cpus) < wanted:
        raise Skip(f"{name} wants {wanted} CPUs, here are {len(cpus)}")
    file = lab.directory / name
    file.write_text(re.sub(r"^cpus = .*", f"cpus = {cpus[:wanted]}", text, flags=re.M))
    done = command("check", file)
    equal((done.returncode, done.stderr), (0, ""), "exit code and standard error")
    return done.stdout


@case(root=False)
def router_is_a_good_file(lab: Lab):
    that("vnet vnet0: 3 interfaces" in (text := checked(lab, "router.toml")), text)


@case(root=False, vnets=2)
def vlan_tenants_is_a_good_file(lab: Lab):
    text = checked(lab, "vlan-tenants.toml")
    that("vnet red: 2 interfaces" in text and "vnet blue: 2 interfaces" in text, text)


@case(root=False)
def demo_and_tap_lab_are_good_files(lab: Lab):
    for name in ("demo.toml", "tap-lab.toml"):
        done = command("check", CONFIG / name)
        that(done.returncode == 0 or "exactly one vnet" in done.stderr, done.stderr)


@case()
def tap_lab_talks_to_the_kernel(lab: Lab):
    home = lab.home()
    lab.run(copied(lab, "tap-lab.toml"))
    end = time.monotonic() + 10
    while "curvnet0" not in home.ip("link", "show") and time.monotonic() < end:
        time.sleep(0.05)
    # The commands of the file's own comment, as they stand there.
    steps = re.findall(r"^#     (ip .*|ping .*)$", (CONFIG / "tap-lab.toml").read_text(), re.M)
    equal(len(steps), 5, "commands in the comment")
    host = object.__new__(KernelHost)
    host.namespace = home
    for step in steps:
        if step.startswith("ping"):
            equal(host.ping(step.split()[-1]), [64], step)
        else:
            home.ip(*step.split()[1:])
    equal(host.neighbor("10.99.0.1"), "02:00:00:00:63:01", "what ARP told the kernel")
    done = host.run("ping", "-n", "-c", "1", "-W", "1", "-s", "1472", "-M", "do", "10.99.0.1")
    that(" 0% packet loss" in done.stdout, done.stdout)
    lab.stop()
    that("curvnet0" not in home.ip("link", "show"), "the kernel interface is still there")
