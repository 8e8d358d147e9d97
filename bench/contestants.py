"""The programs that compare-testpmd.py and ratios.py measure, each run once at a time and measured for a while.

All get the same device, the same packets, the same memory and the same CPU, and bursts of 64; curvnet takes longer ones by itself
while tenants interleave, which testpmd does not know. A run returns a Sample;
run_rounds takes many of them in turn, and the functions behind it say how two contestants compare.
"""

import dataclasses
import json
import os
import pathlib
import pty
import re
import select
import statistics
import subprocess
import sys
import tempfile
import time

import traffic

MBUFS = 65535
BURST = 64
DESCRIPTORS = 1024
CONTROL_CPU = 0
WORKER_CPU = 1
START_TIMEOUT_S = 60


class Failed(Exception):
    """A program did not do what it was asked to; the text is for the person who started the bench."""


@dataclasses.dataclass
class Setup:
    """The conditions that all contestants have in common."""

    capture: pathlib.Path
    hugepages: bool
    seconds: float
    warm_up_s: float

    @property
    def device(self):
        """A device that replays the capture from memory for ever and discards what is sent to it."""
        return f"net_pcap0,rx_pcap={self.capture},infinite_rx=1"


@dataclasses.dataclass
class Sample:
    """One measured run. `tsc_hz` and `details` are what the program itself reported; `on_cpu` is the share of
    the time that the kernel let the worker run."""

    pps: float
    tsc_hz: float
    on_cpu: float
    details: dict


class BusiestThread:
    """Watches the thread of a process that gets the most CPU time: the one that forwards."""

    def __init__(self, pid):
        self._pid = pid
        self._started, self._before = time.monotonic_ns(), self._run_ns()

    def share(self):
        """Time on a CPU over time passed, since this was made."""
        passed = time.monotonic_ns() - self._started
        ran = (now - self._before.get(thread, 0) for thread, now in self._run_ns().items())
        return max(ran, default=0) / passed

    def _run_ns(self):
        """By thread, nanoseconds on a CPU: the first number of proc(5)'s schedstat."""
        files = pathlib.Path(f"/proc/{self._pid}/task").glob("*/schedstat")
        return {file.parent.name: int(file.read_text().split()[0]) for file in files}


class Testpmd:
    """DPDK's own test program, driven through its prompt as a person would."""

    PROMPT = "testpmd> "

    def __init__(self, mode):
        self.mode = mode
        self.name = f"testpmd {mode}"

    def measure(self, setup):
        """The rate that testpmd itself reports between two `show port stats`, by its own clock."""
        prefix = f"bench-{os.getpid()}"
        memory = ["--in-memory"] if setup.hugepages else ["--no-huge", "--no-shconf", "-m512", "--iova-mode=va"]
        eal = ["-l", f"{CONTROL_CPU},{WORKER_CPU}", "--no-pci", "--no-telemetry", f"--file-prefix={prefix}"]
        eal += [*memory, "--log-level=lib.eal:debug", f"--vdev={setup.device}"]
        own = ["--interactive", f"--forward-mode={self.mode}", "--nb-cores=1", "--rxq=1", "--txq=1"]
        own += [f"--burst={BURST}", f"--total-num-mbufs={MBUFS}", f"--rxd={DESCRIPTORS}", f"--txd={DESCRIPTORS}"]
        own += ["--port-topology=loop", "--no-lsc-interrupt"]
        master, slave = pty.openpty()
        try:
            with subprocess.Popen(
                ["dpdk-testpmd", *eal, "--", *own], stdin=slave, stdout=slave, stderr=slave, close_fds=True
            ) as process:
                os.close(slave)
                try:
                    return self._converse(master, process.pid, setup)
                finally:
                    process.terminate()
        finally:
            os.close(master)
            _remove_runtime_folder(prefix)

    def _converse(self, terminal, pid, setup):
        banner = self._read_to_prompt(terminal, START_TIMEOUT_S)
        frequency = re.search(r"TSC frequency is ~(\d+) K?Hz", banner)
        if not frequency:
            raise Failed(f"dpdk-testpmd did not say the frequency of the TSC:\n{banner}")
        self._say(terminal, "start")
        time.sleep(setup.warm_up_s)
        before, worker = self._port_stats(terminal), BusiestThread(pid)
        time.sleep(setup.seconds)
        after, on_cpu = self._port_stats(terminal), worker.share()
        self._say(terminal, "stop")
        received = after["RX-packets"] - before["RX-packets"]
        sent = after["TX-packets"] - before["TX-packets"]
        # The two counters are read while packets are on their way from one to the other.
        if received == 0 or abs(received - sent) > received / 1000 + 100_000:
            raise Failed(f"{self.name} received {received} packets and sent {sent}")
        details = {"received": received, "sent": sent}
        return Sample(float(after["Rx-pps"]), float(frequency[1]) * 1000, on_cpu, details)

    def _port_stats(self, terminal):
        text = self._say(terminal, "show port stats 0")
        return {name: int(value) for name, value in re.findall(r"([A-Za-z]+-[a-z]+):\s+(\d+)", text)}

    def _say(self, terminal, command):
        os.write(terminal, f"{command}\n".encode())
        return self._read_to_prompt(terminal, 10)

    def _read_to_prompt(self, terminal, timeout_s):
        text, end = "", time.monotonic() + timeout_s
        # The prompt stands at the start of a line; what follows it would be the echo of a command.
        while not text.endswith("\n" + self.PROMPT):
            if not select.select([terminal], [], [], max(0.0, end - time.monotonic()))[0]:
                raise Failed(f"{self.name} gave no prompt in {timeout_s} s; it said:\n{text}")
            try:
                text += os.read(terminal, 65536).decode(errors="replace")
            except OSError:  # how a pty says that the other side is gone
                raise Failed(f"{self.name} ended by itself; it said:\n{text}") from None
        return text


class Curvnet:
    """The program of this repository, with one of the cases of traffic.py."""

    def __init__(self, program, case, name="curvnet"):
        self.program = program
        self.case = case
        self.name = name

    def measure(self, setup):
        """Packets over the time that curvnet's summary gives, which begins when its workers run."""
        with tempfile.TemporaryDirectory(prefix="curvnet-bench-") as name:
            folder = pathlib.Path(name)
            config = folder / "bench.toml"
            config.write_text(self._config(setup, folder))
            command = [self.program, "run", config, "--duration", f"{setup.seconds + setup.warm_up_s}s", "--json"]
            pipe = subprocess.PIPE
            with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True) as process:
                # Watched while it surely forwards: not at the start, and not to the very end.
                time.sleep(setup.warm_up_s + setup.seconds / 4)
                worker = BusiestThread(process.pid)
                time.sleep(setup.seconds / 2)
                on_cpu = worker.share()
                output, errors = process.communicate()
        if process.returncode != 0:
            raise Failed(f"curvnet ({self.case.name}) ended with exit code {process.returncode}; it said:\n{errors}")
        summary = json.loads(output)
        self._check(summary)
        sent = sum(port["tx_packets"] for port in summary["ports"].values())
        return Sample(sent / summary["duration_s"], float(summary["tsc_hz"]), on_cpu, summary)

    def _check(self, summary):
        """Every packet that came in went out. The redirects that curvnet sends of its own accord may be dropped, and
        what waits for another worker when that one cannot keep up."""
        for name, vnet in summary["vnets"].items():
            dropped = sum(vnet["drops"].values())
            if vnet["sent"] < vnet["received"] or dropped > vnet["originated"]:
                counts = {key: vnet[key] for key in ("received", "originated", "sent", "drops")}
                raise Failed(f"curvnet ({self.case.name}) did not forward everything in {name}: {counts}")
        if not any(vnet["received"] for vnet in summary["vnets"].values()):
            raise Failed(f"curvnet ({self.case.name}) received nothing")

    def _config(self, setup, folder):
        """The configuration, and beside it the captures that it names."""
        hugepages = "required" if setup.hugepages and self.case.hugepages else "none"
        text = f'[dpdk]\nhugepages = "{hugepages}"\neal_args = ["--no-pci"]\nmbufs = {MBUFS}\n'
        text += f"[workers]\ncpus = {list(self.case.cpus)}\n"
        text += f'[control]\nsocket = "{folder}/control"\n'
        for number, packets in enumerate(self.case.captures):
            capture = folder / f"p{number}.pcap"
            traffic.write_capture(capture, packets)
            # A device that replays the capture from memory for ever; one without packets is only sent to.
            device = f"net_pcap{number},rx_pcap={capture}" + (",infinite_rx=1" if packets else "")
            text += f'[[port]]\nname = "p{number}"\ndevice = "{device}"\nqueues = 1\n'
            text += f"rx_descriptors = {DESCRIPTORS}\ntx_descriptors = {DESCRIPTORS}\n"
        return text + self.case.vnets


def run_rounds(contestants, setup, rounds):
    """Samples by contestant, A B C ... A B C ..., so that whatever the machine does meanwhile happens to all of them."""
    samples = {contestant.name: [] for contestant in contestants}
    for number in range(1, rounds + 1):
        for contestant in contestants:
            samples[contestant.name].append(contestant.measure(setup))
        told = ", ".join(f"{name} {taken[-1].pps / 1e6:.1f}" for name, taken in samples.items())
        print(f"round {number} of {rounds}, Mpps: {told}", file=sys.stderr)
    return samples


def median_mpps(samples):
    """The median rate of one contestant's samples."""
    return statistics.median(sample.pps for sample in samples) / 1e6


def every_mpps(samples):
    """All rates of one contestant's samples, for the file."""
    return [round(sample.pps / 1e6, 3) for sample in samples]


def paired_ratios(samples, of):
    """Each run against the other contestant's of its own round: slow drifts of the machine cancel out."""
    return [sample.pps / other.pps for sample, other in zip(samples, of)]


def print_conditions(report):
    """The line above a table."""
    machine = report["machine"]
    print(f"\n{machine['cpu']}, Linux {machine['kernel']}, DPDK {machine['dpdk']}, ", end="")
    print("hugepages" if machine["hugepages"] else "no hugepages", end="")
    print(f"; {report['rounds']} rounds of {report['seconds']:g} s\n")


def _remove_runtime_folder(prefix):
    """EAL leaves an empty folder behind."""
    for parent in ("/var/run/dpdk", f"{os.environ.get('XDG_RUNTIME_DIR', '/tmp')}/dpdk"):
        try:
            os.rmdir(os.path.join(parent, prefix))
        except OSError:
            pass
