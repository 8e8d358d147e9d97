//! Neighbours: static ones, and what a vnet's neighbour table wants done.

use std::net::Ipv4Addr;
use std::sync::Arc;

use pmd::Mbuf;
use vnet::VnetRef;
use zerocopy::IntoBytes;

use super::Stack;
use super::vnet_state::publish_if_dirty;
use crate::drops::DropReason;
use crate::inet::control::{ArpAction, HeldPacket};
use crate::inet::{ArpStat, vnet_inet};
use crate::net::neighbor::NeighborKey;
use crate::net::{IfSlot, Ifnet, LimitReached, vnet_net};
use crate::wire::{ArpOperation, ArpPacket, EtherType, MacAddr};
use crate::worker::{Inject, InjectWork};

/// The shortest Ethernet frame without its check sequence: veth and TAP do not pad.
const ETHER_MIN_LEN: usize = 60;

impl Stack {
    /// Sets a neighbour that is never asked for (`arp -s`).
    ///
    /// # Errors
    /// The table is full.
    pub fn add_neighbor(
        &mut self,
        vnet: &VnetRef,
        slot: IfSlot,
        addr: Ipv4Addr,
        mac: MacAddr,
    ) -> Result<(), LimitReached> {
        let mut actions = Vec::new();
        let set = self.with_inet(vnet, |inet| {
            let limits = self.arp_limits(vnet, inet);
            inet.arp.neighbors.set_static(NeighborKey { slot, addr }, mac, &limits, &mut actions)
        });
        if set == Some(false) {
            return Err(self.neighbors_full(vnet));
        }
        self.act(vnet, actions);
        publish_if_dirty(&mut self.control, vnet);
        Ok(())
    }

    /// Deletes neighbours; packets that wait for them are refused. How many there were.
    pub fn remove_neighbors(
        &mut self,
        vnet: &VnetRef,
        selected: impl Fn(&NeighborKey<Ipv4Addr>) -> bool,
    ) -> usize {
        let mut actions = Vec::new();
        let removed = self.with_inet(vnet, |inet| {
            inet.arp.neighbors.remove_all(|key, _| selected(&key), &mut actions)
        });
        self.act(vnet, actions);
        publish_if_dirty(&mut self.control, vnet);
        removed.unwrap_or(0)
    }

    /// Forgets the neighbours of an interface that goes down, but for static ones: behind the cable that comes back may be others
    /// (FreeBSD: `lltable_purge_entries`, net/if_llatbl.c).
    pub(super) fn flush_neighbors(&mut self, vnet: &VnetRef, slot: IfSlot) {
        let mut actions = Vec::new();
        let _there = self.with_inet(vnet, |inet| inet.arp.neighbors.flush(slot, &mut actions));
        self.act(vnet, actions);
        publish_if_dirty(&mut self.control, vnet);
    }

    /// Carries out what the neighbour table wants after a change of it. Packets are released only after the adjacencies
    /// that they wait for are published; the caller publishes other changes.
    pub(super) fn act(&mut self, vnet: &VnetRef, actions: Vec<ArpAction<HeldPacket>>) {
        self.emit_neighbors(vnet);
        if actions.iter().any(|action| matches!(action, ArpAction::Changed)) {
            let _there = self.with_inet(vnet, |inet| inet.dirty = true);
        }
        if actions.iter().any(|action| matches!(action, ArpAction::Release(_))) {
            publish_if_dirty(&mut self.control, vnet);
        }
        for action in actions {
            self.act_one(vnet, action);
        }
        self.timers.arm(&self.control, vnet);
    }

    fn act_one(&mut self, vnet: &VnetRef, action: ArpAction<HeldPacket>) {
        match action {
            ArpAction::Changed => {}
            ArpAction::Send { slot, dst, packet } => self.send_arp(vnet, slot, dst, &packet),
            ArpAction::Release(HeldPacket { ingress, mbuf }) => {
                let ingress = self.standing(vnet, ingress);
                self.inject(vnet, Inject { slot: ingress, mbuf, work: InjectWork::Route });
            }
            ArpAction::Unreachable(HeldPacket { ingress, mbuf }) => {
                self.arpstat(vnet, |stat| stat.dropped.inc());
                let ingress = self.standing(vnet, ingress);
                self.inject(
                    vnet,
                    Inject { slot: ingress, mbuf, work: InjectWork::HostUnreachable },
                );
            }
            ArpAction::HoldFull(packet) => self.drop_held(vnet, packet, DropReason::ArpHoldFull),
            ArpAction::TableFull(packet) => self.drop_held(vnet, packet, DropReason::ArpTableFull),
            ArpAction::TimedOut(_) => self.arpstat(vnet, |stat| stat.timeouts.inc()),
            ArpAction::Duplicate { key, mac } => {
                self.arpstat(vnet, |stat| stat.dupips.inc());
                let name = vnet.name();
                self.log.note(|| format!("{name}: {mac} is using my IP address {}", key.addr));
            }
            ArpAction::Moved { key, from, to } => {
                if vnet_inet::init(vnet).log_arp_movements().get() != 0 {
                    let name = vnet.name();
                    self.log.note(|| format!("{name}: {} moved from {from} to {to}", key.addr));
                }
            }
        }
    }

    fn arpstat(&self, vnet: &VnetRef, count: impl FnOnce(&ArpStat)) {
        count(vnet_inet::init(vnet).arpstat().get(self.control.reader()));
    }

    fn drop_held(&self, vnet: &VnetRef, packet: HeldPacket, reason: DropReason) {
        self.drops(vnet).add(reason, 1);
        self.arpstat(vnet, |stat| stat.dropped.inc());
        vnet_net::init(vnet).in_flight().leave(1);
        self.tap_dropped(vnet, packet.ingress, reason, &packet.mbuf);
        drop(packet);
    }

    /// A frame of our own around an ARP packet, by way of a worker.
    fn send_arp(&mut self, vnet: &VnetRef, slot: IfSlot, dst: MacAddr, packet: &ArpPacket) {
        let Some(ifp) = self.interface(slot).filter(|ifp| ifp.is_up()).cloned() else { return };
        let Some(mbuf) = self.arp_frame(&ifp, dst, packet) else {
            return self.arpstat(vnet, |stat| stat.txerrors.inc());
        };
        self.arpstat(vnet, |stat| match packet.operation() {
            Some(ArpOperation::Reply) => stat.txreplies.inc(),
            _ => stat.txrequests.inc(),
        });
        let net = vnet_net::init(vnet);
        net.account().get(self.control.reader()).originated.inc();
        let _unbounded: bool = net.in_flight().enter(u32::MAX);
        self.inject(vnet, Inject { slot, mbuf, work: InjectWork::Frame });
    }

    fn arp_frame(&self, ifp: &Arc<Ifnet>, dst: MacAddr, packet: &ArpPacket) -> Option<Mbuf> {
        let _link = ifp.port()?;
        let mut frame = Vec::with_capacity(ETHER_MIN_LEN + 4);
        frame.extend_from_slice(&dst.0);
        frame.extend_from_slice(&ifp.mac.0);
        if let Some(vlan) = ifp.vlan() {
            frame.extend_from_slice(&EtherType::VLAN.0.to_be_bytes());
            frame.extend_from_slice(&vlan.to_be_bytes());
        }
        frame.extend_from_slice(&EtherType::ARP.0.to_be_bytes());
        frame.extend_from_slice(packet.as_bytes());
        frame.resize(frame.len().max(ETHER_MIN_LEN), 0);
        let mut mbuf = self.pool.alloc()?;
        mbuf.append(u16::try_from(frame.len()).ok()?)?.copy_from_slice(&frame);
        Some(mbuf)
    }
}
