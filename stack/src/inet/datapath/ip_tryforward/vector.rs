//! The packets of one burst that are ready to leave, over all its runs.

use pmd::{Burst, MAX_BURST, Mask, PortId};

use super::CHUNK;
use crate::net::graph::Output;

/// Which packets of a burst are ready, and where they go.
#[derive(Debug, Default)]
pub(crate) struct Vector {
    ready: Mask,
    packets: u64,
    bytes: u64,
    /// Bytes of the trailers that were taken off.
    trailers: u64,
    ports: Ports,
}

/// Which ports the ready packets leave through.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Ports {
    #[default]
    None,
    One(PortId),
    Many,
}

impl Vector {
    /// All of so many packets are ready, until [`Self::leave`] says otherwise; what they come to is not known yet.
    #[inline(always)]
    pub(super) fn all(packets: usize) -> Self {
        let mut ready = Mask::default();
        for (word, start) in ready.iter_mut().zip((0..packets).step_by(CHUNK)) {
            *word = u64::MAX >> (CHUNK - (packets - start).min(CHUNK));
        }
        Self { ready, ..Self::default() }
    }

    /// Packets that are ready, and their bytes as they were received.
    #[inline(always)]
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.packets, self.bytes + self.trailers)
    }

    /// Adds the trailers of the packets whose bits are set.
    #[inline(never)]
    pub(super) fn add_trailers(&mut self, trailers: &[u32; MAX_BURST], bits: u64) {
        let bytes = trailers.iter().enumerate().take(CHUNK);
        let set = bytes.filter(|(at, _)| bits >> at & 1 == 1);
        self.trailers += set.map(|(_, trailer)| u64::from(*trailer)).sum::<u64>();
    }

    /// Adds packets that leave through `port`.
    #[inline(always)]
    pub(super) fn add(&mut self, port: PortId, packets: u64, bytes: u64) {
        self.packets += packets;
        self.bytes += bytes;
        self.ports = match self.ports {
            Ports::None => Ports::One(port),
            Ports::One(one) if one == port => self.ports,
            _ => Ports::Many,
        };
    }

    /// Marks the packets of chunk `number`, a bit each, as ready.
    #[inline(always)]
    pub(super) fn mark(&mut self, number: usize, bits: u64) {
        if let Some(word) = self.ready.get_mut(number) {
            *word |= bits;
        }
    }

    /// Marks one packet as not ready.
    #[cold]
    #[inline(never)]
    pub(super) fn leave(&mut self, at: usize) {
        if let Some(word) = self.ready.get_mut(at / CHUNK) {
            *word &= !(1 << (at % CHUNK));
        }
    }

    /// Whether a packet is ready.
    #[inline(always)]
    pub(crate) fn is_ready(&self, at: usize) -> bool {
        self.ready.get(at / CHUNK).is_some_and(|word| word >> (at % CHUNK) & 1 == 1)
    }

    /// Moves the ready packets of `burst` to their ports; the others stay, in order. Those whose port is gone are freed: they
    /// were booked as dropped.
    #[inline(always)]
    pub(crate) fn transmit(&self, burst: &mut Burst, out: &mut Output) {
        match self.ports {
            Ports::None => {}
            Ports::One(port) => out.extract(port, burst, &self.ready, self.packets as usize),
            Ports::Many => distribute(burst, &self.ready, out),
        }
    }
}

/// Moves the ready packets to the ports that the third pass wrote into their descriptors.
#[inline(never)]
fn distribute(burst: &mut Burst, ready: &Mask, out: &mut Output) {
    let mut leaving = Burst::new();
    let _moved: usize = burst.extract(ready, &mut leaving);
    for mbuf in leaving.drain() {
        if let Err(mbuf) = out.push(mbuf.port(), mbuf) {
            drop(mbuf);
        }
    }
}
