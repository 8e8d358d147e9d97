//! Max-min fairness: how much each has when all that want less than their share have what they want, and the rest is shared.

/// The wish of one vnet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    pub(super) cycles: u64,
    /// Not 0.
    pub(super) weight: u32,
}

/// Demands by what they are for a unit of weight, in powers of two: one pass over the vnets tells the fair level.
#[derive(Debug)]
pub(super) struct Levels {
    /// Sums of the demands of each power of two.
    cycles: [u64; BUCKETS],
    /// And of their weights.
    weights: [u64; BUCKETS],
}

const BUCKETS: usize = 64;
/// Demands are looked at in units of a 256th of a cycle for a unit of weight.
const FRACTION: u32 = 8;

impl Default for Levels {
    fn default() -> Self {
        Self { cycles: [0; BUCKETS], weights: [0; BUCKETS] }
    }
}

/// The fair share of a unit of weight, in 256ths of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fair(u64);

impl Fair {
    /// The share of a vnet of this weight, cycles.
    pub(super) fn of(self, weight: u32) -> u64 {
        self.0.saturating_mul(u64::from(weight)) >> FRACTION
    }
}

impl Levels {
    pub(super) fn add(&mut self, demand: Demand) {
        let level = (demand.cycles << FRACTION) / u64::from(demand.weight);
        let bucket = level.max(1).ilog2() as usize;
        self.cycles[bucket] += demand.cycles;
        self.weights[bucket] += u64::from(demand.weight);
    }

    /// The share of each when `given` cycles are shared, but not less than its part of `all`.
    pub(super) fn fair(&self, given: u64, all: u64) -> Fair {
        let mut left = given << FRACTION;
        let mut weights: u64 = self.weights.iter().sum();
        let Some(part) = (all << FRACTION).checked_div(weights) else { return Fair(u64::MAX) };
        for (bucket, (cycles, weight)) in self.cycles.iter().zip(&self.weights).enumerate() {
            let level = left.checked_div(weights).unwrap_or(u64::MAX);
            // Not all that this power of two wants.
            if level >> bucket < 2 {
                return Fair(level.max(part));
            }
            left = left.saturating_sub(cycles << FRACTION);
            weights -= weight;
        }
        Fair(u64::MAX)
    }
}
