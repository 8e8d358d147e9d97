//! Answers on their way to clients, each as fast as its client reads: one that reads slowly delays nobody else.

use std::collections::VecDeque;

use crate::control::Outbox;
use crate::protocol::{Ended, Pushed};

/// Answers that wait for their clients. There are no more clients than that who have a good reason to read slowly.
const ANSWERS: usize = 8;

/// The answers that clients are still to be sent.
#[derive(Debug, Default)]
pub(super) struct Telling(VecDeque<Answer>);

#[derive(Debug)]
struct Answer {
    outbox: Outbox,
    lines: VecDeque<Pushed>,
}

impl Answer {
    /// Sends what there is room for. False when there is no more to send, or nobody to send it to.
    fn go_on(&mut self) -> bool {
        while self.outbox.has_room() {
            let Some(line) = self.lines.pop_front() else { break };
            self.outbox.push(line);
        }
        !self.lines.is_empty() && !self.outbox.is_gone()
    }
}

impl Telling {
    /// Begins to tell a client all these lines. When too many are being told, the one that has waited longest gives way.
    pub(super) fn tell(&mut self, outbox: Outbox, lines: Vec<Pushed>) {
        if self.0.len() >= ANSWERS
            && let Some(slow) = self.0.pop_front()
        {
            slow.outbox.push(end("timeout", "the lines were not read in time".to_owned()));
        }
        self.0.push_back(Answer { outbox, lines: lines.into() });
    }

    /// Sends what there is room for.
    pub(super) fn go_on(&mut self) {
        self.0.retain_mut(Answer::go_on);
    }

    /// Whether all was sent.
    pub(super) fn is_done(&self) -> bool {
        self.0.is_empty()
    }
}

/// The last line of an answer.
pub(super) fn end(reason: &str, message: String) -> Pushed {
    let ended = Ended { reason: reason.to_owned(), message, ..Ended::default() };
    Pushed { end: Some(ended), ..Pushed::default() }
}

/// A number of changes in words.
pub(super) fn count(changes: usize) -> String {
    match changes {
        0 => "no change".to_owned(),
        1 => "1 change".to_owned(),
        many => format!("{many} changes"),
    }
}
