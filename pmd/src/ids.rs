//! Numbers that must not be mixed up.

use std::fmt;

/// DPDK's number of a port, valid from [`crate::Port::open`] to the port's close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub u16);

/// A receive or transmit queue of a port, counted from 0 for each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u16);

/// A logical CPU as Linux counts them (`/sys/devices/system/cpu/cpuN`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuId(pub usize);

/// A NUMA node, called a socket by DPDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub i32);

impl SocketId {
    /// No preference: memory comes from wherever there is some (DPDK's `SOCKET_ID_ANY`).
    pub const ANY: SocketId = SocketId(-1);
}

impl Default for SocketId {
    fn default() -> Self {
        SocketId::ANY
    }
}

/// A number of TSC cycles; [`crate::tsc::hz`] of them are a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cycles(pub u64);

macro_rules! display_number {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

display_number!(PortId QueueId CpuId SocketId Cycles);
