//! The counters of the packets that leave, added once for all that leave through one interface in a row.

use super::{Rules, Vector};
use crate::drops::DropReason;
use crate::net::graph::Output;
use crate::net::route::FastHop;
use crate::net::vnet_net;

/// The packets in a row that leave through one interface, so that it is looked at once.
pub(super) struct Booking<'a, 'r> {
    pub(super) rules: &'a mut Rules<'r>,
    out: &'a Output,
    pub(super) vector: &'a mut Vector,
    /// The hop that the packets in a row take; those of others on the same interface are among them.
    hop: Option<&'r FastHop>,
    count: Count,
}

/// Of at most 64 packets.
#[derive(Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) packets: u32,
    pub(super) bytes: u32,
}

impl<'a, 'r> Booking<'a, 'r> {
    /// Nothing yet.
    #[inline(always)]
    pub(super) fn new(rules: &'a mut Rules<'r>, out: &'a Output, vector: &'a mut Vector) -> Self {
        Self { rules, out, vector, hop: None, count: Count::default() }
    }

    /// Packets of these lengths, which all take one hop and are all that there are.
    #[inline(always)]
    pub(super) fn add_all(mut self, hop: &'r FastHop, lengths: &[u32]) {
        self.add(hop, Count { packets: lengths.len() as u32, bytes: lengths.iter().sum() });
        self.close();
    }

    #[inline(always)]
    pub(super) fn add(&mut self, hop: &'r FastHop, count: Count) {
        if self.hop.is_none_or(|before| !std::ptr::eq(before, hop)) {
            self.turn_to(hop);
        }
        self.count.packets += count.packets;
        self.count.bytes += count.bytes;
    }

    /// Another hop follows, perhaps on another interface.
    #[inline(always)]
    fn turn_to(&mut self, hop: &'r FastHop) {
        if self.hop.is_none_or(|before| before.egress != hop.egress) {
            self.close();
            self.count = Count::default();
        }
        self.hop = Some(hop);
    }

    #[inline(always)]
    pub(super) fn close(&mut self) {
        let Some(hop) = self.hop else { return };
        book(self.rules, self.out, hop, self.count);
        self.vector.add(hop.port, u64::from(self.count.packets), u64::from(self.count.bytes));
    }
}

/// Adds packets to the counters of the interface that they leave through.
#[inline(always)]
fn book(rules: &Rules<'_>, out: &Output, hop: &FastHop, count: Count) {
    let (packets, bytes) = (u64::from(count.packets), u64::from(count.bytes));
    if !out.has(hop.port) {
        return drop_booked(rules, packets);
    }
    let counters = if hop.slot == rules.ifp.slot {
        &rules.block.counters
    } else {
        let Some(egress) = rules.forwarding.next_hops().egress(hop.egress) else { return };
        egress.counters(rules.reader)
    };
    counters.opackets.add(packets);
    counters.obytes.add(bytes);
}

/// Books packets for a port without a transmit queue, where they will be freed, as dropped.
#[cold]
fn drop_booked(rules: &Rules<'_>, packets: u64) {
    let drops = vnet_net::init(&rules.ifp.vnet).drops().get(rules.reader);
    drops.add(DropReason::InterfaceGone, packets);
}
