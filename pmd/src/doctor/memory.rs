//! Hugepages and limits.

use super::{Check, Machine, State};
use crate::hugepage::{self, PageSize};

/// 1 GiB in pages of 2 MiB: enough for the shipped configurations.
const RESERVE: &str =
    "echo 512 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages # or hugepages=512 at boot";

pub(super) fn checks(machine: &Machine) -> Vec<Check> {
    let mut checks = hugepages(machine);
    checks.push(transparent(machine));
    checks.push(mount(machine));
    checks.push(locked_memory(machine));
    checks
}

fn hugepages(machine: &Machine) -> Vec<Check> {
    let sizes = hugepage::page_sizes_in(&machine.path("sys/kernel/mm/hugepages"));
    if sizes.is_empty() {
        let cure = "boot a kernel with CONFIG_HUGETLBFS";
        return vec![Check::bad(State::Missing, "hugepages", "the kernel has none", cure)];
    }
    let any = sizes.iter().any(|size| size.total > 0);
    sizes.iter().map(|size| pages(size, any)).collect()
}

fn pages(size: &PageSize, any: bool) -> Check {
    let name = format!("hugepages {} kB", size.size_kib);
    let free_mib = size.free * size.size_kib / 1024;
    let detail = format!("{} reserved, {} free ({free_mib} MiB)", size.total, size.free);
    if !any {
        return Check::bad(State::Missing, name, detail, RESERVE);
    }
    if size.total > 0 && size.free == 0 {
        return Check::bad(State::Warn, name, detail, "stop what uses them, or reserve more");
    }
    Check::ok(name, detail)
}

/// Without hugepages packets and containers lie on these.
fn transparent(machine: &Machine) -> Check {
    const NAME: &str = "transparent hugepages";
    let folder = "sys/kernel/mm/transparent_hugepage";
    if hugepage::transparent_in(&machine.path(folder)) {
        return Check::ok(NAME, "for programs that ask");
    }
    let cure = format!("echo madvise > /{folder}/enabled");
    Check::bad(State::Warn, NAME, "none; without hugepages memory has pages of 4 KiB", cure)
}

/// curvnet maps hugepages without a mount (`--in-memory`); other DPDK programs need one.
fn mount(machine: &Machine) -> Check {
    let mounts = machine.read("proc/mounts").unwrap_or_default();
    let found = mounts.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (path, kind, options) = (words.next()?, words.next()?, words.next()?);
        (kind == "hugetlbfs").then(|| format!("{path} ({options})"))
    });
    match found {
        Some(path) => Check::ok("hugepage mount", path),
        None => Check::bad(
            State::Warn,
            "hugepage mount",
            "none; curvnet works without, other DPDK programs do not",
            "mkdir -p /dev/hugepages && mount -t hugetlbfs hugetlbfs /dev/hugepages",
        ),
    }
}

/// A NIC behind an IOMMU has its memory locked, unless the user may exceed limits.
fn locked_memory(machine: &Machine) -> Check {
    let limits = machine.read("proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find_map(|line| {
        line.strip_prefix("Max locked memory")?.split_whitespace().next().map(str::to_owned)
    });
    match soft.as_deref() {
        Some("unlimited") => Check::ok("locked memory", "unlimited"),
        Some(bytes) => Check::bad(
            State::Warn,
            "locked memory",
            format!("limited to {bytes} bytes; vfio needs all packet memory locked"),
            "ulimit -l unlimited # or LimitMEMLOCK=infinity in the systemd unit",
        ),
        None => Check::bad(State::Warn, "locked memory", "unknown", "mount -t proc proc /proc"),
    }
}
