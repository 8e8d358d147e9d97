//! The neighbour table and ARP's rules: RFC 826, RFC 1122 2.3.2, RFC 5227 (FreeBSD: netinet/if_ether.c).
//!
//! A pure state machine: time and packets come in, [`ArpAction`]s go out. `P` is a packet that waits for its address.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hashbrown::HashMap;

use crate::net::IfSlot;
use crate::time::Nanos;
use crate::wire::{ArpOperation, ArpPacket, MacAddr};

/// Between two requests for the same address (RFC 1122 2.3.2.1: at most one a second).
const RETRY: Duration = Duration::from_secs(1);
/// Announcements of a new address (RFC 5227 1.1: ANNOUNCE_NUM).
const ANNOUNCE_NUM: u8 = 2;
/// Between them (RFC 5227 1.1: ANNOUNCE_INTERVAL).
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);
/// Between two defences of one address (RFC 5227 1.1: DEFEND_INTERVAL).
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// Entries that are looked at to find one to give up: the work for a packet is bounded.
const EVICTION_LOOKS: usize = 32;

/// A neighbour: the interface it is on, and its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NeighborKey {
    /// The interface.
    pub slot: IfSlot,
    /// The address.
    pub addr: Ipv4Addr,
}

/// The limits that sysctls set.
#[derive(Clone, Copy, Debug)]
pub struct ArpLimits {
    /// `net.link.ether.inet.max_age`.
    pub max_age: Duration,
    /// `net.link.ether.inet.maxtries`.
    pub max_tries: u32,
    /// `net.link.ether.inet.maxhold`.
    pub max_hold: usize,
    /// `net.link.ether.inet.wait`.
    pub down: Duration,
    /// `net.link.ether.inet.maxneighbors`.
    pub max_neighbors: usize,
}

/// Our side of an interface.
#[derive(Clone, Copy, Debug)]
pub struct ArpInterface<'a> {
    /// The interface.
    pub slot: IfSlot,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Its addresses with their prefix lengths.
    pub addresses: &'a [ipnet::Ipv4Net],
}

impl ArpInterface<'_> {
    fn owns(&self, addr: Ipv4Addr) -> bool {
        self.addresses.iter().any(|net| net.addr() == addr)
    }

    fn is_on_link(&self, addr: Ipv4Addr) -> bool {
        self.addresses.iter().any(|net| net.contains(&addr))
    }
}

/// What an entry knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighborState {
    /// Asked `tries` times, no answer yet.
    Incomplete {
        /// Requests sent.
        tries: u32,
    },
    /// Known.
    Reachable(MacAddr),
    /// Known, about to expire, asked again `tries` times.
    Probing {
        /// The address known so far.
        mac: MacAddr,
        /// Requests sent.
        tries: u32,
    },
    /// Set by the operator; never changes, never expires.
    Static(MacAddr),
    /// Did not answer; left alone for a while.
    Failed,
}

impl NeighborState {
    /// The MAC address to send to, if there is one.
    #[must_use]
    pub fn mac(self) -> Option<MacAddr> {
        match self {
            NeighborState::Reachable(mac)
            | NeighborState::Probing { mac, .. }
            | NeighborState::Static(mac) => Some(mac),
            NeighborState::Incomplete { .. } | NeighborState::Failed => None,
        }
    }
}

/// What became of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighborNews {
    /// The neighbour.
    pub key: NeighborKey,
    /// Its state, with a MAC address that is new; none when the one that was known is known no more.
    pub state: Option<NeighborState>,
}

/// What the table wants done.
#[derive(Debug, PartialEq)]
pub enum ArpAction<P> {
    /// Send this packet on `slot` to `dst`.
    Send {
        /// The interface.
        slot: IfSlot,
        /// Link-layer destination.
        dst: MacAddr,
        /// The packet.
        packet: ArpPacket,
    },
    /// The address is known: route the packet again.
    Release(P),
    /// Nobody answers: refuse the packet.
    Unreachable(P),
    /// The hold queue was full: drop the packet.
    HoldFull(P),
    /// The table is full: drop the packet.
    TableFull(P),
    /// Adjacencies changed.
    Changed,
    /// An entry timed out.
    TimedOut(NeighborKey),
    /// Somebody else uses our address.
    Duplicate {
        /// The interface and our address.
        key: NeighborKey,
        /// Who uses it.
        mac: MacAddr,
    },
    /// A neighbour has a new MAC address, or somebody claims a static one.
    Moved {
        /// The neighbour.
        key: NeighborKey,
        /// The address known so far.
        from: MacAddr,
        /// The one it claims now.
        to: MacAddr,
    },
}

/// Set by the worker that first sends to a neighbour whom nobody here has asked for.
pub type UseMark = Arc<AtomicBool>;

struct Entry<P> {
    state: NeighborState,
    /// When it came into the table.
    since: Nanos,
    /// Of a neighbour that introduced itself; `None` once something is known to need it.
    unasked: Option<UseMark>,
    /// Our address on that network, the sender of requests.
    source: (MacAddr, Ipv4Addr),
    hold: VecDeque<P>,
    deadline: Nanos,
}

/// What an entry is worth that can be given up for another; the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// Does not answer.
    Failed,
    /// Introduced itself, and nothing was ever sent to it. Anybody on the link can fill a table with these.
    Unasked,
    /// May still answer.
    Incomplete,
}

impl<P> Entry<P> {
    /// `None` is an entry in use.
    fn worth(&self) -> Option<Worth> {
        match self.state {
            NeighborState::Static(_) => None,
            NeighborState::Failed => Some(Worth::Failed),
            NeighborState::Incomplete { .. } => Some(Worth::Incomplete),
            NeighborState::Reachable(_) | NeighborState::Probing { .. } => {
                self.unasked.is_some().then_some(Worth::Unasked)
            }
        }
    }

    fn rank(&self, key: NeighborKey) -> Option<(Worth, Nanos, NeighborKey)> {
        self.worth().map(|worth| (worth, self.since, key))
    }
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Neighbor(NeighborKey),
    Announce { key: NeighborKey, mac: MacAddr, left: u8 },
}

/// The neighbours of one vnet.
pub struct ArpTable<P> {
    /// In the order in which they are shown, a page at a time.
    entries: BTreeMap<NeighborKey, Entry<P>>,
    timers: BTreeSet<(Nanos, Timer)>,
    /// The entries that can be given up, the first one first.
    expendable: BTreeSet<(Worth, Nanos, NeighborKey)>,
    /// When we last defended an address.
    defended: HashMap<NeighborKey, Nanos>,
    /// What became of neighbours, until somebody takes it.
    news: Vec<NeighborNews>,
}

impl<P> Default for ArpTable<P> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            timers: BTreeSet::new(),
            expendable: BTreeSet::new(),
            defended: HashMap::new(),
            news: Vec::new(),
        }
    }
}

impl<P> std::fmt::Debug for ArpTable<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArpTable").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

impl<P> ArpTable<P> {
    /// All entries, by interface and address.
    pub fn iter(&self) -> impl Iterator<Item = (NeighborKey, NeighborState)> + '_ {
        self.entries.iter().map(|(key, entry)| (*key, entry.state))
    }

    /// The entries behind `after`, likewise.
    pub fn iter_after(
        &self,
        after: NeighborKey,
    ) -> impl Iterator<Item = (NeighborKey, NeighborState)> + '_ {
        let behind = self.entries.range((Bound::Excluded(after), Bound::Unbounded));
        behind.map(|(key, entry)| (*key, entry.state))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The state of one neighbour.
    #[must_use]
    pub fn get(&self, key: NeighborKey) -> Option<NeighborState> {
        self.entries.get(&key).map(|entry| entry.state)
    }

    /// What a worker shall set when it sends to this neighbour; none for one that is known to be needed.
    #[must_use]
    pub fn use_mark(&self, key: NeighborKey) -> Option<&UseMark> {
        self.entries.get(&key)?.unasked.as_ref()
    }

    /// When the timer of one neighbour ends; none for a static one.
    #[must_use]
    pub fn deadline(&self, key: NeighborKey) -> Option<Nanos> {
        let entry = self.entries.get(&key)?;
        (!matches!(entry.state, NeighborState::Static(_))).then_some(entry.deadline)
    }

    /// Packets that wait for an address.
    #[must_use]
    pub fn held(&self) -> usize {
        // Only those hold packets that are being asked for, of which there are few at a time.
        let first = (
            Worth::Incomplete,
            Nanos(0),
            NeighborKey { slot: IfSlot(0), addr: Ipv4Addr::UNSPECIFIED },
        );
        let asked = self.expendable.range(first..);
        asked.filter_map(|(_, _, key)| Some(self.entries.get(key)?.hold.len())).sum()
    }

    /// When [`Self::tick`] next has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.timers.first().map(|(deadline, _)| *deadline)
    }

    /// Sets an entry that never changes. Packets that waited for it are released. False when the table is full, and all
    /// that is in it is in use.
    pub fn set_static(
        &mut self,
        key: NeighborKey,
        mac: MacAddr,
        limits: &ArpLimits,
        actions: &mut Vec<ArpAction<P>>,
    ) -> bool {
        if !self.entries.contains_key(&key)
            && self.entries.len() >= limits.max_neighbors
            && !self.make_room(Worth::Incomplete, actions)
        {
            return false;
        }
        let entry = Entry {
            state: NeighborState::Static(mac),
            since: Nanos(0),
            unasked: None,
            source: (mac, key.addr),
            hold: VecDeque::new(),
            deadline: Nanos(0),
        };
        if let Some(old) = self.insert(key, entry) {
            actions.extend(old.hold.into_iter().map(ArpAction::Release));
        }
        actions.push(ArpAction::Changed);
        true
    }

    /// Removes one entry; packets that waited for it are refused. False when there is none.
    pub fn remove(&mut self, key: NeighborKey, actions: &mut Vec<ArpAction<P>>) -> bool {
        let Some(entry) = self.entries.remove(&key) else { return false };
        self.rerank(entry.rank(key), None);
        self.note(key, Some(entry.state), None);
        let _was_armed = self.timers.remove(&(entry.deadline, Timer::Neighbor(key)));
        actions.extend(entry.hold.into_iter().map(ArpAction::Unreachable));
        actions.push(ArpAction::Changed);
        true
    }

    /// Announces a new address of ours: now, and once more (RFC 5227 2.3).
    pub fn announce(&mut self, now: Nanos, iface: ArpInterface<'_>, addr: Ipv4Addr) {
        let key = NeighborKey { slot: iface.slot, addr };
        let _new =
            self.timers.insert((now, Timer::Announce { key, mac: iface.mac, left: ANNOUNCE_NUM }));
    }

    /// An address of ours is gone: nobody is told of it or asked from it any more, and the neighbours of its network go,
    /// unless they are in that of an address that is `left` (FreeBSD: `in_scrubprefix`, netinet/in.c). Packets that waited
    /// for them are refused.
    pub fn forget_address(
        &mut self,
        slot: IfSlot,
        net: ipnet::Ipv4Net,
        left: &[ipnet::Ipv4Net],
        actions: &mut Vec<ArpAction<P>>,
    ) {
        let own = NeighborKey { slot, addr: net.addr() };
        self.timers
            .retain(|(_, timer)| !matches!(timer, Timer::Announce { key, .. } if *key == own));
        let _defended = self.defended.remove(&own);
        let depends = |key: &NeighborKey, entry: &Entry<P>| {
            let stays = || left.iter().any(|net| net.contains(&key.addr));
            let is_off = net.contains(&key.addr) && !stays();
            key.slot == slot && (is_off || entry.source.1 == net.addr())
        };
        let dependent = self.entries.iter().filter(|(key, entry)| depends(key, entry));
        let keys: Vec<NeighborKey> = dependent.map(|(key, _)| *key).collect();
        for key in keys {
            let _was_there = self.remove(key, actions);
        }
    }

    /// A packet for `addr` whose MAC address the worker did not know.
    pub fn resolve(
        &mut self,
        now: Nanos,
        iface: ArpInterface<'_>,
        addr: Ipv4Addr,
        packet: P,
        limits: &ArpLimits,
        actions: &mut Vec<ArpAction<P>>,
    ) {
        let key = NeighborKey { slot: iface.slot, addr };
        self.need(key);
        if let Some(entry) = self.entries.get_mut(&key) {
            match entry.state {
                NeighborState::Incomplete { .. } => hold(entry, packet, limits, actions),
                NeighborState::Failed => actions.push(ArpAction::Unreachable(packet)),
                // The answer came while the packet was on its way here.
                _ => actions.push(ArpAction::Release(packet)),
            }
            return;
        }
        // A route through the interface itself leads to hosts of other networks on its link, too.
        let on_link = iface.addresses.iter().find(|net| net.contains(&addr));
        let Some(source) = on_link.or(iface.addresses.first()).map(ipnet::Ipv4Net::addr) else {
            return actions.push(ArpAction::Unreachable(packet));
        };
        if self.entries.len() >= limits.max_neighbors && !self.make_room(Worth::Incomplete, actions)
        {
            return actions.push(ArpAction::TableFull(packet));
        }
        let state = NeighborState::Incomplete { tries: 1 };
        let mut entry = Entry {
            state,
            since: now,
            unasked: None,
            source: (iface.mac, source),
            hold: VecDeque::new(),
            deadline: now + RETRY,
        };
        actions.push(request(key, entry.source, MacAddr::BROADCAST));
        hold(&mut entry, packet, limits, actions);
        let _none = self.insert(key, entry);
        actions.push(ArpAction::Changed);
    }

    /// A received ARP packet, already checked to be Ethernet/IPv4 with a unicast sender MAC.
    pub fn input(
        &mut self,
        now: Nanos,
        iface: ArpInterface<'_>,
        packet: &ArpPacket,
        limits: &ArpLimits,
        actions: &mut Vec<ArpAction<P>>,
    ) {
        let (sender, target, mac) = (packet.sender(), packet.target(), packet.sender_mac);
        if mac == iface.mac {
            return;
        }
        let is_request = packet.operation() == Some(ArpOperation::Request);
        if iface.owns(sender) {
            self.defend(now, iface, sender, mac, actions);
        } else if !sender.is_unspecified() {
            let asked_us = is_request && iface.owns(target);
            self.learn(now, iface, sender, mac, asked_us, limits, actions);
        }
        if is_request && iface.owns(target) {
            let reply = ArpPacket::new(ArpOperation::Reply, iface.mac, target, mac, sender);
            actions.push(ArpAction::Send { slot: iface.slot, dst: mac, packet: reply });
        }
    }

    /// RFC 826's merge: an entry that exists is updated; a new one is made only for who asks for us, and only on a
    /// network that the interface is on, and for nobody's loss: whom we need, we ask.
    #[expect(clippy::too_many_arguments, reason = "one fact each, used once")]
    fn learn(
        &mut self,
        now: Nanos,
        iface: ArpInterface<'_>,
        sender: Ipv4Addr,
        mac: MacAddr,
        asked_us: bool,
        limits: &ArpLimits,
        actions: &mut Vec<ArpAction<P>>,
    ) {
        let key = NeighborKey { slot: iface.slot, addr: sender };
        let old = self.entries.get(&key);
        let known = old.map(|entry| entry.state);
        let (since, unasked, asked_from) = old.map_or_else(
            || (now, Some(UseMark::default()), sender),
            |old| (old.since, old.unasked.clone(), old.source.1),
        );
        match known {
            Some(NeighborState::Static(from)) => {
                if from != mac {
                    actions.push(ArpAction::Moved { key, from, to: mac });
                }
                return;
            }
            Some(state) => {
                if let Some(from) = state.mac().filter(|from| *from != mac) {
                    actions.push(ArpAction::Moved { key, from, to: mac });
                }
            }
            None if !asked_us || !iface.is_on_link(sender) => return,
            None if self.entries.len() >= limits.max_neighbors
                && !self.make_room(Worth::Failed, actions) =>
            {
                return;
            }
            None => {}
        }
        // Of a host of another network, as in `resolve`, the one that it was asked from.
        let on_link = iface.addresses.iter().find(|net| net.contains(&sender));
        let source = on_link.map_or(asked_from, ipnet::Ipv4Net::addr);
        let deadline = now + probe_after(limits);
        let state = NeighborState::Reachable(mac);
        let (source, hold) = ((iface.mac, source), VecDeque::new());
        let entry = Entry { state, since, unasked, source, hold, deadline };
        if let Some(old) = self.insert(key, entry) {
            actions.extend(old.hold.into_iter().map(ArpAction::Release));
        }
        if known.and_then(NeighborState::mac) != Some(mac) {
            actions.push(ArpAction::Changed);
        }
    }

    /// RFC 5227 2.4 (c): say that the address is ours, at most once in ten seconds.
    fn defend(
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

    /// Runs what is due at `now`.
    pub fn tick(&mut self, now: Nanos, limits: &ArpLimits, actions: &mut Vec<ArpAction<P>>) {
        while let Some(&(deadline, timer)) = self.timers.first() {
            if deadline > now {
                break;
            }
            let _first = self.timers.pop_first();
            match timer {
                Timer::Neighbor(key) => self.expire(now, key, limits, actions),
                Timer::Announce { key, mac, left } => {
                    actions.push(announcement(key, mac));
                    if left > 1 {
                        let next = Timer::Announce { key, mac, left: left - 1 };
                        let _new = self.timers.insert((now + ANNOUNCE_INTERVAL, next));
                    }
                }
            }
        }
    }

    fn expire(
        &mut self,
        now: Nanos,
        key: NeighborKey,
        limits: &ArpLimits,
        actions: &mut Vec<ArpAction<P>>,
    ) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let before = entry.rank(key);
        let deadline = match entry.state {
            NeighborState::Incomplete { tries } if tries < limits.max_tries => {
                entry.state = NeighborState::Incomplete { tries: tries + 1 };
                actions.push(request(key, entry.source, MacAddr::BROADCAST));
                now + RETRY
            }
            NeighborState::Incomplete { .. } => {
                entry.state = NeighborState::Failed;
                actions.extend(entry.hold.drain(..).map(ArpAction::Unreachable));
                actions.push(ArpAction::TimedOut(key));
                now + limits.down
            }
            // RFC 1122 2.3.2.1 (2): ask the neighbour itself while its entry still serves.
            NeighborState::Reachable(mac) => {
                entry.state = NeighborState::Probing { mac, tries: 1 };
                actions.push(request(key, entry.source, mac));
                now + RETRY
            }
            NeighborState::Probing { mac, tries } if tries < limits.max_tries => {
                entry.state = NeighborState::Probing { mac, tries: tries + 1 };
                actions.push(request(key, entry.source, mac));
                now + RETRY
            }
            NeighborState::Probing { .. } | NeighborState::Failed => {
                if matches!(entry.state, NeighborState::Probing { .. }) {
                    actions.push(ArpAction::TimedOut(key));
                }
                let removed = self.entries.remove(&key);
                self.rerank(before, None);
                self.note(key, removed.map(|entry| entry.state), None);
                return actions.push(ArpAction::Changed);
            }
            NeighborState::Static(_) => return,
        };
        entry.deadline = deadline;
        let after = entry.rank(key);
        self.rerank(before, after);
        let _new = self.timers.insert((deadline, Timer::Neighbor(key)));
    }

    /// Puts an entry in and arms its timer; the one it replaces.
    fn insert(&mut self, key: NeighborKey, entry: Entry<P>) -> Option<Entry<P>> {
        if !matches!(entry.state, NeighborState::Static(_)) {
            let _new = self.timers.insert((entry.deadline, Timer::Neighbor(key)));
        }
        let (deadline, rank, state) = (entry.deadline, entry.rank(key), entry.state);
        let old = self.entries.insert(key, entry);
        self.note(key, old.as_ref().map(|old| old.state), Some(state));
        self.rerank(old.as_ref().and_then(|old| old.rank(key)), rank);
        if let Some(old) = &old
            && old.deadline != deadline
        {
            let _was_armed = self.timers.remove(&(old.deadline, Timer::Neighbor(key)));
        }
        old
    }

    /// Makes room by giving up an entry that is worth no more than `most`, the least worth first and of those the oldest.
    /// False when there is none: then the table stays as it is.
    fn make_room(&mut self, most: Worth, actions: &mut Vec<ArpAction<P>>) -> bool {
        for _ in 0..EVICTION_LOOKS {
            let Some(&(worth, _, key)) = self.expendable.first() else { return false };
            if worth > most {
                return false;
            }
            let mark = self.use_mark(key).filter(|_| worth == Worth::Unasked);
            if mark.is_some_and(|mark| mark.load(Ordering::Relaxed)) {
                self.need(key);
            } else {
                return self.remove(key, actions);
            }
        }
        false
    }

    /// The entry, if there is one, is in use from now on.
    fn need(&mut self, key: NeighborKey) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let before = entry.rank(key);
        entry.unasked = None;
        let after = entry.rank(key);
        self.rerank(before, after);
    }

    /// Keeps what became of a neighbour, if its MAC address is not what it was.
    fn note(&mut self, key: NeighborKey, old: Option<NeighborState>, state: Option<NeighborState>) {
        let mac = |state: Option<NeighborState>| state.and_then(NeighborState::mac);
        let is_static = |state| matches!(state, Some(NeighborState::Static(_)));
        let same = mac(old) == mac(state) && is_static(old) == is_static(state);
        if !same {
            self.news
                .push(NeighborNews { key, state: state.filter(|state| state.mac().is_some()) });
        }
    }

    /// What became of neighbours since the last call. Who changes the table takes them after it.
    pub fn take_news(&mut self) -> Vec<NeighborNews> {
        std::mem::take(&mut self.news)
    }

    /// Books what an entry is worth now.
    fn rerank(
        &mut self,
        before: Option<(Worth, Nanos, NeighborKey)>,
        after: Option<(Worth, Nanos, NeighborKey)>,
    ) {
        if before != after {
            let _was_there = before.is_some_and(|before| self.expendable.remove(&before));
            self.expendable.extend(after);
        }
    }

    /// Everything that waits, for a vnet that dies.
    pub fn drain_held(&mut self) -> impl Iterator<Item = P> + '_ {
        self.entries.values_mut().flat_map(|entry| entry.hold.drain(..))
    }
}

/// A resolved entry is asked again this long after it was heard of, so that its last try ends at `max_age`.
fn probe_after(limits: &ArpLimits) -> Duration {
    let probing = RETRY * limits.max_tries;
    limits.max_age.checked_sub(probing).filter(|rest| *rest > probing).unwrap_or(limits.max_age)
}

/// FreeBSD drops the oldest of a full hold queue: what was sent last is what a retransmitting peer still waits for.
fn hold<P>(entry: &mut Entry<P>, packet: P, limits: &ArpLimits, actions: &mut Vec<ArpAction<P>>) {
    entry.hold.push_back(packet);
    while entry.hold.len() > limits.max_hold {
        actions.extend(entry.hold.pop_front().map(ArpAction::HoldFull));
    }
}

fn request<P>(key: NeighborKey, (mac, source): (MacAddr, Ipv4Addr), dst: MacAddr) -> ArpAction<P> {
    let packet = ArpPacket::new(ArpOperation::Request, mac, source, MacAddr::ZERO, key.addr);
    ArpAction::Send { slot: key.slot, dst, packet }
}

/// RFC 5227 2.3: a request for our own address from our own address.
fn announcement<P>(key: NeighborKey, mac: MacAddr) -> ArpAction<P> {
    let packet = ArpPacket::new(ArpOperation::Request, mac, key.addr, MacAddr::ZERO, key.addr);
    ArpAction::Send { slot: key.slot, dst: MacAddr::BROADCAST, packet }
}
