//! The arguments of DPDK's drivers: which of them reach something of the host, and which reach nothing.

use std::collections::BTreeSet;

use crate::model::Device;

/// The part of the host that the value of an argument names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Numbers, flags, addresses.
    Nothing,
    /// An interface of the kernel.
    Interface,
    /// A file, a socket or a device node.
    Path,
}

/// The arguments of one driver.
struct Driver {
    /// As in the device's name, without the number.
    names: &'static [&'static str],
    interfaces: &'static [&'static str],
    paths: &'static [&'static str],
    others: &'static [&'static str],
    /// An argument that reaches something although it is not given.
    implied: Option<(&'static str, &'static str)>,
}

/// The drivers whose arguments are known, as of DPDK 22.11 to 25.11 (`drivers/net/*`, `RTE_PMD_REGISTER_PARAM_STRING`). An
/// argument that is missing here reaches an unknown part of the host: memif's `zero-copy`, which shows its peer the packets
/// of all vnets, failsafe's `exec`, and ring's `internal`, which is an address in memory, are left out for that.
const DRIVERS: &[Driver] = &[
    Driver {
        names: &["net_null", "eth_null"],
        interfaces: &[],
        paths: &[],
        others: &["size", "copy", "no-rx"],
        implied: None,
    },
    Driver {
        names: &["net_tap"],
        interfaces: &["iface", "remote"],
        paths: &[],
        others: &["mac", "speed", "persist"],
        implied: None,
    },
    Driver { names: &["net_tun"], interfaces: &["iface"], paths: &[], others: &[], implied: None },
    Driver {
        names: &["net_af_packet", "eth_af_packet"],
        interfaces: &["iface"],
        paths: &[],
        others: &["qpairs", "blocksz", "framesz", "framecnt", "qdisc_bypass", "fanout_mode"],
        implied: None,
    },
    Driver {
        names: &["net_af_xdp"],
        interfaces: &["iface"],
        paths: &["xdp_prog", "dp_path"],
        others: &["start_queue", "queue_count", "shared_umem", "busy_budget", "force_copy", "mode"],
        implied: None,
    },
    Driver {
        names: &["net_pcap", "eth_pcap"],
        interfaces: &["iface", "rx_iface", "rx_iface_in", "tx_iface"],
        paths: &["rx_pcap", "tx_pcap"],
        others: &["phy_mac", "infinite_rx"],
        implied: None,
    },
    Driver {
        names: &["net_memif"],
        interfaces: &[],
        paths: &["socket"],
        others: &[
            "id",
            "role",
            "bsize",
            "rsize",
            "socket-abstract",
            "mac",
            "secret",
            "owner-uid",
            "owner-gid",
        ],
        implied: Some(("socket", "/run/memif.sock")),
    },
    Driver {
        names: &["net_vhost", "eth_vhost"],
        interfaces: &[],
        paths: &["iface"],
        others: &[
            "queues",
            "client",
            "iommu-support",
            "tso",
            "linear-buffer",
            "ext-buffer",
            "legacy-ol-flags",
        ],
        implied: None,
    },
    Driver {
        names: &["net_virtio_user", "virtio_user"],
        interfaces: &["iface"],
        paths: &["path"],
        others: &[
            "mac",
            "queue_size",
            "queues",
            "cq",
            "server",
            "mrg_rxbuf",
            "in_order",
            "packed_vq",
            "speed",
            "vectorized",
        ],
        implied: None,
    },
];

/// The driver of a virtual device: its name without the number.
pub(super) fn driver_of(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// The arguments of a device, each with its value and its reach; none for an argument whose reach is unknown. Those that
/// the driver implies are among them.
pub(super) fn arguments<'a>(
    driver: &str,
    args: &'a str,
) -> impl Iterator<Item = (&'a str, &'a str, Option<Reach>)> {
    let driver = DRIVERS.iter().find(|known| known.names.contains(&driver));
    let given = args.split(',').filter(|arg| !arg.is_empty());
    let given = given.map(|arg| arg.split_once('=').unwrap_or((arg, "")));
    let implied = driver.and_then(|driver| driver.implied);
    let implied = implied.filter(|(key, _)| given.clone().all(|(other, _)| other != *key));
    given
        .chain(implied)
        .map(move |(key, value)| (key, value, driver.and_then(|driver| reach(driver, key))))
}

impl Device {
    /// The interfaces of the host that it is on.
    pub fn interfaces(&self) -> impl Iterator<Item = &str> {
        let (driver, args) = match self {
            Self::Pci { .. } => ("", ""),
            Self::Vdev { name, args } => (driver_of(name), args.as_deref().unwrap_or("")),
        };
        let reached = arguments(driver, args)
            .filter(|(_, _, reach)| *reach == Some(Reach::Interface))
            .map(|(_, interface, _)| interface);
        // A port may receive and send through the same one.
        reached.collect::<BTreeSet<_>>().into_iter()
    }
}

fn reach(driver: &Driver, key: &str) -> Option<Reach> {
    if driver.interfaces.contains(&key) {
        Some(Reach::Interface)
    } else if driver.paths.contains(&key) {
        Some(Reach::Path)
    } else {
        driver.others.contains(&key).then_some(Reach::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_say_what_they_reach() {
        let of = |device: &'static str| {
            let (name, args) = device.split_once(',').unwrap_or((device, ""));
            arguments(driver_of(name), args).collect::<Vec<_>>()
        };
        let (nothing, interface, path) =
            (Some(Reach::Nothing), Some(Reach::Interface), Some(Reach::Path));
        assert_eq!(
            of("net_tap0,iface=a,persist,frob=1"),
            [("iface", "a", interface), ("persist", "", nothing), ("frob", "1", None)]
        );
        assert_eq!(of("net_vhost3,iface=/run/x"), [("iface", "/run/x", path)]);
        assert_eq!(of("net_memif0"), [("socket", "/run/memif.sock", path)]);
        assert_eq!(of("net_memif0,socket=/x"), [("socket", "/x", path)]);
        assert_eq!(of("net_null0"), []);
        assert_eq!(of("net_other0,iface=a"), [("iface", "a", None)]);
    }
}
