//! A set of addresses that the fast path asks with every packet: exact enough, and one load.

/// Slots, a power of two: half a kilobyte.
const SLOTS: usize = 4096;
/// Slots of the sketches, a power of two: a vector register.
const SKETCH_SLOTS: usize = 256;
/// Bits of a word.
const WORD: usize = u32::BITS as usize;

/// A set of addresses that may hold a few more than it was given, never fewer (a Bloom filter with one hash). Who finds
/// an address here has to make sure.
///
/// Two sketches of it fit into registers. An address that is missing from one of them is not in the set: that settles
/// nearly all without a load.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct AddressFilter {
    /// First, and in one cache line.
    sketches: [[u32; SKETCH_SLOTS / WORD]; 2],
    slots: [u32; SLOTS / WORD],
}

impl Default for AddressFilter {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl AddressFilter {
    /// Holds nothing.
    pub(in crate::inet) const EMPTY: Self =
        Self { slots: [0; SLOTS / WORD], sketches: [[0; SKETCH_SLOTS / WORD]; 2] };

    /// An address's slot is the upper bits of its product with this number. It is odd, so two addresses that differ in one
    /// byte only, as those of a small network do, never meet.
    pub(in crate::inet) const MULTIPLIER: u32 = 0x9e37_79b1;
    /// How far the product is shifted for a slot.
    pub(in crate::inet) const SHIFT: u32 = u32::BITS - SLOTS.ilog2();
    /// How far, and with ones above cut off, for a slot of each sketch: bits of the product that share little.
    pub(in crate::inet) const SKETCH_SHIFTS: [u32; 2] = [24, 14];

    /// The bits, slot 0 in bit 0 of the first word.
    #[inline(always)]
    pub(in crate::inet) const fn words(&self) -> &[u32; SLOTS / WORD] {
        &self.slots
    }

    /// The sketches' bits, likewise.
    #[inline(always)]
    pub(in crate::inet) const fn sketches(&self) -> &[[u32; SKETCH_SLOTS / WORD]; 2] {
        &self.sketches
    }

    #[inline(always)]
    fn slot(loaded: u32) -> usize {
        (loaded.wrapping_mul(Self::MULTIPLIER) >> Self::SHIFT) as usize
    }

    /// Adds an address, host byte order.
    pub fn insert(&mut self, addr: u32) {
        let loaded = addr.swap_bytes();
        let slot = Self::slot(loaded);
        self.slots[slot / WORD] |= 1 << (slot % WORD);
        for (sketch, shift) in self.sketches.iter_mut().zip(Self::SKETCH_SHIFTS) {
            let slot = (loaded.wrapping_mul(Self::MULTIPLIER) >> shift) as usize % SKETCH_SLOTS;
            sketch[slot / WORD] |= 1 << (slot % WORD);
        }
    }

    /// Whether the set may hold the address; `loaded` as in [`Self::may_hold`]. Looks at the sketches first, which a burst has read
    /// anyway.
    #[inline(always)]
    #[must_use]
    pub fn holds(&self, loaded: u32) -> bool {
        let product = loaded.wrapping_mul(Self::MULTIPLIER);
        let [first, second] = [0, 1].map(|sketch| {
            let slot = (product >> Self::SKETCH_SHIFTS[sketch]) as usize % SKETCH_SLOTS;
            self.sketches[sketch][slot / WORD] >> (slot % WORD) & 1
        });
        first & second == 1 && self.may_hold(loaded) == 1
    }

    /// 1 when the set may hold the address, else 0; `loaded` is the address as a little-endian load of a header's bytes
    /// shows it.
    #[inline(always)]
    #[must_use]
    pub fn may_hold(&self, loaded: u32) -> u64 {
        let slot = Self::slot(loaded);
        u64::from(self.slots[slot / WORD] >> (slot % WORD) & 1)
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
