//! Facts of the machine and the build that a configuration is checked against.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::model::{CpuId, DeviceAccess};

/// Facts about the machine and the build, gathered by the program and handed in.
///
/// Gathering them here would tie this crate to `/sys` and to the crates that own the facts, and
/// would make a configuration's errors depend on where its tests run.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// CPUs that this process may run on.
    pub online_cpus: BTreeSet<CpuId>,
    /// The working directory; DPDK opens the files that a device string names relative to it. An
    /// empty path means that of this process, as the file system functions take it.
    pub directory: PathBuf,
    /// The sysctls of this build by their full dotted names.
    pub sysctls: BTreeMap<String, SysctlInfo>,
    /// How many `[[vnet]]` tables this build can hold. In the builds with one vnet this is 1, and
    /// the one table, whatever its name, configures that vnet.
    pub max_vnets: usize,
    /// The accessor arm of this build: `vimage`, `none`, `vimage-globals` or `vimage-section`.
    pub arm: String,
    /// Ports that DPDK has room for; 0: not known.
    pub max_ports: usize,
    /// The Ethernet drivers that DPDK has; empty: not known.
    pub drivers: BTreeSet<String>,
    /// The devices that the author of the configuration may name.
    pub devices: DeviceAccess,
}

/// The values that may be written to a sysctl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SysctlInfo {
    /// Type and range.
    pub kind: SysctlKind,
    /// True if it cannot be set at start-up either (FreeBSD's `RDTUN` can, so it is false there).
    pub read_only: bool,
    /// Whether each vnet has its own value.
    pub scope: SysctlScope,
}

/// The type of a sysctl's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SysctlKind {
    /// A number.
    Integer {
        /// Smallest value, inclusive.
        min: i64,
        /// Largest value, inclusive.
        max: i64,
    },
    /// A text.
    Text,
}

/// Who shares a sysctl's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SysctlScope {
    /// One value per vnet (FreeBSD: `CTLFLAG_VNET`).
    Vnet,
    /// One value for the process; as in FreeBSD, only the base vnet may set it.
    Global,
}
