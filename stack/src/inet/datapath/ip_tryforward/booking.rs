//! The counters of the packets that leave, added once for all that leave through one interface in a row.

use super::check::Columns;
use super::crossing::Crossing;
use super::{Rules, Vector};
use crate::drops::DropReason;
use crate::inet::FastHop;
use crate::net::vnet_net;
use crate::worker::Output;

/// The packets in a row that leave through one interface, so that it is looked at once.
pub(super) struct Booking<'a, 'r> {
    pub(super) rules: &'a mut Rules<'r>,
    out: &'a Output,
    pub(super) vector: &'a mut Vector,
    egress: u32,
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
        Self { rules, out, vector, egress: u32::MAX, count: Count::default() }
    }

    /// Sends a whole burst to the other end of an epair as it is, if that can be: all packets have one next hop, and the
    /// end's queue is empty, so that it will hold this burst and nothing else.
    #[inline(always)]
    pub(super) fn cross(
        &mut self,
        columns: &Columns,
        hops: &[u16],
        before: Option<&Crossing>,
    ) -> bool {
        if !self.vector.may_cross {
            return false;
        }
        let first = hops.first().copied().unwrap_or_default();
        let forwarding = self.rules.forwarding;
        let Some(hop) = forwarding.fast_hops().get(usize::from(first)) else { return false };
        if !self.rules.is_plain(hop) || !self.out.can_cross(hop.port) {
            return false;
        }
        let lengths = &columns.pkt_len[..hops.len()];
        let longest = lengths.iter().fold(0, |longest, len| longest.max(*len));
        if hops.iter().any(|other| *other != first) || longest > hop.longest {
            return false;
        }
        self.add(hop, Count { packets: hops.len() as u32, bytes: lengths.iter().sum() });
        self.close();
        self.vector.crossing = Some(Crossing::new(hop, hops.len(), before));
        true
    }

    #[inline(always)]
    pub(super) fn add(&mut self, hop: &FastHop, count: Count) {
        if hop.egress != self.egress {
            self.close();
            (self.egress, self.count) = (hop.egress, Count::default());
        }
        self.count.packets += count.packets;
        self.count.bytes += count.bytes;
    }

    #[inline(always)]
    pub(super) fn close(&mut self) {
        let Some(egress) = self.rules.forwarding.egress(self.egress) else { return };
        let (packets, bytes) = (u64::from(self.count.packets), u64::from(self.count.bytes));
        if self.out.has(egress.port) {
            let counters = egress.counters(self.rules.reader);
            counters.opackets.add(packets);
            counters.obytes.add(bytes);
        } else {
            self.drop(packets);
        }
        self.vector.add(egress.port, packets, bytes);
    }

    /// Books packets for a port without a transmit queue, where they will be freed.
    #[cold]
    fn drop(&self, packets: u64) {
        let Rules { ifp, reader, .. } = *self.rules;
        vnet_net::init(&ifp.vnet).drops().get(reader).add(DropReason::InterfaceGone, packets);
    }
}
