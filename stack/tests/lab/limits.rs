//! The limits of one vnet, and that the others do not notice when it reaches them.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use pmd::PortId;
use stack::control::{InterfaceError, InterfaceSpec, LimitUse};
use stack::inet::control::AddressError;
use stack::net::Limit;
use stack::net::route::{RouteError, RouteTarget};
use stack::wire::MacAddr;
use stack::worker::{CpuShares, Iteration};
use vnet::{Value, Vnets};

use crate::common::crossroads::{EM, OWN, PEER, PEER_MAC, RED, crossroads, host, through, to};
use crate::common::frame::{Arp, BROADCAST, mac};
use crate::common::{Lab, Packet, has_many_vnets};

fn usage(lab: &mut Lab, limit: Limit) -> LimitUse {
    let vnet = lab.vnet(RED);
    *lab.stack().limits_of(&vnet).iter().find(|usage| usage.limit == limit).unwrap()
}

/// Leaves room for `more` of something.
fn limit(lab: &mut Lab, limit: Limit, more: u64) -> u64 {
    let most = usage(lab, limit).used + more;
    let vnet = lab.vnet(RED);
    let value = Value::S64(i64::try_from(most).unwrap());
    lab.control(|stack| stack.set_sysctl(&vnet, limit.sysctl(), value)).unwrap();
    assert_eq!(usage(lab, limit).most, most);
    most
}

fn read(lab: &mut Lab, name: &str) -> u64 {
    let vnet = lab.vnet(RED);
    let value = lab.control(|stack| stack.read_sysctl(&vnet, name)).unwrap();
    u64::try_from(value.as_number().unwrap()).unwrap()
}

fn routes(count: u32) -> Vec<(Ipv4Net, RouteTarget)> {
    let prefix = |n: u32| Ipv4Net::new(Ipv4Addr::from_bits(0x5000_0000 + (n << 8)), 24).unwrap();
    (0..count).map(|n| (prefix(n), RouteTarget::via([Ipv4Addr::new(10, 0, 1, 2)]))).collect()
}

fn add_routes(lab: &mut Lab, count: u32) -> Result<(), RouteError> {
    let vnet = lab.vnet(RED);
    lab.control(|stack| stack.add_routes(&vnet, routes(count)))
}

fn add_interface(lab: &mut Lab, vlan: u16) -> Result<(), InterfaceError> {
    let vnet = lab.vnet(RED);
    let (name, mac) = (format!("more{vlan}"), MacAddr(mac(9)));
    let spec = InterfaceSpec { name, port: PortId(3), vlan: Some(vlan), mac, mtu: 1500 };
    lab.control(|stack| stack.create_interface(&vnet, spec)).map(|_| ())
}

fn add_neighbor(lab: &mut Lab, last: u8) -> Result<(), stack::net::LimitReached> {
    let (vnet, slot) = (lab.vnet(RED), lab.ifnet(RED, "em0").slot);
    let address = Ipv4Addr::new(10, 0, 0, last);
    lab.control(|stack| stack.add_neighbor(&vnet, slot, address, MacAddr(mac(last))))
}

#[test]
fn as_many_routes_as_there_may_be() {
    let mut lab = crossroads();
    let most = limit(&mut lab, Limit::Routes, 3);
    let error = add_routes(&mut lab, 4).unwrap_err();
    assert!(matches!(error, RouteError::Limit(reached) if reached.most == most), "{error}");
    for word in ["limit routes", "net.vnet.maxroutes", &most.to_string()] {
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!(usage(&mut lab, Limit::Routes).used, most - 3, "all or none");
    add_routes(&mut lab, 3).unwrap();
    // An address has routes, too: all of it or nothing.
    let slot = lab.ifnet(RED, "em0").slot;
    let address = "10.7.0.1/24".parse().unwrap();
    let error = lab.control(|stack| stack.add_address(slot, address)).unwrap_err();
    assert!(
        matches!(error, InterfaceError::Limit(reached) if reached.limit == Limit::Routes),
        "{error}"
    );
    let vnet = lab.vnet(RED);
    assert_eq!(lab.stack().addresses_of(&vnet, slot).len(), 1);
    drop(vnet);
    assert_eq!(
        (usage(&mut lab, Limit::Routes).refused, read(&mut lab, "net.vnet.routes")),
        (2, most)
    );
    assert_eq!(lab.send(0, &[through(8).frame()]).len(), 1, "those that there are lead on");
    lab.end();
}

/// A route of several ways keeps the others when an interface goes, also where there may be fewer by now.
#[test]
fn a_limit_below_what_there_is_takes_nothing_away() {
    let mut lab = crossroads();
    lab.sysctl(RED, "net.vnet.maxroutes", 1);
    let slot = lab.ifnet(RED, "em2").slot;
    lab.control(|stack| stack.destroy_interface(slot)).unwrap();
    let vnet = lab.vnet(RED);
    // Nor does it keep anything: a route goes, and another leads elsewhere.
    let [gone, other] = ["203.0.113.0/24", "192.0.2.0/24"].map(|text| text.parse().unwrap());
    let changes = [(gone, None), (other, Some(RouteTarget::Blackhole))];
    lab.control(|stack| stack.set_routes(&vnet, changes)).unwrap();
    let way = lab.stack().route_to(&vnet, Ipv4Addr::new(198, 51, 100, 1));
    drop(vnet);
    assert_eq!(way.unwrap().prefix.to_string(), "198.51.100.0/24");
    assert!(add_routes(&mut lab, 1).is_err());
    lab.end();
}

/// Whoever lowers a limit below what there is would have a vnet that no start makes from what `config show` prints.
#[test]
fn a_limit_is_not_lowered_below_what_there_is() {
    let mut lab = crossroads();
    let vnet = lab.vnet(RED);
    let set = |lab: &mut Lab, limit: Limit, most: u64| {
        let value = Value::S64(i64::try_from(most).unwrap());
        lab.control(|stack| stack.write_sysctl(&vnet, limit.sysctl(), value))
    };
    for limit in [Limit::Interfaces, Limit::Routes, Limit::Memory, Limit::Neighbors] {
        let LimitUse { used, .. } = usage(&mut lab, limit);
        let error = set(&mut lab, limit, used - 1).unwrap_err().to_string();
        for word in [limit.sysctl(), &format!("{used} {}", limit.what()), "delete some first"] {
            assert!(error.contains(word), "{error}");
        }
        let _before = set(&mut lab, limit, used).unwrap();
    }
    // A neighbour that introduced itself is nobody's wish.
    let _before = set(&mut lab, Limit::Neighbors, 1000).unwrap();
    let _before = set(&mut lab, Limit::Memory, 1 << 30).unwrap();
    let before = usage(&mut lab, Limit::Neighbors).used;
    let asks = Arp::request(mac(8), Ipv4Addr::new(10, 0, 0, 8), OWN[0]).frame(BROADCAST, None);
    let _answer = lab.send(0, &[asks]);
    assert_eq!(usage(&mut lab, Limit::Neighbors).used, before + 1);
    let _before = set(&mut lab, Limit::Neighbors, before).unwrap();
    drop(vnet);
    lab.end();
}

#[test]
fn as_many_interfaces_as_there_may_be() {
    let mut lab = crossroads();
    let most = limit(&mut lab, Limit::Interfaces, 1);
    add_interface(&mut lab, 1).unwrap();
    let error = add_interface(&mut lab, 2).unwrap_err();
    assert!(matches!(error, InterfaceError::Limit(reached) if reached.limit == Limit::Interfaces));
    assert_eq!(
        (usage(&mut lab, Limit::Interfaces).refused, read(&mut lab, "net.vnet.interfaces")),
        (1, most)
    );
    let slot = lab.ifnet(RED, "more1").slot;
    lab.control(|stack| stack.destroy_interface(slot)).unwrap();
    add_interface(&mut lab, 2).unwrap();
    lab.end();
}

#[test]
fn as_many_neighbours_as_there_may_be() {
    let mut lab = crossroads();
    let most = limit(&mut lab, Limit::Neighbors, 1);
    // Whoever introduced himself makes room for one that the operator wants.
    let asks = Arp::request(mac(50), Ipv4Addr::new(10, 0, 0, 50), OWN[0]);
    let _answer = lab.send(0, &[asks.frame(BROADCAST, None)]);
    assert_eq!(usage(&mut lab, Limit::Neighbors).used, most);
    add_neighbor(&mut lab, 60).unwrap();
    let error = add_neighbor(&mut lab, 61).unwrap_err();
    assert_eq!((error.limit, error.most), (Limit::Neighbors, most));
    add_neighbor(&mut lab, 60).unwrap();
    // A packet for somebody new finds no room, and is counted at the same limit.
    assert_eq!(lab.send(0, &[to("10.0.1.9", 8).frame()]), []);
    assert_eq!(lab.drops(RED), [("arp_table_full", 1)].into());
    let usage = usage(&mut lab, Limit::Neighbors);
    assert_eq!((usage.refused, usage.used), (2, read(&mut lab, "net.link.ether.inet.neighbors")));
    lab.end();
}

#[test]
fn as_much_memory_as_there_may_be() {
    let mut lab = crossroads();
    let before = usage(&mut lab, Limit::Memory).used;
    let most = limit(&mut lab, Limit::Memory, 100_000);
    let error = add_routes(&mut lab, 10_000).unwrap_err();
    assert!(
        matches!(error, RouteError::Limit(reached) if reached.limit == Limit::Memory),
        "{error}"
    );
    assert_eq!(usage(&mut lab, Limit::Memory).used, before, "all or none");
    add_routes(&mut lab, 200).unwrap();
    // Full: nothing that grows is taken any more.
    let _most = limit(&mut lab, Limit::Memory, 0);
    assert!(matches!(add_routes(&mut lab, 1), Err(RouteError::Exists(_) | RouteError::Limit(_))));
    assert!(matches!(add_interface(&mut lab, 1), Err(InterfaceError::Limit(_))));
    assert_eq!(add_neighbor(&mut lab, 60).unwrap_err().limit, Limit::Memory);
    assert_eq!(lab.send(0, &[to("10.0.1.9", 8).frame()]), []);
    assert_eq!(lab.drops(RED), [("arp_table_full", 1)].into());
    let now = usage(&mut lab, Limit::Memory);
    assert!(now.refused >= 4 && before < now.used && now.used < most, "{now:?}");
    assert_eq!(read(&mut lab, "net.vnet.memory"), now.used);
    lab.end();
}

/// The estimate of a route's memory is about right, also in a large table.
#[test]
fn memory_is_estimated_well() {
    let mut lab = crossroads();
    let before = usage(&mut lab, Limit::Memory).used;
    add_routes(&mut lab, 50_000).unwrap();
    let of_one = (usage(&mut lab, Limit::Memory).used - before) / 50_000;
    assert!((16..=128).contains(&of_one), "{of_one} bytes a route");
    lab.end();
}

/// One vnet may have as many as it likes, and yet gets no more than a share of those that are free.
#[test]
fn the_mbufs_that_are_free_are_shared() {
    let mut lab = crossroads();
    for (name, value) in [
        ("net.vnet.maxmbufs", 1 << 20),
        ("net.vnet.maxheld", 1 << 19),
        ("net.link.ether.inet.maxhold", 256),
    ] {
        lab.sysctl(RED, name, value);
    }
    let _slot = lab.interface(RED, "wide", 3, None, mac(0xb0), &["10.64.0.1/10"]);
    lab.sysctl(RED, "net.link.ether.inet.maxneighbors", 65_536);
    let free = lab.pool.available();
    for n in 0..40u32 {
        let far = |m: u32| Ipv4Addr::from_bits(0x0a40_0100 + n * 8 + m % 8).to_string();
        let burst: Vec<Vec<u8>> = (0..256).map(|m| to(&far(m), 8).frame()).collect();
        let _questions = lab.send(0, &burst);
    }
    let held = usage(&mut lab, Limit::Mbufs);
    assert!(held.refused > 0 && lab.drops(RED)["mbuf_limit"] == held.refused, "{held:?}");
    // As it takes from the pool its share becomes smaller: an eighth of what is left, and half of that is ARP's.
    let share = u64::from(free) / 17;
    assert!((share - 256..=share + 256).contains(&held.used), "{held:?}, of {free}");
    assert_eq!(usage(&mut lab, Limit::HeldPackets).used, held.used);
    assert_eq!(
        (read(&mut lab, "net.vnet.mbufs"), read(&mut lab, "net.vnet.held")),
        (held.used, held.used)
    );
    assert_eq!(lab.send(0, &[through(8).frame()]).len(), 1);
    lab.end();
}

/// Eight vnets send all they can to neighbours that do not answer, and ask for ours without end; a ninth resolves, pings,
/// and forwards as if it were alone.
#[test]
fn vnets_that_flood_leave_room_for_one_that_does_not() {
    if !has_many_vnets("limits::vnets_that_flood_leave_room_for_one_that_does_not") {
        return;
    }
    const FLOODERS: u16 = 8;
    let mut lab = Lab::new();
    let vlan = |n: u16| Some(100 + n);
    for n in 0..=FLOODERS {
        let name = format!("vnet{}", n + 1);
        let _slot = lab.interface(&name, "in", 0, vlan(n), EM[0], &["10.0.0.1/24"]);
        let _slot = lab.interface(&name, "out", 1, vlan(n), EM[1], &["10.0.1.1/24"]);
        lab.sysctl(&name, "net.inet.ip.forwarding", 1);
        lab.via(&name, "198.18.0.0/15", &["10.0.1.2"]);
    }
    let good = format!("vnet{}", FLOODERS + 1);
    let _announced = lab.pass(std::time::Duration::from_secs(5));
    let tagged = |n: u16, packet: Packet| Packet { tag: vlan(n), ..packet };
    let asks = Arp::request(host(0, 2), PEER, OWN[0]);
    let flood = |lab: &mut Lab| {
        for n in 0..FLOODERS {
            let unknown = |m: u16| tagged(n, to(&format!("10.0.1.{}", 10 + m % 200), 8)).frame();
            let frames =
                (0..200).map(unknown).chain((0..56).map(|_| asks.frame(BROADCAST, vlan(n))));
            let burst: Vec<_> = frames.map(|frame| lab.mbuf(&frame)).collect();
            lab.iterate(0, burst);
        }
    };
    let gateway = Arp::reply(host(1, 2), Ipv4Addr::new(10, 0, 1, 2), EM[1], OWN[1]);
    let echo = tagged(FLOODERS, Packet::echo(PEER, OWN[0], 8).link(PEER_MAC, EM[0]));
    let own: [(u16, Vec<u8>); 4] = [
        (0, asks.frame(BROADCAST, vlan(FLOODERS))),
        (0, tagged(FLOODERS, through(8)).frame()),
        (1, gateway.frame(EM[1], vlan(FLOODERS))),
        (0, echo.frame()),
    ];
    let of_good = |frame: &[u8]| frame[14..16] == (100 + FLOODERS).to_be_bytes();
    for round in 0..20 {
        // Each of its packets comes when the queues are as full as they get.
        let mut answers = 0;
        for (port, frame) in &own {
            flood(&mut lab);
            let mbuf = lab.mbuf(frame);
            lab.iterate(*port, [mbuf]);
            lab.settle();
            answers += lab.take().iter().filter(|sent| of_good(&sent.frame)).count();
        }
        // ARP's answer, the first time a question, the packet that was forwarded, and the echo's answer.
        assert_eq!(answers, if round == 0 { 4 } else { 3 }, "round {round}");
    }
    assert_eq!(lab.drops(&good), [].into());
    for n in 0..FLOODERS {
        let drops = lab.drops(&format!("vnet{}", n + 1));
        assert!(drops.contains_key("punt_limit"), "{drops:?}");
    }
    lab.end();
}

#[test]
fn only_what_a_limit_refused_is_counted() {
    let mut lab = crossroads();
    let slot = lab.ifnet(RED, "em0").slot;
    let overlaps = lab.control(|stack| stack.add_address(slot, "10.0.1.9/24".parse().unwrap()));
    assert!(matches!(overlaps, Err(InterfaceError::Address(AddressError::Overlap { .. }))));
    assert_eq!(usage(&mut lab, Limit::Routes).refused, 0, "another refusal is not counted");
    lab.end();
}

/// A worker whose polls come full: of a vnet that needs more than half of the cycles, packets are dropped by name, and none of one
/// that needs little.
#[test]
fn a_vnet_has_no_more_than_its_share_of_a_worker() {
    if !has_many_vnets("limits::a_vnet_has_no_more_than_its_share_of_a_worker") {
        return;
    }
    const BLUE: &str = "blue";
    let mut lab = Lab::new();
    for (vnet, vlan) in [(RED, 100), (BLUE, 200)] {
        let _slot = lab.interface(vnet, "in", 0, Some(vlan), EM[0], &["10.0.0.1/24"]);
        let _slot = lab.interface(vnet, "out", 1, Some(vlan), EM[1], &["10.0.1.1/24"]);
        lab.sysctl(vnet, "net.inet.ip.forwarding", 1);
        lab.sysctl(vnet, "net.inet.icmp.icmplim", 0);
        lab.neighbor(vnet, "in", "10.0.0.2", PEER_MAC);
        lab.neighbor(vnet, "out", "10.0.1.2", host(1, 2));
        lab.via(vnet, "198.18.0.0/15", &["10.0.1.2"]);
    }
    let _announced = lab.pass(std::time::Duration::from_secs(5));
    let good = Packet { tag: Some(200), ..through(8) }.frame();
    let expired = Packet { tag: Some(100), ttl: 1, ..through(8) }.frame();
    // Time is what this test says it is: an iteration takes as many cycles as ten of the good packets may cost on the fast path.
    const ITERATION: u64 = 1000;
    const ITERATIONS: u64 = 1600;
    *lab.datapath().cpu() = CpuShares::new(64 * ITERATION, Vnets::MAX_VNETS);
    let mut sent = [0, 0];
    for iteration in 1..=ITERATIONS {
        let flood = std::iter::repeat_n(expired.as_slice(), 60);
        let frames = flood.chain([good.as_slice(); 4]);
        let burst: Vec<_> = frames.map(|frame| lab.mbuf(frame)).collect();
        lab.iterate(0, burst);
        let now = iteration * ITERATION;
        lab.datapath().end(Iteration { now, cycles: ITERATION, packets: 64, is_full: true });
        lab.take().iter().for_each(|frame| sent[usize::from(frame.port)] += 1);
    }
    let limit = usage(&mut lab, Limit::Pcpu);
    assert_eq!(lab.drops(BLUE), [].into());
    assert_eq!(sent[1], 4 * ITERATIONS, "each of the good packets is forwarded");
    let drops = lab.drops(RED);
    assert_eq!((drops["cpu_share"], limit.most), (limit.refused, 100));
    assert!(limit.refused > 30 * ITERATIONS, "most are refused: {limit:?}");
    assert_eq!(
        drops["cpu_share"] + drops["ip_ttl_exceeded"],
        60 * ITERATIONS,
        "and all have one end"
    );
    assert!(sent[0] > 0, "something is left for the others");
    lab.end();
}
