//! Pinning of threads.

use core_affinity::CoreId;

use crate::CpuId;

/// The thread could not be pinned to the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("CPU {0} cannot be used: it is offline or outside the process's cpuset")]
pub struct AffinityError(pub CpuId);

/// The CPUs that the calling thread may run on.
#[must_use]
pub fn current() -> Vec<CpuId> {
    // Despite its name this is sched_getaffinity of the calling thread.
    core_affinity::get_core_ids()
        .unwrap_or_default()
        .into_iter()
        .map(|core| CpuId(core.id))
        .collect()
}

/// Pins the calling thread to one CPU and checks that the kernel did so.
///
/// # Errors
/// [`AffinityError`] if the thread does not run on exactly this CPU afterwards.
pub fn pin(cpu: CpuId) -> Result<(), AffinityError> {
    let accepted = core_affinity::set_for_current(CoreId { id: cpu.0 });
    if accepted && current() == [cpu] { Ok(()) } else { Err(AffinityError(cpu)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_and_refuses_a_cpu_that_does_not_exist() {
        std::thread::spawn(|| {
            let cpu = *current().last().expect("a thread runs somewhere");
            pin(cpu).expect("a CPU of the own mask");
            assert_eq!(current(), [cpu]);
            assert_eq!(pin(CpuId(1023)), Err(AffinityError(CpuId(1023))));
        })
        .join()
        .expect("the thread asserts");
    }
}
