//! A stream of packets. What its client does not read stays in the capture's rings until these are full, and is counted
//! there.

use std::sync::Arc;

use stack::control::Stack;
use stack::net::bpf::{Captured, Direction, Tap, TapEnd};

use super::{STOPPED, Why, end};
use crate::control::Outbox;
use crate::protocol::{DirectionShown, PacketCounts, PacketShown, Pushed};

/// Packets of one capture in one tick of the control thread.
const PER_TICK: usize = 512;
/// Packets, and bytes of them, of one line.
const PER_LINE: usize = 64;
const LINE_BYTES: usize = 64 * 1024;

/// A stream of packets.
#[derive(Debug)]
pub(super) struct Onlooker {
    outbox: Outbox,
    tap: Arc<Tap>,
    /// Its client wants no more than what waits.
    stopped: bool,
    /// Scratch memory.
    words: Vec<u64>,
}

impl Onlooker {
    pub(super) fn new(outbox: Outbox, tap: Arc<Tap>) -> Self {
        Self { outbox, tap, stopped: false, words: Vec::new() }
    }

    pub(super) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Its client has enough.
    pub(super) fn stop(&mut self, stack: &mut Stack) {
        stack.stop_capture(&self.tap);
        self.stopped = true;
    }

    /// Pushes what there is room for; false when that was the last. `epoch_ns` is when the workers' time began.
    pub(super) fn pump(&mut self, stack: &mut Stack, epoch_ns: u64) -> bool {
        if self.outbox.is_gone() {
            stack.stop_capture(&self.tap);
            return false;
        }
        for _ in 0..PER_TICK / PER_LINE {
            if !self.outbox.has_room() {
                return true;
            }
            let packets = self.line(epoch_ns);
            if packets.is_empty() {
                return self.goes_on();
            }
            self.outbox.push(Pushed { packets, ..Pushed::default() });
        }
        true
    }

    /// The next few packets, of all workers, in the order of their times.
    fn line(&mut self, epoch_ns: u64) -> Vec<PacketShown> {
        let mut packets = Vec::new();
        let mut bytes = 0;
        while packets.len() < PER_LINE && bytes < LINE_BYTES {
            let Some(captured) = self.tap.read(&mut self.words) else { break };
            bytes += captured.bytes.len();
            packets.push(shown(captured, epoch_ns));
        }
        packets.sort_by_key(|packet| packet.time_ns);
        packets
    }

    /// Nothing waits: ends if nothing comes any more.
    fn goes_on(&self) -> bool {
        let why = match self.tap.end() {
            Some(TapEnd::VnetDestroyed) => ("vnet_destroyed", "the vnet was destroyed"),
            Some(TapEnd::InterfaceDestroyed) => {
                ("interface_destroyed", "the interface was destroyed")
            }
            Some(TapEnd::InterfaceMoved) => {
                ("interface_moved", "the interface is in another vnet now")
            }
            None if self.stopped => STOPPED,
            None => return true,
        };
        self.end(why);
        false
    }

    pub(super) fn end(&self, why: Why) {
        let (received, dropped) = (self.tap.received(), self.tap.dropped());
        end(&self.outbox, why, Some(PacketCounts { received, dropped }));
    }
}

fn shown(captured: Captured, epoch_ns: u64) -> PacketShown {
    let Captured { time, interface, direction, wire_len, bytes } = captured;
    let (direction, reason) = match direction {
        Direction::In => (DirectionShown::In, None),
        Direction::Out => (DirectionShown::Out, None),
        Direction::Dropped(reason) => (DirectionShown::Drop, Some(reason.name().to_owned())),
    };
    PacketShown {
        time_ns: epoch_ns.saturating_add(time.0),
        interface,
        direction,
        reason,
        length: wire_len,
        data: bytes,
    }
}
