//! [`Generator`]: makes test packets when they are due, and sends them.

use std::sync::Arc;

use ::vnet::Counter;
use pmd::{Burst, MbufPool, TxQueue};

use super::field::{self, Field, Prefix};
use super::pacer::Pacer;
use super::sizes::Sizes;
use super::template::{Addresses, Fields, Headers, Template};
use crate::random::Random;

/// The counts of a generator while it runs; one writer, any thread reads.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    /// Packets that the queue took.
    pub(crate) packets: Counter,
    /// Their bytes, without FCS.
    pub(crate) bytes: Counter,
    /// Tries at which the queue did not take all: whoever empties it is slower than the asked rate.
    pub(crate) queue_full: Counter,
    /// Tries at which the pool had no buffers: they are all under way.
    pub(crate) no_buffers: Counter,
}

/// The fields of the packets besides the headers that all share.
#[derive(Debug)]
pub(crate) struct Variation {
    /// Source addresses: the first, and which of those from there on.
    src: (u128, Field),
    dst: (u128, Field),
    sport: (u16, Field),
    dport: (u16, Field),
    v6: bool,
    random: Random,
}

impl Variation {
    /// Addresses of both prefixes, which are of one family, and ports of both ranges.
    pub(crate) fn new(
        addresses: [&Prefix; 2],
        ports: [&std::ops::RangeInclusive<u16>; 2],
        order: field::Order,
        seed: u64,
    ) -> Self {
        let number = |prefix: &Prefix| match prefix.first {
            std::net::IpAddr::V4(address) => u128::from(address.to_bits()),
            std::net::IpAddr::V6(address) => address.to_bits(),
        };
        let address = |prefix: &Prefix| (number(prefix), Field::new(prefix.count, order));
        let port = |range: &std::ops::RangeInclusive<u16>| {
            let count = u64::from(*range.end()) - u64::from(*range.start()) + 1;
            (*range.start(), Field::new(count, order))
        };
        Self {
            src: address(addresses[0]),
            dst: address(addresses[1]),
            sport: port(ports[0]),
            dport: port(ports[1]),
            v6: addresses[0].network.is_ipv6(),
            random: Random::new(seed),
        }
    }

    #[inline(always)]
    fn next(&mut self, sequence: u32, stamp: u64) -> Fields {
        let random = &mut self.random;
        let src = self.src.0 + u128::from(self.src.1.next(random));
        let dst = self.dst.0 + u128::from(self.dst.1.next(random));
        // Ranges end at 65535, and IPv4 prefixes at 2^32 - 1, so nothing is cut off.
        let sport = self.sport.0 + self.sport.1.next(random) as u16;
        let dport = self.dport.0 + self.dport.1.next(random) as u16;
        let addresses =
            if self.v6 { Addresses::V6(src, dst) } else { Addresses::V4(src as u32, dst as u32) };
        Fields { addresses, ports: (sport, dport), sequence, stamp }
    }
}

/// Where a generator stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// More is to come.
    Sending,
    /// All was sent that was asked for, or the time is over.
    Done,
}

/// Makes and sends the packets of one trial.
#[derive(Debug)]
pub(crate) struct Generator {
    templates: Vec<Template>,
    /// Indices of templates, gone through for ever.
    schedule: Vec<u16>,
    next: usize,
    variation: Variation,
    pool: MbufPool,
    pacer: Pacer,
    /// Most packets made at once.
    burst_size: usize,
    /// Packets that are made and that the queue has not taken yet.
    burst: Burst,
    sequence: u64,
    /// Packets to be made.
    limit: u64,
    /// TSC at which making ends.
    end: u64,
    /// TSC at which the queue took something last, and for how long it may take nothing.
    progress: u64,
    patience: u64,
    gauge: Arc<Gauge>,
}

/// The work of a [`Generator`].
#[derive(Debug)]
pub(crate) struct Work {
    /// One template for each size.
    pub(crate) headers: Headers,
    /// Which sizes, in which shares.
    pub(crate) sizes: Sizes,
    /// The fields that differ.
    pub(crate) variation: Variation,
    /// Most packets made at once.
    pub(crate) burst_size: usize,
    /// Packets to be made.
    pub(crate) limit: u64,
    /// When a queue that takes nothing is given up, in cycles.
    pub(crate) patience: u64,
}

impl Generator {
    /// Sends what `work` says by `pacer`, with buffers of `pool`.
    pub(crate) fn new(work: Work, pool: MbufPool, pacer: Pacer, gauge: Arc<Gauge>) -> Self {
        let Work { headers, sizes, variation, burst_size, limit, patience } = work;
        let template = |(size, _): &(usize, usize)| Template::new(&headers, *size);
        Self {
            templates: sizes.shares.iter().map(template).collect(),
            schedule: sizes.schedule(),
            next: 0,
            variation,
            pool,
            pacer,
            burst_size,
            burst: Burst::new(),
            sequence: 0,
            limit,
            end: u64::MAX,
            progress: 0,
            patience,
            gauge,
        }
    }

    /// The time begins, and ends at `end` (TSC).
    pub(crate) fn begin(&mut self, now: u64, end: u64) {
        self.pacer.begin(now);
        self.progress = now;
        self.end = end;
    }

    /// Sends what is due at `now`. Packets that the queue does not take are kept and offered again: what is numbered is
    /// either sent or, at the end, not counted as sent.
    #[inline]
    pub(crate) fn step(&mut self, now: u64, tx: &mut TxQueue) -> Step {
        if now >= self.end {
            return Step::Done;
        }
        // Credit grows while the queue is full, too, up to the pacer's depth.
        let due = self.pacer.due(now, self.burst_size);
        if !self.burst.is_empty() {
            return self.send(now, tx);
        }
        let left = self.limit - self.sequence;
        let count = due.min(usize::try_from(left).unwrap_or(usize::MAX));
        if count == 0 {
            return if left == 0 { Step::Done } else { Step::Sending };
        }
        if !self.pool.alloc_bulk(&mut self.burst, count) {
            self.gauge.no_buffers.inc();
            return Step::Sending;
        }
        self.pacer.take(count);
        self.fill(now);
        self.send(now, tx)
    }

    #[inline(always)]
    fn fill(&mut self, now: u64) {
        for packet in &mut self.burst {
            let template = &self.templates[usize::from(self.schedule[self.next])];
            self.next = if self.next + 1 == self.schedule.len() { 0 } else { self.next + 1 };
            // The low 32 bits are what a packet carries.
            let fields = self.variation.next(self.sequence as u32, now);
            self.sequence += 1;
            // Sizes are checked against the buffers, so there is room.
            if let Some(frame) = packet.append(template.len() as u16) {
                template.write(frame, &fields);
            }
        }
    }

    #[inline(always)]
    fn send(&mut self, now: u64, tx: &mut TxQueue) -> Step {
        let bytes: u64 = self.burst.iter().map(|packet| u64::from(packet.pkt_len())).sum();
        let sent = tx.tx_some(&mut self.burst);
        let kept: u64 = self.burst.iter().map(|packet| u64::from(packet.pkt_len())).sum();
        self.gauge.packets.add(sent as u64);
        self.gauge.bytes.add(bytes - kept);
        if sent > 0 {
            self.progress = now;
        } else if now.saturating_sub(self.progress) > self.patience {
            return Step::Done;
        }
        if !self.burst.is_empty() {
            self.gauge.queue_full.inc();
        } else if self.sequence == self.limit {
            return Step::Done;
        }
        Step::Sending
    }

    /// Packets that were due while nothing could be sent, for longer than is caught up with.
    pub(crate) fn missed(&self) -> u64 {
        self.pacer.missed()
    }
}
