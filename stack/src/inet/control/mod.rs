//! The control thread's IPv4 state of each vnet: addresses, routes, neighbours, and how they are published.

mod addresses;
mod arp;
mod probes;
mod publish;
mod routes;

pub use addresses::AddressError;
pub use arp::{ArpAction, ArpInterface, ArpLimits, ArpTable};
pub use probes::{PROBES_PER_SECOND, ProbeBook};

use std::sync::Arc;
use std::time::Duration;

use ipnet::Ipv4Net;
use pmd::Mbuf;
use vnet::{AttachError, Control, VnetRef};

use crate::inet::route::{FibControl, FibPolicy};
use crate::inet::{Address, Inet, vnet_inet};
use crate::net::route::{Rib, RouteTable};
use crate::net::{IfSlot, Ifnet};
use crate::time::Nanos;

/// A packet that waits for its next hop's MAC address, and where it came in.
#[derive(Debug)]
pub struct HeldPacket {
    /// Where it was received.
    pub ingress: IfSlot,
    /// The packet.
    pub mbuf: Mbuf,
}

/// The control thread's IPv4 state of one vnet.
#[derive(Debug)]
pub struct InetControl {
    /// Interfaces of the vnet that IPv4 runs on.
    pub(crate) interfaces: Vec<Arc<Ifnet>>,
    pub(crate) addresses: Vec<Address>,
    pub(crate) routes: RouteTable<Inet>,
    /// The neighbours.
    pub arp: ArpTable<HeldPacket>,
    pub(crate) flow_key: u64,
    /// When the control thread next looks at the neighbours' timers.
    pub(crate) armed: Option<Nanos>,
    /// Who waits for which probe; none before the first.
    pub(crate) probes: Option<Box<ProbeBook>>,
    /// Adjacencies changed since the last publication.
    pub(crate) dirty: bool,
}

impl InetControl {
    fn new(flow_key: u64) -> Self {
        Self {
            interfaces: Vec::new(),
            addresses: Vec::new(),
            routes: RouteTable::new(FibControl::new(FibPolicy::default())),
            arp: ArpTable::default(),
            flow_key,
            armed: None,
            probes: None,
            dirty: true,
        }
    }

    /// The vnet's interface in `slot`.
    #[must_use]
    pub fn interface(&self, slot: IfSlot) -> Option<&Arc<Ifnet>> {
        self.interfaces.iter().find(|ifp| ifp.slot == slot)
    }

    /// The routes.
    #[must_use]
    pub fn rib(&self) -> &Rib<Ipv4Net> {
        self.routes.rib()
    }

    /// Sets the secret that decides which flow takes which of several paths, from the next publication on. It is random
    /// otherwise, so that a stranger cannot steer flows; set, equal routers make equal choices.
    pub fn set_flow_key(&mut self, key: u64) {
        self.flow_key = key;
        self.dirty = true;
    }

    /// Bytes of the RIB, and of the FIB with what the control side holds for it.
    #[must_use]
    pub fn route_bytes(&self) -> (usize, usize) {
        let fib = self.routes.fib();
        (self.rib().memory_bytes(), fib.fib().memory_bytes() + fib.memory_bytes())
    }
}

/// ARP's limits as the vnet's sysctls say.
#[must_use]
pub fn arp_limits(inet: vnet_inet::Base<'_>) -> ArpLimits {
    let seconds = |value: i32| Duration::from_secs(u64::from(value.unsigned_abs()));
    let count = |value: i32| usize::try_from(value).unwrap_or(0);
    ArpLimits {
        max_age: seconds(inet.arpt_keep().get()),
        max_tries: inet.arp_maxtries().get().unsigned_abs(),
        max_hold: count(inet.arp_maxhold().get()),
        down: seconds(inet.arpt_down().get()),
        max_neighbors: count(inet.arp_maxneighbors().get()),
    }
}

pub(crate) fn attach(vnet: &VnetRef, control: &mut Control) -> Result<(), AttachError> {
    let slots = control.slots();
    let inet = vnet_inet::init(vnet);
    inet.ipstat().alloc(slots);
    inet.icmpstat().alloc(slots);
    inet.arpstat().alloc(slots);
    inet.ip_id().alloc(slots);
    // hashbrown's default hasher seeds itself from the process's randomness; one hash of nothing is a secret.
    let flow_key =
        std::hash::BuildHasher::hash_one(&hashbrown::DefaultHashBuilder::default(), 0u64);
    inet.control().with(control, |state| *state = Some(Box::new(InetControl::new(flow_key))));
    Ok(())
}

pub(crate) fn detach(vnet: &VnetRef, control: &mut Control) {
    let inet = vnet_inet::init(vnet);
    control.publish(inet.forwarding(), None);
    control.publish(inet.probes(), None);
    inet.control().with(control, |state| *state = None);
}
