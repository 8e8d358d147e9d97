//! The shipped configurations: they validate, say what they are meant to say, and the demo's
//! packets are what its comments promise.

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use config::{
    Attachment, Config, CpuId, Device, Gateway, Host, Hugepages, RouteTarget, SysctlValue, load,
};

const SHIPPED: [&str; 5] =
    ["demo.toml", "router.toml", "vlan-tenants.toml", "tap-lab.toml", "service.toml"];

fn shipped(name: &str) -> Config {
    let path = Path::new(common::WORKSPACE).join("config").join(name);
    load(&path, &common::host()).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn each_is_valid_and_without_warnings() {
    for name in SHIPPED {
        let config = shipped(name);
        assert!(config.warnings.is_empty(), "{}", config.warnings.render(false));
    }
}

#[test]
fn none_is_left_out_of_these_tests() {
    let entries = std::fs::read_dir(env!("CARGO_MANIFEST_DIR")).expect("the crate's folder");
    let names: BTreeSet<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".toml") && name != "Cargo.toml")
        .collect();
    assert_eq!(names, SHIPPED.map(str::to_owned).into());
}

/// The demo runs on a machine with one CPU and nothing else.
#[test]
fn the_demo_asks_for_little() {
    let path = Path::new(common::WORKSPACE).join("config/demo.toml");
    let host = Host { online_cpus: [CpuId(0)].into(), ..common::host() };
    let config = load(&path, &host).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.workers.cpus, [CpuId(0)]);
    assert_eq!(config.dpdk.hugepages, Hugepages::Auto);
    assert!(config.ports.iter().all(|port| matches!(port.device, Device::Vdev { .. })));
}

#[test]
fn the_demo_has_two_vnets_that_differ_in_nothing_but_name_and_port() {
    let config = shipped("demo.toml");
    let [red, blue] = config.vnets.as_slice() else { panic!("not two vnets") };
    assert_eq!((red.name.as_str(), blue.name.as_str()), ("red", "blue"));
    assert_eq!(red.routes, blue.routes);
    assert_eq!(red.neighbors, blue.neighbors);
    assert_eq!(red.sysctls, blue.sysctls);
    assert_eq!(red.interfaces[0].addresses, blue.interfaces[0].addresses);
    assert_ne!(red.interfaces[0].attachment, blue.interfaces[0].attachment);
    assert_eq!(red.sysctls[0].name, "net.inet.ip.forwarding");
    assert_eq!(red.sysctls[0].value, SysctlValue::Integer(1));
    let RouteTarget::Via(hops) = &red.routes[0].target else { panic!("no next hop") };
    let [Gateway { address, interface }] = hops.as_slice() else { panic!("{hops:?}") };
    assert_eq!(address.to_string(), "172.16.0.2");
    assert_eq!(interface.as_str(), "em0");
}

#[test]
fn a_build_with_one_vnet_takes_router_and_refuses_demo() {
    let folder = Path::new(common::WORKSPACE).join("config");
    let host = Host { max_vnets: 1, arm: "none".to_owned(), ..common::host() };
    assert!(load(&folder.join("router.toml"), &host).is_ok());
    let errors = load(&folder.join("demo.toml"), &host).expect_err("two vnets");
    assert!(errors.render(false).contains("feature `none`"), "{errors}");
}

#[test]
fn the_tenants_share_a_port_behind_vlans() {
    let config = shipped("vlan-tenants.toml");
    let vlans: Vec<u16> = config
        .vnets
        .iter()
        .flat_map(|vnet| &vnet.interfaces)
        .map(|interface| match &interface.attachment {
            Attachment::Port { vlan: Some(vlan), .. } => vlan.get(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(vlans, [100, 101, 200, 201]);
}

/// One's complement sum of RFC 1071; 0xffff for bytes that include their own valid checksum.
fn internet_sum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u32 = words.map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    u16::try_from((folded & 0xffff) + (folded >> 16)).expect("folded twice")
}

#[test]
fn the_demos_packets_are_what_it_says() {
    for (name, port_mac_end) in [("demo-red.pcap", 0), ("demo-blue.pcap", 1)] {
        let path = Path::new(common::WORKSPACE).join("config").join(name);
        let bytes = std::fs::read(path).expect("a shipped capture");
        let (records, rest) = bytes[24..].as_chunks::<76>();
        assert!(rest.is_empty(), "records of 16 + 60 bytes");
        let mut destinations = BTreeSet::new();
        for record in records {
            let (ethernet, ip_packet) = record[16..].split_at(14);
            let (ip, udp) = ip_packet.split_at(20);
            assert_eq!(ethernet[..6], [2, 0x70, 0x63, 0x61, 0x70, port_mac_end]);
            assert_eq!(ethernet[12..], [8, 0]);
            assert_eq!((ip[0], ip[8], ip[9]), (0x45, 64, 17), "version, TTL, UDP");
            assert_eq!(internet_sum(&[ip]), 0xffff);
            let length = u16::try_from(udp.len()).expect("46 bytes at most").to_be_bytes();
            assert_eq!(internet_sum(&[&ip[12..20], &[0, 17], &length, udp]), 0xffff);
            assert_eq!((&ip[12..15], ip[16], ip[17] & 0xfe), (&[172, 16, 0][..], 198, 18));
            assert!(ip[15] >= 2);
            let _ = destinations.insert([ip[16], ip[17], ip[18], ip[19]]);
        }
        assert_eq!((records.len(), destinations.len()), (1024, 1024));
    }
}
