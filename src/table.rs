//! The display of a run while it runs: a table redrawn in place on a terminal, plain lines elsewhere.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use numbers::rate;
use stack::control::Stack;

use crate::ports::Ports;
use crate::workers::Gauges;

/// Vnets that the table shows: as many as fit on a screen. Of the others not even the counters are read, so that thousands
/// of vnets do not keep the control thread from its work.
const VNETS: usize = 16;

/// Shows rates once a second.
#[derive(Debug)]
pub(crate) struct Table {
    quiet: bool,
    terminal: bool,
    /// Counters of a second ago, by what they count.
    before: HashMap<String, u64>,
    /// Counters of this second, so far.
    now: HashMap<String, u64>,
    seconds: f64,
    last: Duration,
    /// Lines drawn the last time, to go back over.
    lines: usize,
}

impl Table {
    /// A table on standard error; `quiet` shows nothing.
    #[must_use]
    pub(crate) fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            quiet,
            terminal,
            before: HashMap::new(),
            now: HashMap::new(),
            seconds: 1.0,
            last: Duration::ZERO,
            lines: 0,
        }
    }

    /// Draws the rates since the last call.
    pub(crate) fn draw(
        &mut self,
        stack: &Stack,
        ports: &Ports,
        gauges: &[Gauges],
        elapsed: Duration,
    ) {
        if self.quiet {
            return;
        }
        self.seconds = (elapsed.saturating_sub(self.last)).as_secs_f64().max(0.001);
        self.last = elapsed;
        let rows = self.rows(stack, ports, gauges);
        // The rates of a port or vnet that is gone are forgotten with it.
        self.before = std::mem::take(&mut self.now);
        let text = if self.terminal { self.redraw(&rows, elapsed) } else { plain(&rows, elapsed) };
        let _nobody_watches = std::io::stderr().write_all(text.as_bytes());
    }

    /// Leaves the last table where it is; what follows comes below it.
    pub(crate) fn end(&mut self) {
        self.lines = 0;
    }

    /// How fast `value` grew.
    fn rate_of(&mut self, key: String, value: u64) -> f64 {
        let before = self.before.get(&key).copied().unwrap_or(0);
        let _new = self.now.insert(key, value);
        value.saturating_sub(before) as f64 / self.seconds
    }

    fn rows(&mut self, stack: &Stack, ports: &Ports, gauges: &[Gauges]) -> Vec<Row> {
        let mut rows = Vec::new();
        for port in ports.iter().map(|open| &open.port) {
            let stats = port.stats();
            let name = port.name();
            rows.push(Row::traffic(
                format!("port {name}"),
                self.rate_of(format!("p {name} rx"), stats.rx_packets),
                self.rate_of(format!("p {name} rxb"), stats.rx_bytes),
                self.rate_of(format!("p {name} tx"), stats.tx_packets),
                self.rate_of(format!("p {name} txb"), stats.tx_bytes),
                self.rate_of(format!("p {name} miss"), stats.rx_missed),
            ));
        }
        for vnet in stack.vnets().iter().take(VNETS) {
            let books = stack.books_of(vnet);
            let name = vnet.name();
            if books.received + books.originated == 0 {
                continue;
            }
            let bytes = |which: &str| -> u64 {
                let counters = stack.interfaces_of(vnet).into_iter().flat_map(|ifp| ifp.total());
                counters.filter(|(counter, _)| *counter == which).map(|(_, value)| value).sum()
            };
            rows.push(Row::traffic(
                format!("vnet {name}"),
                self.rate_of(format!("v {name} rx"), books.received),
                self.rate_of(format!("v {name} rxb"), bytes("ibytes")),
                self.rate_of(format!("v {name} tx"), books.sent),
                self.rate_of(format!("v {name} txb"), bytes("obytes")),
                self.rate_of(format!("v {name} drop"), books.dropped()),
            ));
        }
        if let Some(others) = stack.vnets().len().checked_sub(VNETS).filter(|others| *others > 0) {
            let note = format!("{others} more vnets: see `curvnet vnet list`");
            rows.push(Row { name: "...".to_owned(), cells: Vec::new(), note });
        }
        for worker in gauges {
            rows.push(self.worker(worker));
        }
        rows
    }

    fn worker(&mut self, worker: &Gauges) -> Row {
        let cpu = worker.cpu.0;
        let packets = self.rate_of(format!("w {cpu} packets"), worker.poll.packets.get());
        let busy = self.rate_of(format!("w {cpu} busy"), worker.poll.busy_cycles.get());
        let idle = self.rate_of(format!("w {cpu} idle"), worker.poll.idle_cycles.get());
        let asleep = self.rate_of(format!("w {cpu} sleep"), worker.poll.sleep_cycles.get());
        let total = (busy + idle + asleep).max(1.0);
        let cycles = if packets > 0.0 {
            format!("{:.1} cycles/packet", busy / packets)
        } else {
            String::new()
        };
        let note = format!("busy {:>3.0} %   {cycles}", 100.0 * busy / total);
        Row { name: format!("worker CPU {cpu}"), cells: vec![rate(packets, "pps")], note }
    }

    /// Goes back over the last table and writes the new one over it.
    fn redraw(&mut self, rows: &[Row], elapsed: Duration) -> String {
        let mut text = String::new();
        if self.lines > 0 {
            let _infallible = write!(text, "\x1b[{}A", self.lines);
        }
        let _infallible = writeln!(
            text,
            "\x1b[2K\x1b[1m{:<18}{:>12}{:>12}{:>12}{:>12}{:>12}\x1b[0m   {:.0} s",
            "",
            "in",
            "",
            "out",
            "",
            "drops",
            elapsed.as_secs_f64()
        );
        for row in rows {
            let _infallible = write!(text, "\x1b[2K{:<18.18}", row.name);
            for cell in &row.cells {
                let _infallible = write!(text, "{cell:>12}");
            }
            let _infallible = writeln!(text, "   {}", row.note);
        }
        self.lines = rows.len() + 1;
        text
    }
}

/// One line of the table.
#[derive(Debug)]
struct Row {
    name: String,
    cells: Vec<String>,
    note: String,
}

impl Row {
    fn traffic(name: String, rx: f64, rx_bytes: f64, tx: f64, tx_bytes: f64, drops: f64) -> Self {
        let cells = vec![
            rate(rx, "pps"),
            rate(rx_bytes * 8.0, "bit/s"),
            rate(tx, "pps"),
            rate(tx_bytes * 8.0, "bit/s"),
            rate(drops, "pps"),
        ];
        Self { name, cells, note: String::new() }
    }
}

/// One line for each second, for logs.
fn plain(rows: &[Row], elapsed: Duration) -> String {
    let mut text = format!("{:.0} s", elapsed.as_secs_f64());
    for row in rows {
        let cells = match row.cells.as_slice() {
            [rx, rx_bits, tx, tx_bits, drops] => {
                format!("in {rx} {rx_bits}, out {tx} {tx_bits}, drops {drops}")
            }
            other => other.join(" "),
        };
        let _infallible = write!(text, " | {}: {cells} {}", row.name, row.note.trim());
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
