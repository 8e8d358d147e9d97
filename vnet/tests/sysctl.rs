//! The sysctl tree: names, types, ranges, flags, scopes, and addresses.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::alloc::System;

use common::{Lab, MANY};
use proptest::prelude::*;
use vnet::sysctl::{Flags, Kind, Request, VSubs, Value, resolve_v_arg1};
use vnet::{ControlCell, ModuleId, SysctlError, VnetState};

mod everything {
    vnet::module! {
        /// One OID of each kind.
        pub mod everything {
            id: vnet::ModuleId::INET,
            depends: [],
            attach: super::attach,
            globals {
                /// A number of the process.
                pub maxsockets: vnet::SysctlInt = 4096, sysctl("kern.ipc.maxsockets", RW, 1..=65_536, "Most sockets");
                /// A constant of the process.
                pub version: vnet::SysctlStr = "1.0", sysctl("kern.version", RD, "Version");
            }
            vars {
                /// An int.
                pub int: vnet::SysctlInt = 1, sysctl("net.inet.ip.forwarding", RW, 0..=1, "Forward packets");
                /// An int of every value.
                pub any_int: vnet::SysctlInt = -1, sysctl("test.int", RW, "Any int");
                /// A u_int.
                pub uint: vnet::SysctlUint = 2, sysctl("test.uint", RW, 2..=10, "A u_int");
                /// An int64_t.
                pub s64: vnet::SysctlI64 = -3, sysctl("test.s64", RW, -10..=10, "An int64_t");
                /// A uint64_t.
                pub u64: vnet::SysctlU64 = 4, sysctl("test.u64", RW, "A uint64_t");
                /// A string.
                pub string: vnet::SysctlStr = "red", sysctl("test.string", RW, "A string");
                /// Bytes.
                pub opaque: vnet::SysctlOpaque<4> = [1, 2, 3, 4], sysctl("test.opaque", RW, "Bytes");
                /// Read-only.
                pub fixed: vnet::SysctlInt = 6, sysctl("test.fixed", RD, "Read-only");
                /// Read-only once the vnet runs.
                pub boot: vnet::SysctlInt = 7, sysctl("net.inet.tcp.hashsize", RD | TUN, 1..=1024, "Hash size");
                /// Of no sysctl type, behind a procedure; and a second OID on the same variable.
                pub list: vnet::ControlCell<Vec<i32>>,
                    sysctl("test.list.last", RW, proc super::last, "The last of the list"),
                    sysctl("test.list.len", RD, proc super::len, "The length of the list");
            }
        }
    }

    use vnet::{AttachError, Control, VnetRef};

    fn attach(vnet: &VnetRef, control: &mut Control) -> Result<(), AttachError> {
        everything::init(vnet).list().with(control, |list| *list = Some(Box::default()));
        Ok(())
    }

    use super::{last, len};
}
use everything::everything as all;

/// Reads the last of a list; a write appends, unless it is odd.
fn last(list: &ControlCell<Vec<i32>>, request: &mut Request<'_>) -> Result<Value, SysctlError> {
    let current = vnet::curvnet::get(request.control.reader()).map(|vnet| all::init(vnet).list());
    assert!(
        current.is_some_and(|current| std::ptr::eq(current, list)),
        "curvnet is the OID's vnet"
    );
    let new = request.new.take().map(|new| new.as_number().and_then(|new| i32::try_from(new).ok()));
    if new.flatten().is_some_and(|new| new % 2 != 0) {
        return Err(SysctlError::refused("an odd number: give an even one"));
    }
    list.with(request.control, |list| {
        let list = list.as_mut().ok_or_else(|| SysctlError::refused("not attached"))?;
        let old = list.last().copied().unwrap_or(0);
        list.extend(new.flatten());
        Ok(old.into())
    })
}

fn len(list: &ControlCell<Vec<i32>>, request: &mut Request<'_>) -> Result<Value, SysctlError> {
    let len = list.with(request.control, |list| list.as_ref().map_or(0, |list| list.len()));
    Ok(Value::U64(len as u64))
}

fn lab() -> Lab {
    Lab::with(1, &[&all::MODULE], &System)
}

/// `(name, value)` of all OIDs, in `vnet`.
fn dump(lab: &mut Lab, vnet: &vnet::VnetRef) -> Vec<(&'static str, Value)> {
    let tree = lab.vnets.registry().sysctl();
    let control = &mut lab.control;
    tree.iter()
        .map(|oid| (oid.name(), tree.get(control, Some(vnet), oid.name()).unwrap()))
        .collect()
}

#[test]
fn every_kind_is_read_by_name_in_the_order_of_names() {
    let mut lab = lab();
    let red = lab.create("red");
    let expected: [(&str, Value); 13] = [
        ("kern.ipc.maxsockets", 4096.into()),
        ("kern.version", "1.0".into()),
        ("net.inet.ip.forwarding", 1.into()),
        ("net.inet.tcp.hashsize", 7.into()),
        ("test.fixed", 6.into()),
        ("test.int", (-1).into()),
        ("test.list.last", 0.into()),
        ("test.list.len", 0u64.into()),
        ("test.opaque", Value::Opaque(vec![1, 2, 3, 4])),
        ("test.s64", (-3i64).into()),
        ("test.string", "red".into()),
        ("test.u64", 4u64.into()),
        ("test.uint", 2u32.into()),
    ];
    assert_eq!(dump(&mut lab, &red), expected);
    let tree = lab.vnets.registry().sysctl();
    let below: Vec<_> = tree.below("net.inet").map(vnet::sysctl::Oid::name).collect();
    assert_eq!(below, ["net.inet.ip.forwarding", "net.inet.tcp.hashsize"]);
    assert_eq!(tree.below("net.in").count(), 0);
    assert_eq!(tree.below("").count(), 13);
}

#[test]
fn a_write_returns_the_old_value_and_is_seen_by_the_variable() {
    let mut lab = lab();
    let red = lab.create("red");
    let base = all::init(&red);
    let tree = lab.vnets.registry().sysctl();
    let mut set = |name, value: Value| tree.set(&mut lab.control, Some(&red), name, value).unwrap();
    assert_eq!(set("net.inet.ip.forwarding", 0.into()), 1.into());
    assert_eq!(set("test.uint", Value::S64(10)), 2u32.into());
    assert_eq!(set("test.s64", Value::Int(-10)), (-3i64).into());
    assert_eq!(set("test.u64", u64::MAX.into()), 4u64.into());
    assert_eq!(set("test.string", "blue".into()), "red".into());
    assert_eq!(set("test.opaque", Value::Opaque(vec![9; 4])), Value::Opaque(vec![1, 2, 3, 4]));
    assert_eq!(set("test.list.last", 42.into()), 0.into());
    assert_eq!(set("test.list.last", 44.into()), 42.into());
    assert_eq!(
        (base.int().get(), base.uint().get(), base.s64().get(), base.u64().get()),
        (0, 10, -10, u64::MAX)
    );
    assert_eq!((base.string().get().as_str(), base.opaque().get()), ("blue", [9; 4]));
    assert_eq!(tree.get(&mut lab.control, Some(&red), "test.list.len").unwrap(), 2u64.into());
}

#[test]
fn errors_name_cause_and_cure() {
    let mut lab = lab();
    let red = lab.create("red");
    let tree = lab.vnets.registry().sysctl();
    let control = &mut lab.control;
    let mut error =
        |name: &str, value: Value| tree.set(control, Some(&red), name, value).unwrap_err();

    let unknown = error("net.inet.ip.forwardign", 1.into());
    assert_eq!(
        unknown.to_string(),
        "unknown sysctl net.inet.ip.forwardign: did you mean net.inet.ip.forwarding?"
    );
    assert!(matches!(error("vfs.usermount", 1.into()), SysctlError::Unknown { nearest: None, .. }));
    let range = error("net.inet.ip.forwarding", 2.into());
    assert_eq!(
        range,
        SysctlError::OutOfRange { name: "net.inet.ip.forwarding", value: 2, min: 0, max: 1 }
    );
    assert!(range.to_string().contains("from 0 to 1"));
    assert!(matches!(
        error("test.uint", Value::S64(-1)),
        SysctlError::OutOfRange { value: -1, .. }
    ));
    assert!(matches!(error("test.int", u64::MAX.into()), SysctlError::OutOfRange { .. }));
    assert!(matches!(
        error("test.int", "yes".into()),
        SysctlError::WrongType { expected: Kind::Int, .. }
    ));
    assert!(matches!(
        error("test.string", 5.into()),
        SysctlError::WrongType { expected: Kind::Str, .. }
    ));
    assert!(matches!(
        error("test.string", "x".repeat(1025).into()),
        SysctlError::TooLong { max: 1024, .. }
    ));
    assert!(matches!(
        error("test.opaque", Value::Opaque(vec![1])),
        SysctlError::TooLong { len: 1, max: 4, .. }
    ));
    assert_eq!(error("test.fixed", 1.into()), SysctlError::ReadOnly { name: "test.fixed" });
    assert_eq!(
        error("net.inet.tcp.hashsize", 1.into()),
        SysctlError::TunableOnly { name: "net.inet.tcp.hashsize" }
    );
    assert!(matches!(error("kern.ipc.maxsockets", 1.into()), SysctlError::GlobalOnly { .. }));
    let refused = error("test.list.last", 3.into()).to_string();
    assert_eq!(refused, "sysctl test.list.last: an odd number: give an even one");
    assert_eq!(
        tree.get(control, None, "test.fixed"),
        Err(SysctlError::NeedsVnet { name: "test.fixed" })
    );
    assert_eq!(all::init(&red).int().get(), 1, "a refused write changes nothing");
}

#[test]
fn tunables_are_for_the_configuration_of_a_new_vnet() {
    let mut lab = lab();
    let red = lab.create("red");
    let tree = lab.vnets.registry().sysctl();
    let mut tune =
        |name: &str, value: i32| tree.tune(&mut lab.control, Some(&red), name, value.into());
    assert_eq!(tune("net.inet.tcp.hashsize", 512).unwrap(), 7.into());
    assert!(tune("net.inet.tcp.hashsize", 0).is_err());
    assert!(tune("test.fixed", 1).is_err());
    assert!(tune("net.inet.ip.forwarding", 0).is_ok(), "what may be written may be tuned");
    assert_eq!(all::init(&red).boot().get(), 512);
}

#[test]
fn globals_are_of_the_process_and_variables_of_their_vnet() {
    let mut lab = lab();
    let red = lab.create("red");
    let vnet0 = lab.vnets.vnet0().unwrap().clone();
    let tree = lab.vnets.registry().sysctl();
    let control = &mut lab.control;
    let old = tree.set(control, None, "kern.ipc.maxsockets", 10.into()).unwrap();
    assert_eq!(tree.get(control, Some(&red), "kern.ipc.maxsockets").unwrap(), 10.into());
    assert_eq!(all::maxsockets().get(), 10);
    let _ten = tree.set(control, None, "kern.ipc.maxsockets", old).unwrap();

    let _one = tree.set(control, Some(&red), "test.int", 99.into()).unwrap();
    let expected = if MANY { -1 } else { 99 };
    assert_eq!(tree.get(control, Some(&vnet0), "test.int").unwrap(), expected.into());
}

#[test]
fn oids_can_be_looked_at() {
    let lab = lab();
    let tree = lab.vnets.registry().sysctl();
    let oid = tree.find("net.inet.ip.forwarding").unwrap();
    assert_eq!(
        (oid.kind(), oid.range(), oid.description()),
        (Kind::Int, Some((0, 1)), "Forward packets")
    );
    assert_eq!((oid.v_subs(), oid.v_mod()), (VSubs::Net, ModuleId::INET));
    assert_eq!(oid.flags(), Flags::RW.union(Flags::VNET));
    assert!(!oid.is_read_only() && !oid.is_string());
    assert!(tree.find("test.string").unwrap().is_string());
    assert!(tree.find("test.fixed").unwrap().is_read_only());
    assert!(
        !tree.find("net.inet.tcp.hashsize").unwrap().is_read_only(),
        "a configuration can set it"
    );
    let global = tree.find("kern.version").unwrap();
    assert_eq!((global.v_subs(), global.flags()), (VSubs::Global, Flags::RD));
    assert_eq!(tree.find("test.u64").unwrap().range(), Some((0, i128::from(u64::MAX))));
    assert!(tree.check("net.inet.ip.forwarding", 1.into()).is_ok());
    assert!(tree.check("net.inet.ip.forwarding", 2.into()).is_err());
    assert!(tree.check("test.fixed", 2.into()).is_err());
}

#[test]
fn an_oid_resolves_to_the_address_of_its_variable() {
    let mut lab = lab();
    let red = lab.create("red");
    let tree = lab.vnets.registry().sysctl();
    let resolve = |name, vnet| resolve_v_arg1(tree.find(name).unwrap(), vnet);
    let base = all::init(&red);
    let addresses = [
        ("net.inet.ip.forwarding", std::ptr::from_ref(base.int()).addr()),
        ("test.u64", std::ptr::from_ref(base.u64()).addr()),
        ("test.list.len", std::ptr::from_ref(base.list()).addr()),
    ];
    for (name, address) in addresses {
        assert_eq!(resolve(name, Some(&red)).unwrap().addr(), address);
    }
    // Two variables of one vnet are as far apart as their offsets say.
    let offset = |name| tree.find(name).unwrap().offset();
    let apart = offset("test.u64").wrapping_sub(offset("net.inet.ip.forwarding"));
    assert_eq!(apart, addresses[1].1.wrapping_sub(addresses[0].1));
    let global = resolve("kern.ipc.maxsockets", None).unwrap().addr();
    assert_eq!(global, std::ptr::from_ref(all::maxsockets()).addr());
}

#[test]
fn dying_vnets_take_no_requests() {
    if !MANY {
        return;
    }
    let mut lab = lab();
    let red = lab.create("red");
    lab.vnets.destroy(&mut lab.control, red.id()).unwrap();
    assert_ne!(red.state(), VnetState::Alive);
    let tree = lab.vnets.registry().sysctl();
    let error = tree.get(&mut lab.control, Some(&red), "test.int").unwrap_err();
    assert_eq!(error, SysctlError::Dying { vnet: "red".to_owned() });
    let _last = red;
}

#[test]
fn modules_that_a_vnet_lacks_are_named() {
    let mut lab = Lab::with(0, &[&common::ipfw::ipfw::MODULE], &System);
    assert_eq!(lab.vnets.registry().parked().len(), 1);
    let red = lab.create("red");
    let tree = lab.vnets.registry().sysctl();
    let got = tree.get(&mut lab.control, Some(&red), "test.ipfw.number");
    if MANY {
        let text = got.unwrap_err().to_string();
        assert!(text.contains("has no module ipfw"), "{text}");
    }
}

#[test]
fn values_are_parsed() {
    assert_eq!(Value::parse("10"), Value::U64(10));
    assert_eq!(Value::parse(" -10 "), Value::S64(-10));
    assert_eq!(Value::parse("0xff"), Value::U64(255));
    assert_eq!(Value::parse("10a"), Value::Str("10a".to_owned()));
    assert_eq!(Value::parse(&u64::MAX.to_string()), Value::U64(u64::MAX));
    assert_eq!(Value::Opaque(vec![0, 255]).to_string(), "00ff");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A number is accepted if and only if it is in the range, and then it is what the variable holds.
    #[test]
    fn ranges_hold(number in prop_oneof![any::<i64>(), -20i64..20]) {
        let mut lab = lab();
        let red = lab.create("red");
        let tree = lab.vnets.registry().sysctl();
        for (name, range) in [("test.uint", 2..=10), ("test.s64", -10..=10), ("test.int", i64::from(i32::MIN)..=i64::from(i32::MAX))] {
            let before = tree.get(&mut lab.control, Some(&red), name).unwrap();
            let written = tree.set(&mut lab.control, Some(&red), name, number.into());
            prop_assert_eq!(written.is_ok(), range.contains(&number), "{}", name);
            let after = tree.get(&mut lab.control, Some(&red), name).unwrap();
            let expected = if range.contains(&number) { i128::from(number) } else { before.as_number().unwrap() };
            prop_assert_eq!(after.as_number(), Some(expected));
        }
    }

    /// A printed number is parsed to the same number.
    #[test]
    fn printing_and_parsing_numbers(signed in any::<i64>(), unsigned in any::<u64>()) {
        for value in [Value::from(signed), Value::from(unsigned)] {
            prop_assert_eq!(Value::parse(&value.to_string()).as_number(), value.as_number());
        }
    }
}
