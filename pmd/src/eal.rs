//! EAL, DPDK's environment abstraction layer: started once in a process, stopped when the last handle
//! is dropped.

mod arguments;
mod last_words;

use std::ffi::{CStr, CString, NulError, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use dpdk_sys as ffi;

use self::last_words::LastWords;
use crate::hugepage::{self, Hugepages};
use crate::{CpuId, log, port};

/// Memory in MiB that EAL gets at least without hugepages. It is touched, and so costs anything, only
/// as far as pools and containers use it; EAL cannot get more later.
const MINIMUM_MEMORY_MIB: u32 = 1024;

/// Memory in MiB of free hugepages that `auto` wants to see when it is not told how much is needed.
const AUTO_MEMORY_MIB: u64 = 256;

/// The name of the telemetry socket (lib/telemetry/telemetry.c, and `dpdk-telemetry.py`).
const TELEMETRY_SOCKET: &str = "dpdk_telemetry.v2";

/// How EAL is started.
#[derive(Debug, Clone, Default)]
pub struct EalConfig {
    /// Where packet memory comes from.
    pub hugepages: Hugepages,
    /// Memory in MiB that pools and containers need together: what `auto` wants to see free in
    /// hugepages, and what `--no-huge` sets aside (at least 1024, of which only what is used is ever
    /// touched). Count pools ([`crate::pool::memory_mib`]), containers, and 64 MiB for EAL and drivers.
    /// Without it `auto` wants 256.
    pub memory_mib: Option<u32>,
    /// The CPU of the calling (control) thread and of EAL's own threads. The calling thread is pinned
    /// to it. Without it the calling thread keeps its affinity, and EAL's threads get the same.
    pub main_cpu: Option<CpuId>,
    /// Whether a device will have packet memory mapped by another process ([`crate::Device::shares_memory`]). Without
    /// hugepages pools then lie in EAL's own memory, whose file descriptor such a device passes on: twice as slow.
    pub shared_memory: bool,
    /// Added after the derived arguments. An option that is there twice is passed once, as it stands here.
    pub eal_args: Vec<String>,
    /// PCI addresses that EAL probes at start. With none, and no `--allow` in `eal_args`, it gets `--no-pci`, and no PCI
    /// device can be opened later.
    pub pci_allow: Vec<String>,
    /// Default: `curvnet-<pid>`, unique on the machine.
    pub file_prefix: Option<String>,
    /// Whether EAL answers on a telemetry socket, which `dpdk-telemetry.py --file-prefix` connects to.
    pub telemetry: bool,
}

/// Why EAL did not start.
#[derive(Debug, thiserror::Error)]
pub enum EalError {
    /// EAL keeps global state that `rte_eal_cleanup` does not reset.
    #[error("EAL can be started only once in a process; restart the program")]
    AlreadyInitialised,
    /// Hugepages are required and there are not enough.
    #[error(
        "hugepages = \"required\", but {free_mib} MiB of hugepages are free and {needed_mib} MiB \
         are needed; reserve some: echo {pages} > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
    )]
    NoHugepages {
        /// MiB free over all page sizes.
        free_mib: u64,
        /// MiB that the configuration needs, at least 1.
        needed_mib: u64,
        /// Pages of 2 MiB that would do.
        pages: u64,
    },
    /// The main CPU does not exist or may not be used.
    #[error("the control thread cannot be pinned to CPU {0}: it is offline or outside the cpuset")]
    MainCpu(CpuId),
    /// An argument holds a NUL byte.
    #[error("an EAL argument holds a NUL byte: {0}")]
    Argument(#[from] NulError),
    /// `rte_eal_init` failed.
    #[error("rte_eal_init({}) failed: {reason}{}", .args.join(" "), log::suffix(.log))]
    Init {
        /// The arguments EAL was given.
        args: Vec<String>,
        /// `rte_errno` in words.
        reason: String,
        /// The lines that EAL logged.
        log: Vec<String>,
    },
}

/// A handle to the running EAL. EAL is cleaned up when the last clone is gone; pools, ports and
/// workers each hold one.
#[derive(Debug, Clone)]
pub struct Eal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    hugepages: bool,
    external_memory: bool,
    telemetry: bool,
    args: Vec<String>,
    /// EAL keeps pointers into its arguments.
    _argv: Vec<CString>,
}

enum State {
    Never,
    Running(Weak<Inner>),
}

static STATE: Mutex<State> = Mutex::new(State::Never);

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Eal {
    /// Starts EAL from the thread that is to be the control thread.
    ///
    /// # Errors
    /// See [`EalError`]. Every call after the first one that reached `rte_eal_init` is
    /// [`EalError::AlreadyInitialised`], even if EAL was stopped in between.
    pub fn init(config: EalConfig) -> Result<Eal, EalError> {
        let mut state = state();
        if !matches!(*state, State::Never) {
            return Err(EalError::AlreadyInitialised);
        }
        let hugepages = choose_hugepages(&config)?;
        let args = arguments(&config, hugepages)?;
        let argv = args
            .iter()
            .map(|arg| CString::new(arg.as_str()))
            .collect::<Result<Vec<CString>, NulError>>()?;
        *state = State::Running(Weak::new());

        log::capture();
        let last_words = LastWords::new(&args);
        let started = start(&argv);
        drop(last_words);
        started.map_err(|reason| EalError::Init {
            args: args.clone(),
            reason,
            log: log::take(),
        })?;
        let telemetry = config.telemetry;
        if !telemetry {
            remove_runtime_dir();
        }
        let external_memory = !hugepages && !shares_memory(&config) && addresses_are_virtual();
        let inner = Arc::new(Inner { hugepages, external_memory, telemetry, args, _argv: argv });
        *state = State::Running(Arc::downgrade(&inner));
        let memory = if hugepages { "hugepages" } else { "ordinary pages" };
        tracing::info!(memory, arguments = %inner.args.join(" "), "EAL started");
        Ok(Eal { inner })
    }

    /// The running EAL of this process, if there is one.
    #[must_use]
    pub fn current() -> Option<Eal> {
        match &*state() {
            State::Never => None,
            State::Running(inner) => inner.upgrade().map(|inner| Eal { inner }),
        }
    }

    /// Whether packet memory is on hugepages: what `auto` decided.
    #[must_use]
    pub fn hugepages_in_use(&self) -> bool {
        self.inner.hugepages
    }

    /// Whether pools and containers get memory that the process maps itself: without hugepages, unless a device shares it
    /// with another process, or devices know pages of 4 KiB by physical addresses (`--iova-mode=pa`).
    #[must_use]
    pub fn takes_external_memory(&self) -> bool {
        self.inner.external_memory
    }

    /// The arguments EAL was started with, the program's name first.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        &self.inner.args
    }

    /// Where EAL answers telemetry, if it was told to: a UNIX socket of packets in sequence.
    #[must_use]
    pub fn telemetry_socket(&self) -> Option<PathBuf> {
        self.inner.telemetry.then(|| runtime_dir().join(TELEMETRY_SOCKET))
    }

    /// Removes the telemetry socket and its folder. DPDK would remove the socket when the process exits, but not the folder.
    pub(crate) fn remove_telemetry_socket(&self) {
        if let Some(socket) = self.telemetry_socket() {
            let _gone = std::fs::remove_file(socket);
            remove_runtime_dir();
        }
    }

    /// DPDK's version as the library states it, e.g. `DPDK 22.11.11`.
    #[must_use]
    pub fn version() -> String {
        // SAFETY: returns a pointer to a static C string.
        unsafe { CStr::from_ptr(ffi::rte_version()) }.to_string_lossy().into_owned()
    }

    /// Takes the lines that EAL and drivers logged (notice and above) since the last call. The control
    /// side calls this and logs them.
    #[must_use]
    pub fn take_log(&self) -> Vec<String> {
        log::take()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: EAL was initialised, and no pool, port or worker is left, since each holds a handle.
        let result = unsafe { ffi::rte_eal_cleanup() };
        if result != 0 {
            tracing::warn!(error = %strerror(result), "rte_eal_cleanup failed");
        }
    }
}

/// EAL makes a folder for each file prefix, puts nothing there but the telemetry socket (no shared files), and would
/// leave it.
fn remove_runtime_dir() {
    // Refused if there is something in it, which then is worth keeping.
    let _ = std::fs::remove_dir(runtime_dir());
}

/// EAL's folder; empty if there is none.
fn runtime_dir() -> PathBuf {
    // SAFETY: returns a pointer to a static C string.
    let path = unsafe { CStr::from_ptr(ffi::rte_eal_get_runtime_dir()) };
    PathBuf::from(OsStr::from_bytes(path.to_bytes()))
}

fn start(argv: &[CString]) -> Result<(), String> {
    let mut pointers: Vec<*mut c_char> = argv.iter().map(|arg| arg.as_ptr().cast_mut()).collect();
    pointers.push(std::ptr::null_mut());
    let argc = c_int::try_from(argv.len()).map_err(|_| "too many arguments".to_owned())?;
    // SAFETY: argv is a NULL-terminated array of C strings. EAL permutes the array, which it keeps no
    // pointer to, and never writes to the strings, which `Inner` keeps.
    let result = unsafe { ffi::rte_eal_init(argc, pointers.as_mut_ptr()) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// Decides whether EAL gets hugepages: `true`, or `false` for `--no-huge`.
fn choose_hugepages(config: &EalConfig) -> Result<bool, EalError> {
    if arguments::has(&config.eal_args, "no-huge") {
        return Ok(false);
    }
    let free_mib = hugepage::free_mib();
    let known_mib = config.memory_mib.map(u64::from);
    let needed_mib = known_mib.unwrap_or(1);
    match config.hugepages {
        Hugepages::None => Ok(false),
        Hugepages::Auto => Ok(free_mib >= known_mib.unwrap_or(AUTO_MEMORY_MIB)),
        Hugepages::Required if free_mib >= needed_mib => Ok(true),
        Hugepages::Required => {
            Err(EalError::NoHugepages { free_mib, needed_mib, pages: needed_mib.div_ceil(2) })
        }
    }
}

fn shares_memory(config: &EalConfig) -> bool {
    config.shared_memory || config.eal_args.iter().any(|arg| port::shares_memory(arg))
}

/// Whether devices use the process's own addresses.
fn addresses_are_virtual() -> bool {
    // SAFETY: EAL is initialised.
    unsafe { ffi::rte_eal_iova_mode() == ffi::RTE_IOVA_VA }
}

fn arguments(config: &EalConfig, hugepages: bool) -> Result<Vec<String>, EalError> {
    let prefix = config.file_prefix.clone();
    let prefix = prefix.unwrap_or_else(|| format!("curvnet-{}", std::process::id()));
    let mut args = vec![
        "curvnet".to_owned(),
        format!("--file-prefix={prefix}"),
        format!("--lcores=0@({})", main_cpus(config)?),
    ];
    if !config.telemetry {
        args.push("--no-telemetry".to_owned());
    }
    // No files are left behind, and two instances cannot meet by accident.
    if hugepages {
        args.push("--in-memory".to_owned());
    } else {
        // --in-memory is refused together with --no-huge by some releases of DPDK.
        let memory_mib = config.memory_mib.unwrap_or(0).max(MINIMUM_MEMORY_MIB);
        args.extend(["--no-huge", "--no-shconf"].map(str::to_owned));
        args.push(format!("-m{memory_mib}"));
        // Without hugepages there are no stable physical addresses to hand to a device.
        args.push("--iova-mode=va".to_owned());
    }
    if config.pci_allow.is_empty() && !arguments::has(&config.eal_args, "allow") {
        args.push("--no-pci".to_owned());
    }
    args.extend(config.pci_allow.iter().map(|address| format!("--allow={address}")));
    let (program, derived) = args.split_at(1);
    Ok([program, &arguments::merged(derived, &config.eal_args)].concat())
}

/// The CPUs of the main lcore. Without `--lcores` EAL pins the calling thread to one CPU of its choice,
/// and threads created later inherit that mask.
fn main_cpus(config: &EalConfig) -> Result<String, EalError> {
    let Some(cpu) = config.main_cpu else {
        let cpus = crate::affinity::current();
        return Ok(cpus.iter().map(CpuId::to_string).collect::<Vec<_>>().join(","));
    };
    // EAL's own threads get what the calling thread may use, less the main lcore; narrowed to the main
    // CPU first, they stay off the CPUs of the workers.
    crate::affinity::pin(cpu).map_err(|_| EalError::MainCpu(cpu))?;
    Ok(cpu.to_string())
}

/// `rte_errno` of this thread in words.
pub(crate) fn last_error() -> String {
    // SAFETY: reads a variable of the calling thread.
    strerror(unsafe { ffi::cv_errno() })
}

/// The message for an errno value or for DPDK's negative return values.
pub(crate) fn strerror(code: c_int) -> String {
    // SAFETY: returns a C string in memory of the calling thread, copied before the next call.
    let text = unsafe { CStr::from_ptr(ffi::rte_strerror(code.saturating_abs())) };
    text.to_string_lossy().into_owned()
}
