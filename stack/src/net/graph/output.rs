//! A worker's ways out: its ports and the ends of epairs, and the frames that wait there for the end of the iteration.

use std::sync::Arc;

use pmd::{Burst, MAX_PORTS, Mask, Mbuf, PortId, prefetch_at};

use super::columns::Columns;
use super::epair_queue::Link;
use super::epairs::Epairs;
use super::tx_port::{FIRST_BYTES, TxCounters, TxPort};
use crate::net::EpairEnd;

/// All ports of one worker, by port id, and the ends of epairs.
#[derive(Debug, Default)]
pub struct Output {
    ports: Vec<Option<TxPort>>,
    /// The queues of the ends of epairs.
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
    pub(crate) fn insert(&mut self, tx: TxPort) -> Option<TxPort> {
        let at = usize::from(tx.port().0);
        if self.ports.len() <= at {
            self.ports.resize_with(at + 1, || None);
        }
        self.ports[at].replace(tx)
    }

    /// Sends what waits; no frame leaves through `port` any more.
    pub(crate) fn remove(&mut self, port: PortId) -> Option<TxPort> {
        self.waiting.retain(|waiting| *waiting != port);
        let mut tx = self.ports.get_mut(usize::from(port.0))?.take()?;
        tx.send_all();
        Some(tx)
    }

    /// Whether frames wait for a transmit queue that other workers send through as well.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Adds a frame for `port`; it comes back if none can leave through that.
    #[inline]
    pub fn push(&mut self, port: PortId, mbuf: Mbuf) -> Result<(), Mbuf> {
        if let Some(end) = EpairEnd::of_port(port) {
            self.epairs.push(end, mbuf);
            return Ok(());
        }
        match self.port(port) {
            Some(tx) => {
                tx.push(mbuf);
                Ok(())
            }
            None => Err(mbuf),
        }
    }

    /// Moves the frames whose bit is set, `count` of them, out of `burst` to `port`. They are freed if none can leave through
    /// that.
    #[inline(always)]
    pub(crate) fn extract(&mut self, port: PortId, burst: &mut Burst, mask: &Mask, count: usize) {
        if let Some(tx) = self.port(port) {
            tx.extract(burst, mask, count);
        } else if let Some(end) = EpairEnd::of_port(port) {
            self.epairs.extract(end, burst, mask, count);
        } else {
            let _freed: usize = burst.extract(mask, &mut Burst::new());
        }
    }

    /// Sends a whole burst to the other end of an epair that [`Self::can_cross`] names, as it is: of its frames `columns` were
    /// read, and they are sent with this link header. The caller gets other columns for them.
    #[inline]
    pub(crate) fn cross(
        &mut self,
        end: EpairEnd,
        burst: &mut Burst,
        columns: &mut Box<Columns>,
        link: Link,
    ) {
        self.epairs.cross(end, burst, columns, link);
    }

    /// The frames for a port of DPDK's, to which the caller adds some.
    #[inline]
    fn port(&mut self, port: PortId) -> Option<&mut TxPort> {
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

    /// The end of an epair that `port` is, if nothing waits there yet and a whole burst could.
    #[inline(always)]
    pub(crate) fn can_cross(&self, port: PortId) -> Option<EpairEnd> {
        EpairEnd::of_port(port).filter(|end| self.epairs.can_cross(*end))
    }

    /// The queues of the ends of epairs.
    #[inline]
    pub(crate) fn epairs(&mut self) -> &mut Epairs {
        &mut self.epairs
    }

    /// Takes the frames that wait for `port`, one after the other; none of an epair.
    pub fn frames(&mut self, port: PortId) -> impl Iterator<Item = Mbuf> + '_ {
        let frames = self.port(port).map(TxPort::frames);
        frames.into_iter().flat_map(Burst::drain)
    }

    /// The counters of what became of the frames, by port.
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
