"""What `-j` prints when a command fails: one JSON object on standard output, and nothing else anywhere."""

import json
import socket

from harness import Lab, case, equal, interface, that, vnet
from harness.program import command


def failure(lab: Lab, *words: str, code: int) -> dict:
    """A command that fails with this exit code; the error that it prints."""
    done = command("-j", "-s", lab.directory / "control.sock", *words)
    equal((done.returncode, done.stderr), (code, ""), f"exit code and standard error of {words}: {done.stdout}")
    equal(done.stdout.count("\n"), 1, f"lines of {done.stdout!r}")
    document = json.loads(done.stdout)
    equal(set(document), {"error"}, "keys")
    equal(set(document["error"]), {"code", "message", "cure"}, "keys of the error")
    that(all(document["error"].values()), f"something is empty: {document}")
    return document["error"]


@case()
def refusals_are_the_instances_own(lab: Lab):
    lab.port("p0", "net_ring0")
    lab.start(vnet("red", {"em0": interface("p0", "10.1.0.1/24")}))
    lab.while_running(lambda _: that(command("-s", lab.directory / "control.sock", "features").returncode == 0, "no answer"))
    # What the socket says to the same request is what the client prints.
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(str(lab.directory / "control.sock"))
        stream.sendall(b'{"id":1,"version":1,"command":"vnet.show","name":"rde"}\n')
        said = json.loads(stream.makefile().readline())["error"]
    equal(failure(lab, "vnet", "show", "rde", code=1), said, "the refusal")
    equal(said["code"], "not_found", "code")
    equal(failure(lab, "vnet", "create", "red", code=1)["code"], "exists", "code")
    error = failure(lab, "-v", "red", "ifconfig", "em0", "walk", code=2)
    that(error["code"] == "usage" and "walk" in error["message"] and "up, down" in error["cure"], f"{error}")
    lab.stop()


@case(root=False)
def failures_of_the_client(lab: Lab):
    error = failure(lab, "stats", code=1)
    equal(error["code"], "unreachable", "code")
    that(str(lab.directory) in error["message"] and "curvnet run" in error["cure"], f"{error}")
    for words in (["walk"], ["vnet", "show"], ["-x", "stats"], ["route", "add", "10.0.0.0/33", "10.1.0.1"], ["check", "file"]):
        equal(failure(lab, *words, code=2)["code"], "usage", f"code of {words}")
    # Together with other letters, and without -j.
    done = command("-js", lab.directory / "none.sock", "walk")
    that(json.loads(done.stdout)["error"]["code"] == "usage" and not done.stderr, f"{done}")
    done = command("-s", lab.directory / "none.sock", "walk")
    that(not done.stdout and "walk" in done.stderr, f"{done}")
    # What ends the parsing before it has come to the defaults.
    for words in (["-s", "", "stats"], ["-s", "a", "-s", "b", "stats"]):
        done = command(*words)
        equal((done.returncode, done.stdout), (2, ""), f"exit code and standard output of {words}")
        that("-s <SOCKET>" in done.stderr and "panicked" not in done.stderr, done.stderr)
    # Help is no failure.
    done = command("-j", "--help")
    equal((done.returncode, done.stderr), (0, ""), "exit code and standard error of -j --help")
    that("Usage: curvnet" in done.stdout, done.stdout)
