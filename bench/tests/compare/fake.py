#!/usr/bin/env -S python3 -SE
"""A program that reports invented numbers instead of measuring: what the tests of `compare` compare.

It is called by a link whose name is the build's. Beside the link, fake.json says what is to go wrong; runs.log gets a line
for every run. Noise depends on how often the build has run, so that it is the same in every run of the tests.
"""

import json
import os.path
import sys
import zlib

HERE, NAME = os.path.split(sys.argv[0])
LOG = f"{HERE}/runs.log"
with open(f"{HERE}/fake.json", encoding="utf-8") as file:
    FAULTS = json.load(file)
SCALE = {"globals": 1.0, "none": 1.0, "vimage": 1.12, "section": 1.04}
ONE_VNET = {"globals", "none"}
PERCENTILES = [50, 90, 99, 99.9, 99.99, 100]


def main():
    """One report, or whatever the test wants to go wrong."""
    command, *rest = sys.argv[1:]
    wanted = [rest[i + 1] for i, word in enumerate(rest) if word == "--scenario"]
    assert "--json" in rest and ("--quick" in rest if command == "accessor" else "--seconds" in rest), rest
    with open(LOG, "a", encoding="utf-8") as log:
        log.write(f"{NAME} {command} {' '.join(wanted)}\n")
    if NAME == FAULTS.get("fails"):
        sys.exit(f"{NAME}: 3 packets left with a wrong checksum")
    known = dict(scenarios(command))
    found = [known[name] | {"name": name} for name in wanted if name in known and known[name] is not None]
    if NAME == FAULTS.get("garbles"):
        print("EAL: something that is no JSON")
    print(json.dumps({"schema": 1, "command": command, "build": build(), "machine": machine(), "scenarios": found}))


def scenarios(command):
    """Name and result; None for what a build with one vnet does not have."""
    scale = SCALE.get(NAME, 1.0) * FAULTS.get("slower", {}).get(NAME, 1.0)
    with open(LOG, encoding="utf-8") as log:
        runs = log.read().count(f"{NAME} {command}")
    noise = zlib.crc32(f"{NAME} {runs} {FAULTS.get('seed')}".encode()) / 2**32 * 0.012 + 0.994
    if command == "accessor":
        for name, cycles in ("read-cur-each", 1.25), ("read-hoisted", 0.51), ("write", 0.9):
            yield name, cost(cycles * scale * noise)
        for vnets in 1, 4, 16, 64, 256, 1024:
            curve = cost(1.3 * scale * noise * (1 + max(0, vnets - 16) ** 0.5 / 9))
            curve["point"] = {"series": "random-vnets", "axis": "vnets", "x": vnets}
            yield f"random-vnets-{vnets}", curve if vnets == 1 or NAME not in ONE_VNET else None
    else:
        for name, pps in ("64b-1t1c-ethip4-ip4base", 66e6), ("64b-1t1c-ethip4-ip4scale-200k", 41e6):
            rate = pps / scale * noise
            cycles = 2.6e9 / rate
            yield name, {
                "value": rate,
                "unit": "pps",
                "better": "higher",
                "percentiles": distribution("cycles", cycles),
                "details": {"cycles_per_packet": cycles, "nodes": [{"name": "rx", "cycles": 11.0}, {"name": "tx", "cycles": 9.5}]},
            }


def cost(cycles):
    """A result in cycles."""
    return {
        "value": cycles,
        "unit": "cycles",
        "better": "lower",
        "percentiles": distribution("cycles", cycles),
        "details": {"instructions": 3, "object_code": "mov"},
    }


def distribution(unit, median):
    """With a tail that grows tenfold."""
    points = [[p, median * f] for p, f in zip(PERCENTILES, (1, 1.04, 1.3, 2.2, 9, 40))]
    return {"unit": unit, "count": 100000, "points": points}


def build():
    """What curvnet-bench says of itself."""
    arms = {"globals": "vimage-globals", "section": "vimage-section"}
    return {
        "version": "0.1.0",
        "git": "1e561ab0c0de",
        "features": [FAULTS.get("features", arms.get(NAME, NAME))],
        "target-cpu": "x86-64",
        "profile": "release",
        "dpdk": "DPDK 22.11.7",
    }


def machine():
    """A machine with a doubt."""
    warnings = [FAULTS["warning"]] if "warning" in FAULTS else []
    return {"cpu": "Fake <CPU> & Sons", "cpus": 2, "tsc_hz": 2600000000, "kernel": "Linux 6.1.0", "warnings": warnings}


if __name__ == "__main__":
    main()
