//! When which vnet's neighbours are to be looked at: vnets in which nothing is due cost nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use vnet::{VnetId, VnetRef};

use super::Stack;
use crate::inet::control::arp_limits;
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

impl Stack {
    /// Runs what is due in each vnet, as far as the worker that sends can follow.
    pub(super) fn run_timers(&mut self) {
        if self.now < self.timers.next_look {
            return;
        }
        while let Some((deadline, id)) = self.timers.due.first().copied() {
            if deadline > self.now {
                break;
            }
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
        self.publish_if_dirty(vnet);
    }

    /// The timers of the vnet's neighbours have changed, perhaps.
    pub(super) fn arm(&mut self, vnet: &VnetRef) {
        let first = |inet: &mut crate::inet::control::InetControl| {
            let next = inet.arp.next_deadline();
            (std::mem::replace(&mut inet.armed, next), next)
        };
        let (before, next) = self.with_inet(vnet, first).unwrap_or_default();
        if before != next {
            self.forget_timer(vnet, before);
            self.timers.due.extend(next.map(|next| (next, vnet.id())));
        }
    }

    /// The vnet is about to die.
    pub(super) fn disarm(&mut self, vnet: &VnetRef) {
        let armed = self.with_inet(vnet, |inet| inet.armed.take()).flatten();
        self.forget_timer(vnet, armed);
    }

    fn forget_timer(&mut self, vnet: &VnetRef, deadline: Option<Nanos>) {
        let timer = deadline.map(|deadline| (deadline, vnet.id()));
        let _was_there = timer.is_some_and(|timer| self.timers.due.remove(&timer));
    }
}
