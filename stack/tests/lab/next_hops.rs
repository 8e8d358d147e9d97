//! Next hops of any family: from the control thread's hops and neighbours to the tables that workers read.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use stack::net::route::{
    AdjacencyBuilder, AdjacencyState, GatewayPath, Hop, NeighborLink, NextHop, NextHopKind, UseMark,
};
use stack::net::{IfSlot, Ifnet};
use stack::wire::{EtherType, MacAddr};

use crate::common::Lab;
use crate::common::frame::Mac;

const OURS: Mac = [2, 0, 0, 0, 0, 1];
const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
/// An interface that the vnet does not have.
const GONE: IfSlot = IfSlot(77);

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn known(path: &GatewayPath) -> Option<NeighborLink> {
    let _any = path;
    Some(NeighborLink { mac: Some(ROUTER), unasked: None })
}

/// An interface on port 0.
fn interface(lab: &mut Lab, vlan: Option<u16>) -> [Arc<Ifnet>; 1] {
    let _slot = lab.interface("red", "em0", 0, vlan, OURS, &[]);
    [lab.ifnet("red", "em0")]
}

/// RFC 8950: the frame carries IPv4, whatever the family of the router's address.
#[test]
fn an_ipv4_route_leads_to_an_ipv6_gateway() {
    for (vlan, header_len) in [(None, 14), (Some(7), 18)] {
        let mut lab = Lab::new();
        let interfaces = interface(&mut lab, vlan);
        let slot = interfaces[0].slot;
        let mut builder = AdjacencyBuilder::new(EtherType::IPV4, &interfaces);
        let gateway = address("fe80::9");
        let hop = builder.next_hop(&Hop::Gateway(vec![GatewayPath { slot, gateway }]), known);
        let hops = builder.finish(vec![NextHop::NONE, hop]);
        let adjacency = hops.adjacency(hops.get(1).first).unwrap();
        assert_eq!(adjacency.next_hop, Some(gateway));
        let header = adjacency.link_header();
        assert_eq!((header.len(), &header[..6]), (header_len, &ROUTER.0[..]));
        assert_eq!(header[header_len - 2..], [0x08, 0x00]);
        let (index, fast) = hops.first_gateway().unwrap();
        assert_eq!((index, fast.link_len), (1, header_len as u8));
        assert_eq!(fast.link[..12], header[..12]);
        assert_eq!(fast.longest, 1514);
        drop((hops, interfaces));
        lab.end();
    }
}

/// Each kind of hop: the kind that workers read, how many adjacencies it has, and where they begin.
#[test]
fn hops_share_the_adjacency_of_an_interface() {
    let mut lab = Lab::new();
    let interfaces = interface(&mut lab, None);
    let slot = interfaces[0].slot;
    let path = |slot, text| GatewayPath { slot, gateway: address(text) };
    let of_one_family =
        |path: &GatewayPath| known(path).filter(|_| matches!(path.gateway, IpAddr::V4(_)));
    let two = vec![path(slot, "10.0.0.2"), path(slot, "10.0.0.3"), path(slot, "fe80::9")];
    let cases = [
        (Hop::Blackhole, (NextHopKind::Blackhole, 0, 0)),
        (Hop::Reject, (NextHopKind::Reject, 0, 0)),
        (Hop::Local(slot), (NextHopKind::Local, 1, 0)),
        (Hop::Gateway(two), (NextHopKind::Gateway, 2, 1)),
        (Hop::Connected(slot), (NextHopKind::Connected, 1, 0)),
        (Hop::Broadcast(slot), (NextHopKind::Broadcast, 1, 0)),
        (Hop::Connected(GONE), (NextHopKind::None, 0, 0)),
        (Hop::Gateway(vec![path(GONE, "10.0.0.2")]), (NextHopKind::None, 0, 0)),
        (Hop::Gateway(vec![path(slot, "fe80::9")]), (NextHopKind::None, 0, 0)),
    ];
    let mut builder = AdjacencyBuilder::new(EtherType::IPV4, &interfaces);
    let mut made = Vec::new();
    for (hop, expected) in cases {
        let NextHop { kind, count, first } = builder.next_hop(&hop, of_one_family);
        assert_eq!((kind, count, first), expected, "{hop:?}");
        made.push(NextHop { kind, count, first });
    }
    let hops = builder.finish(made);
    assert_eq!(hops.adjacencies().len(), 3);
    assert_eq!(hops.adjacencies()[0].state, AdjacencyState::Interface);
    assert!(hops.first_gateway().is_none(), "one of several paths, or no gateway at all");
    drop((hops, interfaces));
    lab.end();
}

/// A gateway of a route is needed from the start; another neighbour that introduced itself is when something is sent to it.
#[test]
fn only_neighbours_that_no_route_needs_are_marked_by_workers() {
    let mut lab = Lab::new();
    let interfaces = interface(&mut lab, None);
    let slot = interfaces[0].slot;
    let marks: [UseMark; 2] = Default::default();
    let link = |mark: &UseMark| NeighborLink { mac: None, unasked: Some(Arc::clone(mark)) };
    let mut builder = AdjacencyBuilder::new(EtherType::IPV4, &interfaces);
    let (gateway, host) = (address("10.0.0.2"), address("10.0.0.3"));
    let hop = Hop::Gateway(vec![GatewayPath { slot, gateway }]);
    let hop = builder.next_hop(&hop, |_| Some(link(&marks[0])));
    let place = builder.neighbor(slot, host, link(&marks[1])).unwrap();
    assert_eq!(builder.neighbor(GONE, host, link(&marks[1])), None);
    let hops = builder.finish(vec![NextHop::NONE, hop]);
    let used = || marks.each_ref().map(|mark| mark.load(Ordering::Relaxed));
    assert_eq!(used(), [true, false]);
    assert!(hops.adjacency(hop.first).unwrap().unasked.is_none());
    let host = hops.adjacency(place).unwrap();
    assert_eq!(host.state, AdjacencyState::Unresolved);
    host.mark_used();
    assert_eq!(used(), [true, true]);
    drop((hops, interfaces));
    lab.end();
}

/// Flows are spread over all paths, and each keeps its own.
#[test]
fn a_flow_stays_on_its_path() {
    let hop = NextHop { kind: NextHopKind::Gateway, count: 3, first: 5 };
    let select = |flow| hop.select(0x1234_5678_9abc_def0, || flow);
    let taken: BTreeSet<u32> = (0..1000).map(select).collect();
    assert_eq!(taken.into_iter().collect::<Vec<_>>(), hop.places().collect::<Vec<_>>());
    assert!((0..1000).all(|flow| select(flow) == select(flow)));
    let single = NextHop { count: 1, ..hop };
    assert_eq!(single.select(0, || unreachable!("one path has nothing to choose")), 5);
}
