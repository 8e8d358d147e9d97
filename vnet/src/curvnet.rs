//! The vnet that the calling thread works for (FreeBSD: `curvnet`, `CURVNET_SET`, `CURVNET_RESTORE`).
//!
//! Each [`Reader`] has a current vnet. On a thread with one reader (every worker, and the control thread) it is also
//! in a thread-local pointer, so that a node reaches it with one `fs:`-relative load. A thread with several readers,
//! which only tests have, keeps the thread-local empty and asks the reader.
//!
//! Where there is one vnet nobody needs to know which it is: the static arms keep track of curvnet in debug builds alone
//! ([`TRACKED`]), so that setting and restoring it costs nothing, as in FreeBSD without `options VIMAGE`.

pub mod global;

use std::cell::Cell;
use std::fmt;
use std::panic::Location;

use crate::{Reader, Vnet, arm};

/// Whether [`set`] takes note of the vnet. Otherwise it does nothing, and [`get`] knows the vnet in hooks and sysctl
/// procedures alone (FreeBSD: without `VIMAGE`, `CURVNET_SET` is empty and `curvnet` is `NULL`).
///
/// True with several vnets; in the static arms true in debug builds, so that those find forgotten guards and vnets of
/// other domains in every arm.
pub const TRACKED: bool = arm::MAX_VNETS > 1 || cfg!(debug_assertions);

/// Stands for "no vnet": it has no containers, so that the fast path needs no check of its own.
static LIMBO: Vnet = Vnet::LIMBO;

thread_local! {
    /// `const` and without `Drop`: no lazy initialisation and no destructor to register, so one `fs:`-relative access.
    static CURVNET: Cell<*const Vnet> = const { Cell::new(&raw const LIMBO) };
    /// Readers alive on this thread.
    static READERS: Cell<u32> = const { Cell::new(0) };
}

#[cfg(debug_assertions)]
thread_local! {
    static SETTER: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
    static RECURSIONS: Cell<u64> = const { Cell::new(0) };
}

/// A reader's own current vnet.
///
/// Invariant: it points to `LIMBO`, or to a vnet that was set through this reader since its last quiescent state, while
/// the vnet belonged to the reader's domain. A vnet leaves its domain before the grace period that precedes its
/// freeing, so that grace period waits for this reader.
pub(crate) struct Current {
    vnet: Cell<*const Vnet>,
    /// How often it was emptied from outside.
    clears: Cell<u64>,
}

impl Current {
    pub(crate) fn new() -> Self {
        READERS.set(READERS.get() + 1);
        // A second reader: the thread-local pointer cannot serve both.
        CURVNET.set(&raw const LIMBO);
        Self { vnet: Cell::new(&raw const LIMBO), clears: Cell::new(0) }
    }

    #[inline(always)]
    fn set(&self, vnet: *const Vnet) {
        self.vnet.set(vnet);
        if READERS.get() == 1 {
            CURVNET.set(vnet);
        }
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        READERS.set(READERS.get() - 1);
        CURVNET.set(&raw const LIMBO);
    }
}

/// Restores the vnet that was current before, when dropped (`CURVNET_RESTORE`). Stays on its thread, like its reader.
#[must_use = "curvnet is restored when the guard is dropped"]
pub struct CurvnetGuard<'a> {
    reader: &'a Reader,
    saved: *const Vnet,
    #[cfg(debug_assertions)]
    saved_setter: Option<&'static Location<'static>>,
}

/// Makes `vnet` current until the guard is dropped (`CURVNET_SET`), where curvnet is [`TRACKED`].
///
/// # Panics
///
/// If curvnet is tracked and `vnet` belongs to another [`Domain`](crate::Domain) than `reader`, whose readers nobody
/// would wait for.
#[inline(always)]
#[cfg_attr(debug_assertions, track_caller)]
pub fn set<'a>(reader: &'a Reader, vnet: &'a Vnet) -> CurvnetGuard<'a> {
    if !TRACKED {
        return CurvnetGuard {
            reader,
            saved: &raw const LIMBO,
            #[cfg(debug_assertions)]
            saved_setter: None,
        };
    }
    // One comparison for all: a dying vnet belongs to no domain, nor does a reader that is offline. The reader cannot
    // overlook that the vnet dies: if it has already reported for the vnet's last grace period, it has seen what came
    // before.
    if !reader.is_present(vnet.domain()) {
        admit(reader, vnet);
    }
    let saved = reader.curvnet.vnet.get();
    let guard = CurvnetGuard {
        reader,
        saved,
        #[cfg(debug_assertions)]
        saved_setter: note_setter(saved, vnet),
    };
    reader.curvnet.set(vnet);
    guard
}

impl<'a> CurvnetGuard<'a> {
    /// Makes another vnet current under the same guard, which in the end restores the vnet that was current before it: a worker
    /// that goes from vnet to vnet restores nothing in between.
    ///
    /// # Panics
    ///
    /// As [`set`].
    #[inline(always)]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn switch(&mut self, vnet: &'a Vnet) {
        if !TRACKED {
            return;
        }
        if !self.reader.is_present(vnet.domain()) {
            admit(self.reader, vnet);
        }
        #[cfg(debug_assertions)]
        let _setter = note_setter(&raw const LIMBO, vnet);
        // The invariant of `Current`: the vnet is of the reader's domain, and the guard's borrow keeps the reader from a
        // quiescent state.
        self.reader.curvnet.set(vnet);
    }
}

/// The current vnet, where it is [`TRACKED`].
#[inline(always)]
#[must_use]
pub fn get(reader: &Reader) -> Option<&Vnet> {
    let vnet = current(reader);
    if std::ptr::eq(vnet, &raw const LIMBO) { None } else { Some(vnet) }
}

/// The current vnet of the thread's one reader, or a vnet without containers.
#[cfg_attr(
    not(any(feature = "vimage", feature = "vimage-section")),
    allow(dead_code, reason = "static arms")
)]
#[inline(always)]
pub(crate) fn fast(_reader: &Reader) -> &Vnet {
    // SAFETY: the pointer is `LIMBO` or, as only a thread with one reader has another, equal to that reader's
    // `Current`, whose invariant keeps the vnet until the reader's next quiescent state, which ends the borrow.
    unsafe { &*CURVNET.get() }
}

/// The current vnet, or `LIMBO`.
#[inline(always)]
pub(crate) fn current(reader: &Reader) -> &Vnet {
    // SAFETY: the invariant of `Current`; a quiescent state takes the reader by `&mut` and so ends the borrow.
    unsafe { &*reader.curvnet.vnet.get() }
}

/// Where the current vnet was set: in debug builds, while there is one.
#[must_use]
pub fn setter() -> Option<&'static Location<'static>> {
    #[cfg(debug_assertions)]
    return SETTER.get();
    #[cfg(not(debug_assertions))]
    None
}

/// How often this thread has set a vnet that was current already: needless work, though harmless. Always 0 in release
/// builds. FreeBSD prints these under `VNET_DEBUG`.
#[must_use]
pub fn recursions() -> u64 {
    #[cfg(debug_assertions)]
    return RECURSIONS.get();
    #[cfg(not(debug_assertions))]
    0
}

#[cfg(debug_assertions)]
#[track_caller]
fn note_setter(saved: *const Vnet, vnet: &Vnet) -> Option<&'static Location<'static>> {
    assert!(vnet.magic_holds(), "curvnet set to a vnet that is no more: {vnet:?}");
    if std::ptr::eq(saved, vnet) {
        RECURSIONS.set(RECURSIONS.get() + 1);
    }
    SETTER.replace(Some(Location::caller()))
}

impl Drop for CurvnetGuard<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if !TRACKED {
            return;
        }
        // The saved vnet was current when the guard was made, and its reader had no quiescent state since, because
        // the guard borrows it: the invariant of `Current` holds.
        self.reader.curvnet.set(self.saved);
        #[cfg(debug_assertions)]
        SETTER.set(self.saved_setter);
    }
}

/// Empties curvnet: the caller ends all borrows of the reader. Debug builds report a guard that was forgotten.
#[inline]
pub(crate) fn leave(reader: &mut Reader) {
    if !std::ptr::eq(reader.curvnet.vnet.get(), &raw const LIMBO) {
        let setter = setter();
        clear(reader);
        debug_assert!(false, "quiescent while curvnet is set, at {setter:?}");
    }
}

#[cold]
pub(crate) fn clear(reader: &Reader) {
    reader.curvnet.set(&raw const LIMBO);
    reader.curvnet.clears.set(reader.curvnet.clears.get() + 1);
    #[cfg(debug_assertions)]
    SETTER.set(None);
}

/// Calls `f` with `vnet` current in the control thread, although `f` gets the control by `&mut`.
pub(crate) fn with_control<R>(
    control: &mut crate::Control,
    vnet: &crate::VnetRef,
    f: impl FnOnce(&mut crate::Control) -> R,
) -> R {
    /// Also when `f` panics. The vnet that was current before is that of a call around this one, unless a guard was
    /// forgotten; if curvnet was cleared in between, it may be gone.
    struct Restore<'a> {
        control: &'a mut crate::Control,
        saved: *const Vnet,
        clears: u64,
    }
    impl Drop for Restore<'_> {
        fn drop(&mut self) {
            let current = &self.control.reader().curvnet;
            let same = current.clears.get() == self.clears;
            current.set(if same { self.saved } else { &raw const LIMBO });
        }
    }
    if vnet.domain() != control.reader().domain() {
        foreign(vnet);
    }
    let current = &control.reader().curvnet;
    let (saved, clears) = (current.vnet.get(), current.clears.get());
    // The vnet outlives the call, because the caller holds a handle to it, and `Restore` ends it: the invariant of
    // `Current` holds although no guard borrows the reader.
    current.set(&raw const **vnet);
    let restore = Restore { control, saved, clears };
    f(restore.control)
}

/// The reader goes online, if that is all that was missing.
#[cold]
#[inline(never)]
#[cfg_attr(debug_assertions, track_caller)]
fn admit(reader: &Reader, vnet: &Vnet) {
    reader.ensure_online();
    if !reader.is_present(vnet.domain()) {
        foreign(vnet);
    }
}

#[cold]
#[inline(never)]
fn foreign(vnet: &Vnet) -> ! {
    panic!("{vnet:?} is dying, or of another domain than the reader: it cannot be curvnet");
}

impl fmt::Debug for CurvnetGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurvnetGuard").field("current", &get(self.reader)).finish_non_exhaustive()
    }
}
