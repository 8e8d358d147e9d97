//! The network stack of a vnet.
//!
//! | module | what it holds |
//! |---|---|
//! | [`wire`] | header layouts and checksums |
//! | [`net`] | module `net`: interfaces, Ethernet, VLANs; neighbours and routes of any family |
//! | [`inet`] | module `inet`: IPv4, ICMP, ARP, the FIB |
//! | [`worker`] | one worker's way through the nodes; the queues to and from the control thread |
//! | [`control`] | what the control thread does: interfaces, addresses, routes, neighbours, publication |
//! | [`drops`] | why a packet was not delivered |
//!
//! A folder `datapath` holds what workers call: no heap, no lock, no clock, no panic. A folder `control` holds what the
//! control thread calls.

// One file with AVX2 instructions is excepted; it says so.
#![deny(unsafe_code)]

pub mod control;
pub mod counters;
pub mod drops;
pub mod inet;
pub mod net;
pub mod time;
pub mod worker;

pub use wire;
