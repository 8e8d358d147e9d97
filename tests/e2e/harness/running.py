"""A configuration that changes while it runs: files to apply, and hosts that would notice."""

import subprocess
import time

from . import config
from .check import that
from .client import path, tried
from .lab import Lab


def write(lab: Lab, *vnets: str, name: str = "next.toml", ports=None, socket=None):
    """A file like the one that the instance was started with, but for what is in it."""
    ports = lab.ports if ports is None else ports
    text = config.document(ports, list(vnets), cpus=[lab.cpu], mbufs=16383, socket=str(socket or path(lab)))
    file = lab.directory / name
    file.write_text(text)
    return file


def pings(host, to: str, count: int) -> subprocess.Popen:
    """A ping a millisecond."""
    line = ["ip", "netns", "exec", host.namespace.name, "ping", "-n", "-q", "-c", str(count), "-i", "0.001", "-W", "3", to]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


def answers(lab: Lab):
    """Waits until the instance does."""
    end = time.monotonic() + 10
    while tried(lab, "features").returncode != 0:
        that(time.monotonic() < end, "it does not answer")
        time.sleep(0.02)


def lost_nothing(ping: subprocess.Popen):
    that(" 0% packet loss" in (text := ping.communicate()[0]), text)
