//! Quiescent-state based reclamation: what workers read without locks is freed when all of them have let go of it.
//!
//! A [`Reader`] is a thread's licence to look at shared state: everything that is loaded borrows it, and
//! [`Reader::quiescent`] takes it by `&mut`, so the borrow checker proves that nothing is kept across a quiescent
//! state. The [`Control`] replaces shared state and frees the old when a grace period has passed: every reader that
//! was online has reported once. The scheme and its words are those of DPDK's `rte_rcu_qsbr`.

mod control;
mod domain;
mod reader;

pub use control::{Control, GraceToken};
pub use domain::{Domain, QsbrError};
pub use reader::Reader;

pub(crate) use domain::Shared;
