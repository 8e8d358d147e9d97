//! Lines for the operator's log.

/// Lines between two calls of [`OperatorLog::take`] (FreeBSD: net.link.ether.inet.max_log_per_second).
const LINES: usize = 10;

/// Lines that wait until the program takes them.
#[derive(Debug, Default)]
pub(super) struct OperatorLog {
    lines: Vec<String>,
    /// How many came after [`LINES`] of them.
    suppressed: u64,
}

impl OperatorLog {
    /// Keeps a line, unless there are many already: strangers on the network can provoke them.
    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.lines.len() < LINES {
            self.lines.push(line());
        } else {
            self.suppressed += 1;
        }
    }

    /// The lines since the last call.
    pub(super) fn take(&mut self) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.lines);
        match std::mem::take(&mut self.suppressed) {
            0 => {}
            more => lines.push(format!("{more} more lines of that kind were suppressed")),
        }
        lines
    }
}
