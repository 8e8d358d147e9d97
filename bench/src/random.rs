//! Numbers at random that a seed repeats: the same packets, tables and draws in every run and every build.

/// Wyrand (Wang Yi's wyhash, public domain): one multiplication a number. Nothing here needs more of its numbers than
/// that they are spread evenly, and a packet generator draws several for each packet.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A generator that this seed repeats.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0xa076_1d64_78bd_642f);
        let product = u128::from(self.0) * u128::from(self.0 ^ 0xe703_7ed1_a0b4_28db);
        // The casts take the halves.
        (product >> 64) as u64 ^ product as u64
    }

    /// A number from 0 up to, not including, `limit`; 0 if that is 0. Multiply and shift maps 64 random bits to a range
    /// without a division (Lemire); the bias is below limit / 2^64.
    #[inline(always)]
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    /// A place in a list of `count`.
    #[inline(always)]
    pub(crate) fn place(&mut self, count: usize) -> usize {
        // The result is below `count`, so it is a usize, too.
        self.below(count as u64) as usize
    }

    /// Brings a list into random order (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.place(at + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs for the seed 42 that other implementations publish (D. Lemire's SwiftWyhash, Crystal's).
    #[test]
    fn wyrand_is_wyrand() {
        let mut random = Random::new(42);
        let first: Vec<u64> = (0..3).map(|_| random.next()).collect();
        let published =
            [12_558_987_674_375_533_620, 16_846_851_108_956_068_306, 14_652_274_819_296_609_082];
        assert_eq!(first, published);
    }

    #[test]
    fn numbers_are_spread_evenly() {
        // Chi-squared over 64 buckets; 63 degrees of freedom exceed 120 once in 10^5 seeds.
        let mut random = Random::new(7);
        let mut buckets = [0_u32; 64];
        for _ in 0..64_000 {
            buckets[random.place(65534) * 64 / 65534] += 1;
        }
        let chi: f64 = buckets.iter().map(|&n| (f64::from(n) - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi < 120.0, "{chi}");
    }

    #[test]
    fn a_limit_is_not_reached() {
        let mut random = Random::new(1);
        for limit in [1, 2, 3, u64::MAX] {
            assert!((0..1000).all(|_| random.below(limit) < limit), "{limit}");
        }
    }
}
