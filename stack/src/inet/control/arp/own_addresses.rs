//! Our own addresses on a link: announced when they are new, defended when another host uses them (RFC 5227).

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use hashbrown::HashMap;

use super::{ArpAction, ArpInterface};
use crate::net::neighbor::NeighborKey;
use crate::time::Nanos;
use crate::wire::{ArpOperation, ArpPacket, MacAddr};

/// Between the first two announcements (RFC 5227 1.1: ANNOUNCE_INTERVAL); it doubles with each (FreeBSD: `garp_rexmit`).
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);
/// Between two defences of one address (RFC 5227 1.1: DEFEND_INTERVAL).
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// An interface and an address of ours on it.
type OwnKey = NeighborKey<Ipv4Addr>;

/// An announcement that is still to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Announcement {
    key: OwnKey,
    mac: MacAddr,
    sent: u8,
    left: u8,
}

/// ARP's memory of our addresses; both tables are bounded by the number of addresses.
#[derive(Debug, Default)]
pub(super) struct OwnAddresses {
    announcements: BTreeSet<(Nanos, Announcement)>,
    /// When each address was last defended.
    defended: HashMap<OwnKey, Nanos>,
}

impl OwnAddresses {
    /// Announces an address: now, and so many times more (RFC 5227 2.3).
    pub(super) fn announce(
        &mut self,
        now: Nanos,
        iface: ArpInterface<'_>,
        addr: Ipv4Addr,
        more: u8,
    ) {
        let key = NeighborKey { slot: iface.slot, addr };
        let first = Announcement { key, mac: iface.mac, sent: 0, left: more };
        let _new = self.announcements.insert((now, first));
    }

    /// RFC 5227 2.4 (c): say that the address is ours, at most once in ten seconds.
    pub(super) fn defend<P>(
        &mut self,
        now: Nanos,
        iface: ArpInterface<'_>,
        addr: Ipv4Addr,
        mac: MacAddr,
        actions: &mut Vec<ArpAction<P>>,
    ) {
        let key = NeighborKey { slot: iface.slot, addr };
        actions.push(ArpAction::Duplicate { key, mac });
        let recently = self.defended.get(&key).is_some_and(|last| now - *last < DEFEND_INTERVAL);
        if !recently {
            let _last = self.defended.insert(key, now);
            actions.push(announcement(key, iface.mac));
        }
    }

    /// The address is ours no more.
    pub(super) fn forget(&mut self, own: OwnKey) {
        self.announcements.retain(|(_, announcement)| announcement.key != own);
        let _defended = self.defended.remove(&own);
    }

    /// When [`Self::tick`] next has something to do.
    pub(super) fn next_deadline(&self) -> Option<Nanos> {
        self.announcements.first().map(|(deadline, _)| *deadline)
    }

    /// Sends the announcements that are due at `now`.
    pub(super) fn tick<P>(&mut self, now: Nanos, actions: &mut Vec<ArpAction<P>>) {
        while self.next_deadline().is_some_and(|deadline| deadline <= now) {
            let Some((_, due)) = self.announcements.pop_first() else { return };
            let Announcement { key, mac, sent, left } = due;
            actions.push(announcement(key, mac));
            if left > 0 {
                let next = Announcement { sent: sent + 1, left: left - 1, ..due };
                let interval = ANNOUNCE_INTERVAL * (1 << sent.min(16));
                let _new = self.announcements.insert((now + interval, next));
            }
        }
    }
}

/// RFC 5227 2.3: a request for our own address from our own address.
fn announcement<P>(key: OwnKey, mac: MacAddr) -> ArpAction<P> {
    let packet = ArpPacket::new(ArpOperation::Request, mac, key.addr, MacAddr::ZERO, key.addr);
    ArpAction::Send { slot: key.slot, dst: MacAddr::BROADCAST, packet }
}
