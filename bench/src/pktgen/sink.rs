//! [`Sink`]: what comes back, each frame counted once and by name.

use std::sync::Arc;

use ::vnet::Counter;
use hdrhistogram::Histogram;
use pmd::{Burst, MbufPool, RxQueue, TxQueue};

use super::arp::{self, Responder};
use super::received::{Kind, Seen, look};
use super::sequence::{self, Tracker};

/// Frames taken off a queue at once.
const BURST: u16 = 64;
/// Latencies above this many seconds are counted as this.
const LATENCY_MAX_S: u64 = 100;

/// The counts of a sink while it runs; one writer, any thread reads.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    /// Frames of all kinds.
    pub(crate) frames: Counter,
    /// Their bytes, without FCS.
    pub(crate) bytes: Counter,
    /// Test packets, each counted once.
    pub(crate) unique: Counter,
    /// Test packets that came again, and such that were overtaken.
    pub(crate) disordered: Counter,
    /// Frames that are wrong: headers or checksums.
    pub(crate) broken: Counter,
    /// Sum of the latencies of the unique ones, in cycles.
    pub(crate) latency_cycles: Counter,
}

/// The packets that a sink has seen in the end.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Frames of all kinds.
    pub(crate) frames: u64,
    /// Their bytes, without FCS.
    pub(crate) bytes: u64,
    /// Test packets: whole, and of this stream.
    pub(crate) packets: u64,
    /// Their bytes, without FCS.
    pub(crate) packet_bytes: u64,
    /// The verdict of the sequence numbers on them.
    pub(crate) sequence: sequence::Counts,
    /// The smallest and the largest TTL of them; 255 and 0 when there were none.
    pub(crate) ttl: (u8, u8),
    /// Frames of other kinds, in the order of [`Kind::ALL`].
    pub(crate) others: [u64; Kind::ALL.len()],
    /// ARP requests that were answered.
    pub(crate) arp_answered: u64,
    /// Cycles from making a packet to finding it here.
    pub(crate) latency: Histogram<u64>,
}

/// Receives from one port.
#[derive(Debug)]
pub(crate) struct Sink {
    burst: Burst,
    state: State,
}

/// All but the burst, so that its packets can be looked at while they are counted.
#[derive(Debug)]
struct State {
    stream: u16,
    verify: bool,
    tracker: Tracker,
    received: Received,
    gauge: Arc<Gauge>,
    responder: Responder,
    /// To ARP requests.
    answers: Burst,
}

impl Sink {
    /// A sink for the test packets of `stream`. `verify`: look at the checksums above IP too.
    pub(crate) fn new(
        stream: u16,
        verify: bool,
        responder: Responder,
        gauge: Arc<Gauge>,
        hz: u64,
    ) -> anyhow::Result<Self> {
        let received = Received {
            frames: 0,
            bytes: 0,
            packets: 0,
            packet_bytes: 0,
            sequence: sequence::Counts::default(),
            ttl: (u8::MAX, 0),
            others: [0; Kind::ALL.len()],
            arp_answered: 0,
            latency: Histogram::new_with_bounds(1, LATENCY_MAX_S * hz, 3)?,
        };
        let (tracker, answers) = (Tracker::new(), Burst::new());
        let state = State { stream, verify, tracker, received, gauge, responder, answers };
        Ok(Self { burst: Burst::new(), state })
    }

    /// Takes one burst off the queue. Returns how many frames it had.
    #[inline]
    pub(crate) fn poll(&mut self, rx: &mut RxQueue, tx: &mut TxQueue, pool: &MbufPool) -> usize {
        let Self { burst, state } = self;
        let count = rx.rx(burst, BURST);
        if count == 0 {
            return 0;
        }
        let now = pmd::tsc::now();
        let before = state.received.bytes;
        for packet in burst.iter_mut() {
            // No device here delivers chains unless a frame is larger than a buffer.
            if packet.nb_segs() > 1 && !packet.linearize() {
                state.count(packet.data().len(), Kind::Oversized);
                continue;
            }
            state.take(packet.data(), now, pool);
        }
        burst.clear();
        if !state.answers.is_empty() {
            state.received.arp_answered += tx.tx(&mut state.answers) as u64;
        }
        state.gauge.frames.add(count as u64);
        state.gauge.bytes.add(state.received.bytes - before);
        count
    }

    /// The packets that were seen.
    pub(crate) fn finish(self) -> Received {
        let State { tracker, mut received, .. } = self.state;
        received.sequence = *tracker.counts();
        received
    }
}

impl State {
    #[inline(always)]
    fn take(&mut self, frame: &[u8], now: u64, pool: &MbufPool) {
        match look(frame, self.verify) {
            Seen::Test { signature, ttl } if signature.stream == self.stream => {
                let Some(sequence) = self.tracker.widen(signature.sequence) else {
                    return self.count(frame.len(), Kind::OtherStream);
                };
                self.received.frames += 1;
                self.received.bytes += frame.len() as u64;
                self.received.packets += 1;
                self.received.packet_bytes += frame.len() as u64;
                let (lowest, highest) = self.received.ttl;
                self.received.ttl = (lowest.min(ttl), highest.max(ttl));
                if self.tracker.note(sequence) {
                    let latency = now.saturating_sub(signature.stamp);
                    self.received.latency.saturating_record(latency);
                    self.gauge.latency_cycles.add(latency);
                    self.gauge.unique.inc();
                } else {
                    self.gauge.disordered.inc();
                }
            }
            Seen::Test { .. } => self.count(frame.len(), Kind::OtherStream),
            Seen::Arp(message) => {
                self.count(frame.len(), Kind::of_arp(&message));
                if let Some(answer) = self.responder.answer(frame, &message) {
                    self.queue_answer(&answer, pool);
                }
            }
            Seen::Other(kind) => {
                if kind.is_broken() {
                    self.gauge.broken.inc();
                }
                self.count(frame.len(), kind);
            }
        }
    }

    fn count(&mut self, bytes: usize, kind: Kind) {
        self.received.frames += 1;
        self.received.bytes += bytes as u64;
        self.received.others[kind as usize] += 1;
    }

    #[cold]
    fn queue_answer(&mut self, answer: &arp::Frame, pool: &MbufPool) {
        // Without a buffer the question is not answered, and will come again.
        if let Some(packet) = pool.from_bytes(answer.bytes()) {
            let _full = self.answers.push(packet);
        }
    }
}
