//! Probes: echo requests and datagrams of our own whose answers a client waits for. The control thread makes them, the
//! worker that sends one notes when, and the worker that receives the answer notes what it is.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::net::graph::ProbeNumber;
use crate::time::Nanos;
use crate::wire::icmp_type;

/// Probes of one vnet that can be under way at a time.
pub const PROBES: usize = 64;
const INDEX_BITS: u32 = PROBES.trailing_zeros();
/// Destination port of the first of a vnet's UDP probes; the others have those behind it (FreeBSD: traceroute.c, `port`).
pub const PROBE_PORT: u16 = 33434;
/// Source ports of UDP probes have this bit, as traceroute's.
const SOURCE_PORT: u16 = 0x8000;

/// The kind of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ProbeKind {
    /// An ICMP echo request.
    Echo = 1,
    /// A UDP datagram to a port that nobody should listen on.
    Udp = 2,
}

impl ProbeNumber {
    /// The number of the `generation`-th probe of a vnet, at this place.
    #[must_use]
    pub fn new(generation: u32, place: usize) -> Self {
        Self((generation << INDEX_BITS) | place as u32 & (PROBES as u32 - 1))
    }

    /// Its place in the table.
    #[must_use]
    pub fn place(self) -> usize {
        self.0 as usize % PROBES
    }
}

/// The two words by which an answer names its probe: identifier and sequence, or source and destination port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeName {
    /// Which kind of words they are.
    pub kind: ProbeKind,
    /// The first two bytes behind type, code and checksum, or of a UDP header.
    pub first: u16,
    /// The two behind those.
    pub second: u16,
}

/// The answer that came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Who sent it, host byte order.
    pub from: Ipv4Addr,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// TTL that it arrived with.
    pub ttl: u8,
    /// Length of the ICMP message, bytes.
    pub bytes: u16,
    /// Next-hop MTU of "fragmentation needed" (RFC 1191); 0 otherwise.
    pub mtu: u16,
}

/// An answer as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// The first answer.
    pub heard: Heard,
    /// From when the worker that sent the probe began its iteration to when the one that received the answer began its.
    pub rtt_ns: u64,
    /// Further answers of the same type; no more than 255 are counted.
    pub duplicates: u8,
}

/// Nobody waits for this entry's answer.
const IDLE: u8 = 0;
/// It has not come.
const WAITING: u8 = 1;
/// A worker writes it down.
const TAKEN: u8 = 2;
/// It can be read.
const ANSWERED: u8 = 3;

/// The probe of an entry and how far it is, in one word, so that it changes at once.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    number: ProbeNumber,
    kind: u8,
    duplicates: u8,
    phase: u8,
}

impl State {
    fn of(word: u64) -> Self {
        let [a, b, c, d, kind, duplicates, phase, _] = word.to_le_bytes();
        Self { number: ProbeNumber(u32::from_le_bytes([a, b, c, d])), kind, duplicates, phase }
    }

    fn word(self) -> u64 {
        let [a, b, c, d] = self.number.0.to_le_bytes();
        u64::from_le_bytes([a, b, c, d, self.kind, self.duplicates, self.phase, 0])
    }
}

#[derive(Debug, Default)]
struct Entry {
    state: AtomicU64,
    /// Destination, host byte order.
    target: AtomicU32,
    sent: AtomicU64,
    received: AtomicU64,
    /// Sender (upper half), type, code and TTL.
    origin: AtomicU64,
    /// Bytes (upper half) and MTU.
    size: AtomicU32,
}

/// The probes of one vnet.
#[derive(Debug)]
pub struct Probes {
    /// Identifier of its echo requests.
    echo_id: u16,
    entries: [Entry; PROBES],
}

impl Probes {
    /// A table without probes, whose echo requests have this identifier.
    #[must_use]
    pub fn new(echo_id: u16) -> Self {
        Self { echo_id, entries: std::array::from_fn(|_| Entry::default()) }
    }

    /// How the answer to a probe will name it.
    #[must_use]
    pub fn name(&self, kind: ProbeKind, number: ProbeNumber) -> ProbeName {
        let (first, second) = match kind {
            ProbeKind::Echo => (self.echo_id, number.0 as u16),
            ProbeKind::Udp => {
                (SOURCE_PORT | (number.0 >> INDEX_BITS) as u16, PROBE_PORT + number.place() as u16)
            }
        };
        ProbeName { kind, first, second }
    }

    /// Waits for the answer to a probe to `target`. False when a worker is just writing into its place.
    #[must_use]
    pub fn expect(&self, number: ProbeNumber, kind: ProbeKind, target: Ipv4Addr) -> bool {
        let Some(entry) = self.entries.get(number.place()) else { return false };
        let old = entry.state.load(Ordering::Acquire);
        let idle = State { phase: IDLE, ..State::of(old) }.word();
        let free = State::of(old).phase != TAKEN
            && entry.state.compare_exchange(old, idle, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if free {
            entry.target.store(target.to_bits(), Ordering::Relaxed);
            entry.sent.store(0, Ordering::Relaxed);
            let state = State { number, kind: kind as u8, duplicates: 0, phase: WAITING };
            entry.state.store(state.word(), Ordering::Release);
        }
        free
    }

    /// A worker sends this probe.
    pub fn sent(&self, number: ProbeNumber, now: Nanos) {
        let Some(entry) = self.entries.get(number.place()) else { return };
        // One that waited in the queue for longer than its client waited has lost its place.
        if State::of(entry.state.load(Ordering::Acquire)).number == number {
            entry.sent.store(now.0, Ordering::Release);
        }
    }

    /// A worker received what may answer a probe; `target` is where the probe went, if the answer says so. True when
    /// a client waits for it.
    pub fn answered(
        &self,
        name: ProbeName,
        target: Option<Ipv4Addr>,
        heard: Heard,
        now: Nanos,
    ) -> bool {
        let place = match name.kind {
            ProbeKind::Echo => usize::from(name.second) % PROBES,
            ProbeKind::Udp => usize::from(name.second.wrapping_sub(PROBE_PORT)),
        };
        let Some(entry) = self.entries.get(place) else { return false };
        let word = entry.state.load(Ordering::Acquire);
        let state = State::of(word);
        let same = state.kind == name.kind as u8 && self.name(name.kind, state.number) == name;
        if !same
            || target.is_some_and(|target| target.to_bits() != entry.target.load(Ordering::Relaxed))
        {
            return false;
        }
        match state.phase {
            WAITING => entry.keep(state, heard, now),
            ANSWERED => entry.count_duplicate(state, heard),
            _ => false,
        }
    }

    /// The answer to a probe; none when there is none, or the place is another's.
    #[must_use]
    pub fn answer(&self, number: ProbeNumber) -> Option<ProbeAnswer> {
        let entry = self.entries.get(number.place())?;
        let state = State::of(entry.state.load(Ordering::Acquire));
        if state.number != number || state.phase != ANSWERED {
            return None;
        }
        let received = entry.received.load(Ordering::Relaxed);
        let rtt_ns = received.saturating_sub(entry.sent.load(Ordering::Acquire));
        Some(ProbeAnswer { heard: entry.heard(), rtt_ns, duplicates: state.duplicates })
    }
}

impl Entry {
    /// Writes down the first answer.
    fn keep(&self, state: State, heard: Heard, now: Nanos) -> bool {
        let taken = State { phase: TAKEN, ..state }.word();
        let exchange =
            self.state.compare_exchange(state.word(), taken, Ordering::Acquire, Ordering::Relaxed);
        if exchange.is_ok() {
            let Heard { from, kind, code, ttl, bytes, mtu } = heard;
            let [a, b, c, d] = from.to_bits().to_le_bytes();
            let origin = u64::from_le_bytes([kind, code, ttl, 0, a, b, c, d]);
            self.origin.store(origin, Ordering::Relaxed);
            self.size.store(u32::from(bytes) << 16 | u32::from(mtu), Ordering::Relaxed);
            self.received.store(now.0, Ordering::Relaxed);
            self.state.store(State { phase: ANSWERED, ..state }.word(), Ordering::Release);
        }
        // If another worker was faster, this is a duplicate of the same moment, which is not counted.
        true
    }

    fn heard(&self) -> Heard {
        let [kind, code, ttl, _, a, b, c, d] = self.origin.load(Ordering::Relaxed).to_le_bytes();
        let size = self.size.load(Ordering::Relaxed);
        let from = Ipv4Addr::from_bits(u32::from_le_bytes([a, b, c, d]));
        Heard { from, kind, code, ttl, bytes: (size >> 16) as u16, mtu: size as u16 }
    }

    /// Two workers that count at the same time may count one.
    fn count_duplicate(&self, state: State, heard: Heard) -> bool {
        if self.heard().kind != heard.kind {
            return false;
        }
        let more = State { duplicates: state.duplicates.saturating_add(1), ..state }.word();
        let _counted =
            self.state.compare_exchange(state.word(), more, Ordering::AcqRel, Ordering::Relaxed);
        true
    }
}

/// Whether a message of this type may be the answer to a probe. A redirect is none: the probe goes on.
#[must_use]
pub const fn answers_probes(kind: u8) -> bool {
    matches!(
        kind,
        icmp_type::ECHO_REPLY
            | icmp_type::UNREACH
            | icmp_type::TIME_EXCEEDED
            | icmp_type::PARAMETER_PROBLEM
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
    const REPLY: Heard = Heard { from: TARGET, kind: 0, code: 0, ttl: 63, bytes: 64, mtu: 0 };

    #[test]
    fn an_answer_is_kept_and_further_ones_are_counted() {
        let table = Probes::new(77);
        for kind in [ProbeKind::Echo, ProbeKind::Udp] {
            for place in [0, 1, 63] {
                let number = ProbeNumber::new(5000, place);
                assert!(table.expect(number, kind, TARGET));
                let name = table.name(kind, number);
                assert_eq!(table.answer(number), None);
                table.sent(number, Nanos(100));
                assert!(table.answered(name, Some(TARGET), REPLY, Nanos(350)));
                let answer = ProbeAnswer { heard: REPLY, rtt_ns: 250, duplicates: 0 };
                assert_eq!(table.answer(number), Some(answer));
                for _ in 0..300 {
                    assert!(table.answered(name, None, REPLY, Nanos(999)));
                }
                assert_eq!(table.answer(number), Some(ProbeAnswer { duplicates: 255, ..answer }));
                let other = Heard { kind: 3, ..REPLY };
                assert!(!table.answered(name, None, other, Nanos(999)), "of another type");
            }
        }
    }

    #[test]
    fn what_is_not_an_answer_is_left_alone() {
        let table = Probes::new(77);
        let number = ProbeNumber::new(3, 9);
        assert!(table.expect(number, ProbeKind::Echo, TARGET));
        let name = table.name(ProbeKind::Echo, number);
        assert_eq!(name, ProbeName { kind: ProbeKind::Echo, first: 77, second: 3 * 64 + 9 });
        for wrong in [
            ProbeName { first: 78, ..name },
            ProbeName { second: name.second + 64, ..name },
            ProbeName { second: name.second + 1, ..name },
            ProbeName { kind: ProbeKind::Udp, ..name },
            table.name(ProbeKind::Udp, number),
            ProbeName { kind: ProbeKind::Udp, first: 0, second: 0 },
        ] {
            assert!(!table.answered(wrong, None, REPLY, Nanos(1)), "{wrong:?}");
        }
        assert!(
            !table.answered(name, Some(Ipv4Addr::new(10, 1, 0, 3)), REPLY, Nanos(1)),
            "of another target"
        );
        assert_eq!(table.answer(number), None);
        assert!(table.answered(name, Some(TARGET), REPLY, Nanos(1)));
    }

    #[test]
    fn a_place_that_is_used_again_forgets() {
        let table = Probes::new(1);
        let (old, new) = (ProbeNumber::new(1, 4), ProbeNumber::new(2, 4));
        assert!(table.expect(old, ProbeKind::Echo, TARGET));
        assert!(table.answered(table.name(ProbeKind::Echo, old), None, REPLY, Nanos(1)));
        assert!(table.expect(new, ProbeKind::Echo, TARGET));
        assert_eq!((table.answer(old), table.answer(new)), (None, None));
        assert!(!table.answered(table.name(ProbeKind::Echo, old), None, REPLY, Nanos(1)));
    }
}
