//! The hosts of connected networks, as workers look them up: by interface and address, to the place of an adjacency.
//!
//! A table of its own and not a hash map, because most packets of a host network end their lookup here: one multiplication, and as a
//! rule one load. Hosts choose their addresses, so where an address falls is keyed (multiply-shift, Dietzfelbinger et al. 1997).

use crate::net::IfSlot;

/// Entries of the table for each neighbour, at least: few addresses then fall on one place.
const SPREAD: usize = 3;

/// A neighbour, or the end of a search.
#[derive(Clone, Copy, Debug)]
struct Entry {
    slot: IfSlot,
    /// Host byte order.
    addr: u32,
    /// Place of the adjacency; [`NO_PLACE`] is no neighbour.
    place: u32,
}

/// A place that no adjacency has.
const NO_PLACE: u32 = u32::MAX;

const NO_ENTRY: Entry = Entry { slot: IfSlot(u32::MAX), addr: 0, place: NO_PLACE };

/// The table; it is built once and read by workers.
#[derive(Debug)]
pub(super) struct OnLink {
    /// A power of two of entries, some of which are none, so that each search ends.
    entries: Box<[Entry]>,
    /// Bits of a product that are not the number of an entry.
    shift: u32,
    /// Odd.
    key: u64,
}

impl OnLink {
    /// The table of these neighbours. `secret` decides where they fall.
    pub(super) fn new(neighbors: Vec<((IfSlot, u32), u32)>, secret: u64) -> Self {
        let len = (neighbors.len() * SPREAD).next_power_of_two().max(2);
        let entries = vec![NO_ENTRY; len].into_boxed_slice();
        let mut table = Self { entries, shift: u64::BITS - len.ilog2(), key: secret | 1 };
        for ((slot, addr), place) in neighbors {
            let mut at = table.start(slot, addr);
            while table.entries[at].place != NO_PLACE {
                at = table.after(at);
            }
            table.entries[at] = Entry { slot, addr, place };
        }
        table
    }

    /// The place of a neighbour's adjacency.
    #[inline(always)]
    pub(super) fn get(&self, slot: IfSlot, addr: u32) -> Option<u32> {
        let mut at = self.start(slot, addr);
        // Ends at the latest at an entry that is none: at least two of three are.
        for _ in 0..self.entries.len() {
            let entry = self.entries.get(at)?;
            if entry.place == NO_PLACE {
                return None;
            }
            if (entry.slot == slot) & (entry.addr == addr) {
                return Some(entry.place);
            }
            at = self.after(at);
        }
        None
    }

    /// Where the search for an address begins.
    #[inline(always)]
    fn start(&self, slot: IfSlot, addr: u32) -> usize {
        let word = u64::from(slot.0) << 32 | u64::from(addr);
        (word.wrapping_mul(self.key) >> self.shift) as usize
    }

    #[inline(always)]
    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.entries.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_a_map_finds(
            neighbors in prop::collection::hash_map((0..4_u32, 0..64_u32), any::<u16>(), 0..100),
            secret in any::<u64>(),
        ) {
            let list = neighbors.iter().map(|((slot, addr), place)| ((IfSlot(*slot), *addr), u32::from(*place)));
            let table = OnLink::new(list.collect(), secret);
            let model: HashMap<(u32, u32), u16> = neighbors.into_iter().collect();
            for (slot, addr) in (0..5).flat_map(|slot| (0..65).map(move |addr| (slot, addr))) {
                let expected = model.get(&(slot, addr)).map(|place| u32::from(*place));
                prop_assert_eq!(table.get(IfSlot(slot), addr), expected);
            }
        }
    }
}
