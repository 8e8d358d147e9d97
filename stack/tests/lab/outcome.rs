//! The outcome of bursts, in a form in which two ways to handle them can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use stack::drops::DropReason;

use crate::common::frame::{Arp, DF, ICMP};
use crate::common::{Lab, Packet, Sent};

/// The outcome of all bursts.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    /// By port and kind of packet and flow, in the order in which they left.
    pub(crate) frames: BTreeMap<(u16, Vec<u8>), Vec<Vec<u8>>>,
    pub(crate) drops: BTreeMap<&'static str, u64>,
    pub(crate) counters: BTreeMap<String, u64>,
}

/// The outcome of the packets for these vnets; `sent` is what they sent.
pub(crate) fn outcome(lab: &mut Lab, vnets: &[&str], sent: &[Sent]) -> Outcome {
    let mut frames = BTreeMap::<_, Vec<Vec<u8>>>::new();
    for sent in sent {
        frames.entry((sent.port, flow_of(&sent.frame))).or_default().push(sent.frame.clone());
    }
    let (mut drops, mut counters) = (BTreeMap::new(), BTreeMap::new());
    for name in vnets {
        let vnet_drops = lab.drops(name);
        let vnet = lab.vnet(name);
        let mut note = |what: &str, value| counters.insert(format!("{name} {what}"), value);
        for (reason, packets) in vnet_drops {
            *drops.entry(reason).or_default() += packets;
            let _new = note(&format!("dropped {reason}"), packets);
        }
        for (what, value) in lab.stack().statistics_of(&vnet) {
            if what != "ips_fastforward" {
                let _new = note(what, value);
            }
        }
        for ifp in lab.stack().interfaces_of(&vnet) {
            for (what, value) in ifp.total() {
                let _new = note(&format!("{}.{what}", ifp.name), value);
            }
        }
        let books = lab.stack().books_of(&vnet);
        let _new = note("originated", books.originated);
        let _new = note("delivered", books.delivered);
    }
    for reason in DropReason::ALL {
        let packets = lab.port_drops(*reason);
        if packets > 0 {
            *drops.entry(reason.name()).or_default() += packets;
        }
    }
    Outcome { frames, drops, counters }
}

/// Addresses, protocol and ports of packets that keep their order. Also asserts that the header is right.
fn flow_of(frame: &[u8]) -> Vec<u8> {
    if Arp::read(frame).is_some() {
        return b"arp".to_vec();
    }
    let packet = Packet::read(frame);
    let is_fragment = packet.fragment & !DF != 0;
    let mut flow = vec![u8::from(!packet.options.is_empty()), packet.protocol];
    if is_fragment {
        // Whether it came as one or was cut here cannot be seen; the pieces of a datagram are in order.
        flow.extend(packet.id.to_be_bytes());
    }
    flow.extend(packet.src.octets());
    flow.extend(packet.dst.octets());
    // Of ICMP errors the type; their checksums differ.
    let ports = if packet.protocol == ICMP { 2 } else { 4 };
    flow.extend(packet.payload.iter().take(ports));
    flow
}

/// Says what differs.
pub(crate) fn assert_same(fast: &Outcome, slow: &Outcome, with: &dyn Debug) {
    if fast != slow {
        let mut report = differences("drops", &fast.drops, &slow.drops);
        report += &differences("counters", &fast.counters, &slow.counters);
        report += &differences("frames", &fast.frames, &slow.frames);
        panic!("with the fast path, and without it; {with:?}:{report}");
    }
}

/// The entries that are not the same in both; of many the first.
fn differences<K: Ord + Debug, V: PartialEq + Debug>(
    what: &str,
    fast: &BTreeMap<K, V>,
    slow: &BTreeMap<K, V>,
) -> String {
    let keys: BTreeSet<&K> = fast.keys().chain(slow.keys()).collect();
    let different = keys.into_iter().filter(|key| fast.get(key) != slow.get(key)).take(6);
    different
        .map(|key| format!("\n{what} {key:?}:{}{}", line(fast.get(key)), line(slow.get(key))))
        .collect()
}

fn line(value: impl Debug) -> String {
    let text = format!("{value:02x?}").replace(", ", " ");
    format!("\n  {}", text.get(..1000).unwrap_or(&text))
}
