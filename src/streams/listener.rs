//! A stream of events.

use ipnet::{IpNet, Ipv4Net};
use stack::control::{Event, EventKind};

use crate::control::Outbox;
use crate::protocol::{EventShown, Pushed};

/// A stream of events.
#[derive(Debug)]
pub(super) struct Listener {
    outbox: Outbox,
    /// Events that it has not been told of since it was last told how many.
    lost: u64,
}

impl Listener {
    pub(super) fn new(outbox: Outbox) -> Self {
        Self { outbox, lost: 0 }
    }

    pub(super) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(super) fn tell(&mut self, event: &EventShown) {
        if self.lost == 0 && self.outbox.has_room() {
            self.outbox.push(Pushed { event: Some(event.clone()), ..Pushed::default() });
        } else {
            self.lost += 1;
        }
    }

    /// Tells how many events were lost, when there is room again.
    pub(super) fn tell_lost(&mut self, sequence: u64, time_ns: u64) {
        if self.lost > 0 && self.outbox.has_room() {
            let lost = Event::new(EventKind::Lost).count(self.lost);
            let event = Some(shown(lost, sequence, time_ns));
            self.outbox.push(Pushed { event, ..Pushed::default() });
            self.lost = 0;
        }
    }
}

pub(super) fn shown(event: Event, sequence: u64, time_ns: u64) -> EventShown {
    let Event { kind, vnet, interface, port, from, address, mac, prefixes, count } = event;
    // A host is shown as an address.
    let text = |net: Ipv4Net| match net.prefix_len() {
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
        prefixes: prefixes.into_iter().map(IpNet::from).collect(),
    }
}
