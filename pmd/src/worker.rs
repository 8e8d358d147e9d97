//! Workers: threads pinned to a CPU and known to EAL.

use std::sync::mpsc;

use dpdk_sys as ffi;

use crate::eal::last_error;
use crate::{CpuId, Eal, SocketId, affinity};

/// The place of a worker in the machine: its CPU, lcore and memory.
#[derive(Debug)]
pub struct WorkerCtx {
    /// The CPU it is pinned to.
    pub cpu: CpuId,
    /// EAL's number for it; mempool caches are per lcore.
    pub lcore: u32,
    /// The NUMA node of its CPU.
    pub socket: SocketId,
    /// Memory and ports stay valid while the worker runs.
    pub eal: Eal,
}

/// Why a worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Workers use mbufs, so EAL comes first.
    #[error("worker {name}: EAL is not running; start it before the workers")]
    NoEal {
        /// The worker.
        name: String,
    },
    /// The kernel gave no thread.
    #[error("worker {name}: no thread: {source}")]
    Thread {
        /// The worker.
        name: String,
        /// The kernel's reason.
        source: std::io::Error,
    },
    /// The CPU cannot be used.
    #[error("worker {name}: {source}; choose another in [workers] cpus")]
    Pin {
        /// The worker.
        name: String,
        /// Which CPU.
        source: affinity::AffinityError,
    },
    /// EAL has no lcore left, or refuses.
    #[error("worker {name}: rte_thread_register failed: {reason}; EAL knows at most {max} threads")]
    Register {
        /// The worker.
        name: String,
        /// `rte_errno` in words.
        reason: String,
        /// `RTE_MAX_LCORE`
        max: u32,
    },
    /// The thread ended before it was ready.
    #[error("worker {name} ended before it was ready")]
    Died {
        /// The worker.
        name: String,
    },
}

/// A started worker; dropping the handle lets it run on.
#[derive(Debug)]
pub struct JoinHandle<T> {
    thread: std::thread::JoinHandle<Option<T>>,
}

impl<T> JoinHandle<T> {
    /// Waits for the worker to end and returns its result.
    ///
    /// # Errors
    /// The payload of a panic in the worker.
    pub fn join(self) -> std::thread::Result<T> {
        let result = self.thread.join()?;
        Ok(result.expect("spawn hands out handles of workers that got ready only"))
    }

    /// Whether the worker has ended, so that `join` does not wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Starts a thread, pins it to the CPU, registers it with EAL, and runs `f` on it. Returns when the
/// thread is ready, so that every failure is reported here. `f` ends the worker by returning.
///
/// # Errors
/// See [`WorkerError`].
pub fn spawn<T, F>(cpu: CpuId, name: &str, f: F) -> Result<JoinHandle<T>, WorkerError>
where
    F: FnOnce(WorkerCtx) -> T + Send + 'static,
    T: Send + 'static,
{
    let owned = || name.to_owned();
    let eal = Eal::current().ok_or_else(|| WorkerError::NoEal { name: owned() })?;
    let (ready, is_ready) = mpsc::sync_channel(1);
    let body = {
        let name = owned();
        move || match Registered::new(&name, cpu, eal.clone()) {
            Ok(registered) => {
                let _ = ready.send(Ok(()));
                Some(f(registered.context(cpu, eal)))
            }
            Err(error) => {
                let _ = ready.send(Err(error));
                None
            }
        }
    };
    let thread = std::thread::Builder::new()
        .name(owned())
        .spawn(body)
        .map_err(|source| WorkerError::Thread { name: owned(), source })?;
    is_ready.recv().map_err(|_| WorkerError::Died { name: owned() })??;
    Ok(JoinHandle { thread })
}

/// The calling thread is known to EAL while this lives.
struct Registered {
    /// Dropped after the thread is unregistered: `f` may have dropped the last other handle.
    _eal: Eal,
}

impl Registered {
    fn new(name: &str, cpu: CpuId, eal: Eal) -> Result<Registered, WorkerError> {
        affinity::pin(cpu).map_err(|source| WorkerError::Pin { name: name.to_owned(), source })?;
        // SAFETY: EAL is initialised (the caller holds a handle); the thread is not registered yet.
        if unsafe { ffi::rte_thread_register() } != 0 {
            let (name, reason) = (name.to_owned(), last_error());
            return Err(WorkerError::Register { name, reason, max: ffi::RTE_MAX_LCORE });
        }
        Ok(Registered { _eal: eal })
    }

    fn context(&self, cpu: CpuId, eal: Eal) -> WorkerCtx {
        // SAFETY: both read variables of the calling thread, which is registered.
        let (lcore, socket) = unsafe { (ffi::cv_lcore_id(), ffi::rte_socket_id()) };
        // SOCKET_ID_ANY comes as an unsigned number.
        WorkerCtx { cpu, lcore, socket: SocketId(socket as i32), eal }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: the thread is registered, and EAL runs as long as there is a handle.
        unsafe { ffi::rte_thread_unregister() };
    }
}
