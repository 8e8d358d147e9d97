//! The one place that selects the synchronisation primitives: the standard library, or loom's models of them.

#[cfg(loom)]
pub(crate) use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering, fence},
    thread::yield_now,
};
#[cfg(not(loom))]
pub(crate) use std::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering, fence},
    thread::yield_now,
};

/// A `const fn`, except under loom, whose atomics cannot be built in constants.
macro_rules! const_unless_loom {
    ($(#[$meta:meta])* $vis:vis fn $name:ident() -> $ret:ty $body:block) => {
        #[cfg(not(loom))]
        $(#[$meta])* $vis const fn $name() -> $ret $body
        #[cfg(loom)]
        $(#[$meta])* $vis fn $name() -> $ret $body
    };
}
pub(crate) use const_unless_loom;
