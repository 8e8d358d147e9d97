//! What has to be counted of the packets that leave, once for all that leave through one interface in a row.

use super::check::Columns;
use super::crossing::Crossing;
use super::{Ports, Rules, Tally};
use crate::worker::Output;

/// The packets in a row that leave through one interface, so that it is looked at once.
pub(super) struct Booking<'a> {
    rules: &'a Rules<'a>,
    out: &'a Output,
    tally: &'a mut Tally,
    egress: u32,
    count: Count,
}

/// Of at most 64 packets.
#[derive(Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) packets: u32,
    pub(super) bytes: u32,
}

impl<'a> Booking<'a> {
    /// Nothing yet.
    pub(super) fn new(rules: &'a Rules<'a>, out: &'a Output, tally: &'a mut Tally) -> Self {
        Self { rules, out, tally, egress: u32::MAX, count: Count::default() }
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
        let first = hops.first().copied().unwrap_or_default();
        let Some(hop) = self.rules.fast(first) else { return false };
        let Some(egress) = self.rules.forwarding.egress(hop.egress) else { return false };
        if !self.tally.may_cross || !self.out.can_cross(egress.port) {
            return false;
        }
        let lengths = &columns.pkt_len[..hops.len()];
        let longest = lengths.iter().fold(0, |longest, len| longest.max(*len));
        if hops.iter().any(|other| *other != first) || longest > hop.longest {
            return false;
        }
        self.add(hop.egress, Count { packets: hops.len() as u32, bytes: lengths.iter().sum() });
        self.close();
        self.tally.crossing = Some(Crossing::new(hop, hops.len(), before));
        true
    }

    #[inline(always)]
    pub(super) fn add(&mut self, egress: u32, count: Count) {
        if egress != self.egress {
            self.close();
            (self.egress, self.count) = (egress, Count::default());
        }
        self.count.packets += count.packets;
        self.count.bytes += count.bytes;
    }

    #[inline(never)]
    pub(super) fn close(&mut self) {
        let Some(egress) = self.rules.forwarding.egress(self.egress) else { return };
        let (packets, bytes) = (u64::from(self.count.packets), u64::from(self.count.bytes));
        // Without a transmit queue they are dropped, not sent.
        if self.out.has(egress.port) {
            let counters = egress.counters(self.rules.reader);
            counters.opackets.add(packets);
            counters.obytes.add(bytes);
        }
        self.tally.forwarded += packets;
        self.tally.received_bytes += bytes;
        self.tally.ports = match self.tally.ports {
            Ports::None => Ports::One(egress.port),
            Ports::One(port) if port == egress.port => self.tally.ports,
            _ => Ports::Many,
        };
    }
}
