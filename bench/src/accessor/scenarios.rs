//! The code of every scenario, as the compiler gets it.
//!
//! A block is 256 accesses in a row: 16 passes of 16, so that the loop adds two instructions to 16 accesses; a block of
//! as many passes without accesses is measured too and subtracted. No access waits for another: what is measured is
//! throughput. The chases measure latency: there the place of each access is what the one before has read.
//!
//! Values that are read are dropped, or else it would be measured how the compiler stores or adds them up. The loads stay: all
//! variables are atomics, whose relaxed loads no optimizer removes, and `--instructions` would show it. The tests run
//! the same code with a [`Sink`] that sums up.

use std::cell::Cell;
use std::sync::atomic::{Ordering, compiler_fence};

use vnet::sysctl::{Oid, Tree};
use vnet::{Control, Reader, SysctlError, Value, VnetRef, curvnet};

use super::lab_module::lab;

/// Accesses in a block of an unrolled scenario.
pub(super) const ACCESSES: usize = 256;
/// Accesses in a block of a sysctl scenario, each of which takes hundreds of cycles.
pub(super) const SYSCTL_ACCESSES: usize = 16;

const PASSES: usize = 16;

/// The tools of a worker's code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Worker<'a> {
    /// The thread's only reader.
    pub(super) reader: &'a Reader,
    /// The vnet to work for.
    pub(super) red: &'a VnetRef,
    /// The vnets to visit: a power of two.
    pub(super) ring: &'a [VnetRef],
    /// The place in the ring of the next visit.
    pub(super) at: &'a Cell<usize>,
}

/// The tools of the control thread's code.
#[derive(Debug)]
pub(super) struct Operator<'a> {
    pub(super) control: &'a mut Control,
    pub(super) tree: &'a Tree,
    pub(super) red: &'a VnetRef,
    /// The OID that [`NAME`] means.
    pub(super) oid: Oid,
}

/// The OID that the sysctl scenarios read and write.
pub(super) const NAME: &str = "debug.accessor.second";

/// The value that the sysctl scenarios write.
pub(super) const WRITTEN: u32 = 22;

/// Keeps the compiler from using again what an earlier access has read. It is no instruction.
#[inline(always)]
fn apart() {
    compiler_fence(Ordering::SeqCst);
}

/// Where values go.
pub(super) trait Sink: Default {
    /// Takes what an access has read.
    fn take(&mut self, value: u32);
    /// The number that the block returns.
    fn sum(self) -> u32;
}

/// Forgets: what is timed.
#[derive(Debug, Default)]
pub(super) struct Drain;

impl Sink for Drain {
    #[inline(always)]
    fn take(&mut self, _value: u32) {}

    #[inline(always)]
    fn sum(self) -> u32 {
        0
    }
}

/// 256 accesses, four expressions in turn, whose values go into `S`; with `base = init;` in front, `init` runs before
/// every 16.
macro_rules! accesses {
    ($S:ty; $a:expr, $b:expr, $c:expr, $d:expr) => {
        accesses!($S; _base = (); $a, $b, $c, $d)
    };
    ($S:ty; $base:ident = $init:expr; $a:expr, $b:expr, $c:expr, $d:expr) => {{
        let mut sink = <$S>::default();
        for _pass in 0..PASSES {
            let $base = $init;
            accesses!(@four sink; $a, $b, $c, $d);
            accesses!(@four sink; $a, $b, $c, $d);
            accesses!(@four sink; $a, $b, $c, $d);
            accesses!(@four sink; $a, $b, $c, $d);
        }
        sink.sum()
    }};
    (@four $sink:ident; $($access:expr),*) => {
        $(
            $sink.take($access);
            apart();
        )*
    };
}

/// 256 times the same statement.
macro_rules! statements {
    (@four $statement:expr) => {
        accesses!(@four Drain; none($statement), none($statement), none($statement), none($statement))
    };
    ($statement:expr) => {{
        for _pass in 0..PASSES {
            statements!(@four $statement);
            statements!(@four $statement);
            statements!(@four $statement);
            statements!(@four $statement);
        }
        0
    }};
}

/// The number that a statement without a value gives to a sink.
#[inline(always)]
fn none((): ()) -> u32 {
    0
}

/// The passes alone.
#[inline(never)]
pub(super) fn empty(_worker: &Worker<'_>) -> u32 {
    accesses!(Drain; 0, 0, 0, 0)
}

/// The call alone.
#[inline(never)]
pub(super) fn call(_worker: &Worker<'_>) -> u32 {
    apart();
    0
}

/// The base taken once in a block: what is left is the load of the variable.
#[inline(never)]
pub(super) fn read_hoisted<S: Sink>(worker: &Worker<'_>) -> u32 {
    let base = lab::cur(worker.reader);
    accesses!(S; base.first().get(), base.second().get(), base.third().get(), base.fourth().get())
}

/// curvnet, base and variable for every read.
#[inline(never)]
pub(super) fn read_cur_each<S: Sink>(worker: &Worker<'_>) -> u32 {
    let cur = || lab::cur(worker.reader);
    accesses!(S; cur().first().get(), cur().second().get(), cur().third().get(), cur().fourth().get())
}

/// One base for four reads.
#[inline(never)]
pub(super) fn init_read_4<S: Sink>(worker: &Worker<'_>) -> u32 {
    let mut base;
    accesses!(S;
        {
            base = lab::cur(worker.reader);
            base.first().get()
        },
        base.second().get(),
        base.third().get(),
        base.fourth().get()
    )
}

/// One base for 16 reads.
#[inline(never)]
pub(super) fn init_read_16<S: Sink>(worker: &Worker<'_>) -> u32 {
    accesses!(S; base = lab::cur(worker.reader);
        base.first().get(), base.second().get(), base.third().get(), base.fourth().get())
}

/// The base taken once in a block.
#[inline(never)]
pub(super) fn write_hoisted(worker: &Worker<'_>) -> u32 {
    let base = lab::cur(worker.reader);
    statements!(base.third().set(WRITTEN))
}

/// curvnet, base and variable for every write.
#[inline(never)]
pub(super) fn write_cur_each(worker: &Worker<'_>) -> u32 {
    statements!(lab::cur(worker.reader).third().set(WRITTEN))
}

/// A counter in the vnet; the base taken once in a block. Each increment loads what the one before has stored.
#[inline(never)]
pub(super) fn counter_hoisted(worker: &Worker<'_>) -> u32 {
    let base = lab::cur(worker.reader);
    statements!(base.total().inc())
}

/// curvnet, base and counter for every increment.
#[inline(never)]
pub(super) fn counter_cur_each(worker: &Worker<'_>) -> u32 {
    statements!(lab::cur(worker.reader).total().inc())
}

/// A counter that each worker has for itself, as the stack has them: base, slot and counter for every increment.
#[inline(never)]
pub(super) fn counter_per_worker(worker: &Worker<'_>) -> u32 {
    statements!(lab::cur(worker.reader).events().get(worker.reader).inc())
}

/// `CURVNET_SET` and `CURVNET_RESTORE` with nothing between.
#[inline(never)]
pub(super) fn set_restore(worker: &Worker<'_>) -> u32 {
    statements!({
        let _red = curvnet::set(worker.reader, worker.red);
        apart();
    })
}

/// `read-cur-each` with the curvnet of 2009: a plain global instead of a thread-local.
#[inline(never)]
pub(super) fn read_global_each<S: Sink>(worker: &Worker<'_>) -> u32 {
    let cur = || lab::init(curvnet::global::fast(worker.reader));
    accesses!(S; cur().first().get(), cur().second().get(), cur().third().get(), cur().fourth().get())
}

/// Enters a vnet, reads a variable and leaves, as for a run of packets.
#[inline(always)]
fn visit(worker: &Worker<'_>, place: usize, read: fn(lab::Base<'_>) -> u32) -> u32 {
    // The mask is for the compiler: no check of the bounds that could fail.
    let vnet = &worker.ring[place & (worker.ring.len() - 1)];
    let _curvnet = curvnet::set(worker.reader, vnet);
    read(lab::cur(worker.reader))
}

/// 256 visits in the order of the ring; none waits for another.
#[inline(never)]
pub(super) fn round_robin(worker: &Worker<'_>) -> u32 {
    let mut place = worker.at.get();
    let mut sum = 0u32;
    for _visit in 0..ACCESSES {
        sum = sum.wrapping_add(visit(worker, place, |base| base.first().get()));
        apart();
        place += 1;
    }
    worker.at.set(place % worker.ring.len());
    sum
}

/// As many visits as there are vnets, at most 256, each of the vnet that the one before names.
#[inline(never)]
pub(super) fn chase(worker: &Worker<'_>) -> u32 {
    let mut place = worker.at.get();
    let mut sum = 0u32;
    for _visit in 0..worker.ring.len().min(ACCESSES) {
        place = visit(worker, place, |base| base.next().get()) as usize;
        // A place is below the length of a ring, which fits.
        sum = sum.wrapping_add(place as u32);
        apart();
    }
    worker.at.set(place);
    sum
}

/// A read by name.
#[inline(never)]
pub(super) fn sysctl_read_name(operator: &mut Operator<'_>) -> u32 {
    let Operator { control, tree, red, .. } = operator;
    sum_of(|| tree.get(control, Some(*red), NAME))
}

/// A read by an OID that was found before.
#[inline(never)]
pub(super) fn sysctl_read_oid(operator: &mut Operator<'_>) -> u32 {
    let Operator { control, tree, red, oid } = operator;
    sum_of(|| tree.get_oid(control, Some(*red), oid))
}

/// A write by name.
#[inline(never)]
pub(super) fn sysctl_write_name(operator: &mut Operator<'_>) -> u32 {
    let Operator { control, tree, red, .. } = operator;
    sum_of(|| tree.set(control, Some(*red), NAME, WRITTEN.into()))
}

/// A write by an OID that was found before.
#[inline(never)]
pub(super) fn sysctl_write_oid(operator: &mut Operator<'_>) -> u32 {
    let Operator { control, tree, red, oid } = operator;
    sum_of(|| tree.set_oid(control, Some(*red), oid, WRITTEN.into()))
}

/// 16 requests, and the sum of their answers; a refusal counts as 0, which the tests see.
#[inline(always)]
fn sum_of(mut request: impl FnMut() -> Result<Value, SysctlError>) -> u32 {
    let mut sum = 0u32;
    for _request in 0..SYSCTL_ACCESSES {
        if let Ok(Value::Uint(value)) = request() {
            sum = sum.wrapping_add(value);
        }
        apart();
    }
    sum
}
