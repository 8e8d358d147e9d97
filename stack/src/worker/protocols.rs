//! Which family a frame is for: the one place where received frames meet the names of families.

use pmd::{Burst, Mbuf};

use crate::drops::DropReason;
use crate::inet::datapath::{arp_input, ip_input};
use crate::net::datapath::ether_input;
use crate::net::graph::{Cx, Node};
use crate::wire::EtherType;

/// The protocols behind an Ethernet header that the stack knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Ip,
    Arp,
}

impl Protocol {
    fn of(ether_type: EtherType) -> Option<Self> {
        match ether_type {
            EtherType::IPV4 => Some(Self::Ip),
            EtherType::ARP => Some(Self::Arp),
            _ => None,
        }
    }
}

/// Sorts the frames of `burst`, all received on the interface of `cx`, to their protocols. Leaves `burst` empty.
pub(super) fn demultiplex(cx: &mut Cx<'_>, burst: &mut Burst) {
    let mut ip = Burst::new();
    for mut mbuf in burst.drain() {
        let protocol = ether_input(cx, &mut mbuf)
            .and_then(|ether_type| Protocol::of(ether_type).ok_or(DropReason::EtherUnknownType));
        match protocol {
            Ok(Protocol::Ip) => {
                // Both bursts have the same capacity, so there is room.
                let _fits: Result<(), Mbuf> = ip.push(mbuf);
            }
            Ok(Protocol::Arp) => arp_input(cx, mbuf),
            Err(reason) => cx.drop(reason, mbuf),
        }
    }
    if !ip.is_empty() {
        cx.node(Node::IpInput, ip.len(), |cx| ip_input(cx, &mut ip));
    }
}
