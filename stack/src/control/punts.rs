//! Packets that workers handed over, ARP and what waits for its next hop, and packets for them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering;

use pmd::Mbuf;
use vnet::VnetRef;
use zerocopy::FromBytes;

use super::Stack;
use super::vnet_state::publish_if_dirty;
use crate::drops::{DropReason, Drops};
use crate::inet::control::{ArpAction, HeldPacket};
use crate::inet::vnet_inet;
use crate::net::{IfSlot, Ifnet, vnet_net};
use crate::time::Nanos;
use crate::wire::{ARP_LEN, ArpOperation, ArpPacket, ETHER_HDR_LEN, ICMP_HDR_LEN, IpHeader};
use crate::worker::{Inject, Punt, PuntReason, QUEUE_PACKETS, WorkerQueues, push_fairly};

/// One vnet may occupy one in so many of the mbufs that are free, and in any case a few: to ask for a neighbour.
const SHARES: u32 = 8;
const SHARE_MIN: u32 = 16;

impl Stack {
    /// Takes at most one queue length of packets from each worker, and publishes once for all of them what need not be
    /// known earlier: strangers who scan a network, or change their addresses, make work for each packet otherwise.
    pub(super) fn take_punts(&mut self) {
        let mut touched = BTreeMap::new();
        let mut taken = false;
        for worker in 0..self.queues.len() {
            for _ in 0..QUEUE_PACKETS {
                let Ok(punt) = self.queues[worker].punt.pop() else { break };
                taken = true;
                if let Some(vnet) = self.take_punt(punt) {
                    let _same = touched.insert(vnet.id(), vnet);
                }
            }
        }
        for vnet in touched.into_values() {
            publish_if_dirty(&mut self.control, &vnet);
        }
        if taken || self.scarce {
            self.share_mbufs();
        }
    }

    /// Tells the workers how many of the mbufs that are free one vnet may occupy: that also many vnets that flood at once
    /// leave some to the others.
    fn share_mbufs(&mut self) {
        let share = (self.pool.available() / SHARES).max(SHARE_MIN);
        self.scarce = share < self.pool.capacity() / SHARES / 2;
        for queues in &self.queues {
            queues.mbuf_share.store(share, Ordering::Relaxed);
        }
    }

    /// Whose packet it was; none when the vnet is gone.
    fn take_punt(&mut self, punt: Punt) -> Option<VnetRef> {
        let Punt { ingress, reason, mbuf } = punt;
        let ifp = self.interface(ingress).cloned()?;
        let vnet = ifp.vnet.clone();
        vnet_net::init(&vnet).punted().leave(1);
        let mut actions = Vec::new();
        match reason {
            PuntReason::Neighbor { is_proxied } => {
                self.arp_packet(&vnet, &ifp, &mbuf, is_proxied, &mut actions);
                let net = vnet_net::init(&vnet);
                net.account().get(self.control.reader()).delivered.inc();
                net.in_flight().leave(1);
            }
            PuntReason::Redirect => {
                self.log_redirect(&vnet, &mbuf);
                self.drops(&vnet).add(DropReason::IcmpNoListener, 1);
                vnet_net::init(&vnet).in_flight().leave(1);
                self.tap_dropped(&vnet, ingress, DropReason::IcmpNoListener, &mbuf);
            }
            PuntReason::Unresolved { egress, next_hop } => {
                let packet = HeldPacket { ingress, mbuf };
                self.unresolved(&vnet, egress, next_hop, packet, &mut actions);
            }
        }
        self.act(&vnet, actions);
        Some(vnet)
    }

    fn arp_packet(
        &self,
        vnet: &VnetRef,
        ifp: &Ifnet,
        mbuf: &Mbuf,
        is_proxied: bool,
        actions: &mut Vec<ArpAction<HeldPacket>>,
    ) {
        let packet = mbuf.data().get(ETHER_HDR_LEN..ETHER_HDR_LEN + ARP_LEN);
        let Some(packet) = packet.and_then(|packet| ArpPacket::read_from_bytes(packet).ok()) else {
            return;
        };
        let inet = vnet_inet::init(vnet);
        let stat = inet.arpstat().get(self.control.reader());
        stat.received.inc();
        match packet.operation() {
            Some(ArpOperation::Request) => stat.rxrequests.inc(),
            Some(ArpOperation::Reply) => stat.rxreplies.inc(),
            None => {}
        }
        let _there = self.with_inet(vnet, |state| {
            let limits = self.arp_limits(vnet, state);
            let (arp, iface) = state.arp_on(ifp);
            arp.input(self.now, iface, &packet, is_proxied, &limits, actions);
        });
    }

    /// In FreeBSD's words (netinet/ip_icmp.c); one that quotes no header says nothing.
    fn log_redirect(&mut self, vnet: &VnetRef, mbuf: &Mbuf) {
        let ip = mbuf.data().get(ETHER_HDR_LEN..).unwrap_or_default();
        let Ok((outer, _)) = IpHeader::ref_from_prefix(ip) else { return };
        let Some(icmp) = ip.get(outer.header_len()..) else { return };
        let (Some(gateway), Some(quote)) =
            (icmp.get(4..8).and_then(|rest| rest.first_chunk::<4>()), icmp.get(ICMP_HDR_LEN..))
        else {
            return;
        };
        let Ok((quoted, _)) = IpHeader::ref_from_prefix(quote) else { return };
        let (from, to, gateway) = (outer.src(), quoted.dst(), Ipv4Addr::from(*gateway));
        let name = vnet.name();
        self.log.note(|| format!("{name}: icmp redirect from {from}: {to} => {gateway}"));
    }

    fn unresolved(
        &self,
        vnet: &VnetRef,
        egress: IfSlot,
        next_hop: IpAddr,
        packet: HeldPacket,
        actions: &mut Vec<ArpAction<HeldPacket>>,
    ) {
        // Neighbours with IPv6 addresses are not ARP's.
        let (Some(ifp), IpAddr::V4(next_hop)) = (self.interface(egress), next_hop) else {
            return actions.push(ArpAction::Unreachable(packet));
        };
        let _there = self.with_inet(vnet, |state| {
            let limits = self.arp_limits(vnet, state);
            let (arp, iface) = state.arp_on(ifp);
            arp.resolve(self.now, iface, next_hop, packet, &limits, actions);
        });
    }

    /// Ends what still waits after the workers have stopped and given their ends of the queues back: each packet in its named
    /// drop.
    pub fn drain(&mut self, now: Nanos, ended: &mut [WorkerQueues]) {
        self.now = now;
        self.take_punts();
        for queues in ended {
            while let Ok(Inject { slot, mbuf, .. }) = queues.inject.pop() {
                self.end_packet(slot, mbuf);
            }
        }
        self.drain_holds();
    }

    fn end_packet(&self, slot: IfSlot, mbuf: Mbuf) {
        if let Some(ifp) = self.interface(slot) {
            self.drops(&ifp.vnet).add(DropReason::Shutdown, 1);
            vnet_net::init(&ifp.vnet).in_flight().leave(1);
            vnet_net::init(&ifp.vnet).injected().leave(1);
        }
        drop(mbuf);
    }

    fn drain_holds(&self) {
        for vnet in self.vnets.iter() {
            let held: Vec<HeldPacket> = self
                .with_inet(vnet, |inet| inet.arp.neighbors.drain_held().collect())
                .unwrap_or_default();
            let packets = held.len();
            drop(held);
            self.drops(vnet).add(DropReason::Shutdown, packets as u64);
            vnet_net::init(vnet).in_flight().leave(u32::try_from(packets).unwrap_or(u32::MAX));
        }
    }

    pub(super) fn drops<'a>(&'a self, vnet: &'a VnetRef) -> &'a Drops {
        vnet_net::init(vnet).drops().get(self.control.reader())
    }

    /// Hands a packet, which counts as in flight, to the first worker.
    pub(super) fn inject(&mut self, vnet: &VnetRef, inject: Inject) {
        let refused = match self.queues.first_mut() {
            Some(queues) => {
                let own = vnet_net::init(vnet).injected();
                push_fairly(&mut queues.inject, own, inject).err()
            }
            None => Some(inject),
        };
        if let Some(Inject { slot, mbuf, .. }) = refused {
            self.drops(vnet).add(DropReason::InjectQueueFull, 1);
            vnet_net::init(vnet).in_flight().leave(1);
            self.tap_dropped(vnet, slot, DropReason::InjectQueueFull, &mbuf);
        }
    }
}
