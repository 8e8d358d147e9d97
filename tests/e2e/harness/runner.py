"""Runs the cases: each in a process of its own, some at a time, one line for each."""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from . import cases, netns, program
from .lab import Lab

PASSED, FAILED, SKIPPED = 0, 1, 77
PREFIX = f"cve2e{os.getpid()}-"


@dataclass
class Running:
    """A case that runs in the child process `pid`."""

    case: cases.TestCase
    number: int
    output: Path
    started_s: float


def main() -> int:
    """The command; its exit code."""
    options = arguments()
    selected = [case for case in cases.load() if matches(case.name, options.pattern)]
    if options.list:
        print("\n".join(case.name for case in selected))
        return 0
    if not program.BINARY.exists():
        print(f"{program.BINARY} is missing: build it first, or name another with CURVNET=", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="curvnet-e2e-") as directory:
        runner = Runner(options, Path(directory))
        try:
            runner.run(selected)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
        finally:
            runner.end()
    counts = [runner.results.count(result) for result in (PASSED, FAILED, SKIPPED)]
    print("{} passed, {} failed, {} skipped".format(*counts))
    return 1 if counts[1] else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="End-to-end tests of curvnet. CURVNET names another binary.")
    parser.add_argument("-k", dest="pattern", default="", metavar="PATTERN", help="only cases whose name holds this")
    parser.add_argument("-v", dest="verbose", action="store_true", help="show what passing cases leave behind, too")
    parser.add_argument("-j", dest="jobs", type=int, default=4, metavar="N", help="cases at a time")
    parser.add_argument("--list", action="store_true", help="only list the cases")
    return parser.parse_args()


def matches(name: str, pattern: str) -> bool:
    return pattern.replace("_", " ").lower() in name.lower()


class Runner:
    """What runs and what became of what ran."""

    def __init__(self, options: argparse.Namespace, directory: Path):
        self.options, self.directory = options, directory
        self.results: list[int] = []
        # What they leave behind comes last, where it is found.
        self.failures: list[str] = []
        self.running: dict[int, Running] = {}
        self.number = 0
        self.most_vnets = program.most_vnets(directory)

    def run(self, selected: list[cases.TestCase]):
        """Those that wait first, then the quick ones, then those that need the machine for themselves."""
        able = [case for case in selected if not self.skip(case)]
        for case in sorted(able, key=lambda case: (case.alone, not case.slow)):
            while len(self.running) >= (1 if case.alone else max(self.options.jobs, 1)):
                self.wait()
            self.start(case)
        while self.running:
            self.wait()

    def skip(self, case: cases.TestCase) -> bool:
        """Whether the case cannot run here; says so."""
        why = None
        if case.root and os.geteuid() != 0:
            why = "needs root"
        elif case.vnets > self.most_vnets:
            why = "this build holds one vnet"
        if why:
            self.report(SKIPPED, 0.0, f"{case.name} ({why})")
        return why is not None

    def start(self, case: cases.TestCase):
        self.number += 1
        output = self.directory / f"{self.number}.txt"
        prefix = f"{PREFIX}{self.number}-"
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            child(case, prefix, self.number, output, self.options.verbose)
        self.running[pid] = Running(case, self.number, output, time.monotonic())

    def wait(self):
        """Waits until a case ends, by itself or by its time limit."""
        while True:
            for pid, running in list(self.running.items()):
                done, status = os.waitpid(pid, os.WNOHANG)
                elapsed_s = time.monotonic() - running.started_s
                if done == 0 and elapsed_s > running.case.timeout_s:
                    os.kill(pid, signal.SIGKILL)
                    _, status = os.waitpid(pid, 0)
                    running.output.open("a").write(f"not done after {running.case.timeout_s:.0f} s\n")
                elif done == 0:
                    continue
                del self.running[pid]
                return self.done(running, status, elapsed_s)
            time.sleep(0.01)

    def done(self, running: Running, status: int, elapsed_s: float):
        code = os.waitstatus_to_exitcode(status)
        result = code if code in (PASSED, SKIPPED) else FAILED
        text = running.output.read_text(errors="replace")
        why = f" ({text.strip()})" if result == SKIPPED else ""
        self.report(result, elapsed_s, running.case.name + why)
        shown = "    " + text.rstrip().replace("\n", "\n    ")
        if self.options.verbose and result == PASSED and text:
            print(shown, flush=True)
        if result == FAILED:
            self.failures.append(f"--- {running.case.name}\n{shown}")
        if code < 0:
            netns.delete_all(f"{PREFIX}{running.number}-")

    def report(self, result: int, elapsed_s: float, text: str):
        self.results.append(result)
        word = {PASSED: "ok", FAILED: "FAILED", SKIPPED: "skipped"}[result]
        print(f"{word:7} {elapsed_s:6.2f} s  {text}", flush=True)

    def end(self):
        """Ends what still runs, removes what it leaves, and shows what failed."""
        for pid in self.running:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        if self.running:
            netns.delete_all(PREFIX)
        for text in self.failures:
            print(text)


def child(case: cases.TestCase, prefix: str, number: int, output: Path, verbose: bool):
    """Runs one case in this process, whose only way out is its exit code."""
    code = FAILED
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cpus = sorted(os.sched_getaffinity(0))
    lab = Lab(prefix, cpus[-1 - number % len(cpus)], output.with_suffix(""))
    try:
        case.function(lab)
        lab.finish()
        code = PASSED
        if verbose:
            print(lab.explain())
    except cases.Skip as why:
        code = SKIPPED
        print(why)
    except AssertionError as error:
        at = traceback.extract_tb(error.__traceback__)[1:]
        print(lab.explain())
        print(f"{error}\n  " + "\n  ".join(f"{step.filename}:{step.lineno} {step.line}" for step in at))
    except BaseException:
        print(lab.explain())
        print(traceback.format_exc())
    finally:
        try:
            lab.close()
        finally:
            sys.stdout.flush()
            os._exit(code)
