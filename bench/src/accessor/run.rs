//! Running a scenario: the vnets it needs, its samples and its baseline.

use std::hint::black_box;

use anyhow::Result;
use vnet::curvnet;

use super::catalogue::{Block, Code, Request, Scenario};
use super::lab::Lab;
use super::measure::{Cost, Evictor, median, time, time_prepared};
use super::scenarios::{self, Operator, Worker};

/// A cold block takes a hundred times as long as another, nearly all of it to empty the caches; so there are fewer.
const COLD_SHARE: usize = 50;

/// Measures `scenario` with about `samples` blocks.
pub(super) fn measure(lab: &mut Lab, scenario: &Scenario, samples: usize) -> Result<Cost> {
    let baseline = baseline(lab, scenario.baseline(), samples);
    let mut blocks = Vec::new();
    in_place(lab, scenario, |bench| blocks = bench.time(samples))?;
    Cost::of(&blocks, baseline, scenario.accesses())
}

/// The median of blocks without accesses.
fn baseline(lab: &Lab, block: Block, samples: usize) -> u64 {
    let worker = lab.worker(1);
    median(Bench::Hot(block, &worker).time(samples.div_ceil(10)))
}

/// A scenario's code, ready to run.
#[derive(Debug)]
pub(super) enum Bench<'a, 'b> {
    Hot(Block, &'a Worker<'b>),
    /// And what to warm up with after the caches were emptied.
    Cold(Block, &'a Worker<'b>, &'a Worker<'b>),
    Control(Request, &'a mut Operator<'b>),
}

impl<'a> Bench<'a, '_> {
    /// One block, which returns the sum of what it read, or 0. All blocks are called in the same way, whatever the compiler
    /// knows of them.
    pub(super) fn block(self) -> Box<dyn FnMut() -> u32 + 'a> {
        match self {
            Self::Hot(block, worker) | Self::Cold(block, worker, _) => {
                let block = black_box(block);
                Box::new(move || block(worker))
            }
            Self::Control(block, operator) => {
                let block = black_box(block);
                Box::new(move || block(operator))
            }
        }
    }

    /// Times `samples` blocks; fewer if each needs the caches emptied.
    fn time(self, samples: usize) -> Vec<u64> {
        let Self::Cold(block, worker, elsewhere) = self else { return time(samples, self.block()) };
        let evictor = Evictor::new();
        let evict = || {
            evictor.evict();
            // The worker's own state is not what is to be cold.
            let _warm = black_box((*worker, worker.at.get()));
        };
        let block = black_box(block);
        time_prepared(samples.div_ceil(COLD_SHARE), elsewhere, worker, evict, block)
    }
}

/// Calls `f` with the scenario's code, with curvnet as it has to be.
pub(super) fn in_place(
    lab: &mut Lab,
    scenario: &Scenario,
    f: impl FnOnce(Bench<'_, '_>),
) -> Result<()> {
    let vnets = scenario.vnets();
    lab.shuffle(vnets)?;
    match scenario.code {
        Code::InVnet(block) => {
            let worker = lab.worker(vnets);
            let _curvnet = curvnet::set(worker.reader, worker.red);
            f(Bench::Hot(block, &worker));
        }
        Code::InGlobal(block) => {
            let worker = lab.worker(vnets);
            let _curvnet = curvnet::global::set(worker.red);
            f(Bench::Hot(block, &worker));
        }
        Code::Outside(block) => f(Bench::Hot(block, &lab.worker(vnets))),
        Code::Hot(_) => f(Bench::Hot(scenarios::round_robin, &lab.worker(vnets))),
        Code::Cold(_) => {
            f(Bench::Cold(scenarios::chase, &lab.worker(vnets), &lab.worker_elsewhere()));
        }
        Code::Control(block) => f(Bench::Control(block, &mut lab.operator()?)),
    }
    Ok(())
}
