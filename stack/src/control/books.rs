//! The books of a vnet: whether every packet that came in, or began here, ended in one place.

use vnet::VnetRef;

use super::Stack;
use crate::drops::DropReason;
use crate::inet::vnet_inet;
use crate::net::vnet_net;

/// What became of a vnet's packets, summed over the workers. Exact while the workers are at a quiescent state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VnetBooks {
    /// Packets that its interfaces received.
    pub received: u64,
    /// Packets that began here.
    pub originated: u64,
    /// Packets that its interfaces sent.
    pub sent: u64,
    /// Packets that somebody here took.
    pub delivered: u64,
    /// By reason, those that are not zero.
    pub drops: Vec<(&'static str, u64)>,
    /// Packets with the control thread, or between it and the workers.
    pub in_flight: u64,
}

impl VnetBooks {
    /// All drops.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.drops.iter().map(|(_, packets)| packets).sum()
    }

    /// Whether what came is what went.
    #[must_use]
    pub fn balance(&self) -> bool {
        self.received + self.originated
            == self.sent + self.delivered + self.dropped() + self.in_flight
    }
}

/// The books of all vnets, by name.
pub type Books = Vec<(String, VnetBooks)>;

/// FreeBSD's counters of one vnet: name and value.
pub type Statistics = Vec<(&'static str, u64)>;

impl Stack {
    /// The books of one vnet.
    #[must_use]
    pub fn books_of(&self, vnet: &VnetRef) -> VnetBooks {
        let (net, reader) = (vnet_net::init(vnet), self.control.reader());
        let mut books =
            VnetBooks { in_flight: u64::from(net.in_flight().get()), ..VnetBooks::default() };
        for ifp in self.interfaces_of(vnet) {
            for (name, value) in ifp.total() {
                match name {
                    "ipackets" => books.received += value,
                    "opackets" => books.sent += value,
                    _ => {}
                }
            }
        }
        for account in net.account().iter(reader) {
            books.originated += account.originated.get();
            books.delivered += account.delivered.get();
        }
        for reason in DropReason::ALL {
            let packets = net.drops().iter(reader).map(|drops| drops.get(*reason)).sum();
            if packets > 0 {
                books.drops.push((reason.name(), packets));
            }
        }
        books
    }

    /// The books of all vnets.
    #[must_use]
    pub fn books(&self) -> Books {
        self.vnets.iter().map(|vnet| (vnet.name().to_owned(), self.books_of(vnet))).collect()
    }

    /// `ipstat`, `icmpstat` and `arpstat` of one vnet.
    #[must_use]
    pub fn statistics_of(&self, vnet: &VnetRef) -> Statistics {
        let (inet, reader) = (vnet_inet::init(vnet), self.control.reader());
        let mut all = crate::inet::IpStat::sum(inet.ipstat().iter(reader));
        all.extend(crate::inet::IcmpStat::sum(inet.icmpstat().iter(reader)));
        all.extend(crate::inet::ArpStat::sum(inet.arpstat().iter(reader)));
        all
    }
}
