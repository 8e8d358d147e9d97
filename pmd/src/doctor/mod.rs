//! Facts about the machine for `curvnet doctor`: what is there, what is missing, what mends it.
//!
//! Everything is read from `/proc` and `/sys`; nothing is changed, and EAL need not run.

mod cpu;
mod devices;
mod memory;

use std::fs;
use std::path::{Path, PathBuf};

/// How a fact is to be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, but slower or less predictably, or only for a part of the uses.
    Warn,
    /// A NIC cannot be used before this is mended; vdevs may work.
    Missing,
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The thing that was looked at, e.g. `hugepages 2048 kB` or `nic 0000:3b:00.0`.
    pub name: String,
    /// The judgement.
    pub state: State,
    /// The finding, in one line.
    pub detail: String,
    /// The command, or the kernel argument, that mends it.
    pub cure: Option<String>,
}

impl Check {
    fn ok(name: impl Into<String>, detail: impl Into<String>) -> Check {
        Check { name: name.into(), state: State::Ok, detail: detail.into(), cure: None }
    }

    fn bad(
        state: State,
        name: impl Into<String>,
        detail: impl Into<String>,
        cure: impl Into<String>,
    ) -> Check {
        Check { name: name.into(), state, detail: detail.into(), cure: Some(cure.into()) }
    }
}

/// Looks at this machine: memory, then CPUs, then devices.
#[must_use]
pub fn checks() -> Vec<Check> {
    let mut checks = vec![Check::ok("dpdk", crate::Eal::version())];
    checks.extend(checks_in(Path::new("/")));
    checks
}

/// Like [`checks`], for a file system tree that holds copies of `proc` and `sys`.
#[must_use]
pub fn checks_in(root: &Path) -> Vec<Check> {
    let machine = Machine { root: root.to_owned() };
    let mut checks = memory::checks(&machine);
    checks.extend(cpu::checks(&machine));
    checks.extend(devices::checks(&machine));
    checks
}

/// Where `proc` and `sys` are.
struct Machine {
    root: PathBuf,
}

impl Machine {
    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A file's text without surrounding blanks; `None` if it cannot be read.
    fn read(&self, path: &str) -> Option<String> {
        Some(fs::read_to_string(self.path(path)).ok()?.trim().to_owned())
    }

    /// The names in a folder, sorted; empty if there is none.
    fn list(&self, path: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(path)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of files under a folder of its own.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str, files: &[(&str, &str)]) -> Tree {
            let root = std::env::temp_dir().join(format!("doctor-{name}-{}", std::process::id()));
            for (path, text) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().expect("a folder")).expect("created");
                fs::write(path, text).expect("written");
            }
            Tree(root)
        }

        fn link(&self, target: &str, path: &str) {
            std::os::unix::fs::symlink(target, self.0.join(path)).expect("a link");
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn find<'a>(checks: &'a [Check], name: &str) -> &'a Check {
        checks
            .iter()
            .find(|check| check.name == name)
            .unwrap_or_else(|| panic!("{name}: {checks:#?}"))
    }

    const HUGE: &str = "sys/kernel/mm/hugepages/hugepages-2048kB";
    const NIC: &str = "sys/bus/pci/devices/0000:3b:00.0";

    #[test]
    fn a_bare_machine_lacks_everything_and_every_lack_has_a_cure() {
        let tree = Tree::new(
            "bare",
            &[
                (&format!("{HUGE}/nr_hugepages"), "0\n"),
                (&format!("{HUGE}/free_hugepages"), "0\n"),
                ("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n"),
                ("proc/mounts", "proc /proc proc rw 0 0\n"),
                ("proc/cpuinfo", "flags\t\t: fpu tsc\n"),
                ("proc/self/limits", "Max locked memory         65536   65536   bytes\n"),
                ("sys/devices/system/cpu/isolated", "\n"),
                ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n"),
                (&format!("{NIC}/class"), "0x020000\n"),
                (&format!("{NIC}/vendor"), "0x8086\n"),
                (&format!("{NIC}/device"), "0x1583\n"),
                (&format!("{NIC}/numa_node"), "1\n"),
                (&format!("{NIC}/net/eth0/operstate"), "up\n"),
                ("sys/bus/pci/devices/0000:00:1f.0/class", "0x060100\n"),
            ],
        );
        tree.link("../../../../bus/pci/drivers/i40e", &format!("{NIC}/driver"));
        let checks = checks_in(&tree.0);
        for (name, state) in [
            ("hugepages 2048 kB", State::Missing),
            ("transparent hugepages", State::Warn),
            ("hugepage mount", State::Warn),
            ("locked memory", State::Warn),
            ("invariant TSC", State::Missing),
            ("isolcpus", State::Warn),
            ("nohz_full", State::Warn),
            ("cpufreq governor", State::Warn),
            ("IOMMU", State::Warn),
            ("vfio-pci", State::Missing),
            ("nic 0000:3b:00.0", State::Warn),
        ] {
            let check = find(&checks, name);
            assert_eq!(check.state, state, "{check:?}");
            assert!(check.cure.as_ref().is_some_and(|cure| !cure.is_empty()), "{check:?}");
        }
        assert_eq!(checks.iter().filter(|check| check.name.starts_with("nic")).count(), 1);
        let nic = find(&checks, "nic 0000:3b:00.0");
        for part in ["8086:1583", "i40e", "eth0 (up)", "NUMA node 1"] {
            assert!(nic.detail.contains(part), "{nic:?}");
        }
        assert!(nic.cure.as_ref().is_some_and(|cure| cure.contains("-b vfio-pci 0000:3b:00.0")));
    }

    #[test]
    fn a_prepared_machine_is_fine() {
        let tree = Tree::new(
            "ready",
            &[
                (&format!("{HUGE}/nr_hugepages"), "1024\n"),
                (&format!("{HUGE}/free_hugepages"), "1000\n"),
                ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
                ("sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "0\n"),
                ("sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "0\n"),
                ("proc/mounts", "hugetlbfs /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n"),
                ("proc/cpuinfo", "flags\t\t: tsc constant_tsc nonstop_tsc\n"),
                ("proc/self/limits", "Max locked memory         unlimited   unlimited   bytes\n"),
                ("sys/devices/system/cpu/isolated", "2-7\n"),
                ("sys/devices/system/cpu/nohz_full", "2-7\n"),
                ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"),
                ("sys/kernel/iommu_groups/7/type", "DMA\n"),
                ("sys/bus/pci/drivers/vfio-pci/bind", ""),
                (&format!("{NIC}/class"), "0x020000\n"),
                (&format!("{NIC}/numa_node"), "-1\n"),
            ],
        );
        tree.link("../../../../bus/pci/drivers/vfio-pci", &format!("{NIC}/driver"));
        let checks = checks_in(&tree.0);
        assert!(checks.iter().all(|check| check.state == State::Ok), "{checks:#?}");
        assert_eq!(
            find(&checks, "hugepages 2048 kB").detail,
            "1024 reserved, 1000 free (2000 MiB)"
        );
    }

    #[test]
    fn an_unreadable_machine_gives_checks_not_panics() {
        let checks = checks_in(Path::new("/nowhere/at/all"));
        assert!(checks.iter().any(|check| check.state == State::Missing));
        assert!(!super::checks().is_empty());
    }
}
