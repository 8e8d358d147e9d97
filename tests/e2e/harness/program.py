"""The program that is tested: where it is, how it is started and stopped, and what it says at the end."""

import collections
import ctypes
import json
import os
import signal
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("CURVNET") or ROOT / "target/release/curvnet").absolute()
# Its sibling, unless another is named: both are built by one cargo call.
BENCH = Path(os.environ.get("CURVNET_BENCH") or BINARY.with_name("curvnet-bench")).absolute()
STOP_S = 30.0
PR_SET_PDEATHSIG = 1


def die_with_parent():
    """A test that is killed takes its curvnet along."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def command(*arguments: str, timeout_s: float = 30.0, cwd=ROOT) -> subprocess.CompletedProcess:
    """Runs curvnet to its end."""
    line = [str(BINARY), *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=timeout_s, cwd=cwd, preexec_fn=die_with_parent)


def bench(*arguments: str, timeout_s: float = 60.0, namespace: str | None = None) -> subprocess.CompletedProcess:
    """Runs curvnet-bench to its end, in a namespace if one is named."""
    if not BENCH.exists():
        raise AssertionError(f"{BENCH} is missing: make build, or name another with CURVNET_BENCH=")
    there = ["ip", "netns", "exec", namespace] if namespace else []
    line = [*there, str(BENCH), *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=timeout_s, preexec_fn=die_with_parent)


def most_vnets(directory: Path) -> int:
    """1 when this build holds a single vnet, else 2 for "many"."""
    file = directory / "two.toml"
    file.write_text('[[vnet]]\nname = "red"\n[[vnet]]\nname = "blue"\n')
    return 1 if "holds exactly one vnet" in command("check", file).stderr else 2


class Summary:
    """The JSON object that a run ends with."""

    def __init__(self, text: str):
        self.document = json.loads(text)

    def vnet(self, name: str = "red") -> dict:
        return self.document["vnets"][name]

    def drops(self, name: str = "red") -> dict[str, int]:
        """Why the vnet dropped packets, and how many."""
        return dict(self.vnet(name)["drops"])

    def interface(self, name: str, vnet: str = "red") -> dict[str, int]:
        return self.vnet(vnet)["interfaces"][name]

    def statistic(self, name: str, vnet: str = "red") -> int:
        """One of FreeBSD's counters; those that are 0 are left out of the summary."""
        return self.vnet(vnet)["statistics"].get(name, 0)

    def port(self, name: str = "p0") -> dict:
        return self.document["ports"][name]

    def unclaimed(self) -> dict[str, int]:
        """Frames that no vnet took."""
        total = collections.Counter()
        for worker in self.document["workers"]:
            total.update(worker["drops"])
        return dict(total)

    def check_books(self):
        """Fails unless every packet is accounted for and every mbuf came back."""
        unbalanced = [name for name, vnet in self.document["vnets"].items() if vnet["balanced"] is not True]
        if unbalanced or self.document["books"]["balanced"] is not True:
            raise AssertionError(f"the books do not balance: {unbalanced} {self.document['books']}")
        for what in ("mbufs_leaked", "vnets_leaked"):
            if self.document[what] != 0:
                raise AssertionError(f"{what}: {self.document[what]}")


class Program:
    """A running curvnet."""

    def __init__(self, config: Path, directory: Path, namespace: str, *arguments: str, cwd=ROOT, environment=None, prefix=()):
        self.log_file, self.out_file = directory / "curvnet.log", directory / "curvnet.out"
        line = ["ip", "netns", "exec", namespace, *prefix, str(BINARY), "run", str(config), "--json", *arguments]
        with open(self.log_file, "w") as log, open(self.out_file, "w") as out:
            self.process = subprocess.Popen(
                line,
                stdout=out,
                stderr=log,
                cwd=cwd,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                preexec_fn=die_with_parent,
            )
        self.summary: Summary | None = None

    def log(self) -> str:
        """What it wrote to standard error so far."""
        return self.log_file.read_text(errors="replace")

    def is_running(self) -> bool:
        return self.process.poll() is None

    def stop(self, number=signal.SIGINT, within_s: float = STOP_S) -> Summary:
        """Asks it to end, and checks that it does so with exit code 0 and closed books."""
        if self.is_running():
            self.process.send_signal(number)
        return self.wait(within_s)

    def wait(self, within_s: float = STOP_S) -> Summary:
        """Waits for its end, with exit code 0 and closed books."""
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"curvnet did not end within {within_s} s") from None
        text = self.out_file.read_text()
        if code != 0:
            raise AssertionError(f"curvnet ended with exit code {code}; on standard output: {text[:2000]!r}")
        self.summary = Summary(text)
        self.summary.check_books()
        return self.summary

    def kill(self):
        """Ends it whatever it does."""
        if self.is_running():
            self.process.kill()
        self.process.wait()

    def explain(self) -> str:
        """Its log's end and its summary, for people."""
        lines = self.log().splitlines()[-60:]
        out = self.out_file.read_text()
        state = "still runs" if self.is_running() else f"ended with {self.process.returncode}"
        return "\n".join([f"--- curvnet {state}; its log:", *lines, "--- its summary:", out or "(none)"])
