//! Which interface receives the frames of a port and VLAN, after any sequence of changes, against a map.

use std::collections::BTreeMap;

use pmd::PortId;
use stack::control::{InterfaceError, InterfaceSpec};
use stack::net::{IfKind, IfSlot};
use stack::wire::MacAddr;
use vnet::Vnets;

use crate::common::crossroads::EM;
use crate::common::{Lab, Random};

const CHANGES: usize = 400;
const PORTS: u16 = 3;
/// Of one chunk of the table and of several.
const VLANS: [Option<u16>; 6] = [None, Some(1), Some(2), Some(255), Some(256), Some(4094)];

/// By port and VLAN: vnet, name and slot.
type Model = BTreeMap<(u16, Option<u16>), (usize, String, IfSlot)>;

fn check(lab: &Lab, model: &Model, gone: &[IfSlot]) {
    let table = lab.stack().interfaces();
    let reader = lab.stack().control().reader();
    for port in 0..=PORTS {
        for vlan in VLANS.into_iter().chain([Some(3), Some(4095)]) {
            let kind = IfKind::Ethernet { port: PortId(port), vlan };
            let found = table.receiver(reader, kind).map(|ifp| ifp.slot);
            assert_eq!(found, model.get(&(port, vlan)).map(|(_, _, slot)| *slot), "{kind:?}");
        }
        let tagged = model.keys().any(|(of, vlan)| *of == port && vlan.is_some());
        let demux = table.port(reader, PortId(port));
        assert_eq!(demux.is_some(), model.keys().any(|(of, _)| *of == port), "port {port}");
        assert_eq!(demux.is_some_and(|demux| demux.vlans.is_some()), tagged, "port {port}");
    }
    for (vnet, name, slot) in model.values() {
        let ifp = table.get(reader, *slot).unwrap();
        assert_eq!((&ifp.name, ifp.vnet.name()), (name, vnet_name(*vnet).as_str()));
    }
    assert!(gone.iter().all(|slot| table.get(reader, *slot).is_none()), "of an earlier one");
}

fn vnet_name(vnet: usize) -> String {
    format!("tenant{vnet}")
}

/// One more or one less; or, once in a while, a whole vnet with all it has.
fn change(lab: &mut Lab, model: &mut Model, gone: &mut Vec<IfSlot>, random: &mut Random) {
    let vnets = if Vnets::MAX_VNETS > 1 { 3 } else { 1 };
    let of = random.below(vnets);
    if vnets > 1 && random.once_in(12) {
        if lab.stack().vnets().by_name(&vnet_name(of)).is_some() {
            lab.control(|stack| stack.destroy_vnet(&vnet_name(of))).unwrap();
        }
        gone.extend(model.values().filter(|(vnet, ..)| *vnet == of).map(|(_, _, slot)| *slot));
        return model.retain(|_, (vnet, ..)| *vnet != of);
    }
    let (port, vlan) = (random.below(PORTS.into()) as u16, *random.pick(&VLANS));
    let spec = InterfaceSpec {
        name: format!("p{port}v{}", vlan.unwrap_or(0)),
        port: PortId(port),
        vlan,
        mac: MacAddr(EM[0]),
        mtu: 1500,
    };
    let name = spec.name.clone();
    if let Some((_, _, slot)) = model.get(&(port, vlan)) {
        let slot = *slot;
        let vnet = lab.vnet(&vnet_name(of));
        let refused = lab.control(|stack| stack.create_interface(&vnet, spec));
        assert!(refused.is_err(), "{refused:?}");
        drop(vnet);
        lab.control(|stack| stack.destroy_interface(slot)).unwrap();
        gone.push(slot);
        let _it = model.remove(&(port, vlan));
    } else {
        let vnet = lab.vnet(&vnet_name(of));
        let slot = lab.control(|stack| stack.create_interface(&vnet, spec)).unwrap();
        let _none = model.insert((port, vlan), (of, name, slot));
    }
}

#[test]
fn each_port_and_vlan_finds_its_interface() {
    let (mut lab, mut random) = (Lab::new(), Random(11));
    let (mut model, mut gone) = (Model::new(), Vec::new());
    for _ in 0..CHANGES {
        change(&mut lab, &mut model, &mut gone, &mut random);
        check(&lab, &model, &gone);
    }
    assert!(gone.len() > CHANGES / 8, "few went: {}", gone.len());
    lab.end();
}

#[test]
fn numbers_that_are_no_vlan_are_refused() {
    let mut lab = Lab::new();
    let vnet = lab.vnet("red");
    for vlan in [0, 4095, 4096, u16::MAX] {
        let spec = InterfaceSpec {
            name: "em0".to_owned(),
            port: PortId(0),
            vlan: Some(vlan),
            mac: MacAddr(EM[0]),
            mtu: 1500,
        };
        let refused = lab.control(|stack| stack.create_interface(&vnet, spec));
        assert_eq!(refused, Err(InterfaceError::BadVlan(vlan)));
    }
    drop(vnet);
    lab.end();
}
