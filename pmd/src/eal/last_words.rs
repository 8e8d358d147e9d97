//! A message when EAL ends the process instead of returning, as it does for `--help`, and from DPDK 25.11 on for whatever its
//! parser of arguments refuses.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use crate::log;

/// The arguments while EAL starts; none before and after that.
static STARTING: Mutex<Option<String>> = Mutex::new(None);
static REGISTERED: Once = Once::new();

/// Until this goes, an end of the process is explained.
pub(super) struct LastWords(());

impl LastWords {
    pub(super) fn new(args: &[String]) -> Self {
        // SAFETY: the function is valid for ever, and takes and returns nothing.
        REGISTERED.call_once(|| unsafe {
            let _refused_without_memory = libc::atexit(explain);
        });
        *starting() = Some(args.join(" "));
        Self(())
    }
}

impl Drop for LastWords {
    fn drop(&mut self) {
        *starting() = None;
    }
}

fn starting() -> MutexGuard<'static, Option<String>> {
    STARTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Called when the process exits.
extern "C" fn explain() {
    let Some(args) = starting().take() else { return };
    let said = log::suffix(&log::take());
    let text = format!(
        "curvnet: DPDK's EAL ended the process while it started: check [dpdk] eal_args; it was given: {args}{said}\n"
    );
    let _nobody_reads = std::io::stderr().write_all(text.as_bytes());
    // SAFETY: ends the process. EAL's own code may be 0, and other handlers would clean up what has not begun.
    unsafe { libc::_exit(1) };
}
