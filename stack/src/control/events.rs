//! Events: changes of the vnets, for clients that follow them (FreeBSD's model: `route monitor`, and devd's events).

use ipnet::Ipv4Net;
use vnet::VnetRef;

use super::Stack;
use super::vnet_state::with_inet;
use crate::net::neighbor::{NeighborKey, NeighborNews, NeighborState};
use crate::net::route::RouteChange;
use crate::time::Nanos;
use crate::wire::MacAddr;

/// Events between two calls of [`Stack::take_events`]; those beyond are counted.
const EVENTS: usize = 1024;
/// Prefixes that are named in one event; the others are counted.
const PREFIXES: usize = 16;
/// Neighbours' events a second: strangers on the network can provoke them.
const NEIGHBORS_PER_SECOND: u32 = 200;

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),* $(,)?) => {
        /// The kinds of events. The names are part of the control protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum EventKind { $($(#[$doc])* $variant),* }

        impl EventKind {
            /// All kinds.
            pub const ALL: &'static [EventKind] = &[$(EventKind::$variant),*];

            /// The kind's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(EventKind::$variant => $name),* }
            }
        }
    };
}

event_kinds! {
    /// A vnet was made.
    VnetCreated = "vnet_created",
    /// A vnet was destroyed, with all that was in it.
    VnetDestroyed = "vnet_destroyed",
    /// An interface was made.
    InterfaceCreated = "interface_created",
    /// An interface was destroyed.
    InterfaceDestroyed = "interface_destroyed",
    /// An interface came from another vnet; `from` is that one.
    InterfaceMoved = "interface_moved",
    /// An interface was taken up.
    InterfaceUp = "interface_up",
    /// An interface was taken down.
    InterfaceDown = "interface_down",
    /// An interface was given an address.
    AddressAdded = "address_added",
    /// An address was taken from an interface.
    AddressDeleted = "address_deleted",
    /// Routes were added or changed: how many, and some of them.
    RoutesAdded = "routes_added",
    /// Routes were deleted: how many, and some of them.
    RoutesDeleted = "routes_deleted",
    /// A neighbour's MAC address became known, or is another one now.
    NeighborReachable = "neighbor_reachable",
    /// A neighbour was set by the operator.
    NeighborStatic = "neighbor_static",
    /// A neighbour that was known is so no more.
    NeighborGone = "neighbor_gone",
    /// A port was attached.
    PortAttached = "port_attached",
    /// A port was detached, or its device has gone.
    PortDetached = "port_detached",
    /// A port's link came up.
    LinkUp = "link_up",
    /// A port's link went down.
    LinkDown = "link_down",
    /// A configuration was applied.
    ConfigApplied = "config_applied",
    /// So many events were lost: they came faster than they were read.
    Lost = "lost",
}

/// One event: its kind, and what that concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its kind.
    pub kind: EventKind,
    /// To which vnet.
    pub vnet: Option<String>,
    /// To which interface of it.
    pub interface: Option<String>,
    /// To which port.
    pub port: Option<String>,
    /// The vnet that an interface was in before.
    pub from: Option<String>,
    /// The address; a neighbour's is a network of its own.
    pub address: Option<Ipv4Net>,
    /// The neighbour's MAC address.
    pub mac: Option<MacAddr>,
    /// The first few of the routes' prefixes.
    pub prefixes: Vec<Ipv4Net>,
    /// How many routes or lost events.
    pub count: Option<u64>,
}

impl Event {
    /// An event that concerns nothing yet.
    #[must_use]
    pub fn new(kind: EventKind) -> Self {
        Self {
            kind,
            vnet: None,
            interface: None,
            port: None,
            from: None,
            address: None,
            mac: None,
            prefixes: Vec::new(),
            count: None,
        }
    }

    /// It happened in this vnet.
    #[must_use]
    pub fn vnet(self, vnet: &VnetRef) -> Self {
        Self { vnet: Some(vnet.name().to_owned()), ..self }
    }

    /// To this interface.
    #[must_use]
    pub fn interface(self, name: &str) -> Self {
        Self { interface: Some(name.to_owned()), ..self }
    }

    /// To this port.
    #[must_use]
    pub fn port(self, name: &str) -> Self {
        Self { port: Some(name.to_owned()), ..self }
    }

    /// With this address.
    #[must_use]
    pub fn address(self, address: Ipv4Net) -> Self {
        Self { address: Some(address), ..self }
    }

    /// So many.
    #[must_use]
    pub fn count(self, count: u64) -> Self {
        Self { count: Some(count), ..self }
    }
}

/// Events that wait to be taken. Nothing is kept while no client follows them.
#[derive(Debug, Default)]
pub(super) struct Events {
    wanted: bool,
    waiting: Vec<Event>,
    lost: u64,
    /// Neighbours' events in the second that began then.
    neighbors: (Nanos, u32),
}

impl Events {
    /// Something happened. `event` is made only if it is wanted.
    pub(super) fn emit(&mut self, event: impl FnOnce() -> Event) {
        if !self.wanted {
        } else if self.waiting.len() < EVENTS {
            self.waiting.push(event());
        } else {
            self.lost += 1;
        }
    }

    /// Something happened to an interface.
    pub(super) fn emit_interface(&mut self, kind: EventKind, vnet: &VnetRef, name: &str) {
        self.emit(|| Event::new(kind).vnet(vnet).interface(name));
    }

    /// Routes changed: one event for those that were added, and one for those that were deleted.
    pub(super) fn emit_routes(&mut self, vnet: &VnetRef, changes: &[RouteChange<Ipv4Net>]) {
        if !self.wanted {
            return;
        }
        let added = changes.iter().filter_map(|change| match change {
            RouteChange::Add { prefix, .. } => Some(*prefix),
            RouteChange::Delete { .. } => None,
        });
        self.emit_prefixes(EventKind::RoutesAdded, vnet, added);
        let deleted = changes.iter().filter_map(RouteChange::deleted);
        self.emit_prefixes(EventKind::RoutesDeleted, vnet, deleted);
    }

    fn emit_prefixes(
        &mut self,
        kind: EventKind,
        vnet: &VnetRef,
        mut prefixes: impl Iterator<Item = Ipv4Net>,
    ) {
        let some: Vec<Ipv4Net> = prefixes.by_ref().take(PREFIXES).collect();
        if !some.is_empty() {
            let count = (some.len() + prefixes.count()) as u64;
            self.emit(|| Event { prefixes: some, ..Event::new(kind).vnet(vnet).count(count) });
        }
    }

    /// Whether there may be one more event of a neighbour in this second; one that may not is lost.
    fn is_neighbor_event_due(&mut self, now: Nanos) -> bool {
        let (second, count) = &mut self.neighbors;
        if second.seconds() != now.seconds() {
            (*second, *count) = (now, 0);
        }
        *count += 1;
        let due = *count <= NEIGHBORS_PER_SECOND;
        self.lost += u64::from(self.wanted && !due);
        due
    }

    fn take(&mut self) -> Vec<Event> {
        let mut events = std::mem::take(&mut self.waiting);
        match std::mem::take(&mut self.lost) {
            0 => {}
            lost => events.push(Event::new(EventKind::Lost).count(lost)),
        }
        events
    }
}

impl Stack {
    /// Whether events are wanted. Those of before are not kept.
    pub fn want_events(&mut self, wanted: bool) {
        if wanted {
            self.events.wanted = true;
        } else {
            self.events = Events::default();
        }
    }

    /// The events since the last call; at most a bounded number, with [`EventKind::Lost`] behind them when there were
    /// more.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.events.take()
    }

    /// Something happened outside of the stack. `event` is made only if it is wanted.
    pub fn emit(&mut self, event: impl FnOnce() -> Event) {
        self.events.emit(event);
    }

    /// Takes from a vnet's neighbour table what became of its neighbours.
    pub(super) fn emit_neighbors(&mut self, vnet: &VnetRef) {
        let news = with_inet(&self.control, vnet, |inet| inet.arp.neighbors.take_news());
        let news = news.unwrap_or_default();
        for NeighborNews { key: NeighborKey { slot, addr }, state } in news {
            let kind = match state {
                Some(NeighborState::Static(_)) => EventKind::NeighborStatic,
                Some(_) => EventKind::NeighborReachable,
                None => EventKind::NeighborGone,
            };
            if self.events.is_neighbor_event_due(self.now) {
                let interface = self.interface(slot).map(|ifp| ifp.name.clone());
                self.events.emit(|| Event {
                    interface,
                    mac: state.and_then(NeighborState::mac),
                    ..Event::new(kind).vnet(vnet).address(addr.into())
                });
            }
        }
    }
}
