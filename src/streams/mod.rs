//! The clients that listen: the streams that requests began, and what is pushed into them, once in each tick of the control thread.
//!
//! | file | subject |
//! |---|---|
//! | `mod.rs` | all streams: their bounds, their ends |
//! | `listener.rs` | a stream of events |
//! | `onlooker.rs` | a stream of packets |

mod listener;
mod onlooker;

use std::time::{SystemTime, UNIX_EPOCH};

use stack::control::Stack;
use stack::net::bpf::TapSpec;
use stack::time::Nanos;
use vnet::VnetRef;

use crate::control::{Caller, Outbox};
use crate::protocol::{Answer, Code, Done, Ended, Id, PacketCounts, Pushed, Refusal};
use listener::{Listener, shown};
use onlooker::Onlooker;

/// Listeners to events at a time.
const LISTENERS: usize = 32;

/// All streams.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    listeners: Vec<Listener>,
    onlookers: Vec<Onlooker>,
    /// The last event's.
    sequence: u64,
}

impl Streams {
    /// The caller's answer is followed by events.
    pub(crate) fn listen(
        &mut self,
        stack: &mut Stack,
        caller: &mut Caller<'_>,
    ) -> Result<Answer, Refusal> {
        self.check_id(caller)?;
        if self.listeners.len() >= LISTENERS {
            let text = format!("there are {LISTENERS} listeners already");
            return Err(Refusal::new(Code::Refused, text, "try again when one has ended"));
        }
        if self.listeners.is_empty() {
            stack.want_events(true);
        }
        self.listeners.push(Listener::new(caller.stream()));
        Ok(Answer::Done(Done::default()))
    }

    /// The caller's answer is followed by a vnet's packets.
    pub(crate) fn look_on(
        &mut self,
        stack: &mut Stack,
        vnet: &VnetRef,
        spec: TapSpec,
        caller: &mut Caller<'_>,
    ) -> Result<Answer, Refusal> {
        self.check_id(caller)?;
        let tap = stack.start_capture(vnet, spec);
        let tap = tap.map_err(|error| Refusal::of(Code::Refused, &error, ""))?;
        self.onlookers.push(Onlooker::new(caller.stream(), tap));
        Ok(Answer::Done(Done::default()))
    }

    /// Ends a stream of the caller's; packets that wait come before its last line.
    pub(crate) fn stop(
        &mut self,
        stack: &mut Stack,
        caller: &Caller<'_>,
        id: &Id,
    ) -> Result<Answer, Refusal> {
        let listener = self.listeners.iter().position(|one| one.outbox().belongs_to(caller, id));
        let onlooker = self.onlookers.iter_mut().find(|one| one.outbox().belongs_to(caller, id));
        if let Some(at) = listener {
            end(self.listeners.swap_remove(at).outbox(), STOPPED, None);
        } else if let Some(onlooker) = onlooker {
            onlooker.stop(stack);
        } else {
            let cure = "name the id of the request that began it, on the same connection";
            return Err(Refusal::new(Code::NotFound, "there is no such stream", cure));
        }
        Ok(Answer::Done(Done::default()))
    }

    /// Lines are told apart by their ids.
    pub(crate) fn check_id(&self, caller: &Caller<'_>) -> Result<(), Refusal> {
        let outboxes = self.listeners.iter().map(Listener::outbox);
        let mut outboxes = outboxes.chain(self.onlookers.iter().map(Onlooker::outbox));
        if outboxes.any(|outbox| outbox.belongs_to(caller, caller.id())) {
            let text = "this id names a stream that has not ended";
            return Err(Refusal::new(Code::Exists, text, "give every stream an id of its own"));
        }
        Ok(())
    }

    /// Pushes what happened and what was captured since the last call. Never waits for a client. `now` is the workers'
    /// time.
    pub(crate) fn pump(&mut self, stack: &mut Stack, now: Nanos) {
        if !self.onlookers.is_empty() {
            let epoch_ns = unix_ns().saturating_sub(now.0);
            self.onlookers.retain_mut(|onlooker| onlooker.pump(stack, epoch_ns));
        }
        if !self.listeners.is_empty() {
            self.tell_listeners(stack);
        }
    }

    fn tell_listeners(&mut self, stack: &mut Stack) {
        self.listeners.retain(|listener| !listener.outbox().is_gone());
        if self.listeners.is_empty() {
            return stack.want_events(false);
        }
        let time_ns = unix_ns();
        for event in stack.take_events() {
            self.sequence += 1;
            let event = shown(event, self.sequence, time_ns);
            for listener in &mut self.listeners {
                listener.tell(&event);
            }
        }
        for listener in &mut self.listeners {
            listener.tell_lost(self.sequence, time_ns);
        }
    }

    /// The instance ends.
    pub(crate) fn end(&mut self) {
        for listener in self.listeners.drain(..) {
            end(listener.outbox(), SHUTDOWN, None);
        }
        for onlooker in self.onlookers.drain(..) {
            onlooker.end(SHUTDOWN);
        }
    }
}

/// Why a stream ends: for programs, and for people.
type Why = (&'static str, &'static str);

const STOPPED: Why = ("stopped", "the client asked for it");
const SHUTDOWN: Why = ("shutdown", "the instance has ended");

fn end(outbox: &Outbox, (reason, message): Why, counts: Option<PacketCounts>) {
    let ended = Ended { reason: reason.to_owned(), message: message.to_owned(), counts };
    outbox.push(Pushed { end: Some(ended), ..Pushed::default() });
}

/// The time, nanoseconds since 1970.
fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
