//! Which of a vnet's probes a client waits for, and for how long: the control thread's side of [`Probes`].

use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::inet::{PROBES, ProbeAnswer, ProbeKind, ProbeNumber, Probes};
use crate::time::Nanos;

/// Probes that a vnet sends in a second. More are refused, so that nobody floods a network from here.
pub const PROBES_PER_SECOND: u32 = 1000;

/// One place of the table.
#[derive(Clone, Copy, Debug)]
struct Place {
    number: ProbeNumber,
    /// Somebody waits until then.
    deadline: Nanos,
    /// Somebody has seen the answer; it stays to count duplicates while there are other places.
    seen: bool,
}

/// The probes of one vnet.
#[derive(Debug)]
pub struct ProbeBook {
    table: Arc<Probes>,
    places: [Option<Place>; PROBES],
    /// Probes so far.
    sent: u32,
    /// The second of the last one, and how many there were in it.
    window: (u64, u32),
}

impl ProbeBook {
    /// No probes, in this table.
    #[must_use]
    pub fn new(table: Arc<Probes>) -> Self {
        Self { table, places: [None; PROBES], sent: 0, window: (0, 0) }
    }

    /// The table that workers look into.
    #[must_use]
    pub fn table(&self) -> &Arc<Probes> {
        &self.table
    }

    /// Whether one more probe in this second would be too many.
    #[must_use]
    pub fn is_too_fast(&self, now: Nanos) -> bool {
        self.window.0 == now.seconds() && self.window.1 >= PROBES_PER_SECOND
    }

    /// Waits until `deadline` for the answer to a probe to `target`. None when as many as there can be
    /// are waited for.
    pub fn begin(
        &mut self,
        kind: ProbeKind,
        target: Ipv4Addr,
        now: Nanos,
        deadline: Nanos,
    ) -> Option<ProbeNumber> {
        let free =
            |place: &Option<Place>| place.is_none_or(|place| place.seen || place.deadline <= now);
        // The one that is over for the longest, so that duplicates of the others are still counted.
        let (at, _) = (0..PROBES)
            .zip(&self.places)
            .filter(|(_, place)| free(place))
            .min_by_key(|(_, place)| place.map(|place| place.deadline))?;
        let number = ProbeNumber::new(self.sent, at);
        if !self.table.expect(number, kind, target) {
            return None;
        }
        self.sent = self.sent.wrapping_add(1);
        let second = now.seconds();
        self.window = (second, if self.window.0 == second { self.window.1 + 1 } else { 1 });
        self.places[at] = Some(Place { number, deadline, seen: false });
        Some(number)
    }

    /// The answer to a probe, if there is one by now, and until when a client waits for it. None when none does any
    /// more: its place is another's.
    pub fn look(&mut self, number: ProbeNumber) -> Option<(Option<ProbeAnswer>, Nanos)> {
        let place = self.places.get_mut(number.place())?.as_mut();
        let place = place.filter(|place| place.number == number)?;
        let answer = self.table.answer(number);
        place.seen |= answer.is_some();
        Some((answer, place.deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inet::Heard;

    const HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
    const HEARD: Heard = Heard { from: HOST, kind: 0, code: 0, ttl: 1, bytes: 8, mtu: 0 };

    fn begin(book: &mut ProbeBook, now: u64) -> Option<ProbeNumber> {
        let now = Nanos::from_seconds(now);
        book.begin(ProbeKind::Echo, HOST, now, now + std::time::Duration::from_secs(10))
    }

    #[test]
    fn places_are_used_again_when_their_time_is_over_or_their_answer_is_seen() {
        let table = Arc::new(Probes::new(5));
        let mut book = ProbeBook::new(Arc::clone(&table));
        let numbers: Vec<_> = std::iter::from_fn(|| begin(&mut book, 1)).collect();
        assert_eq!(numbers.len(), PROBES);
        let answered = numbers[7];
        assert!(table.answered(table.name(ProbeKind::Echo, answered), None, HEARD, Nanos(1)));
        assert_eq!(begin(&mut book, 2), None, "nobody has seen the answer");
        assert!(book.look(answered).is_some_and(|(answer, _)| answer.is_some()));
        let next = begin(&mut book, 2).expect("the place of the one that was seen");
        assert_eq!(next.place(), answered.place());
        assert_eq!((book.look(answered), begin(&mut book, 10)), (None, None));
        assert!(begin(&mut book, 11).is_some());
        assert_eq!(book.look(numbers[9]), Some((None, Nanos::from_seconds(11))));
    }

    #[test]
    fn a_second_has_its_number_and_no_more() {
        let table = Arc::new(Probes::new(5));
        let mut book = ProbeBook::new(Arc::clone(&table));
        for second in [3, 4, 9] {
            for _ in 0..PROBES_PER_SECOND {
                let now = Nanos::from_seconds(second);
                assert!(!book.is_too_fast(now));
                let number = book.begin(ProbeKind::Udp, HOST, now, now).expect("a place");
                assert_eq!(table.answer(number), None);
            }
            assert!(book.is_too_fast(Nanos::from_seconds(second)));
        }
    }
}
