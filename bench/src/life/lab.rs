//! DPDK, the two CPUs, and the control thread's side of the vnets of one scenario.

use std::alloc::System;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pmd::hugepage::Heap;
use pmd::{CpuId, Eal, MbufPool, SocketId};
use stack::control::Stack;
use stack::time::Nanos;
use stack::worker::{WorkerQueues, control_queues};
use vnet::{Domain, Vnets};

use super::Args;
use crate::host::Host;

/// Bursts, and what the control thread has under way.
const MBUFS: u32 = 8191;
/// Memory of DPDK's heap to begin with; with hugepages it grows.
const MEMORY_MIB: u32 = 512;
/// Time that passes between two ticks of [`House::pass`].
const TICK: Duration = Duration::from_millis(100);
/// Both announcements of an address (RFC 5227 1.1: ANNOUNCE_INTERVAL), and a little.
pub(super) const ANNOUNCED: Duration = Duration::from_millis(2500);
/// Longer than any queue takes to empty.
const LONG: Duration = Duration::from_secs(10);

/// The state that all scenarios share.
pub(crate) struct Lab {
    /// Where the worker runs.
    pub(super) cpu: CpuId,
    pub(crate) pool: MbufPool,
    pub(super) eal: Eal,
    /// Where containers come from: hugepages where there are any, as in the program; for as long as the process lives.
    heap: Option<&'static Heap>,
    quiet: bool,
}

impl Lab {
    /// Starts DPDK with the calling thread on another CPU than the worker's.
    pub(super) fn start(args: &Args) -> Result<Self> {
        let Host { cpu, pool, eal } = Host::start(&args.options, MBUFS, MEMORY_MIB)?;
        let quiet = args.options.json;
        Ok(Self { quiet, ..Self::of(cpu, eal, pool) })
    }

    /// A lab around what there is.
    pub(crate) fn of(cpu: CpuId, eal: Eal, pool: MbufPool) -> Self {
        let heap = eal.hugepages_in_use().then(|| Heap::new(&eal, SocketId::ANY));
        let heap = heap.map(|heap| &*Box::leak(Box::new(heap)));
        Self { cpu, pool, eal, heap, quiet: true }
    }

    /// The control thread of a scenario, without vnets, whose vnets keep counters for so many workers.
    pub(crate) fn house(&self, workers: usize) -> Result<House> {
        let domain = Domain::new(workers);
        let control = domain.control().context("the control thread's place")?;
        let (queues, control_ends) = control_queues();
        let modules = Stack::modules()?;
        let vnets = match self.heap {
            Some(heap) => Vnets::new(modules, &control, heap),
            None => Vnets::new(modules, &control, &System),
        };
        let stack = Stack::new(vnets, control, vec![control_ends], self.pool.clone());
        Ok(House { stack, domain, queues: Some(queues), now: Nanos(0) })
    }

    /// A bar on standard error, where somebody looks at it.
    pub(super) fn progress(&self, what: &'static str, steps: usize) -> ProgressBar {
        let target =
            if self.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = ProgressStyle::with_template("{prefix:<8} {wide_bar} {pos}/{len} {eta:>4}");
        let bar = ProgressBar::with_draw_target(Some(steps as u64), target).with_prefix(what);
        match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }
}

/// A control thread and its vnets. Time is virtual: it passes when the scenario says so.
pub(crate) struct House {
    pub(crate) stack: Stack,
    pub(crate) domain: Domain,
    /// The worker has them while there is one.
    pub(crate) queues: Option<WorkerQueues>,
    now: Nanos,
}

impl House {
    /// The control thread's tick, half a millisecond later, as in the program.
    pub(super) fn tick(&mut self) {
        self.now = self.now + Duration::from_micros(500);
        self.stack.tick(self.now);
    }

    /// Lets time pass, no faster than the worker follows: every announcement leaves.
    pub(super) fn pass(&mut self, time: Duration) -> Result<()> {
        let (start, end) = (Instant::now(), self.now + time);
        while self.now < end {
            self.now = self.now + TICK;
            self.stack.tick(self.now);
            while self.stack.queues().iter().any(|queues| queues.injected() > 0) {
                ensure!(start.elapsed() < LONG, "the worker takes nothing from its queue");
                std::thread::yield_now();
            }
        }
        Ok(())
    }

    /// Waits until destroyed vnets are freed.
    pub(super) fn bury(&mut self) -> Result<()> {
        let start = Instant::now();
        while self.stack.vnets().dying() > 0 {
            ensure!(start.elapsed() < LONG, "vnets are not freed: {}", self.stack.vnets().dying());
            self.tick();
        }
        Ok(())
    }

    /// Takes everything down, after the worker has ended; nothing must be left.
    pub(super) fn end(mut self, pool: &MbufPool) -> Result<()> {
        self.stack.drain(self.now, self.queues.as_mut_slice());
        ensure!(self.stack.shutdown() == 0, "a vnet could not be freed: this is a bug");
        let leaked = pool.in_use();
        ensure!(leaked == 0, "{leaked} mbufs did not come back to their pool: this is a bug");
        Ok(())
    }
}
