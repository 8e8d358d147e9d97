//! The wire: packets that arrive at their times, a receive queue, and the frames that they are.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use anyhow::{Result, bail};
use pmd::{Burst, MbufPool};

use crate::forward::frames::{IN_MAC, SENDER_MAC};

/// The tenants.
pub(super) const VICTIM: usize = 0;
pub(super) const FLOOD: usize = 1;
pub(super) const VLANS: [u16; 2] = [100, 200];
/// Descriptors of the receive queue, the default of a port.
pub(super) const QUEUE: usize = 1024;
pub(super) const SENDER: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 2);
pub(super) const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 2);
pub(super) const NETWORK: &str = "198.18.0.0/15";
const DESTINATION: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 1);

/// Packets of both tenants on their way to the worker.
#[derive(Debug)]
pub(super) struct Arrivals {
    periods: [f64; 2],
    /// When the next one of each arrives, cycles.
    next: [f64; 2],
    /// Tenant and time of arrival.
    queue: VecDeque<(usize, u64)>,
    pub(super) offered: [u64; 2],
    pub(super) lost: [u64; 2],
}

impl Arrivals {
    pub(super) fn new(periods: [f64; 2]) -> Self {
        let queue = VecDeque::with_capacity(QUEUE);
        Self { periods, next: periods, queue, offered: [0; 2], lost: [0; 2] }
    }

    /// Forgets what became of the packets before.
    pub(super) fn count_from_here(&mut self) {
        (self.offered, self.lost) = ([0; 2], [0; 2]);
    }

    /// Those that arrive until `now` enter the queue while it has room, in the order of their times.
    pub(super) fn until(&mut self, now: u64) {
        let now = now as f64;
        loop {
            let tenant = usize::from(self.next[FLOOD] < self.next[VICTIM]);
            let at = self.next[tenant];
            if at > now {
                return;
            }
            self.next[tenant] += self.periods[tenant];
            self.offered[tenant] += 1;
            if self.queue.len() < QUEUE {
                self.queue.push_back((tenant, at as u64));
            } else {
                self.lost[tenant] += 1;
            }
        }
    }

    /// The oldest, up to `most` of them.
    pub(super) fn take(&mut self, most: usize, taken: &mut Vec<(usize, u64)>) {
        taken.clear();
        taken.extend(self.queue.drain(..most.min(self.queue.len())));
    }
}

/// A frame of each tenant.
#[derive(Debug)]
pub(super) struct Frames([Vec<u8>; 2]);

impl Frames {
    /// 64 bytes with the frame check sequence, as a wire counts; those of the flood have reached the end of their way.
    pub(super) fn new() -> Self {
        Self([frame(VLANS[VICTIM], 64), frame(VLANS[FLOOD], 1)])
    }

    /// Fills `burst` with what was taken.
    pub(super) fn write(
        &self,
        pool: &MbufPool,
        taken: &[(usize, u64)],
        burst: &mut Burst,
    ) -> Result<()> {
        for (tenant, _) in taken {
            let Some(mbuf) = pool.from_bytes(&self.0[*tenant]) else {
                bail!("the mbuf pool is empty: some frames did not come back");
            };
            if burst.push(mbuf).is_err() {
                bail!("a burst takes no more than {} frames", burst.len());
            }
        }
        Ok(())
    }
}

/// UDP in IPv4 in 802.1Q, written without the stack's own headers.
fn frame(vlan: u16, ttl: u8) -> Vec<u8> {
    let mut frame = Vec::with_capacity(64);
    frame.extend(IN_MAC);
    frame.extend(SENDER_MAC);
    frame.extend([0x81, 0x00]);
    frame.extend(vlan.to_be_bytes());
    frame.extend([0x08, 0x00]);
    let mut ip = [0; 20];
    ip[0] = 0x45;
    ip[3] = 46;
    (ip[8], ip[9]) = (ttl, 17);
    ip[12..16].copy_from_slice(&SENDER.octets());
    ip[16..20].copy_from_slice(&DESTINATION.octets());
    let sum: u32 = ip.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    ip[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    frame.extend(ip);
    // Ports, length, no checksum, and 18 bytes of nothing.
    frame.extend([0x04, 0x00, 0x00, 0x09, 0x00, 26, 0, 0]);
    frame.extend([0; 18]);
    frame
}
