//! Whether every worker still polls, seen from their counters. It has no clock: time is passed in.

use std::time::Duration;

/// Looks at the counters, at an interval.
#[derive(Debug)]
pub(crate) struct Watchdog {
    interval: Duration,
    patience: Duration,
    next: Duration,
    workers: Vec<Seen>,
}

/// A worker as it was seen last.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Its counter of polls.
    polls: u64,
    /// When that was seen to grow.
    grew: Duration,
    stuck: bool,
}

/// The findings of a look.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Every worker polls.
    pub(crate) well: bool,
    /// Workers, by their numbers, that stopped polling since the last look (true), or began again (false).
    pub(crate) news: Vec<(usize, bool)>,
}

impl Watchdog {
    /// For `workers` that sleep for `idle_sleep` at most; they are looked at every `interval`.
    pub(crate) fn new(workers: usize, interval: Duration, idle_sleep: Duration) -> Self {
        // One that sleeps longer than the interval is not stuck for that. It counts a poll for each sleep.
        let patience = interval.max(2 * idle_sleep);
        Self { interval, patience, next: interval, workers: vec![Seen::default(); workers] }
    }

    /// Looks, if it is time at `now`: at the counter of polls of each worker.
    pub(crate) fn look(
        &mut self,
        now: Duration,
        polls: impl IntoIterator<Item = u64>,
    ) -> Option<Look> {
        if now < self.next {
            return None;
        }
        // From now, not from when it was due: a control thread that was late does not look twice at once.
        self.next = now + self.interval;
        let mut news = Vec::new();
        for (number, (worker, polls)) in self.workers.iter_mut().zip(polls).enumerate() {
            if polls != worker.polls {
                (worker.polls, worker.grew) = (polls, now);
            }
            let stuck = now.saturating_sub(worker.grew) >= self.patience;
            if stuck != worker.stuck {
                worker.stuck = stuck;
                news.push((number, stuck));
            }
        }
        Some(Look { well: self.workers.iter().all(|worker| !worker.stuck), news })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn well() -> Option<Look> {
        Some(Look { well: true, news: vec![] })
    }

    #[test]
    fn workers_that_poll_are_well() {
        let mut watchdog = Watchdog::new(2, SECOND, Duration::ZERO);
        for tick in 0..30u32 {
            let looked = watchdog.look(tick * SECOND / 3, [u64::from(tick), 7 + u64::from(tick)]);
            assert_eq!(looked, (tick > 0 && tick % 3 == 0).then(well).flatten(), "tick {tick}");
        }
    }

    #[test]
    fn one_worker_that_stops_trips_it_and_is_named_once() {
        let mut watchdog = Watchdog::new(3, SECOND, Duration::ZERO);
        assert_eq!(watchdog.look(SECOND, [5, 5, 5]), well());
        let stuck = |news| Some(Look { well: false, news });
        assert_eq!(watchdog.look(2 * SECOND, [6, 5, 6]), stuck(vec![(1, true)]));
        assert_eq!(watchdog.look(3 * SECOND, [7, 5, 7]), stuck(vec![]));
        assert_eq!(watchdog.look(4 * SECOND, [7, 5, 8]), stuck(vec![(0, true)]));
        assert_eq!(watchdog.look(5 * SECOND, [7, 6, 9]), stuck(vec![(1, false)]));
        let again = Some(Look { well: true, news: vec![(0, false)] });
        assert_eq!(watchdog.look(6 * SECOND, [8, 7, 10]), again);
    }

    #[test]
    fn one_that_never_polled_is_stuck() {
        let mut watchdog = Watchdog::new(1, SECOND, Duration::ZERO);
        let looked = watchdog.look(SECOND, [0]);
        assert_eq!(looked, Some(Look { well: false, news: vec![(0, true)] }));
    }

    /// Asleep for a second at a time, looked at four times a second.
    #[test]
    fn one_that_sleeps_is_not_stuck_until_it_oversleeps() {
        let mut watchdog = Watchdog::new(1, SECOND / 4, SECOND);
        for tick in 1..40u32 {
            assert_eq!(
                watchdog.look(tick * SECOND / 4, [u64::from(tick / 4) + 1]),
                well(),
                "{tick}"
            );
        }
        let oversleeps = (40..60u32)
            .find(|tick| watchdog.look(*tick * SECOND / 4, [10]).is_some_and(|look| !look.well));
        // Its counter last grew at 9 s.
        assert_eq!(oversleeps, Some(44));
    }

    #[test]
    fn a_late_look_is_one_look() {
        let mut watchdog = Watchdog::new(1, SECOND, Duration::ZERO);
        assert_eq!(watchdog.look(7 * SECOND, [9]), well());
        assert_eq!(watchdog.look(7 * SECOND + SECOND / 2, [9]), None);
        assert_eq!(watchdog.look(8 * SECOND, [10]), well());
    }
}
