#!/usr/bin/env python3
"""How much of its speed curvnet keeps when traffic is interleaved, has many next hops, or has several workers.

Runs `curvnet run` with the cases of traffic.py and dpdk-testpmd in turn, A B C ... A B C ..., over net_pcap devices that
replay captures from memory. Prints each ratio of two of them, and writes every sample to target/bench/ratios.json.
README.md beside this file says how to read it.

Plain Python 3, nothing to install beyond DPDK.
"""

import argparse
import dataclasses
import fnmatch
import json
import os
import pathlib
import statistics
import sys
import tempfile

# A bench leaves nothing in the source tree, least of all files that root owns.
sys.dont_write_bytecode = True
import traffic
from contestants import (
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

TESTPMD = "testpmd io"


@dataclasses.dataclass
class Ratio:
    """Two cases: how fast the one is in proportion to the other, at least and if all goes well."""

    name: str
    case: str
    of: str
    at_least: float
    aim: float


RATIOS = [
    Ratio("1 VLAN / untagged", "vlan 1", "untagged", 0.88, 0.95),
    Ratio("2 VLANs interleaved / 1", "vlan 2", "vlan 1", 0.75, 0.9),
    Ratio("8 VLANs interleaved / 1", "vlan 8", "vlan 1", 0.75, 0.9),
    Ratio("64 VLANs interleaved / 1", "vlan 64", "vlan 1", 0.60, 0.75),
    Ratio("512 VLANs interleaved / 1", "vlan 512", "vlan 1", 0.50, 0.65),
    Ratio("4000 VLANs interleaved / 1", "vlan 4000", "vlan 1", 0.375, 0.5),
    Ratio("512 routes to 64 next hops / one", "512 routes", "one next hop", 0.9, 0.97),
    Ratio("ECMP over 8 next hops / one", "ecmp", "one next hop", 0.85, 0.95),
    Ratio("1000 on-link hosts / one next hop", "on-link", "one next hop", 0.75, 0.9),
    Ratio("hairpin, redirects on / off", "redirects on", "untagged", 0.97, 1.0),
    Ratio("hairpin, redirects sent / off", "redirects sent", "redirects off, neighbors", 0.97, 1.0),
    Ratio("no hugepages / hugepages", "no hugepages", "untagged", 0.85, 0.95),
    Ratio("untagged / testpmd io", "untagged", TESTPMD, 0.71, 0.78),
    Ratio("2 workers, a port each / 1", "two workers", "untagged", 1.8, 1.95),
    Ratio("2 workers, to the other's port / 1", "crossing, two workers", "crossing, one worker", 1.2, 1.6),
]


def main():
    """Measures, prints, writes; the exit code is 1 when something failed or, with --require, a ratio is too low."""
    options = parse_options()
    if options.list:
        print("\n".join(ratio.name for ratio in options.wanted))
        return 0
    lock = hold_lock()
    check_machine()
    cases = traffic.cases()
    with tempfile.TemporaryDirectory(prefix="curvnet-ratios-") as folder:
        capture = pathlib.Path(folder, "untagged.pcap")
        traffic.write_capture(capture, cases["untagged"].captures[0])
        setup = Setup(capture, use_hugepages(options.hugepages), options.seconds, options.warm_up)
        names = dict.fromkeys(name for ratio in options.wanted for name in (ratio.of, ratio.case))
        programs = [Testpmd("io") if n == TESTPMD else Curvnet(options.curvnet, cases[n], n) for n in names]
        samples = run_rounds(programs, setup, options.rounds)
    report = build_report(samples, setup, options)
    print_report(report)
    path = TARGET / "bench" / "ratios.json"
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\nevery sample: {path}")
    lock.close()
    missed = any(ratio["paired"] < ratio["at_least"] for ratio in report["ratios"].values())
    return 1 if options.require and missed else 0


def parse_options():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="measured runs of each case (%(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="measured time of a run (%(default)s)")
    parser.add_argument("--warm-up", type=float, default=0.2, help="time before the measured time (%(default)s)")
    parser.add_argument("--hugepages", choices=["auto", "yes", "no"], default="auto", help="for all cases but one")
    parser.add_argument("--curvnet", default=TARGET / "release" / "curvnet", help="the program (%(default)s)")
    parser.add_argument("--only", metavar="GLOB", action="append", help="ratios by name; may be given several times")
    parser.add_argument("--list", action="store_true", help="print the names of the ratios and end")
    parser.add_argument("--require", action="store_true", help="fail when a ratio is below what it must be at least")
    options = parser.parse_args()
    patterns = options.only or ["*"]
    options.wanted = [r for r in RATIOS if any(fnmatch.fnmatch(r.name, pattern) for pattern in patterns)]
    if options.rounds < 1 or options.seconds <= 0 or options.warm_up < 0:
        parser.error("at least one round of more than 0 seconds")
    if not options.wanted:
        parser.error(f"no ratio is called {' or '.join(patterns)}; --list shows them")
    if not os.access(options.curvnet, os.X_OK):
        parser.error(f"{options.curvnet} is not there: make build")
    return options


def build_report(samples, setup, options):
    """Everything that is printed, and everything it was made of."""
    ratios = {}
    for ratio in options.wanted:
        case, of = samples[ratio.case], samples[ratio.of]
        pairs = paired_ratios(case, of)
        ratios[ratio.name] = {
            "mpps": median_mpps(case),
            "of_mpps": median_mpps(of),
            "paired": statistics.median(pairs),
            "low": min(pairs),
            "high": max(pairs),
            "at_least": ratio.at_least,
            "aim": ratio.aim,
        }
    return {
        "machine": describe_machine(setup),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "mpps": {name: every_mpps(taken) for name, taken in samples.items()},
        "ratios": ratios,
    }


def print_report(report):
    """The table."""
    print_conditions(report)
    print(f"{'':<38}{'Mpps':>8}{'of':>8}{'ratio':>8}{'low':>7}{'high':>7}{'at least':>10}{'aim':>7}")
    for name, ratio in report["ratios"].items():
        cells = f"{ratio['mpps']:>8.1f}{ratio['of_mpps']:>8.1f}{ratio['paired']:>8.2f}{ratio['low']:>7.2f}{ratio['high']:>7.2f}"
        goal = f"{ratio['at_least']:>10g}{ratio['aim']:>7g}"
        print(f"{name:<38}{cells}{goal}{'' if ratio['paired'] >= ratio['at_least'] else '   MISSED'}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
