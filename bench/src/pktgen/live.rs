//! The display of a trial while it runs: a table redrawn in place on a terminal, plain lines elsewhere.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use super::rate::bits_of;
use super::sizes::FCS;
use super::{generator, sink};

const SECOND: Duration = Duration::from_secs(1);

/// Shows rates on standard error once a second.
#[derive(Debug)]
pub(crate) struct Live {
    quiet: bool,
    terminal: bool,
    /// The words before the numbers: which trial it is.
    title: String,
    asked: Option<f64>,
    last: Duration,
    before: Numbers,
    /// Whether a table stands above the cursor.
    drawn: bool,
}

/// Counters at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    sent: u64,
    sent_bytes: u64,
    frames: u64,
    frame_bytes: u64,
    unique: u64,
    disordered: u64,
    broken: u64,
    latency: u64,
    queue_full: u64,
}

/// Lines of the table.
const LINES: usize = 4;

impl Live {
    /// A table, unless `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            quiet,
            terminal: std::io::stderr().is_terminal(),
            title: String::new(),
            asked: None,
            last: Duration::ZERO,
            before: Numbers::default(),
            drawn: false,
        }
    }

    /// Says which trial comes.
    pub(crate) fn title(&mut self, title: String) {
        self.title = title;
    }

    /// A trial begins that asks for so many packets a second.
    pub(crate) fn begin(&mut self, asked: Option<f64>) {
        *self = Self {
            quiet: self.quiet,
            terminal: self.terminal,
            title: std::mem::take(&mut self.title),
            asked,
            last: Duration::ZERO,
            before: Numbers::default(),
            drawn: false,
        };
    }

    /// Draws when a second is over.
    pub(crate) fn look(
        &mut self,
        tx: &generator::Gauge,
        rx: &sink::Gauge,
        elapsed: Duration,
        hz: u64,
    ) {
        if self.quiet || elapsed < self.last + SECOND {
            return;
        }
        let numbers = Numbers {
            sent: tx.packets.get(),
            sent_bytes: tx.bytes.get(),
            frames: rx.frames.get(),
            frame_bytes: rx.bytes.get(),
            unique: rx.unique.get(),
            disordered: rx.disordered.get(),
            broken: rx.broken.get(),
            latency: rx.latency_cycles.get(),
            queue_full: tx.queue_full.get(),
        };
        let seconds = (elapsed - self.last).as_secs_f64();
        let text = self.text(&numbers, elapsed, seconds, hz);
        self.last = elapsed;
        self.before = numbers;
        let _nobody_watches = std::io::stderr().write_all(text.as_bytes());
    }

    /// Writes a line that stays.
    pub(crate) fn line(&mut self, line: &str) {
        if !self.quiet {
            let _nobody_watches = writeln!(std::io::stderr(), "{line}");
        }
    }

    /// Leaves the table where it is.
    pub(crate) fn end(&mut self) {
        self.drawn = false;
    }

    fn text(&mut self, numbers: &Numbers, elapsed: Duration, seconds: f64, hz: u64) -> String {
        let before = &self.before;
        let per_second = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let sent = per_second(numbers.sent, before.sent);
        let sent_bits = bits(numbers.sent_bytes - before.sent_bytes, numbers.sent - before.sent);
        let frames = per_second(numbers.frames, before.frames);
        let frame_bits =
            bits(numbers.frame_bytes - before.frame_bytes, numbers.frames - before.frames);
        let unique = numbers.unique - before.unique;
        let latency = if unique == 0 {
            "-".to_owned()
        } else {
            let cycles = (numbers.latency - before.latency) as f64 / unique as f64;
            format!("{:.1} us", cycles / hz as f64 * 1e6)
        };
        let asked = self.asked.map_or_else(|| "max".to_owned(), |pps| numbers::rate(pps, "pps"));
        let [sent, frames] = [sent, frames].map(|rate| numbers::rate(rate, "pps"));
        let [sent_bits, frame_bits] =
            [sent_bits, frame_bits].map(|bits| numbers::rate(bits / seconds, "bit/s"));
        let away = numbers.sent.saturating_sub(numbers.unique);
        let time = elapsed.as_secs();
        let Numbers { sent: all_sent, unique: all_back, disordered, broken, queue_full, .. } =
            numbers;
        let title = &self.title;
        if !self.terminal {
            return format!(
                "{title}{time} s | asked {asked} | sent {sent} {sent_bits} | back {frames} {frame_bits} | \
                 not back {away}, again {disordered}, broken {broken}, queue full {queue_full} | latency {latency}\n"
            );
        }
        let mut text = String::new();
        if std::mem::replace(&mut self.drawn, true) {
            let _infallible = write!(text, "\x1b[{LINES}A");
        }
        let head = ["", "asked", "rate", "on the line", "packets", ""];
        let tx = [
            "sent",
            &asked,
            &sent,
            &sent_bits,
            &all_sent.to_string(),
            &format!("   queue full {queue_full}"),
        ];
        let rx = [
            "back",
            "",
            &frames,
            &frame_bits,
            &all_back.to_string(),
            &format!("   latency {latency}"),
        ];
        for (row, [name, cells @ .., note]) in [head, tx, rx].iter().enumerate() {
            let (on, off) = if row == 0 { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
            let _infallible = write!(text, "\x1b[2K{on}{name:<6}");
            for cell in cells {
                let _infallible = write!(text, "{cell:>15}");
            }
            let note = if row == 0 { format!("   {title}{time} s") } else { (*note).to_owned() };
            let _infallible = writeln!(text, "{off}{note}");
        }
        let _infallible =
            writeln!(text, "\x1b[2Knot back {away}, came again {disordered}, broken {broken}");
        text
    }
}

/// Bits on the line of packets that have so many bytes together without FCS.
fn bits(bytes: u64, packets: u64) -> f64 {
    if packets == 0 {
        return 0.0;
    }
    let mean = bytes as f64 / packets as f64;
    bits_of(mean + FCS as f64) * packets as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(terminal: bool) -> Live {
        Live { terminal, ..Live::new(false) }
    }

    #[test]
    fn both_forms_show_what_was_asked_sent_and_came_back() {
        let numbers = Numbers {
            sent: 2_000_000,
            sent_bytes: 120_000_000,
            frames: 1_500_000,
            frame_bytes: 90_000_000,
            unique: 1_499_000,
            latency: 1_499_000 * 2000,
            ..Numbers::default()
        };
        for terminal in [false, true] {
            let mut live = live(terminal);
            live.begin(Some(2.5e6));
            let text = live.text(&numbers, Duration::from_secs(1), 1.0, 1_000_000_000);
            for words in ["2.50 Mpps", "2.00 Mpps", "1.50 Mpps", "1.34 Gbit/s", "501000", "2.0 us"]
            {
                assert!(text.contains(words), "{words}: {text}");
            }
            assert_eq!(text.lines().count(), if terminal { LINES } else { 1 });
            let again = live.text(&numbers, Duration::from_secs(2), 1.0, 1_000_000_000);
            assert_eq!(again.contains("\x1b[4A"), terminal, "the table goes over itself");
        }
    }
}
