//! One client: what it sent, what it is owed, and its bounds. It does no I/O and reads no clock, so tests drive it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::queues::{Flow, OUTSTANDING};
use crate::protocol::{Answer, Code, Id, LINE_MAX, Pushed, Refusal, Request, Response};

/// Requests a second, and at once after a rest. More are not refused: they wait in the client's socket.
const RATE: f64 = 5_000.0;
/// Bytes that a client may owe us to read before we read more from it.
const OUTPUT_PAUSE: usize = 256 * 1024;
/// How long a client may read nothing of what it is owed.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// One client's buffers.
#[derive(Debug)]
pub(crate) struct Link {
    input: Vec<u8>,
    /// Bytes of `input` without a newline in them.
    searched: usize,
    output: Vec<u8>,
    /// Bytes of `output` that are sent.
    sent: usize,
    outstanding: usize,
    tokens: f64,
    refilled: Instant,
    /// When it last sent or read something.
    pub(super) last_progress: Instant,
    /// When it last read something of what it is owed, or was owed nothing.
    last_read: Instant,
    /// It sends nothing more.
    ended: bool,
    /// It is refused for good: it gets what it is owed, and its streams end.
    refused: bool,
    /// The streams that its requests began.
    streams: Vec<Stream>,
}

/// One stream's lines, which wait until what was written before them is read.
#[derive(Debug)]
struct Stream {
    id: Id,
    flow: Arc<Flow>,
    lines: VecDeque<Pushed>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.flow.close();
    }
}

impl Link {
    /// A client that came at `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            input: Vec::new(),
            searched: 0,
            output: Vec::new(),
            sent: 0,
            outstanding: 0,
            tokens: RATE,
            refilled: now,
            last_progress: now,
            last_read: now,
            ended: false,
            refused: false,
            streams: Vec::new(),
        }
    }

    /// Whether to read from it. Bounds what it can make us hold.
    pub(crate) fn wants_input(&self) -> bool {
        !self.ended && self.input.len() <= LINE_MAX
    }

    /// Takes the bytes that it sent.
    pub(crate) fn take(&mut self, bytes: &[u8], now: Instant) {
        self.input.extend_from_slice(bytes);
        self.last_progress = now;
    }

    /// It sends nothing more; what it is owed is still sent.
    pub(crate) fn end_input(&mut self) {
        self.ended = true;
    }

    /// The next request to execute; none when there is no whole line, or a bound is reached. Lines that are no requests
    /// are answered here.
    pub(crate) fn next_request(&mut self, now: Instant) -> Option<Request> {
        let seconds = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.tokens = (self.tokens + seconds * RATE).min(RATE);
        self.refilled = now;
        while self.outstanding < OUTSTANDING && self.owed() < OUTPUT_PAUSE && self.tokens >= 1.0 {
            let line = self.next_line()?;
            self.tokens -= 1.0;
            match Request::parse(&line) {
                Ok(request) => {
                    self.outstanding += 1;
                    return Some(request);
                }
                Err((id, refusal)) => self.refuse(id, refusal),
            }
        }
        None
    }

    /// Whether [`Self::next_request`] would find a line but for the rate.
    pub(crate) fn is_throttled(&self) -> bool {
        self.tokens < 1.0 && self.input.contains(&b'\n')
    }

    fn next_line(&mut self) -> Option<Vec<u8>> {
        let newline = self.input[self.searched..].iter().position(|byte| *byte == b'\n');
        let length = newline.map_or(self.input.len(), |at| self.searched + at);
        if length > LINE_MAX {
            let text = format!("the line is longer than {LINE_MAX} bytes");
            let cure = "split the request: lists may be given in parts";
            // Where the next line begins may be unknown, so this client cannot be understood any more.
            self.dismiss(Refusal::new(Code::TooLong, text, cure));
            self.input.clear();
            self.searched = 0;
            return None;
        }
        if newline.is_none() {
            self.searched = length;
            return None;
        }
        let mut line: Vec<u8> = self.input.drain(..=length).collect();
        self.searched = 0;
        let _newline = line.pop();
        Some(line)
    }

    /// The answer to a request that [`Self::next_request`] gave out.
    pub(crate) fn answer(&mut self, response: &Response, flow: Option<Arc<Flow>>) {
        self.outstanding -= 1;
        self.write(response);
        if let (Some(flow), Some(id)) = (flow, response.id.clone()) {
            self.streams.push(Stream { id, flow, lines: VecDeque::new() });
        }
    }

    /// Keeps a line of a stream until [`Self::fill`] writes it.
    pub(crate) fn push(&mut self, line: Pushed) {
        let stream = self.streams.iter_mut().find(|stream| line.id.as_ref() == Some(&stream.id));
        if let Some(stream) = stream {
            stream.lines.push_back(line);
        }
    }

    /// Writes lines of streams, one of each in turn, while little is owed. Whether anything is owed after that.
    pub(crate) fn fill(&mut self) -> bool {
        let mut written = !self.refused;
        while written && self.owed() < OUTPUT_PAUSE {
            written = false;
            for at in (0..self.streams.len()).rev() {
                let stream = &mut self.streams[at];
                let Some(line) = stream.lines.pop_front() else { continue };
                written = true;
                stream.flow.leave(line.size());
                if line.end.is_some() {
                    drop(self.streams.swap_remove(at));
                }
                self.write(&line);
            }
        }
        self.owed() > 0
    }

    /// Refuses the client, or what it sends, for good.
    pub(crate) fn dismiss(&mut self, refusal: Refusal) {
        self.refuse(None, refusal);
        self.ended = true;
        self.refused = true;
    }

    fn refuse(&mut self, id: Option<Id>, refusal: Refusal) {
        self.write(&Response { id, outcome: Err::<Answer, _>(refusal).into() });
    }

    fn write(&mut self, line: &impl Serialize) {
        // Maps with keys that are no texts could fail; no line has such.
        if serde_json::to_writer(&mut self.output, line).is_ok() {
            self.output.push(b'\n');
        }
    }

    /// The bytes that it is owed.
    pub(crate) fn output(&self) -> &[u8] {
        &self.output[self.sent..]
    }

    fn owed(&self) -> usize {
        self.output.len() - self.sent
    }

    /// It took this many bytes of [`Self::output`].
    pub(crate) fn sent(&mut self, bytes: usize, now: Instant) {
        self.sent += bytes;
        (self.last_progress, self.last_read) = (now, now);
        if self.sent == self.output.len() {
            self.output.clear();
            self.sent = 0;
            // A long answer's memory does not stay.
            self.output.shrink_to(LINE_MAX);
        } else if self.sent >= OUTPUT_PAUSE {
            // A stream may always have more.
            let _sent = self.output.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Whether it is done with: it sends nothing more and is owed nothing.
    pub(crate) fn is_done(&self) -> bool {
        let streams = !self.streams.is_empty() && !self.refused;
        let owed = self.owed() > 0 || streams;
        self.ended && self.outstanding == 0 && !owed && !self.input.contains(&b'\n')
    }

    /// Whether it reads nothing of what it is owed, for too long. Asked in every round.
    pub(crate) fn is_stuck(&mut self, now: Instant) -> bool {
        if self.owed() == 0 {
            self.last_read = now;
        }
        now.saturating_duration_since(self.last_read) > READ_TIMEOUT
    }

    /// Whether nothing is on its way in either direction.
    pub(crate) fn is_idle(&self) -> bool {
        self.outstanding == 0 && self.owed() == 0 && self.streams.is_empty()
    }
}

#[cfg(test)]
mod tests;
