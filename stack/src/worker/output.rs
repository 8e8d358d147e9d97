//! A worker's ways out: its ports and the ends of epairs, and the frames that wait there for the end of the iteration.

use std::sync::Arc;

use pmd::{Burst, MAX_PORTS, Mbuf, PortId, prefetch_at};

use super::epairs::Epairs;
use super::tx_port::{FIRST_BYTES, TxCounters, TxPort};
use crate::net::EpairEnd;

/// All ports of one worker, by port id, and the ends of epairs.
#[derive(Debug, Default)]
pub struct Output {
    ports: Vec<Option<TxPort>>,
    /// What ends of epairs shall receive.
    epairs: Epairs,
    /// Ports with frames that wait, so that the end of an iteration costs nothing for the others. One place for each port:
    /// it never grows.
    waiting: Vec<PortId>,
}

impl Output {
    /// The ports given, each at its id.
    #[must_use]
    pub fn new(ports: impl IntoIterator<Item = TxPort>) -> Self {
        let mut output = Self { ports: Vec::with_capacity(MAX_PORTS), ..Self::default() };
        for tx in ports {
            let _none = output.insert(tx);
        }
        output.waiting.reserve_exact(output.ports.len().max(MAX_PORTS));
        output
    }

    /// Frames for its port leave through `tx` from now on; what they left through before. Takes no memory for ports that
    /// DPDK can have.
    pub(super) fn insert(&mut self, tx: TxPort) -> Option<TxPort> {
        let at = usize::from(tx.port().0);
        if self.ports.len() <= at {
            self.ports.resize_with(at + 1, || None);
        }
        self.ports[at].replace(tx)
    }

    /// Sends what waits; no frame leaves through `port` any more.
    pub(super) fn remove(&mut self, port: PortId) -> Option<TxPort> {
        self.waiting.retain(|waiting| *waiting != port);
        let mut tx = self.ports.get_mut(usize::from(port.0))?.take()?;
        tx.send_all();
        Some(tx)
    }

    /// Whether frames wait for a transmit queue that other workers send through as well.
    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The frames for `port`, to which the caller adds some.
    #[inline]
    pub fn port(&mut self, port: PortId) -> Option<&mut TxPort> {
        if let Some(end) = EpairEnd::of_port(port) {
            return Some(self.epairs.queue(end));
        }
        let tx = self.ports.get_mut(usize::from(port.0))?.as_mut()?;
        if tx.begins_to_wait() {
            self.waiting.push(port);
        }
        Some(tx)
    }

    /// Asks for what frames for `port` need.
    #[inline(always)]
    pub(crate) fn prefetch(&self, port: PortId) {
        if let Some(tx) = self.ports.get(usize::from(port.0)) {
            prefetch_at((&raw const *tx).addr(), FIRST_BYTES);
        }
    }

    /// Whether frames can leave through `port`.
    #[must_use]
    pub fn has(&self, port: PortId) -> bool {
        EpairEnd::of_port(port).is_some()
            || self.ports.get(usize::from(port.0)).is_some_and(Option::is_some)
    }

    /// Whether `port` is the other end of an epair for which nothing waits yet, but could.
    #[inline(always)]
    pub(crate) fn can_cross(&self, port: PortId) -> bool {
        EpairEnd::of_port(port).is_some_and(|end| self.epairs.is_idle(end))
    }

    /// What ends of epairs shall receive.
    #[inline]
    pub(super) fn epairs(&mut self) -> &mut Epairs {
        &mut self.epairs
    }

    /// Takes the frames that wait for `port`, one after the other; not for an epair, whose frames may be without their
    /// headers.
    pub fn frames(&mut self, port: PortId) -> impl Iterator<Item = Mbuf> + '_ {
        debug_assert!(EpairEnd::of_port(port).is_none(), "{port:?} is an end of an epair");
        let frames = self.port(port).map(TxPort::frames);
        frames.into_iter().flat_map(Burst::drain)
    }

    /// What became of the frames, by port.
    #[must_use]
    pub fn counters(&self) -> Vec<(PortId, Arc<TxCounters>)> {
        self.ports.iter().flatten().map(|tx| (tx.port(), tx.counters())).collect()
    }

    /// Gives the ports back.
    #[must_use]
    pub fn into_ports(self) -> Vec<TxPort> {
        self.ports.into_iter().flatten().collect()
    }

    /// Hands all waiting frames to their ports. Those that a port keeps wait for the next time.
    #[inline]
    pub fn flush(&mut self) {
        let Self { ports, waiting, .. } = self;
        waiting.retain(|port| match ports.get_mut(usize::from(port.0)) {
            Some(Some(tx)) => tx.end_wait(),
            _ => false,
        });
    }
}
