"""What the end-to-end tests are made with: namespaces, wires, peers, and the running program."""

from .cases import Skip, case
from .check import equal, is_echo_reply, is_icmp_error, that
from .config import epair, interface, loopback, vnet
from .lab import Lab
from .table import Case, run_table
from .topology import two_arms

__all__ = [
    "Case", "Lab", "Skip", "case", "epair", "equal", "interface", "is_echo_reply", "is_icmp_error", "loopback",
    "run_table", "that", "two_arms", "vnet",
]
