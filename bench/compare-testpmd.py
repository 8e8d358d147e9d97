#!/usr/bin/env python3
"""How fast curvnet forwards, in proportion to DPDK's own dpdk-testpmd on the same core.

Runs dpdk-testpmd in io and macswap mode and curvnet in turn, A B C A B C ..., so that whatever the
machine does meanwhile happens to all three. Prints medians and ratios, and writes every sample to
target/bench/compare-testpmd.json. README.md beside this file says how to read it.

Plain Python 3, nothing to install beyond DPDK.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

# A bench leaves nothing in the source tree, least of all files that root owns.
sys.dont_write_bytecode = True
import traffic
from contestants import (
    WORKER_CPU,
    Curvnet,
    Failed,
    Setup,
    Testpmd,
    every_mpps,
    median_mpps,
    paired_ratios,
    print_conditions,
    run_rounds,
)
from machine import TARGET, check_machine, describe_machine, hold_lock, use_hugepages

BASELINE = "testpmd io"
# Below this share of the time on its CPU, a worker was disturbed.
QUIET = 0.99
# The share of testpmd io that curvnet is to reach with all its checks and counters on.
GOAL = 0.70


def main():
    """Measures, prints, writes; the exit code is 1 when something failed or --require was missed."""
    options = parse_options()
    lock = hold_lock()
    check_machine()
    case = traffic.cases()["untagged"]
    with tempfile.TemporaryDirectory(prefix="curvnet-testpmd-") as folder:
        capture = pathlib.Path(folder, "untagged.pcap")
        traffic.write_capture(capture, case.captures[0])
        setup = Setup(capture, use_hugepages(options.hugepages), options.seconds, options.warm_up)
        available = [Testpmd("io"), Testpmd("macswap"), Curvnet(options.curvnet, case)]
        contestants = [c for c in available if c.name.split()[-1] in options.only]
        # A round before the measured ones is thrown away.
        first = dataclasses.replace(setup, seconds=min(setup.seconds, 1.0))
        for contestant in contestants:
            contestant.measure(first)
        samples = run_rounds(contestants, setup, options.rounds)
    report = build_report(samples, setup, options)
    print_report(report)
    path = TARGET / "bench" / "compare-testpmd.json"
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\nevery sample: {path}")
    lock.close()
    ratio = report["contestants"].get("curvnet", {}).get("ratio")
    return 1 if options.require is not None and (ratio is None or ratio < options.require) else 0


def parse_options():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="measured runs of each program (%(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="measured time of a run (%(default)s)")
    parser.add_argument("--warm-up", type=float, default=0.5, help="time before the measured time (%(default)s)")
    parser.add_argument("--hugepages", choices=["auto", "yes", "no"], default="auto", help="the same for all programs")
    parser.add_argument("--curvnet", default=TARGET / "release" / "curvnet", help="the program (%(default)s)")
    parser.add_argument("--only", default="io,macswap,curvnet", help="run some of io,macswap,curvnet")
    parser.add_argument("--require", type=float, metavar="RATIO", help="fail when curvnet / testpmd io is below")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if options.rounds < 1 or options.seconds <= 0 or options.warm_up < 0:
        parser.error("at least one round of more than 0 seconds")
    if not set(options.only) <= {"io", "macswap", "curvnet"}:
        parser.error("--only takes io, macswap and curvnet")
    if "curvnet" in options.only and not os.access(options.curvnet, os.X_OK):
        parser.error(f"{options.curvnet} is not there: make build")
    if not shutil.which("dpdk-testpmd"):
        parser.error("dpdk-testpmd is not there: apt-get install dpdk-dev")
    return options


def build_report(samples, setup, options):
    """Everything that is printed, and everything it was made of."""
    base = samples.get(BASELINE)
    report = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": describe_machine(setup),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "contestants": {},
    }
    for name, taken in samples.items():
        mpps, median = every_mpps(taken), median_mpps(taken)
        entry = {
            "mpps": mpps,
            "median_mpps": median,
            "spread": (max(mpps) - min(mpps)) / median,
            "on_cpu": statistics.median(sample.on_cpu for sample in taken),
            "cycles_per_packet": statistics.median(sample.tsc_hz for sample in taken) / median / 1e6,
        }
        if base:
            entry["ratio"] = median / median_mpps(base)
            entry["paired_ratio"] = statistics.median(paired_ratios(taken, base))
        report["contestants"][name] = entry
    if "curvnet" in samples:
        report["curvnet"] = describe_curvnet([sample.details for sample in samples["curvnet"]])
    return report


def describe_curvnet(summaries):
    """Per node, what curvnet itself counted: medians over the runs."""
    workers = [summary["workers"][0] for summary in summaries]
    nodes = {}
    for name in workers[0].get("nodes", {}):
        seen = [worker["nodes"][name] for worker in workers if name in worker["nodes"]]
        nodes[name] = {
            "cycles_per_packet": statistics.median(node["cycles_per_packet"] for node in seen),
            "packets_per_call": statistics.median(node["packets"] / max(node["calls"], 1) for node in seen),
        }
    return {
        "build": summaries[0]["build"],
        "busy_cycles_per_packet": statistics.median(worker["cycles_per_packet"] for worker in workers),
        "nodes": nodes,
        "container_bytes": {name: vnet.get("container_bytes") for name, vnet in summaries[0]["vnets"].items()},
    }


def print_report(report):
    """The table."""
    print_conditions(report)
    print(f"{'':<18}{'Mpps':>8}{'spread':>9}{'ratio':>8}{'paired':>8}{'cycles/packet':>15}{'on CPU':>9}")
    for name, entry in report["contestants"].items():
        ratios = "".join(f"{entry[key]:>8.2f}" if key in entry else f"{'-':>8}" for key in ("ratio", "paired_ratio"))
        cells = f"{entry['median_mpps']:>8.1f}{entry['spread']:>9.1%}{ratios}{entry['cycles_per_packet']:>15.1f}{entry['on_cpu']:>9.1%}"
        print(f"{name:<18}{cells}")
    if any(entry["on_cpu"] < QUIET for entry in report["contestants"].values()):
        print(f"\nThe programs had to share CPU {WORKER_CPU} with something else: these numbers are noise.")
    if "curvnet" not in report:
        return
    curvnet = report["curvnet"]
    print(f"\ncurvnet by node (build {' '.join(map(str, curvnet['build'].values()))})")
    for name, node in curvnet["nodes"].items():
        # A node that met no sampled iteration has no cycles.
        cycles = f"{node['cycles_per_packet']:.1f}" if node["cycles_per_packet"] else "-"
        print(f"  {name:<18}{cycles:>8} cycles/packet, {node['packets_per_call']:.1f} packets/call")
    ratio = report["contestants"]["curvnet"].get("ratio")
    if ratio is not None:
        print(f"\ncurvnet / {BASELINE}: {ratio:.2f}, goal {GOAL:.2f}: {'reached' if ratio >= GOAL else 'MISSED'}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
