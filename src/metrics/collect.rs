//! Samples, made by the control thread between two of its ticks. A step takes a bounded time however many vnets there are.

use std::time::{Duration, Instant};

use pmd::numa::Pools;
use stack::control::Stack;
use vnet::VnetRef;

use super::sample::{InterfaceSample, PoolSample, ProcessSample, VnetSample};
use crate::execute;
use crate::ports::Ports;
use crate::workers::Worker;

/// A step begins no further vnet after this time.
const STEP: Duration = Duration::from_micros(150);
/// Vnets of one step at most.
const VNETS: usize = 128;
/// Interfaces of one vnet in one step at most.
const INTERFACES: usize = 256;

/// Where samples come from.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    /// All vnets.
    pub(crate) stack: &'a Stack,
    /// All ports.
    pub(crate) ports: &'a Ports,
    /// All workers.
    pub(crate) workers: &'a [Worker],
    /// All packet buffers.
    pub(crate) pools: &'a Pools,
}

/// The process without its vnets.
pub(super) fn process(sources: &Sources<'_>) -> ProcessSample {
    let Sources { stack, ports, workers, pools } = sources;
    let workers: Vec<_> = workers.iter().map(|worker| worker.gauges.clone()).collect();
    let pool = |pool: &pmd::MbufPool| PoolSample {
        name: pool.name().to_owned(),
        capacity: pool.capacity(),
        in_use: pool.in_use(),
    };
    ProcessSample {
        uptime_s: stack.now().0 as f64 / 1e9,
        vnets: stack.vnets().len(),
        ports: execute::ports(ports, &workers),
        pools: pools.all().iter().map(pool).collect(),
        workers,
    }
}

/// A few vnets, from place `from` on; none behind the last one.
pub(super) fn vnets(stack: &Stack, from: usize) -> Vec<VnetSample> {
    let began = Instant::now();
    let mut samples = Vec::new();
    for vnet in stack.vnets().iter_from(from).take(VNETS) {
        samples.push(sample(stack, vnet));
        if began.elapsed() > STEP {
            break;
        }
    }
    samples
}

/// The vnet of that name.
pub(super) fn vnet(stack: &Stack, name: &str) -> Option<VnetSample> {
    stack.vnets().by_name(name).map(|vnet| sample(stack, vnet))
}

/// Interfaces behind index `after`, and where to go on; none if the vnet is gone.
pub(super) fn more_interfaces(
    stack: &Stack,
    name: &str,
    after: u64,
) -> (Vec<InterfaceSample>, Option<u64>) {
    stack.vnets().by_name(name).map(|vnet| interfaces(stack, vnet, after)).unwrap_or_default()
}

fn sample(stack: &Stack, vnet: &VnetRef) -> VnetSample {
    let (interfaces, more_after) = interfaces(stack, vnet, 0);
    let sizes = stack.with_inet(vnet, |inet| (inet.rib().len(), inet.arp.neighbors.len()));
    let (routes, neighbors) = sizes.unwrap_or_default();
    VnetSample {
        index: vnet.id().index(),
        name: vnet.name().to_owned(),
        routes,
        neighbors,
        limits: stack.limits_of(vnet),
        books: stack.books_of(vnet),
        statistics: stack.statistics_of(vnet),
        interfaces,
        more_after,
    }
}

fn interfaces(stack: &Stack, vnet: &VnetRef, after: u64) -> (Vec<InterfaceSample>, Option<u64>) {
    let some = stack.interfaces_after(vnet, after, INTERFACES);
    let more = some.last().filter(|_| some.len() == INTERFACES).map(|last| last.index.0.into());
    let shown = some.iter().map(|ifp| InterfaceSample {
        name: ifp.name.clone(),
        up: ifp.is_up(),
        counters: ifp.total(),
    });
    (shown.collect(), more)
}
