//! The functions that workers call while a capture runs, for packets received, sent and dropped.

use pmd::{Mbuf, Segments};

use super::filter::Packet;
use super::tap::{Captures, Direction, Pieces};
use crate::drops::DropReason;
use crate::net::graph::Cx;
use crate::net::{IfKind, Ifnet};
use crate::wire::VLAN_TAG_LEN;

/// Bytes of an Ethernet header before a VLAN tag.
const ADDRESSES: usize = 12;

/// A frame as captures see it: without a VLAN tag, which is the interface's and no packet's.
struct Frame<'a> {
    front: &'a [u8],
    rest: &'a [u8],
    more: Segments<'a>,
    len: u32,
}

impl<'a> Frame<'a> {
    fn untagged(mbuf: &'a Mbuf) -> Self {
        Self { front: mbuf.data(), rest: &[], more: behind_first(mbuf), len: mbuf.pkt_len() }
    }

    /// One with a tag, which is left out.
    fn tagged(mbuf: &'a Mbuf) -> Self {
        let data = mbuf.data();
        let (Some(front), Some(rest)) =
            (data.get(..ADDRESSES), data.get(ADDRESSES + VLAN_TAG_LEN..))
        else {
            return Self::untagged(mbuf);
        };
        let len = mbuf.pkt_len() - VLAN_TAG_LEN as u32;
        Self { front, rest, more: behind_first(mbuf), len }
    }
}

fn behind_first(mbuf: &Mbuf) -> Segments<'_> {
    let mut segments = mbuf.segments();
    let _first = segments.next();
    segments
}

impl Packet for Frame<'_> {
    fn len(&self) -> u32 {
        self.len
    }

    fn front(&self) -> &[u8] {
        self.front
    }

    fn byte(&self, mut at: usize) -> Option<u8> {
        for piece in self.pieces() {
            match piece.get(at) {
                Some(byte) => return Some(*byte),
                None => at -= piece.len(),
            }
        }
        None
    }
}

impl Pieces for Frame<'_> {
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        [self.front, self.rest].into_iter().chain(self.more.clone())
    }
}

/// These were received on the interface of `cx`, whose vnet is curvnet.
#[cold]
pub(crate) fn tap_received<'a>(cx: &Cx<'_>, packets: impl IntoIterator<Item = &'a Mbuf>) {
    for mbuf in packets {
        offer(cx, cx.ingress, Direction::In, &Frame::untagged(mbuf));
    }
}

/// This one is sent on `ifp`, with its tag if `ifp` is a VLAN.
#[cold]
pub(crate) fn tap_sent(cx: &Cx<'_>, ifp: &Ifnet, mbuf: &Mbuf) {
    let frame = match ifp.kind {
        IfKind::Ethernet { vlan: Some(_), .. } => Frame::tagged(mbuf),
        _ => Frame::untagged(mbuf),
    };
    offer(cx, ifp, Direction::Out, &frame);
}

/// This one ends here: it, or what it answers, came in through the interface of `cx`.
#[cold]
pub(crate) fn tap_dropped(cx: &Cx<'_>, reason: DropReason, mbuf: &Mbuf) {
    offer(cx, cx.ingress, Direction::Dropped(reason), &Frame::untagged(mbuf));
}

fn offer(cx: &Cx<'_>, ifp: &Ifnet, direction: Direction, frame: &Frame<'_>) {
    // Of curvnet, whatever the packet: no vnet sees another one's.
    if let Some(captures) = cx.net().captures().load(cx.reader) {
        captures.offer(cx.reader, cx.now, ifp, direction, frame);
    }
}

impl Captures {
    /// Offers a packet to each of them.
    fn offer(
        &self,
        reader: &vnet::Reader,
        now: crate::time::Nanos,
        ifp: &Ifnet,
        direction: Direction,
        frame: &Frame<'_>,
    ) {
        for tap in &self.0 {
            tap.offer(reader, now, ifp, direction, frame);
        }
    }

    /// A packet that the control thread drops.
    pub(crate) fn dropped(
        &self,
        reader: &vnet::Reader,
        now: crate::time::Nanos,
        ifp: &Ifnet,
        reason: DropReason,
        mbuf: &Mbuf,
    ) {
        self.offer(reader, now, ifp, Direction::Dropped(reason), &Frame::untagged(mbuf));
    }
}
