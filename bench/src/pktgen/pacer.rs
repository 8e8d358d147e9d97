//! [`Pacer`]: how many packets are due. A token bucket over the time stamp counter.

/// The earliest moment a packet may leave, from the asked rate. Time comes in as TSC cycles, so that tests run in
/// virtual time.
#[derive(Clone, Debug)]
pub(crate) struct Pacer {
    /// `None`: as fast as possible.
    packets_per_cycle: Option<f64>,
    /// The most that a generator that was held up catches up with.
    depth: f64,
    /// Packets that are due; the fraction is the next packet's.
    credit: f64,
    /// When `credit` was computed.
    last: u64,
    /// Packets that were due while the bucket was full: the generator was held up for longer than `depth`.
    missed: f64,
}

impl Pacer {
    /// A bucket that begins empty at `now`. `pps` is the rate, `None` for no limit; `hz` the TSC's frequency. After a
    /// pause at most `depth` packets are due at once (at least one).
    pub(crate) fn new(pps: Option<f64>, hz: u64, depth: f64, now: u64) -> Self {
        let packets_per_cycle = pps.map(|pps| pps / hz as f64);
        Self { packets_per_cycle, depth: depth.max(1.0), credit: 0.0, last: now, missed: 0.0 }
    }

    /// The time begins now.
    pub(crate) fn begin(&mut self, now: u64) {
        self.last = now;
    }

    /// How many packets may leave now, `most` at most.
    #[inline(always)]
    pub(crate) fn due(&mut self, now: u64, most: usize) -> usize {
        let Some(packets_per_cycle) = self.packets_per_cycle else { return most };
        // A clock that steps back, as that of another CPU may, gives nothing.
        self.credit += now.saturating_sub(self.last) as f64 * packets_per_cycle;
        self.last = self.last.max(now);
        if self.credit > self.depth {
            self.missed += self.credit - self.depth;
            self.credit = self.depth;
        }
        (self.credit as usize).min(most)
    }

    /// Takes `packets` that were due.
    #[inline(always)]
    pub(crate) fn take(&mut self, packets: usize) {
        if self.packets_per_cycle.is_some() {
            self.credit -= packets as f64;
        }
    }

    /// Packets that were due and will never be sent.
    pub(crate) fn missed(&self) -> u64 {
        self.missed as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HZ: u64 = 2_000_000_000;

    /// Polls at these distances in cycles; the packets sent and the largest burst.
    fn drive(pacer: &mut Pacer, distances: impl Iterator<Item = u64>, most: usize) -> (u64, usize) {
        let (mut now, mut sent, mut largest) = (0, 0, 0);
        for distance in distances {
            now += distance;
            let due = pacer.due(now, most);
            pacer.take(due);
            sent += due as u64;
            largest = largest.max(due);
        }
        (sent, largest)
    }

    proptest! {
        #[test]
        fn the_rate_is_met_to_the_packet_when_nothing_holds_up(
            pps in 1.0..50e6_f64,
            distances in prop::collection::vec(1..2000_u64, 5000),
        ) {
            // 2000 cycles are 1 us, 50 packets at most.
            let mut pacer = Pacer::new(Some(pps), HZ, 64.0, 0);
            let cycles: u64 = distances.iter().sum();
            let (sent, largest) = drive(&mut pacer, distances.into_iter(), 64);
            let ideal = cycles as f64 * pps / HZ as f64;
            prop_assert!((sent as f64 - ideal).abs() <= 1.0, "{sent} sent, {ideal} due");
            prop_assert!(largest <= 51);
            prop_assert_eq!(pacer.missed(), 0);
        }

        #[test]
        fn sent_and_missed_and_credit_are_all_that_was_due(
            pps in 1e3..50e6_f64,
            depth in 1.0..500.0_f64,
            distances in prop::collection::vec(1..10_000_000_u64, 200),
        ) {
            let mut pacer = Pacer::new(Some(pps), HZ, depth, 0);
            let cycles: u64 = distances.iter().sum();
            let (sent, largest) = drive(&mut pacer, distances.into_iter(), 256);
            prop_assert!(largest as f64 <= depth);
            let accounted = sent as f64 + pacer.missed + pacer.credit;
            let ideal = cycles as f64 * pps / HZ as f64;
            prop_assert!((accounted - ideal).abs() <= 1e-6 * ideal, "{accounted} of {ideal}");
        }
    }

    #[test]
    fn a_long_run_does_not_drift() {
        let mut pacer = Pacer::new(Some(14_880_952.38), HZ, 64.0, 0);
        let (sent, _) = drive(&mut pacer, std::iter::repeat_n(501, 4_000_000), 64);
        let ideal = 4_000_000.0 * 501.0 * 14_880_952.38 / HZ as f64;
        assert!((sent as f64 - ideal).abs() <= 1.0, "{sent} sent, {ideal} due");
    }

    #[test]
    fn no_limit_and_clocks_that_step_back() {
        assert_eq!(Pacer::new(None, HZ, 64.0, 0).due(1, 32), 32);
        let mut pacer = Pacer::new(Some(1e9), HZ, 64.0, 100);
        assert_eq!(pacer.due(50, 32), 0);
        assert_eq!(pacer.due(120, 32), 10);
    }
}
