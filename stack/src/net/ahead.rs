//! What the first burst of a vnet in a while will read, asked for all at once.
//!
//! With thousands of vnets in turn, nothing of the next one is in the caches. The way from an interface to what its
//! packets need is a chain: the vnet, its container, what is published there. Each link would be a miss that waits for
//! the one before. So an interface knows where the chain leads, and a worker asks for all of it together.

use std::sync::atomic::{AtomicUsize, Ordering};

use pmd::prefetch_at;
use vnet::Vnet;

use crate::inet::{Forwarding, vnet_inet};

/// Bytes of a vnet's IPv4 variables, from the first one that the fast path reads to the last.
const VARIABLES: usize = 192;

/// Addresses of what the interface's vnet has. They are asked for and never followed: one that is out of date costs a
/// few cycles.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    variables: AtomicUsize,
    forwarding: AtomicUsize,
}

impl Ahead {
    /// Takes note of where the vnet's variables are.
    pub(crate) fn set_vnet(&self, vnet: &Vnet) {
        let first = (&raw const *vnet_inet::init(vnet).ipforwarding()).addr();
        self.variables.store(first, Ordering::Relaxed);
    }

    /// Takes note of what was published for the vnet.
    pub(crate) fn set_forwarding(&self, forwarding: &Forwarding) {
        self.forwarding.store((&raw const *forwarding).addr(), Ordering::Relaxed);
    }

    /// Asks for it.
    #[inline(always)]
    pub(crate) fn prefetch(&self) {
        prefetch_at(self.variables.load(Ordering::Relaxed), VARIABLES);
        Forwarding::prefetch_at(self.forwarding.load(Ordering::Relaxed));
    }
}
