//! Who listens: the streams that requests began, and what is pushed into them, once in each tick of the control thread.

use std::time::{SystemTime, UNIX_EPOCH};

use stack::control::{Event, Stack};

use crate::control::{Caller, Outbox};
use crate::protocol::{Answer, Code, Done, Ended, EventShown, Id, Pushed, Refusal};

/// Listeners to events at a time.
const LISTENERS: usize = 32;

/// All streams.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    listeners: Vec<Listener>,
    /// The last event's.
    sequence: u64,
}

/// A stream of events.
#[derive(Debug)]
struct Listener {
    outbox: Outbox,
    /// Events that it has not been told of since it was last told how many.
    lost: u64,
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
            return Err(Refusal::new(Code::Busy, text, "try again when one has ended"));
        }
        if self.listeners.is_empty() {
            stack.want_events(true);
        }
        self.listeners.push(Listener { outbox: caller.stream(), lost: 0 });
        Ok(Answer::Done(Done::default()))
    }

    /// Ends a stream of the caller's.
    pub(crate) fn stop(&mut self, caller: &Caller<'_>, id: &Id) -> Result<Answer, Refusal> {
        let found = self.listeners.iter().position(|one| one.outbox.belongs_to(caller, id));
        let Some(at) = found else {
            let cure = "name the id of the request that began it, on the same connection";
            return Err(Refusal::new(Code::NotFound, "there is no such stream", cure));
        };
        end(&self.listeners.swap_remove(at).outbox, "stopped", "the client asked for it");
        Ok(Answer::Done(Done::default()))
    }

    /// Lines are told apart by their ids.
    fn check_id(&self, caller: &Caller<'_>) -> Result<(), Refusal> {
        let id = caller.id();
        if self.listeners.iter().any(|listener| listener.outbox.belongs_to(caller, id)) {
            let text = "this id names a stream that has not ended";
            return Err(Refusal::new(Code::Exists, text, "give every stream an id of its own"));
        }
        Ok(())
    }

    /// Pushes what happened since the last call. Never waits.
    pub(crate) fn pump(&mut self, stack: &mut Stack) {
        if self.listeners.is_empty() {
            return;
        }
        self.listeners.retain(|listener| !listener.outbox.is_gone());
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
            end(&listener.outbox, "shutdown", "the instance has ended");
        }
    }
}

impl Listener {
    fn tell(&mut self, event: &EventShown) {
        if self.lost == 0 && self.outbox.has_room() {
            self.outbox.push(Pushed { event: Some(event.clone()), ..Pushed::default() });
        } else {
            self.lost += 1;
        }
    }

    /// Tells how many events were lost, when there is room again.
    fn tell_lost(&mut self, sequence: u64, time_ns: u64) {
        if self.lost > 0 && self.outbox.has_room() {
            let lost = Event::new(stack::control::EventKind::Lost).count(self.lost);
            let event = Some(shown(lost, sequence, time_ns));
            self.outbox.push(Pushed { event, ..Pushed::default() });
            self.lost = 0;
        }
    }
}

fn end(outbox: &Outbox, reason: &str, message: &str) {
    let ended = Ended { reason: reason.to_owned(), message: message.to_owned() };
    outbox.push(Pushed { end: Some(ended), ..Pushed::default() });
}

fn shown(event: Event, sequence: u64, time_ns: u64) -> EventShown {
    let Event { kind, vnet, interface, port, from, address, mac, prefixes, count } = event;
    // A host is shown as an address.
    let text = |net: ipnet::Ipv4Net| match net.prefix_len() {
        32 => net.addr().to_string(),
        _ => net.to_string(),
    };
    EventShown {
        sequence,
        time_ns,
        kind: kind.name().to_owned(),
        vnet,
        interface,
        port,
        from,
        address: address.map(text),
        mac: mac.map(|mac| mac.to_string()),
        count,
        prefixes,
    }
}

/// The time, nanoseconds since 1970.
fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
