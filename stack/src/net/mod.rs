//! Module `net`: interfaces, and what every protocol family shares.

mod ahead;
mod ifnet;
mod interfaces;

pub mod datapath;

pub(crate) use ifnet::{IfCounterBlocks, block_of};
pub use ifnet::{IfCounters, IfIndex, IfKind, IfSlot, Ifnet, IfnetParts};
pub use interfaces::{Interfaces, PortDemux, Vlans};
pub use module::net as vnet_net;

use std::sync::atomic::{AtomicU32, Ordering};

use vnet::{AttachError, Control, VnetRef};

mod module {
    vnet::module! {
        /// Interfaces and the counters that all protocol families share.
        pub mod net {
            id: vnet::ModuleId::NET,
            depends: [],
            attach: crate::net::attach,
            detach: crate::net::detach,
            vars {
                /// Why packets were not delivered.
                pub drops: vnet::PerWorker<crate::drops::Drops>;
                /// Packets that began and ended in this vnet.
                pub account: vnet::PerWorker<crate::net::Account>;
                /// Packets of the vnet that are with the control thread or on their way from it.
                pub in_flight: crate::net::InFlight;
                /// The vnet's interfaces, in the order of creation.
                pub interfaces: vnet::ControlCell<crate::net::IfList>;
            }
        }
    }
}

crate::counters! {
    /// What balances a vnet's books: received + originated = sent + delivered + dropped + in flight.
    pub struct Account {
        /// Packets that ended here because somebody took them.
        delivered,
        /// Packets that began here: replies, errors, fragments beyond the first, ARP of our own.
        originated,
    }
}

/// How many packets of a vnet are with the control thread: on the way to it, held by it, or on the way back. Counted by
/// both sides, off the fast path; it bounds what one tenant can occupy and closes the books.
#[derive(Debug)]
pub struct InFlight(AtomicU32);

impl vnet::Field for InFlight {
    const INIT: Self = Self(AtomicU32::new(0));

    fn restart(&self, _initial: &Self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl InFlight {
    /// One more packet, unless there are `limit` already.
    pub fn enter(&self, limit: u32) -> bool {
        let entered = self.0.fetch_add(1, Ordering::Relaxed) < limit;
        if !entered {
            self.leave(1);
        }
        entered
    }

    /// `packets` came back, or ended.
    pub fn leave(&self, packets: u32) {
        let _before = self.0.fetch_sub(packets, Ordering::Relaxed);
    }

    /// How many there are.
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The interfaces of one vnet.
#[derive(Debug, Default)]
pub struct IfList {
    /// In the order of creation.
    pub list: Vec<std::sync::Arc<Ifnet>>,
    /// The next free index.
    pub next_index: u16,
    /// Packets that interfaces received which were destroyed since.
    pub departed_received: u64,
    /// Packets that such interfaces sent.
    pub departed_sent: u64,
}

fn attach(vnet: &VnetRef, control: &mut Control) -> Result<(), AttachError> {
    let slots = control.slots();
    let net = vnet_net::init(vnet);
    net.drops().alloc(slots);
    net.account().alloc(slots);
    net.interfaces().with(control, |list| *list = Some(Box::default()));
    Ok(())
}

fn detach(vnet: &VnetRef, control: &mut Control) {
    vnet_net::init(vnet).interfaces().with(control, |list| *list = None);
}
