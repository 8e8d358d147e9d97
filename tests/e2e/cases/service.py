"""curvnet as a service: what the service manager is told, what the log looks like, and a worker with nothing to do."""

import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import time

from harness import Lab, case, equal, interface, that, vnet
from harness.program import BINARY, command, die_with_parent

RED = vnet("red", {"em0": interface("p0", "10.1.0.1/24")})
# Linux's <sys/ptrace.h> and <sys/wait.h>.
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000
REFUSED = "the changed configuration was not applied, see the log"


class ServiceManager:
    """The other end of sd_notify(3)."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # A name in the abstract namespace begins with @ where the service is told, and with NUL here.
        self.socket.bind(self.path.replace("@", "\0", 1))

    def next(self, timeout_s: float) -> list[str] | None:
        """The next message's lines; none when there is none in that time."""
        self.socket.settimeout(timeout_s)
        try:
            return self.socket.recv(4096).decode().splitlines()
        except TimeoutError:
            return None

    def until(self, line: str, timeout_s: float = 20) -> list[list[str]]:
        """All messages up to the one with this line."""
        messages, end = [], time.monotonic() + timeout_s
        while message := self.next(max(end - time.monotonic(), 0.01)):
            messages.append(message)
            if line in message:
                return messages
        raise AssertionError(f"nobody said {line}, only {messages}")


def written(lab: Lab, more: str = "", workers: str = "idle_sleep_us = 50"):
    """A configuration with one port on which nothing comes."""
    file = lab.directory / "service.toml"
    file.write_text(
        f'[dpdk]\nhugepages = "none"\neal_args = ["--no-pci"]\nmbufs = 8191\n[workers]\ncpus = [{lab.cpu}]\n{workers}\n'
        f'[control]\nsocket = "{lab.directory}/control.sock"\n{more}\n[[port]]\nname = "p0"\ndevice = "net_ring0"\n{RED}'
    )
    return file


def managed(lab: Lab, watchdog_us: int, abstract=False) -> ServiceManager:
    """Runs curvnet under a service manager that wants to hear of it within that time."""
    with lab.home().entered():
        manager = ServiceManager(f"@{lab.directory}/notify" if abstract else lab.directory / "notify.sock")
    environment = {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": str(watchdog_us)}
    lab.run(written(lab), environment=environment)
    return manager


@case()
def the_service_manager_hears_of_the_start_of_life_and_of_the_end(lab: Lab):
    manager = managed(lab, 200_000)
    ready = manager.until("READY=1")
    equal(len(ready), 1, "messages up to READY=1")
    that(any(line.startswith("STATUS=1 worker, ") for line in ready[0]), f"no status: {ready}")
    # Ready means that it answers.
    equal(command("-s", lab.directory / "control.sock", "features").returncode, 0, "exit code of features")
    for _ in range(3):
        life = manager.until("WATCHDOG=1")
        that("STOPPING=1" not in sum(life, []) and "READY=1" not in sum(life, []), f"{life}")
    lab.stop()
    last = manager.until("STOPPING=1")
    that("READY=1" not in sum(last, []), f"{last}")
    equal(manager.next(0.1), None, "what comes after the end")


@case()
def the_service_manager_hears_of_a_reload(lab: Lab):
    manager = managed(lab, 10_000_000, abstract=True)
    manager.until("READY=1")
    file = lab.directory / "service.toml"
    good = file.read_text()
    for text, words in ((good.replace('"red"', '"blue"'), "applied"), ("[workers]\ncpus = 7\n", "not applied")):
        file.write_text(text)
        lab.program.process.send_signal(signal.SIGHUP)
        (begin,) = manager.until("RELOADING=1")
        that(any(line.startswith("MONOTONIC_USEC=") for line in begin), f"{begin}")
        (*_, end) = manager.until("READY=1")
        equal([line for line in end if "not applied" in line], ["STATUS=" + REFUSED] * (words == "not applied"), "status")
        that(words in lab.program.log(), lab.program.log())
    equal(json.loads(command("-j", "-s", lab.directory / "control.sock", "vnet", "show", "blue").stdout)["name"], "blue", "vnet")
    lab.stop()


def worker_thread(pid: int) -> int:
    """The number of the worker's thread."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm") as name:
            if name.read().strip() == "worker0":
                return int(task)
    raise AssertionError("there is no thread worker0")


def ptrace(request: int, thread: int):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")


@case()
def a_worker_that_stops_polling_is_not_covered_up(lab: Lab):
    manager = managed(lab, 400_000)
    manager.until("WATCHDOG=1")
    # A debugger stops this one thread; the others go on.
    thread = worker_thread(lab.program.process.pid)
    ptrace(PTRACE_SEIZE, thread)
    ptrace(PTRACE_INTERRUPT, thread)
    os.waitpid(thread, WALL)
    # Its work before may still count for one interval.
    manager.until("STATUS=a worker has stopped polling")
    for _ in range(5):
        equal(manager.next(20), ["STATUS=a worker has stopped polling"], "what is said while it is stopped")
    equal(command("-s", lab.directory / "control.sock", "features").returncode, 0, "the control thread goes on")
    ptrace(PTRACE_DETACH, thread)
    manager.until("WATCHDOG=1")
    lab.stop()
    log = lab.program.log()
    that(re.search(rf"ERROR .*worker on CPU {lab.cpu} has stopped polling", log), log)
    that(re.search(rf"INFO .*worker on CPU {lab.cpu} polls again", log), log)


@case()
def the_log_as_json(lab: Lab):
    lab.run(written(lab, '[log]\nformat = "json"\nlevel = "info,pmd=debug"'), "--duration", "1500ms")
    lab.program.wait()
    lines = [json.loads(line) for line in lab.program.log().splitlines()]
    that(lines and all({"timestamp", "level", "message", "target"} <= set(line) for line in lines), f"{lines}")
    that({"INFO", "DEBUG"} >= {line["level"] for line in lines}, f"{lines}")
    started = [line for line in lines if line["message"] == "EAL started"]
    that(started and "arguments" in started[0], f"{lines}")
    # Without --json there is no table, either, between the lines that a program reads.
    done = command("run", written(lab, '[log]\nformat = "json"'), "--duration", "1500ms")
    equal(done.returncode, 0, "exit code")
    for line in done.stderr.splitlines():
        json.loads(line)
    that("worker on CPU" in done.stdout and "asleep" in done.stdout, done.stdout)


@case()
def the_logs_level(lab: Lab):
    def log(level: str, **environment) -> str:
        line = [BINARY, "run", written(lab, f'[log]\nlevel = "{level}"'), "--duration", "100ms", "--json"]
        done = subprocess.run(line, capture_output=True, text=True, env={**os.environ, **environment})
        return f"{done.returncode} {done.stderr}"

    equal(log("error"), "0 ", "what is logged from error on")
    that("INFO" in log("error", CURVNET_LOG="info"), "the environment does not go before")
    equal(log("info", CURVNET_LOG="off"), "0 ", "what is logged when it is off")
    wrong = log("info", CURVNET_LOG="loud")
    that(wrong.startswith("2 ") and 'CURVNET_LOG does not know "loud"' in wrong and "write it like info" in wrong, wrong)


def journal_entry(text: bytes) -> dict[str, str]:
    """The fields of an entry: NAME=VALUE lines, or NAME, length and value (systemd's JOURNAL_NATIVE_PROTOCOL)."""
    fields = {}
    while text:
        name, _, text = text.partition(b"\n")
        if b"=" in name:
            name, _, value = name.partition(b"=")
        else:
            end = 8 + int.from_bytes(text[:8], "little")
            value, text = text[8:end], text[end + 1 :]
        fields[name.decode()] = value.decode()
    return fields


@case()
def the_log_in_the_journal(lab: Lab):
    done = command("run", written(lab, '[log]\ntarget = "journal"'), "--duration", "100ms")
    if os.path.exists("/run/systemd/journal/socket"):
        equal(done.returncode, 0, "exit code")
    else:
        equal((done.returncode, done.stdout), (1, ""), "exit code and standard output without a journal")
        that("[log] target" in done.stderr, done.stderr)
    # A journal of the test's own, in a mount namespace of its own.
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    directory = lab.directory / "journal"
    directory.mkdir()
    journal.bind(str(directory / "socket"))
    journal.settimeout(20)
    script = (
        "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && mount --bind $1 /run/systemd/journal "
        "&& shift && exec \"$@\""
    )
    line = ["unshare", "--mount", "sh", "-ec", script, "sh", directory, BINARY, "run", lab.directory / "service.toml"]
    done = subprocess.run(
        [*map(str, line), "--duration", "100ms", "--json"], capture_output=True, text=True, preexec_fn=die_with_parent
    )
    equal((done.returncode, done.stderr), (0, ""), "exit code and standard error")
    entry = {}
    while entry.get("MESSAGE") != "EAL started":
        entry = journal_entry(journal.recv(65536))
    equal((entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"]), ("6", "curvnet"), "priority and identifier")
    that("--no-pci" in entry["F_ARGUMENTS"], f"{entry}")


@case()
def a_worker_with_nothing_to_do_sleeps_if_it_may(lab: Lab):
    lab.run(written(lab), "--duration", "1s")
    worker = lab.program.wait().document["workers"][0]
    # Mostly; but when it waits for its CPU it is awake.
    that(4 * worker["sleep_cycles"] > worker["busy_cycles"] + worker["idle_cycles"], f"hardly asleep: {worker}")
    lab.run(written(lab, workers="idle_sleep_us = 0"))
    shown = None

    def asked(_):
        nonlocal shown
        done = command("-j", "-s", lab.directory / "control.sock", "stats")
        equal((done.returncode, done.stderr), (0, ""), "exit code and standard error")
        shown = json.loads(done.stdout)["workers"][0]
        that(shown["counters"]["idle_cycles"] > 0, "it has not polled yet")

    lab.while_running(asked)
    equal(shown["counters"]["sleep_cycles"], 0, "cycles asleep of one that may not")
    that("sleep_cycles" in command("-s", lab.directory / "control.sock", "stats").stdout, "stats does not show it")
    worker = lab.stop().document["workers"][0]
    equal(worker["sleep_cycles"], 0, "cycles asleep of one that may not")
