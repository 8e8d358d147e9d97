//! Fair shares of a worker's cycles.
//!
//! While a worker keeps up, every packet is processed and nothing is measured. When most of its polls come full it does not keep
//! up, and then the vnets share its cycles: each is charged what its packets cost, and of a vnet that costs more than its share,
//! packets are dropped before they are processed, as many as bring it down to the share (Pan et al., Approximate Fairness
//! through Differential Dropping, 2003, with cycles for bytes). What dropping costs is charged to the same vnet.
//!
//! All of it is one worker's own. Time comes in intervals of [`INTERVAL`]: what was charged in one decides what is admitted in the
//! next.

mod level;

use std::time::Duration;

use pmd::tsc;
use vnet::Vnets;

use self::level::{Demand, Levels};
use crate::net::IfSlot;

/// How long charges are gathered before they decide: some thousand packets, and little for a queue of 1024 descriptors.
const INTERVAL: Duration = Duration::from_millis(2);
/// Of this many iterations of a worker that does not keep up one is charged, while nothing is dropped.
const SAMPLE_EVERY: u32 = 32;
/// A vnet may have this part more than its share: costs are estimates, and traffic comes in bursts.
const TOLERANCE: u64 = 8;
/// Admits everything.
const ALL: u32 = 1 << 16;
/// Cycles that a packet of the fast path costs, before that was measured.
const COST_AT_FIRST: u32 = 100;
/// And the most that it may seem to cost.
const COST_MAX: u32 = 1 << 16;
/// A packet that is dropped at once costs about this part of one that is forwarded.
const REFUSAL: u32 = 3;
/// Packets in a poll of a worker that has cycles to spare: it finds few because it comes back soon; and of one that has hardly any.
const FEW_PACKETS: u32 = 8;
const MANY_PACKETS: u32 = 24;
/// The whole capacity of a worker; see [`CpuShares::capacity`].
const WHOLE: u32 = 1024;

/// The weight of a vnet and the most that it may have, percent of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// Its share is its weight by the sum of the weights (as Linux has it in `cpu.weight`).
    pub weight: u16,
    /// Percent of a worker's cycles.
    pub percent: u16,
}

/// The cost of one vnet for a worker in one interval.
#[derive(Clone, Copy, Debug)]
struct Charge {
    /// How often the vnet's index was used before.
    generation: u32,
    interval: u32,
    /// The interface that it received through.
    slot: IfSlot,
    cycles: u32,
    /// Packets that were processed, and that were not.
    admitted: u32,
    refused: u32,
    /// Cycles a packet, over some intervals.
    average: u32,
    /// How many of [`ALL`] packets are processed in the interval.
    admit: u32,
    entitled: Entitlement,
}

impl Charge {
    const NONE: Self = Self {
        generation: u32::MAX,
        interval: 0,
        slot: IfSlot(u32::MAX),
        cycles: 0,
        admitted: 0,
        refused: 0,
        average: 0,
        admit: ALL,
        entitled: Entitlement { weight: 1, percent: 100 },
    };

    /// The cycles that all of its packets would have cost.
    fn demand(&self) -> Demand {
        let refused = u64::from(self.refused) * u64::from(self.average);
        Demand {
            cycles: u64::from(self.cycles) + refused,
            weight: u32::from(self.entitled.weight.max(1)),
        }
    }
}

/// Whether a worker keeps up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It does.
    Spare,
    /// It does not, and no vnet has more than its share.
    Full,
    /// Packets of some vnets are dropped.
    Limiting,
}

impl Phase {
    /// Of how many iterations one is charged, and counts for all.
    const fn sample(self) -> u32 {
        match self {
            Phase::Spare | Phase::Limiting => 1,
            Phase::Full => SAMPLE_EVERY,
        }
    }
}

/// The charges of all vnets in one interval.
#[derive(Debug, Default)]
struct Sum {
    levels: Levels,
    cycles: u64,
    admitted: u64,
    refused: u64,
}

/// An iteration of a worker.
#[derive(Clone, Copy, Debug)]
pub struct Iteration {
    /// The TSC at its end.
    pub now: u64,
    /// How long it took, cycles.
    pub cycles: u64,
    /// Packets that it received.
    pub packets: u32,
    /// Whether a queue had as many packets as are taken at once, or more.
    pub is_full: bool,
}

/// The iterations of an interval.
#[derive(Clone, Copy, Debug, Default)]
struct Elapsed {
    began: u64,
    iterations: u32,
    full: u32,
    packets: u32,
    /// Cycles of those that received something.
    busy: u64,
}

/// One worker's cycles, and which vnet had them.
#[derive(Debug)]
pub struct CpuShares {
    phase: Phase,
    /// The factor of charges in this iteration; 0: nothing is charged.
    scale: u32,
    /// Iterations before the next one that is charged.
    skip: u32,
    interval: u32,
    interval_cycles: u64,
    elapsed: Elapsed,
    /// Cycles of a packet on the fast path.
    cost: u32,
    /// How much of the cycles is given to vnets that want more than their share, of [`WHOLE`]: less as long as the worker does not
    /// keep up, because it cannot see what its queues lose.
    capacity: u32,
    random: u32,
    /// By the vnet's index.
    charges: Box<[Charge]>,
    /// The vnets that have one in this interval. Never grows.
    charged: Vec<u32>,
    /// Where it was shown what vnets had. Never grows.
    shown: Vec<IfSlot>,
}

/// Vnets that have a hundredth or more, and as many again, because charges are estimates.
const SHOWN: usize = 200;

impl Default for CpuShares {
    fn default() -> Self {
        Self::new(tsc::hz() * INTERVAL.as_millis() as u64 / 1000, Vnets::MAX_VNETS)
    }
}

impl CpuShares {
    /// A worker that keeps up, with intervals of `interval_cycles`, for `vnets` vnets.
    #[must_use]
    pub fn new(interval_cycles: u64, vnets: usize) -> Self {
        Self {
            phase: Phase::Spare,
            scale: 0,
            skip: 0,
            interval: 1,
            interval_cycles,
            elapsed: Elapsed::default(),
            cost: COST_AT_FIRST,
            capacity: WHOLE,
            random: 0x9e37_79b9,
            charges: vec![Charge::NONE; vnets].into_boxed_slice(),
            charged: Vec::with_capacity(vnets),
            shown: Vec::with_capacity(SHOWN),
        }
    }

    /// Begins an iteration.
    #[inline(always)]
    pub(super) fn begin(&mut self) {
        if self.phase != Phase::Spare {
            self.choose();
        }
    }

    /// Whether the iteration is charged.
    fn choose(&mut self) {
        let is_charged = self.phase == Phase::Limiting || self.skip == 0;
        self.scale = if is_charged { self.phase.sample() } else { 0 };
        // At random, or traffic that repeats itself would show the same part again and again.
        self.skip = match self.skip.checked_sub(1) {
            Some(left) => left,
            None => self.next_random() % (2 * SAMPLE_EVERY - 1),
        };
    }

    /// Whether packets are charged, and may be refused.
    #[inline(always)]
    pub(super) fn is_charging(&self) -> bool {
        self.scale != 0
    }

    /// How many of `packets` packets of the vnet with this index and generation may be processed; they are charged for the fast
    /// path. The interface `slot` received them.
    #[inline]
    pub fn admit(
        &mut self,
        (vnet, generation): (usize, u32),
        slot: IfSlot,
        packets: usize,
        entitled: impl FnOnce() -> Entitlement,
    ) -> usize {
        let (interval, scale, random) = (self.interval, self.scale, self.next_random());
        let Some(charge) = self.charges.get_mut(vnet) else { return packets };
        if charge.generation != generation {
            *charge = Charge { generation, ..Charge::NONE };
        }
        if charge.interval != interval {
            // Of vnets that had nothing in the interval before, everything is admitted.
            let admit =
                if charge.interval.wrapping_add(1) == interval { charge.admit } else { ALL };
            let average = charge.average;
            *charge = Charge {
                generation,
                interval,
                slot,
                admit,
                average,
                entitled: entitled(),
                ..Charge::NONE
            };
            if self.charged.len() < self.charged.capacity() {
                self.charged.push(vnet as u32);
            }
        }
        // Rounded up or down at random, so that a burst of one packet has its chance.
        let admitted = match charge.admit {
            ALL => packets,
            admit => (packets * admit as usize + random as usize % ALL as usize) / ALL as usize,
        };
        let (now, not) = (admitted as u32 * scale, (packets - admitted) as u32 * scale);
        charge.admitted = charge.admitted.saturating_add(now);
        charge.refused = charge.refused.saturating_add(not);
        charge.cycles = charge.cycles.saturating_add(now.saturating_mul(self.cost));
        admitted
    }

    /// Charges a vnet for what its packets cost beside the fast path.
    #[inline]
    pub fn charge(&mut self, vnet: usize, cycles: u64) {
        let cycles = cycles.saturating_mul(u64::from(self.scale));
        if let Some(charge) = self.charges.get_mut(vnet) {
            charge.cycles = charge.cycles.saturating_add(u32::try_from(cycles).unwrap_or(u32::MAX));
        }
    }

    /// Ends an iteration, and with it maybe an interval: then `show` is told of each vnet that had a hundredth of the cycles or more,
    /// by an interface of it, and how many hundredths; and of those that have less by now.
    #[inline]
    pub fn end(&mut self, iteration: Iteration, show: impl FnMut(IfSlot, u32)) {
        let elapsed = &mut self.elapsed;
        if elapsed.began == 0 {
            elapsed.began = iteration.now;
        }
        elapsed.iterations += 1;
        elapsed.full += u32::from(iteration.is_full);
        elapsed.packets = elapsed.packets.saturating_add(iteration.packets);
        if iteration.packets > 0 {
            elapsed.busy += iteration.cycles;
        }
        let cycles = iteration.now.saturating_sub(elapsed.began);
        if cycles >= self.interval_cycles {
            self.end_interval(cycles, show);
            self.elapsed = Elapsed { began: iteration.now, ..Elapsed::default() };
        }
    }

    #[cold]
    fn end_interval(&mut self, cycles: u64, mut show: impl FnMut(IfSlot, u32)) {
        // A worker with cycles to spare has polls that come empty, and these are many, because they are short.
        let keeps_up = self.elapsed.full <= self.elapsed.iterations / 2;
        if self.phase == Phase::Spare && keeps_up {
            return;
        }
        let sum = self.sum();
        if self.phase != Phase::Spare {
            self.adapt(keeps_up, &sum);
        }
        self.shown.drain(..).for_each(|slot| show(slot, 0));
        let limited = self.decide(cycles, &sum, &mut show);
        self.phase = match (limited, keeps_up) {
            (1.., _) => Phase::Limiting,
            (0, false) => Phase::Full,
            (0, true) => Phase::Spare,
        };
        if self.phase == Phase::Spare {
            (self.scale, self.capacity) = (0, WHOLE);
            self.shown.drain(..).for_each(|slot| show(slot, 0));
        }
        self.charged.clear();
        self.interval = self.interval.wrapping_add(1);
    }

    /// Adds the charges up.
    fn sum(&self) -> Sum {
        let mut sum = Sum::default();
        let charges = self.charged.iter().filter_map(|vnet| self.charges.get(*vnet as usize));
        for charge in charges {
            sum.levels.add(charge.demand());
            sum.cycles += u64::from(charge.cycles);
            sum.admitted += u64::from(charge.admitted);
            sum.refused += u64::from(charge.refused);
        }
        sum
    }

    /// Learns of an interval how much can be given away.
    fn adapt(&mut self, keeps_up: bool, sum: &Sum) {
        let Elapsed { iterations, packets, .. } = self.elapsed;
        if !keeps_up {
            self.capacity = self.capacity * 7 / 8;
            self.learn_cost(sum);
        } else if packets > iterations * MANY_PACKETS {
            self.capacity = self.capacity.saturating_sub(WHOLE / 64);
        } else if packets < iterations * FEW_PACKETS {
            self.capacity = (self.capacity + WHOLE / 32).min(2 * WHOLE);
        }
    }

    /// Cycles that no vnet was charged for by the TSC are those of the fast path and of dropping, with all that comes before and
    /// after it. A worker that keeps up polls for so few packets that each costs more.
    fn learn_cost(&mut self, sum: &Sum) {
        let packets = sum.admitted + sum.refused / u64::from(REFUSAL);
        let slow = sum.cycles.saturating_sub(sum.admitted * u64::from(self.cost));
        let cycles = self.elapsed.busy.saturating_sub(slow);
        if let Some(cost) = cycles.checked_div(packets) {
            let cost = u32::try_from(cost).unwrap_or(u32::MAX).clamp(1, COST_MAX);
            self.cost = u32::midpoint(self.cost, cost);
        }
    }

    /// Decides what is admitted of each vnet in the next interval; how many vnets are limited.
    fn decide(&mut self, cycles: u64, sum: &Sum, mut show: impl FnMut(IfSlot, u32)) -> u32 {
        let (sample, refusal) = (self.phase.sample(), self.cost / REFUSAL);
        let given = cycles * u64::from(self.capacity) / u64::from(WHOLE);
        // Of what was charged, not of the time: costs are estimates, and where all are too high nobody has too much.
        let fair = sum.levels.fair(given, sum.cycles + sum.refused * u64::from(refusal));
        let Self { charges, charged, shown, .. } = self;
        let mut limited = 0;
        for vnet in charged {
            let Some(charge) = charges.get_mut(*vnet as usize) else { continue };
            let allowed = fair.of(u32::from(charge.entitled.weight.max(1)));
            let most = match charge.entitled.percent {
                100.. => u64::MAX,
                percent => cycles * u64::from(percent) / 100,
            };
            charge.decide(allowed, most, refusal, sample);
            limited += u32::from(charge.admit != ALL);
            let percent = u64::from(charge.cycles) * 100 / cycles.max(1);
            if percent > 0 && shown.len() < shown.capacity() {
                shown.push(charge.slot);
                show(charge.slot, percent.min(100) as u32);
            }
        }
        limited
    }

    /// Marsaglia's xorshift: what is rounded, and which iterations are charged, should not keep step with the traffic.
    #[inline(always)]
    fn next_random(&mut self) -> u32 {
        let mut random = self.random;
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        self.random = random;
        random
    }
}

impl Charge {
    /// Admits so much that all of it, and what it costs to drop the rest, takes `allowed` cycles, or `most`; `refusal` for each
    /// packet. One packet of `sample` was looked at.
    fn decide(&mut self, allowed: u64, most: u64, refusal: u32, sample: u32) {
        if let Some(average) = self.cycles.checked_div(self.admitted) {
            // Of a worker that lost its CPU meanwhile no packet is the cause.
            let average = average.min(COST_MAX);
            self.average = if self.average == 0 { average } else { self.average.midpoint(average) };
        }
        let offered = u64::from(self.admitted) + u64::from(self.refused);
        let average = u64::from(self.average.max(1));
        // Packets come at random: four standard deviations of their number are no excess.
        let noise = 4 * average * (offered * u64::from(sample)).isqrt();
        let tolerated = (allowed.saturating_add(allowed / TOLERANCE)).min(most);
        let allowed = allowed.min(most);
        if self.demand().cycles <= tolerated.saturating_add(noise) {
            self.admit = ALL;
            return;
        }
        let refusal = u64::from(refusal).min(average - 1);
        let net = allowed.saturating_sub(offered * refusal) / (average - refusal);
        // Something of the share is left for use, however much is dropped.
        // One packet in any case: its cost is the only way to learn that they cost less by now.
        let packets = net.max(allowed / average / 2).max(1);
        self.admit = (packets * u64::from(ALL) / offered.max(1)).min(u64::from(ALL - 1)) as u32;
    }
}

#[cfg(test)]
mod tests;
