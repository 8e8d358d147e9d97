//! The vnets that the scenarios work in.

use std::cell::Cell;

use anyhow::{Context, Result};
use vnet::{Control, Domain, Registry, VnetRef, Vnets};

use super::lab_module::lab;
use super::scenarios::{NAME, Operator, Worker};
use crate::random::Random;

/// vnets of one module, all on one thread: the control's reader is its only one, so curvnet is in the thread-local as
/// it is on a worker.
#[derive(Debug)]
pub(super) struct Lab {
    control: Control,
    vnets: Vnets,
    /// Of which the first is `red`.
    ring: Vec<VnetRef>,
    at: Cell<usize>,
    /// A place to warm up at, which is not in the ring: vnet0, unless that is red.
    elsewhere: Vec<VnetRef>,
    elsewhere_at: Cell<usize>,
}

impl Lab {
    /// With the vnet red.
    pub(super) fn new() -> Result<Self> {
        let control = Domain::new(1).control()?;
        let mut registry = Registry::new();
        registry.register(&lab::MODULE)?;
        // Not EAL's hugepages: the lab needs no EAL, and FreeBSD's vnets are in ordinary memory as well.
        let vnets = Vnets::new(registry, &control, &std::alloc::System);
        let mut lab = Self {
            control,
            vnets,
            ring: Vec::new(),
            at: Cell::new(0),
            elsewhere: Vec::new(),
            elsewhere_at: Cell::new(0),
        };
        lab.grow(1)?;
        let vnet0 = lab.vnets.vnet0().filter(|vnet0| vnet0.id() != lab.ring[0].id());
        lab.elsewhere = vnet0.cloned().into_iter().collect();
        Ok(lab)
    }

    /// Makes sure that there are `count` vnets to visit.
    pub(super) fn grow(&mut self, count: usize) -> Result<()> {
        for place in self.ring.len()..count {
            let name = if place == 0 { "red".to_owned() } else { format!("red{place}") };
            let vnet = self.vnets.create(&mut self.control, &name).context("the lab's vnets")?;
            lab::init(&vnet).first().set(u32::try_from(place)? + 1);
            self.ring.push(vnet);
        }
        Ok(())
    }

    /// Lets each of the first `count` vnets name the one that a chase visits next: one cycle through all of them, in
    /// an order that no prefetcher guesses (S. Sattolo, 1986).
    pub(super) fn shuffle(&mut self, count: usize) -> Result<()> {
        self.grow(count)?;
        let mut order: Vec<u32> = (0..u32::try_from(count)?).collect();
        let mut random = Random::new(0x7269_6e67);
        for last in (1..count).rev() {
            order.swap(last, random.place(last));
        }
        for (vnet, next) in self.ring.iter().zip(order) {
            lab::init(vnet).next().set(next);
        }
        Ok(())
    }

    /// A worker that visits the first `count` vnets from the first one on.
    pub(super) fn worker(&self, count: usize) -> Worker<'_> {
        self.at.set(0);
        let (reader, red, ring) = (self.control.reader(), &self.ring[0], &self.ring[..count]);
        Worker { reader, red, ring, at: &self.at }
    }

    /// A worker that visits none of the ring's vnets: another one, or none if there is no other.
    pub(super) fn worker_elsewhere(&self) -> Worker<'_> {
        let (reader, red) = (self.control.reader(), &self.ring[0]);
        Worker { reader, red, ring: &self.elsewhere, at: &self.elsewhere_at }
    }

    /// The control thread's tools.
    pub(super) fn operator(&mut self) -> Result<Operator<'_>> {
        let tree = self.vnets.registry().sysctl();
        let oid = *tree.find(NAME)?;
        Ok(Operator { control: &mut self.control, tree, red: &self.ring[0], oid })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.ring.clear();
        self.elsewhere.clear();
        let _kept_by_the_global_curvnet = self.vnets.shutdown(&mut self.control);
    }
}
