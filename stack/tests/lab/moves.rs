//! Interfaces that move between vnets: whose they are, against a map; and under load.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use stack::control::{DestroyVnetError, InterfaceError};
use stack::net::IfIndex;

use super::live::{CHANGES, under_load};
use crate::common::crossroads::{EM, host};
use crate::common::{Lab, Packet, Random, has_many_vnets};

const STEPS: usize = 500;
const VNETS: usize = 3;
const PORTS: u16 = 3;
const VLANS: [Option<u16>; 3] = [None, Some(7), Some(8)];
const PAIRS: usize = 4;

/// A vnet, and how often one of its name was destroyed before.
type Home = (usize, usize);

/// Where an interface is, and where it is at home.
#[derive(Clone, Copy, Debug)]
struct Place {
    vnet: usize,
    home: Home,
    /// Since it is there.
    has_address: bool,
}

impl Place {
    fn moved(self, vnet: usize) -> Self {
        Self { vnet, has_address: false, ..self }
    }
}

/// A plain list of the interfaces and their vnets.
#[derive(Default)]
struct Model {
    deaths: [usize; VNETS],
    alive: [bool; VNETS],
    /// By port and VLAN.
    receivers: BTreeMap<(u16, Option<u16>), Place>,
    /// By number.
    pairs: BTreeMap<usize, [Place; 2]>,
}

impl Model {
    fn born(&mut self, vnet: usize) -> Place {
        self.alive[vnet] = true;
        Place { vnet, home: (vnet, self.deaths[vnet]), has_address: false }
    }

    /// Where an interface of a vnet that dies goes; none when it dies, too.
    fn after_death(&self, place: Place, dead: usize) -> Option<Place> {
        let (home, deaths) = place.home;
        let lives = self.alive[home] && self.deaths[home] == deaths && home != dead;
        match place.vnet == dead {
            false => Some(place),
            true => lives.then(|| place.moved(home)),
        }
    }

    fn die(&mut self, dead: usize) {
        let places = self.receivers.clone();
        let kept =
            places.iter().filter_map(|(at, place)| Some((*at, self.after_death(*place, dead)?)));
        self.receivers = kept.collect();
        let pairs = self.pairs.clone();
        let kept = pairs.iter().filter_map(|(pair, [a, b])| {
            Some((*pair, [self.after_death(*a, dead)?, self.after_death(*b, dead)?]))
        });
        self.pairs = kept.collect();
        self.deaths[dead] += 1;
        self.alive[dead] = false;
    }
}

fn tenant(vnet: usize) -> String {
    format!("tenant{vnet}")
}

fn receiver_name(port: u16, vlan: Option<u16>) -> String {
    format!("p{port}v{}", vlan.unwrap_or(0))
}

fn end_name(pair: usize, end: usize) -> String {
    format!("epair{pair}{}", ["a", "b"][end])
}

/// The address that an interface of a port has in a vnet, which is another in each.
fn own(vnet: usize, port: u16, vlan: Option<u16>) -> Ipv4Addr {
    Ipv4Addr::new(10, vnet as u8, port as u8 * 16 + vlan.unwrap_or(0) as u8, 1)
}

fn end_address(pair: usize, end: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 100 + pair as u8, 0, 1 + end as u8)
}

/// Gives addresses to interfaces that came without; of two ends in one vnet to one, as networks must not overlap.
fn configure(lab: &mut Lab, model: &mut Model) {
    let give = |lab: &mut Lab, place: &mut Place, name: &str, address: Ipv4Addr| {
        let slot = lab.ifnet(&tenant(place.vnet), name).slot;
        let net = format!("{address}/24").parse().unwrap();
        lab.control(|stack| stack.add_address(slot, net)).unwrap();
        place.has_address = true;
    };
    for ((port, vlan), place) in &mut model.receivers {
        if !place.has_address {
            let address = own(place.vnet, *port, *vlan);
            give(lab, place, &receiver_name(*port, *vlan), address);
        }
    }
    for (pair, places) in &mut model.pairs {
        for end in 0..2 {
            let other = places[1 - end];
            let overlaps = other.vnet == places[end].vnet && other.has_address;
            if !places[end].has_address && !overlaps {
                give(lab, &mut places[end], &end_name(*pair, end), end_address(*pair, end));
            }
        }
    }
}

/// Has packets that wait for a neighbour refused: when an interface goes, the control thread waits for a worker to do so,
/// and here both are one thread.
fn give_up_waiting(lab: &mut Lab, model: &Model) {
    for vnet in (0..VNETS).filter(|vnet| model.alive[*vnet]) {
        let vnet = lab.vnet(&tenant(vnet));
        let _count = lab.control(|stack| stack.remove_neighbors(&vnet, |_| true));
    }
    lab.settle();
}

fn change(lab: &mut Lab, model: &mut Model, random: &mut Random) {
    let vnet = random.below(VNETS);
    let at = (random.below(PORTS.into()) as u16, *random.pick(&VLANS));
    let (pair, end) = (random.below(PAIRS), random.below(2));
    match random.below(12) {
        0..5 => match model.receivers.get(&at).copied() {
            None => {
                let name = receiver_name(at.0, at.1);
                let _slot = lab.interface(&tenant(vnet), &name, at.0, at.1, EM[0], &[]);
                let place = model.born(vnet);
                let _none = model.receivers.insert(at, place);
            }
            Some(from) if from.vnet != vnet => {
                let _slot =
                    lab.move_to(&tenant(from.vnet), &receiver_name(at.0, at.1), &tenant(vnet));
                model.alive[vnet] = true;
                let _old = model.receivers.insert(at, from.moved(vnet));
            }
            Some(place) if random.once_in(2) => {
                let slot = lab.ifnet(&tenant(place.vnet), &receiver_name(at.0, at.1)).slot;
                lab.control(|stack| stack.destroy_interface(slot)).unwrap();
                let _it = model.receivers.remove(&at);
            }
            Some(_) => {}
        },
        5..10 => match model.pairs.get(&pair).copied() {
            None => {
                let other = random.below(VNETS);
                let (a, b) = (end_name(pair, 0), end_name(pair, 1));
                let _slots = lab.epair([(&tenant(vnet), &a, &[]), (&tenant(other), &b, &[])]);
                let places = [model.born(vnet), model.born(other)];
                let _none = model.pairs.insert(pair, places);
            }
            Some(places) if places[end].vnet != vnet => {
                let name = end_name(pair, end);
                let _slot = lab.move_to(&tenant(places[end].vnet), &name, &tenant(vnet));
                model.alive[vnet] = true;
                model.pairs.get_mut(&pair).unwrap()[end] = places[end].moved(vnet);
            }
            Some(places) if random.once_in(2) => {
                let slot = lab.ifnet(&tenant(places[end].vnet), &end_name(pair, end)).slot;
                lab.control(|stack| stack.destroy_interface(slot)).unwrap();
                let _it = model.pairs.remove(&pair);
            }
            Some(_) => {}
        },
        _ if model.alive[vnet] => {
            lab.control(|stack| stack.destroy_vnet(&tenant(vnet))).unwrap();
            model.die(vnet);
        }
        _ => {}
    }
}

/// Echo requests that each living vnet has taken.
fn echoes(lab: &mut Lab, model: &Model) -> Vec<u64> {
    (0..VNETS)
        .map(|vnet| if model.alive[vnet] { lab.stat(&tenant(vnet), "icps_in_echo") } else { 0 })
        .collect()
}

/// A ping to one address, on one port: the vnet that has both takes it, and nobody else.
fn ping(lab: &mut Lab, model: &Model, at: (u16, Option<u16>), dst: Ipv4Addr) -> Option<usize> {
    let before = echoes(lab, model);
    let echo = Packet { tag: at.1, ..Packet::echo(Ipv4Addr::new(10, 250, 0, 2), dst, 20) };
    let _sent = lab.send(at.0, &[echo.link(host(0, 2), EM[0]).frame()]);
    let after = echoes(lab, model);
    let taken: Vec<usize> = (0..VNETS).filter(|vnet| after[*vnet] > before[*vnet]).collect();
    assert!(taken.len() <= 1 && after.iter().sum::<u64>() <= before.iter().sum::<u64>() + 1);
    taken.first().copied()
}

fn check(lab: &mut Lab, model: &Model, random: &mut Random) {
    for port in 0..PORTS {
        for vlan in VLANS {
            let owner = model.receivers.get(&(port, vlan)).map(|place| place.vnet);
            let asked = random.below(VNETS);
            let taken = ping(lab, model, (port, vlan), own(asked, port, vlan));
            let expected = owner.filter(|owner| *owner == asked);
            assert_eq!(taken, expected, "port {port} VLAN {vlan:?}");
            // Through an epair, where the vnet has one end of it: to the other end's vnet.
            let (pair, end) = (random.below(PAIRS), random.below(2));
            let far = model.pairs.get(&pair).filter(|places| {
                let [here, there] = [places[1 - end], places[end]];
                let leads = Some(here.vnet) == owner && here.has_address;
                there.has_address && (leads || Some(there.vnet) == owner)
            });
            let taken = ping(lab, model, (port, vlan), end_address(pair, end));
            assert_eq!(taken, far.map(|places| places[end].vnet), "pair {pair} end {end}");
        }
    }
    lab.check();
}

#[test]
fn each_packet_is_taken_by_the_vnet_that_has_the_interface() {
    if !has_many_vnets("moves::each_packet_is_taken_by_the_vnet_that_has_the_interface") {
        return;
    }
    let (mut lab, mut random, mut model) = (Lab::new(), Random(17), Model::default());
    for _ in 0..STEPS {
        give_up_waiting(&mut lab, &model);
        change(&mut lab, &mut model, &mut random);
        configure(&mut lab, &mut model);
        for vnet in (0..VNETS).filter(|vnet| model.alive[*vnet]) {
            lab.sysctl(&tenant(vnet), "net.inet.ip.forwarding", 1);
            // No time passes here, so a limit per second would be one for ever.
            lab.sysctl(&tenant(vnet), "net.inet.icmp.icmplim", 0);
        }
        check(&mut lab, &model, &mut random);
    }
    assert!(model.deaths.iter().all(|deaths| *deaths > STEPS / 50), "few vnets died");
    lab.end();
}

/// Addresses, routes and neighbours stay behind; the interface's own settings go along.
#[test]
fn an_interface_moves_without_addresses_routes_and_neighbours() {
    if !has_many_vnets("moves::an_interface_moves_without_addresses_routes_and_neighbours") {
        return;
    }
    let mut lab = Lab::new();
    let _em0 = lab.interface("red", "em0", 0, None, EM[0], &["10.0.0.1/24"]);
    let _em1 = lab.interface("red", "em1", 1, None, EM[1], &["10.0.1.1/24"]);
    let _other = lab.interface("blue", "em1", 2, None, EM[2], &["10.0.1.1/24"]);
    let (red, blue) = (lab.vnet("red"), lab.vnet("blue"));
    let _announced = lab.pass(Duration::from_secs(5));
    lab.sysctl("red", "net.inet.ip.forwarding", 1);
    lab.neighbor("red", "em0", "10.0.0.2", host(0, 2));
    lab.neighbor("red", "em1", "10.0.1.3", host(1, 3));
    lab.via("red", "198.18.0.0/15", &["10.0.1.3", "10.0.0.2"]);
    lab.via("red", "198.51.100.0/24", &["10.0.0.2"]);
    lab.set_mtu("red", "em0", 1400);
    // Waits in red for somebody on em1, and came through em0.
    let waits = Packet::udp(Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 1, 9), 9);
    let asked = lab.send(0, &[waits.link(host(0, 2), EM[0]).frame()]);
    assert_eq!(asked.len(), 1);
    for (interface, target, error) in [
        ("em0", &red, InterfaceError::AlreadyThere("em0".to_owned())),
        ("lo0", &blue, InterfaceError::LoopbackStays("lo0".to_owned())),
        (
            "em1",
            &blue,
            InterfaceError::NameTakenThere { name: "em1".to_owned(), vnet: "blue".to_owned() },
        ),
    ] {
        let slot = lab.ifnet("red", interface).slot;
        let target = target.clone();
        assert_eq!(lab.control(|stack| stack.move_interface(slot, &target)), Err(error));
    }
    let before = lab.ifnet("red", "em0");
    let slot = lab.move_to("red", "em0", "blue");
    assert!(lab.stack().find(&red, "em0").is_none());
    let (_, routes) = lab.stack().sizes_of(&red);
    assert_eq!(routes, 5, "em1's four, and what is left of the one with two gateways");
    assert!(
        lab.stack().neighbors_after(&red, None, 9).iter().all(|view| view.key.slot != before.slot)
    );
    let after = lab.ifnet("blue", "em0");
    assert_eq!((after.slot, after.mac, after.mtu(), after.is_up()), (slot, before.mac, 1400, true));
    // The index of em1, which came first, is 2; the lowest that is free is taken, here as there.
    assert_eq!((after.index, before.index), (IfIndex(3), IfIndex(2)));
    assert_eq!(lab.stack().addresses_of(&blue, slot), []);
    assert!(after.total().iter().all(|(_, value)| *value == 0), "it begins to count at 0");
    drop((before, after));
    let ping = Packet::echo(Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 1), 9);
    let ping = ping.link(host(0, 2), EM[0]).frame();
    assert_eq!(lab.send(0, std::slice::from_ref(&ping)), [], "nobody's address");
    assert_eq!(lab.drops("blue").values().sum::<u64>(), 1);
    lab.control(|stack| stack.add_address(slot, "10.0.0.1/24".parse().unwrap())).unwrap();
    lab.neighbor("blue", "em0", "10.0.0.2", host(0, 2));
    let sent = lab.send(0, &[ping]);
    assert_eq!(sent.len(), 1);
    // Packets that red still holds are red's, and are refused there when the neighbour does not answer.
    let _time = lab.pass(Duration::from_secs(30));
    assert_eq!(lab.drops("red")["arp_unresolved"], 1);

    // Home again, unless somebody has its name there.
    let _new = lab.interface("red", "em0", 3, None, EM[3], &[]);
    let refused = lab.control(|stack| stack.destroy_vnet("blue"));
    assert!(matches!(refused, Err(DestroyVnetError::CannotReturn { .. })), "{refused:?}");
    assert!(lab.stack().find(&blue, "em0").is_some(), "what is refused has changed nothing");
    let in_the_way = lab.ifnet("red", "em0").slot;
    lab.control(|stack| stack.destroy_interface(in_the_way)).unwrap();
    drop(blue);
    lab.control(|stack| stack.destroy_vnet("blue")).unwrap();
    let back = lab.ifnet("red", "em0");
    assert_eq!((back.index, back.mac.0), (IfIndex(2), EM[0]));
    assert_eq!(lab.stack().addresses_of(&red, back.slot), []);
    drop((red, back));
    lab.end();
}

/// An interface whose home is gone is at home where it is.
#[test]
fn a_home_that_is_gone() {
    if !has_many_vnets("moves::a_home_that_is_gone") {
        return;
    }
    let mut lab = Lab::new();
    let _em0 = lab.interface("red", "em0", 0, None, EM[0], &[]);
    let _slot = lab.move_to("red", "em0", "blue");
    lab.control(|stack| stack.destroy_vnet("red")).unwrap();
    // Another of the same name is not its home.
    drop(lab.vnet("red"));
    assert_eq!(lab.ifnet("blue", "em0").index, IfIndex(2));
    lab.control(|stack| stack.destroy_vnet("blue")).unwrap();
    let red = lab.vnet("red");
    assert_eq!(lab.stack().interfaces_of(&red).len(), 1, "lo0");
    drop(red);
    lab.end();
}

const REDS: u16 = 0x1001;
const BLUES: u16 = 0x1002;

/// A worker thread forwards while its ingress goes to and fro. Only red has a way for one kind, only blue for the
/// other: a packet that one of them polled and the other processed would leave, or be dropped, in the wrong books.
#[test]
fn what_is_polled_while_an_interface_moves() {
    if !has_many_vnets("moves::what_is_polled_while_an_interface_moves") {
        return;
    }
    let mut lab = Lab::new();
    let _em0 = lab.interface("red", "em0", 0, None, EM[0], &[]);
    for (vnet, port, prefix) in [("red", 1, "198.18.0.0/15"), ("blue", 2, "198.51.100.0/24")] {
        let mac = EM[usize::from(port)];
        let _out = lab.interface(vnet, "out", port, None, mac, &["10.0.1.1/24"]);
        lab.sysctl(vnet, "net.inet.ip.forwarding", 1);
        lab.sysctl(vnet, "net.inet.icmp.icmplim", 1);
        lab.neighbor(vnet, "out", "10.0.1.2", host(1, 2));
        lab.via(vnet, prefix, &["10.0.1.2"]);
    }
    let _announced = lab.pass(Duration::from_secs(5));
    let packet = |id, dst: &str| {
        let packet = Packet::udp(Ipv4Addr::new(10, 250, 0, 2), dst.parse().unwrap(), 10);
        (0, Packet { id, ..packet }.link(host(0, 2), EM[0]).frame())
    };
    let frames = [packet(REDS, "198.18.0.1"), packet(BLUES, "198.51.100.1")];
    let done = under_load(&mut lab, &frames, |lab, pace| {
        for round in 0..CHANGES {
            let (from, to) = if round % 2 == 0 { ("red", "blue") } else { ("blue", "red") };
            let _slot = lab.move_to(from, "em0", to);
            pace.let_work(1);
        }
    });
    let moving = lab.drops("red")["interface_moving"] + lab.drops("blue")["interface_moving"];
    let mut expected = moving;
    for (vnet, kind) in [("red", REDS), ("blue", BLUES)] {
        // As many of its own left as were counted as sent, and of the other's none: those had no route there.
        let vnet_ref = lab.vnet(vnet);
        let books = lab.stack().books_of(&vnet_ref);
        assert_eq!(books.sent - 2, done.left[&kind], "{vnet} sent what only it has a way for");
        expected += done.left[&kind] + lab.drops(vnet)["ip_no_route"];
    }
    assert_eq!(done.received.values().sum::<u64>(), expected, "every packet in one place");
    lab.check();
    lab.end();
}
