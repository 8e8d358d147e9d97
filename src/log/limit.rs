//! Lines that repeat: the first few of a window are shown, the others are counted, and the count is shown at the end.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The target of the counts themselves, which are not limited.
pub(super) const TARGET: &str = "curvnet::log";
/// How long lines are counted together.
const WINDOW: Duration = Duration::from_secs(10);
/// How often a line is shown in a window.
const SHOWN: u64 = 5;
/// Different lines of a window. More are not shown, only counted: who can choose what is in a line can choose many.
const LINES: usize = 1024;

/// Which lines are shown. It has no clock: time is passed in.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    /// When this window began; none before its first line.
    began: Option<Duration>,
    /// Lines of this window, and how often each came.
    counts: HashMap<String, u64>,
    /// Lines that found no room there.
    others: u64,
    /// Lines to be written about windows that ended.
    ended: Vec<String>,
}

impl Limiter {
    /// Whether a line that comes at `now` is shown.
    pub(super) fn admit(&mut self, line: &str, now: Duration) -> bool {
        self.roll(now);
        let _beginning = self.began.get_or_insert(now);
        if let Some(count) = self.counts.get_mut(line) {
            *count += 1;
            return *count <= SHOWN;
        }
        if self.counts.len() == LINES {
            self.others += 1;
            return false;
        }
        let _first = self.counts.insert(line.to_owned(), 1);
        true
    }

    /// Lines to be written about windows that are over at `now`.
    pub(super) fn take_ended(&mut self, now: Duration) -> Vec<String> {
        self.roll(now);
        std::mem::take(&mut self.ended)
    }

    /// The same with the window that is not over yet.
    pub(super) fn end(&mut self) -> Vec<String> {
        self.close();
        std::mem::take(&mut self.ended)
    }

    fn roll(&mut self, now: Duration) {
        if self.began.is_some_and(|began| now.saturating_sub(began) >= WINDOW) {
            self.close();
        }
    }

    fn close(&mut self) {
        self.began = None;
        let repeated = self.counts.drain().filter(|(_, count)| *count > SHOWN);
        let told = repeated.map(|(line, count)| format!("{} times more: {line}", count - SHOWN));
        let mut told: Vec<String> = told.collect();
        told.sort_unstable();
        let others = std::mem::take(&mut self.others);
        if others > 0 {
            told.push(format!("{others} other lines were too many to show"));
        }
        // Nobody may have asked for long; what was not told by then is bounded, too.
        if self.ended.len() < LINES {
            self.ended.extend(told);
        }
    }

    #[cfg(test)]
    pub(super) fn lines(&self) -> u64 {
        self.counts.values().sum()
    }
}

/// Puts a [`Limiter`] before whatever the log goes to.
#[derive(Debug)]
pub(super) struct LimitLayer {
    limiter: Arc<Mutex<Limiter>>,
    started: Instant,
}

impl LimitLayer {
    /// Lines are counted in `limiter`, whose time is that since `started`.
    pub(super) fn new(limiter: Arc<Mutex<Limiter>>, started: Instant) -> Self {
        Self { limiter, started }
    }
}

impl<S: Subscriber> Layer<S> for LimitLayer {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        if event.metadata().target() == TARGET {
            return true;
        }
        let mut line = Line::default();
        event.record(&mut line);
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.admit(&line.0, self.started.elapsed())
    }
}

/// An event as text: its message and its fields.
#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let separator = if self.0.is_empty() { "" } else { " " };
        let _infallible = match field.name() {
            "message" => write!(self.0, "{separator}{value:?}"),
            name => write!(self.0, "{separator}{name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_flood_is_shown_in_part_and_counted() {
        let mut limiter = Limiter::default();
        let shown = (0..1000).filter(|_| limiter.admit("flood", SECOND)).count();
        assert_eq!(shown, 5);
        assert!(limiter.admit("another", 2 * SECOND), "others are shown");
        assert!(limiter.take_ended(10 * SECOND).is_empty(), "the window is not over");
        assert_eq!(limiter.take_ended(11 * SECOND), ["995 times more: flood"]);
        assert!(limiter.take_ended(100 * SECOND).is_empty(), "told twice");
        assert!(limiter.admit("flood", 100 * SECOND), "the next window shows it again");
    }

    #[test]
    fn what_comes_up_to_five_times_is_told_as_it_is() {
        let mut limiter = Limiter::default();
        assert!((0..5).all(|_| limiter.admit("rare", SECOND)));
        assert!(limiter.end().is_empty());
    }

    /// 40 lines a second for a minute: every line is shown or counted.
    #[test]
    fn nothing_is_lost_over_many_windows() {
        let (mut limiter, mut shown, mut told) = (Limiter::default(), 0, Vec::new());
        for tick in 0..2400u32 {
            let now = tick * (SECOND / 40);
            shown += u64::from(limiter.admit("steady", now));
            told.extend(limiter.take_ended(now));
        }
        told.extend(limiter.end());
        assert_eq!((shown, told.len()), (30, 6));
        let counted: u64 =
            told.iter().filter_map(|line| line.split(' ').next()?.parse::<u64>().ok()).sum();
        assert_eq!(shown + counted, 2400);
    }

    #[test]
    fn a_flood_of_different_lines_is_bounded() {
        let mut limiter = Limiter::default();
        let shown = (0..5000).filter(|n| limiter.admit(&format!("line {n}"), SECOND)).count();
        assert_eq!((shown, limiter.counts.len()), (LINES, LINES));
        assert_eq!(limiter.end(), ["3976 other lines were too many to show"]);
        // Windows that nobody asks about do not pile up.
        for window in 1..2000u32 {
            assert!((0..6).filter(|_| limiter.admit("flood", window * 20 * SECOND)).count() == 5);
        }
        assert!(limiter.end().len() <= LINES + 1);
    }
}
