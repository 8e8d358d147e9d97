"""What compare-testpmd.py and ratios.py know of the machine: its CPUs, its hugepages, and that only one bench runs."""

import fcntl
import os
import pathlib
import platform
import subprocess
import sys

from contestants import CONTROL_CPU, MBUFS, WORKER_CPU, Failed

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
FREE_PAGES = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
# The mbufs and what surrounds them, in pages of 2 MiB.
PAGES_NEEDED = MBUFS * 2560 // (2 << 20) + 64


def hold_lock():
    """Two benches on one core measure each other. The lock ends with the process."""
    folder = TARGET / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Failed("another bench is running; wait for its end") from None
    return lock


def check_machine():
    """Refuses what cannot work and names what spoils the numbers."""
    if not {CONTROL_CPU, WORKER_CPU} <= os.sched_getaffinity(0):
        raise Failed(f"CPUs {CONTROL_CPU} and {WORKER_CPU} are needed: one to measure, one for everything else")
    busy = os.getloadavg()[0]
    if busy > 0.5:
        print(f"warning: something else is running here (load {busy:.1f}); the numbers will be noise", file=sys.stderr)


def use_hugepages(wish):
    """All programs get hugepages or none does."""
    try:
        free = int(FREE_PAGES.read_text())
    except (OSError, ValueError):
        free = 0
    if wish == "yes" and free < PAGES_NEEDED:
        raise Failed(f"{free} hugepages of 2 MiB are free and {PAGES_NEEDED} are needed: scripts/hugepages.sh reserve")
    return wish != "no" and free >= PAGES_NEEDED


def describe_machine(setup):
    """What the numbers are true of."""
    model = next((l.split(": ", 1)[1] for l in open("/proc/cpuinfo") if l.startswith("model name")), "unknown")
    dpdk = subprocess.run(["pkg-config", "--modversion", "libdpdk"], capture_output=True, text=True, check=False)
    return {
        "cpu": model.strip(),
        "kernel": platform.release(),
        "dpdk": dpdk.stdout.strip() or "unknown",
        "hugepages": setup.hugepages,
        "load": os.getloadavg()[0],
    }
