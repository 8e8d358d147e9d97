//! A machine and a build for the tests: everything a [`Host`] says is made up here.

use std::path::PathBuf;

use config::{CpuId, Host, SysctlInfo, SysctlKind, SysctlScope};

/// The workspace's folder, where the shipped files' paths start: tests run in the crate's folder.
pub(crate) const WORKSPACE: &str = "..";

/// Eight CPUs, room for five vnets, and a handful of sysctls.
pub(crate) fn host() -> Host {
    let number = |min, max| SysctlKind::Integer { min, max };
    let vnet = SysctlScope::Vnet;
    let sysctls = [
        ("net.inet.ip.forwarding", number(0, 1), false, vnet),
        ("net.inet.ip.redirect", number(0, 1), false, vnet),
        ("net.inet.ip.ttl", number(1, 255), false, vnet),
        ("net.inet.ip.stats", number(0, i64::MAX), true, vnet),
        ("net.link.description", SysctlKind::Text, false, vnet),
        ("net.link.comment", SysctlKind::Text, false, vnet),
        ("net.link.owner", SysctlKind::Text, false, vnet),
        ("net.mbufs", number(0, 9), false, SysctlScope::Global),
        ("net.vnet.maxroutes", number(0, 4_194_304), false, vnet),
    ];
    Host {
        online_cpus: (0..8).map(CpuId).collect(),
        directory: PathBuf::from(WORKSPACE),
        sysctls: sysctls
            .into_iter()
            .map(|(name, kind, read_only, scope)| {
                (name.to_owned(), SysctlInfo { kind, read_only, scope })
            })
            .collect(),
        max_vnets: 5,
        arm: "vimage".to_owned(),
        max_ports: 32,
        drivers: [
            "net_null",
            "net_tap",
            "net_pcap",
            "net_af_packet",
            "net_ring",
            "net_memif",
            "net_virtio_user",
        ]
        .map(str::to_owned)
        .into(),
        devices: config::DeviceAccess::Any,
    }
}
