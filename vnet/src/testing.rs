//! For tests of crates that use this one.

use std::sync::{Mutex, MutexGuard, PoisonError};

static TURN: Mutex<()> = Mutex::new(());

/// A test's turn to have vnets; see [`turn`].
#[derive(Debug)]
#[must_use = "the turn ends when this is dropped"]
pub struct Turn(#[allow(dead_code, reason = "held")] Option<MutexGuard<'static, ()>>);

/// Waits for the turn of a test that creates vnets; keep the result until its [`Vnets`](crate::Vnets) is dropped.
///
/// In the static arms a process has one vnet, so tests in one process take turns; in the others nobody waits.
pub fn turn() -> Turn {
    let one_at_a_time = crate::Vnets::MAX_VNETS == 1;
    Turn(one_at_a_time.then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner)))
}
