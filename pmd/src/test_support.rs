//! For tests, here and in the crates above: one EAL without hugepages for all threads of a test
//! binary, and a pool to make packets from.

mod counting;
mod rte_fib;

pub use counting::Counting;
pub use rte_fib::RteFib;

use std::sync::OnceLock;

use crate::{Eal, EalConfig, Hugepages, Mbuf, MbufPool, SocketId};

/// Buffers of [`pool`].
const MBUFS: u32 = 4095;

/// The EAL of the test binary, started at the first call: no hugepages, no PCI.
///
/// # Panics
/// If EAL does not start.
#[must_use]
pub fn eal() -> Eal {
    static EAL: OnceLock<Eal> = OnceLock::new();
    let start = || {
        let config =
            EalConfig { hugepages: Hugepages::None, memory_mib: Some(256), ..EalConfig::default() };
        Eal::init(config).unwrap_or_else(|error| panic!("EAL for tests: {error}"))
    };
    EAL.get_or_init(start).clone()
}

/// A pool that all tests of the binary share, without caches. Its counts move while other tests run; for
/// leak checks make one with [`own_pool`].
///
/// # Panics
/// If there is no memory.
#[must_use]
pub fn pool() -> MbufPool {
    static POOL: OnceLock<MbufPool> = OnceLock::new();
    POOL.get_or_init(|| own_pool("test_shared", MBUFS)).clone()
}

/// A pool of one's own, without caches; the name must be unique in the binary.
///
/// # Panics
/// If there is no memory, or the name is taken.
#[must_use]
pub fn own_pool(name: &str, mbufs: u32) -> MbufPool {
    MbufPool::create(&eal(), name, mbufs, 0, SocketId::ANY)
        .unwrap_or_else(|error| panic!("pool for tests: {error}"))
}

/// A packet from the shared pool with these bytes.
///
/// # Panics
/// If the pool is empty.
#[must_use]
pub fn packet(bytes: &[u8]) -> Mbuf {
    pool().from_bytes(bytes).unwrap_or_else(|| panic!("the test pool is empty"))
}

/// Has the packet look as if its port had taken an 802.1Q tag off (`RTE_MBUF_F_RX_VLAN_STRIPPED`).
pub fn strip_vlan(packet: &mut Mbuf, tci: u16) {
    packet.set_rx_vlan_stripped(tci);
}

/// A packet from the shared pool with one segment for each slice.
///
/// # Panics
/// If the pool is empty.
#[must_use]
pub fn packet_of_segments(segments: &[&[u8]]) -> Mbuf {
    pool().from_segments(segments).unwrap_or_else(|| panic!("the test pool is empty"))
}
