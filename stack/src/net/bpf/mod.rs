//! Captures: what is taken of a vnet's packets for those who look on (FreeBSD: sys/net/bpf.c).
//!
//! | file | subject |
//! |---|---|
//! | `filter.rs` | the filter machine: programs are checked once, and then cannot go wrong |
//! | `ring.rs` | from a worker to the control thread: bytes, bounded, no heap |
//! | `tap.rs` | one capture as workers see it |
//! | `datapath.rs` | where workers call: received, sent, dropped |
//!
//! While nothing of a vnet is captured its packets pay nothing: whether an interface takes the fast path is one word
//! that says both whether it is up and whether a capture looks on. The packets of a vnet that is captured take the path
//! of exceptions, which sends the same, and has the taps.

mod datapath;
mod filter;
mod ring;
mod tap;

pub(crate) use datapath::{tap_dropped, tap_received, tap_sent};
pub use filter::{Filter, FilterError, Instruction, Packet};
pub use tap::{Captured, Captures, Direction, Tap, TapEnd, TapSpec};
