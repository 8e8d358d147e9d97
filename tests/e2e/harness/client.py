"""The client of the control socket, as tests use it."""

import json
import subprocess

from .check import equal
from .lab import Lab
from .program import command


def path(lab: Lab):
    return lab.directory / "control.sock"


def tried(lab: Lab, *words: str) -> subprocess.CompletedProcess:
    """A command to the instance, whatever becomes of it."""
    return command("-s", path(lab), *words)


def ask(lab: Lab, *words: str) -> str:
    """A command to the instance, which does it; its output."""
    done = tried(lab, *words)
    equal((done.returncode, done.stderr), (0, ""), f"exit code and standard error of {words}")
    return done.stdout


def refused(lab: Lab, *words: str, code: int = 1) -> str:
    """A command that is refused; its message."""
    done = tried(lab, *words)
    equal((done.returncode, done.stdout), (code, ""), f"exit code and standard output of {words}: {done.stderr}")
    return done.stderr


def answer(lab: Lab, *words: str):
    """The JSON answer to a command."""
    return json.loads(ask(lab, "-j", *words))
