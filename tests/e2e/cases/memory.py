"""Which memory is advised to be transparent huge pages: packets, containers and the tables of the control thread."""

import re
from pathlib import Path

from harness import Lab, Skip, case, that, two_arms
from harness.lab import MBUFS

MODES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def advised(pid: int) -> dict[str, int]:
    """KiB of mappings that are advised (`hg` in VmFlags), by their names; those without a name are ``."""
    sizes: dict[str, int] = {}
    name, size = "", 0
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            name = line.split(maxsplit=5)[5] if len(line.split()) > 5 else ""
        elif line.startswith("Size:"):
            size = int(line.split()[1])
        elif line.startswith("VmFlags:") and "hg" in line.split():
            sizes[name] = sizes.get(name, 0) + size
    return sizes


@case()
def packets_and_tables_lie_on_transparent_huge_pages(lab: Lab):
    if not MODES.exists():
        raise Skip("the kernel has no transparent huge pages")
    two_arms(lab)
    sizes = advised(lab.program.process.pid)
    that(sizes.get("[heap]", 0) >= 512 * 1024, f"the heap: {sizes}")
    pool_kib = 2368 * MBUFS // 1024
    that(sizes.get("", 0) >= pool_kib + 16 * 1024, f"the pool and 16 MiB of containers: {sizes}")
