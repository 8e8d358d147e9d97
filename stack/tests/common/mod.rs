//! The parts that the tests of the whole stack share: a laboratory in virtual time, frames, and a scene to put them in.
//!
//! Frames are built and read here byte by byte, by code that shares nothing with `stack::wire`.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]
#![allow(unreachable_pub, reason = "a module of test binaries")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub mod crossroads;
pub mod frame;
pub mod lab;

pub use crossroads::crossroads;
pub use frame::{Mac, Packet};
pub use lab::{Lab, Sent};

/// Random numbers for tests that need many: SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not zero.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// Whether this build can have a second vnet; says so when it cannot.
#[allow(clippy::print_stderr, reason = "a skipped test must be seen")]
pub fn has_many_vnets(test: &str) -> bool {
    let many = vnet::Vnets::MAX_VNETS > 1;
    if !many {
        eprintln!("skipped: {test}: the build {} has one vnet", vnet::ARM);
    }
    many
}
