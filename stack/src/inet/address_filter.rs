//! A set of addresses that the fast path asks with every packet: exact enough, and one load.

/// Slots, a power of two: half a kilobyte.
const SLOTS: usize = 4096;
/// Bits of a word.
const WORD: usize = u64::BITS as usize;

/// A set of addresses that may hold a few more than it was given, never fewer (a Bloom filter with one hash). Who finds
/// an address here has to make sure.
#[derive(Clone, Debug)]
pub struct AddressFilter([u64; SLOTS / WORD]);

impl Default for AddressFilter {
    fn default() -> Self {
        Self([0; SLOTS / WORD])
    }
}

impl AddressFilter {
    /// An address's slot. The multiplier is odd, so two addresses that differ in one byte only, as those of a small
    /// network do, never meet.
    #[inline(always)]
    fn slot(loaded: u32) -> usize {
        (loaded.wrapping_mul(0x9e37_79b1) >> (u32::BITS - SLOTS.ilog2())) as usize
    }

    /// Adds an address, host byte order.
    pub fn insert(&mut self, addr: u32) {
        let slot = Self::slot(addr.swap_bytes());
        self.0[slot / WORD] |= 1 << (slot % WORD);
    }

    /// 1 when the set may hold the address, else 0; `loaded` is the address as a little-endian load of a header's bytes
    /// shows it.
    #[inline(always)]
    #[must_use]
    pub fn may_hold(&self, loaded: u32) -> u64 {
        let slot = Self::slot(loaded);
        self.0[slot / WORD] >> (slot % WORD) & 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn holds_what_it_was_given(addrs in proptest::collection::vec(any::<u32>(), 0..50)) {
            let mut filter = AddressFilter::default();
            addrs.iter().for_each(|addr| filter.insert(*addr));
            for addr in &addrs {
                prop_assert_eq!(filter.may_hold(u32::from_le_bytes(addr.to_be_bytes())), 1);
            }
        }

        #[test]
        fn hosts_of_a_small_network_do_not_meet(network in any::<u32>(), own in any::<u8>()) {
            let addr = |host: u8| network & !0xff | u32::from(host);
            let mut filter = AddressFilter::default();
            filter.insert(addr(own));
            for host in (0..=u8::MAX).filter(|host| *host != own) {
                prop_assert_eq!(filter.may_hold(addr(host).swap_bytes()), 0);
            }
        }
    }

    #[test]
    fn few_strangers_are_taken_for_members() {
        let mut filter = AddressFilter::default();
        for network in 0..16 {
            for host in [0, 1, 255] {
                filter.insert(0x0a00_0000 + (network << 8) + host);
            }
        }
        let strangers = (0..1 << 16).filter(|n: &u32| filter.may_hold(n.wrapping_mul(77_777)) == 1);
        assert!(strangers.count() < (1 << 16) * 2 / 100);
    }
}
