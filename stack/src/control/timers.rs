//! Deadlines of neighbours, per vnet: vnets in which nothing is due cost nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use vnet::{Control, VnetId, VnetRef};

use super::Stack;
use super::vnet_state::{publish_if_dirty, with_inet};
use crate::inet::control::{InetControl, arp_limits};
use crate::inet::vnet_inet;
use crate::time::Nanos;
use crate::worker::QUEUE_PACKETS;

/// How often timers are looked at.
const INTERVAL: Duration = Duration::from_millis(100);
/// With so many packets on their way to the first worker, which sends what timers make, the rest waits for the next tick:
/// addresses of thousands of vnets may be announced at the same time.
const BUSY_PACKETS: usize = QUEUE_PACKETS / 2;

/// The first deadline of each vnet that has one.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Nanos, VnetId)>,
    /// When they are next looked at.
    next_look: Nanos,
}

impl Timers {
    /// The vnet whose deadline passed first.
    fn due(&self, now: Nanos) -> Option<VnetId> {
        self.due.first().filter(|(deadline, _)| *deadline <= now).map(|(_, id)| *id)
    }

    /// Follows the neighbours of a vnet, whose deadlines may have changed.
    pub(super) fn arm(&mut self, control: &Control, vnet: &VnetRef) {
        let first = |inet: &mut InetControl| {
            let next = inet.arp.next_deadline();
            (std::mem::replace(&mut inet.armed, next), next)
        };
        let (before, next) = with_inet(control, vnet, first).unwrap_or_default();
        if before != next {
            self.forget(vnet, before);
            self.due.extend(next.map(|next| (next, vnet.id())));
        }
    }

    /// Forgets a vnet that is about to die.
    pub(super) fn disarm(&mut self, control: &Control, vnet: &VnetRef) {
        let armed = with_inet(control, vnet, |inet| inet.armed.take()).flatten();
        self.forget(vnet, armed);
    }

    fn forget(&mut self, vnet: &VnetRef, deadline: Option<Nanos>) {
        let timer = deadline.map(|deadline| (deadline, vnet.id()));
        let _was_there = timer.is_some_and(|timer| self.due.remove(&timer));
    }
}

impl Stack {
    /// Runs what is due in each vnet, as far as the worker that sends can follow.
    pub(super) fn run_timers(&mut self) {
        if self.now < self.timers.next_look {
            return;
        }
        while let Some(id) = self.timers.due(self.now) {
            if self.queues.first().is_some_and(|first| first.injected() >= BUSY_PACKETS) {
                return;
            }
            let _it = self.timers.due.pop_first();
            if let Some(vnet) = self.vnets.get(id).cloned() {
                self.run_timers_of(&vnet);
            }
        }
        self.timers.next_look = self.now + INTERVAL;
    }

    fn run_timers_of(&mut self, vnet: &VnetRef) {
        let (limits, now) = (arp_limits(vnet_inet::init(vnet)), self.now);
        let mut actions = Vec::new();
        let _there = self.with_inet(vnet, |inet| {
            inet.armed = None;
            inet.arp.tick(now, &limits, &mut actions);
        });
        self.act(vnet, actions);
        publish_if_dirty(&mut self.control, vnet);
    }
}
