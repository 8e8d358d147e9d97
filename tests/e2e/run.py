#!/usr/bin/python3
"""End-to-end tests: the real binary, with the kernel and scapy as its peers. See README.md."""

import logging
import sys

sys.dont_write_bytecode = True  # the tests run as root, in somebody's checkout

# scapy has opinions about the machine's routes and IPv6, which the tests do not use.
logging.getLogger("scapy").setLevel(logging.ERROR)

from harness import runner  # noqa: E402

if __name__ == "__main__":
    sys.exit(runner.main())
