//! The tables of the file, key by key. Adding a key starts here.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::decode::{Decode, Input, List, OneOrMany, wrong_type};
use crate::diagnostic::Diagnostic;
use crate::model::PortWish;

crate::tables! {
    /// The file itself.
    Document "a configuration" {
        dpdk: Dpdk,
        workers: Workers,
        control: Control,
        log: Log,
        histograms: Histograms,
        metrics: Metrics,
        port: Vec<Port>,
        vnet: Vec<Vnet>,
    }

    /// The arguments that the EAL is started with.
    Dpdk "[dpdk]" {
        /// `auto`, `required` or `none`.
        hugepages: Spanned<String>,
        /// Verbatim arguments of `rte_eal_init`.
        eal_args: Spanned<List<Spanned<String>>>,
        /// Packet buffers per NUMA node.
        mbufs: Spanned<i64>,
    }

    /// The polling threads.
    Workers "[workers]" {
        /// One worker per entry.
        cpus: Spanned<Numbers>,
        /// Packets per poll.
        burst: Spanned<i64>,
        /// Sleep after a run of empty polls.
        idle_sleep_us: Spanned<i64>,
    }

    /// The control socket.
    Control "[control]" {
        /// Its path.
        socket: Spanned<String>,
        /// The user whose file it is, by name or number.
        owner: Spanned<String>,
        /// The group whose members may use it, by name or number.
        group: Spanned<String>,
        /// The devices that its users may name who are neither root nor the owner.
        devices: Spanned<List<Spanned<String>>>,
    }

    /// The program's log.
    Log "[log]" {
        /// `text` or `json`.
        format: Spanned<String>,
        /// `stderr` or `journal`.
        target: Spanned<String>,
        /// From which level on.
        level: Spanned<String>,
    }

    /// Measurements that workers take of themselves.
    Histograms "[histograms]" {
        /// One iteration in this many.
        sample: Spanned<i64>,
    }

    /// The numbers that a monitoring system reads.
    Metrics "[metrics]" {
        /// Address and port of the HTTP listener.
        listen: Spanned<String>,
        /// Whether DPDK's telemetry socket is made.
        dpdk_telemetry: Spanned<bool>,
    }

    /// A device that workers poll.
    Port "[[port]]" {
        name: Spanned<String> = required("name = \"p0\""),
        /// PCI address or vdev string.
        device: Spanned<String> = required("device = \"0000:03:00.0\""),
        queues: Spanned<i64>,
        /// The workers that poll it.
        workers: Spanned<Numbers>,
        /// Bytes of IP packet.
        mtu: Spanned<i64>,
        rx_descriptors: Spanned<i64>,
        tx_descriptors: Spanned<i64>,
        promiscuous: Spanned<bool>,
        mac: Spanned<String>,
    }

    /// A network stack.
    Vnet "[[vnet]]" {
        name: Spanned<String> = required("name = \"red\""),
        sysctl: SysctlTable,
        limits: Limits,
        interface: Vec<Interface>,
        neighbor: Vec<Neighbor>,
        route: Vec<Route>,
    }

    /// The limits of a vnet.
    Limits "[vnet.limits]" {
        interfaces: Spanned<i64>,
        routes: Spanned<i64>,
        neighbors: Spanned<i64>,
        /// Packets that wait for a neighbour's address.
        held_packets: Spanned<i64>,
        memory: Spanned<Bytes>,
        /// Packet buffers that are not at work.
        mbufs: Spanned<i64>,
        /// Percent of a worker that does not keep up.
        pcpu: Spanned<i64>,
        /// Part of such a worker, by the sum of the weights.
        cpu_weight: Spanned<i64>,
    }

    /// An interface of a vnet.
    Interface "[[vnet.interface]]"
    one_of("port" "epair" "kind"; "port = \"p0\", epair = \"epair0\", or for lo0 kind = \"loopback\"") {
        name: Spanned<String> = required("name = \"em0\""),
        port: Spanned<String>,
        /// Instead of a port, one that exactly one other interface names.
        epair: Spanned<String>,
        /// `loopback`, instead of a port.
        kind: Spanned<String>,
        vlan: Spanned<i64>,
        /// Bytes of IP packet.
        mtu: Spanned<i64>,
        mac: Spanned<String>,
        /// `ADDRESS/LENGTH` each.
        addresses: Spanned<List<Spanned<String>>>,
        /// Administratively up.
        up: Spanned<bool>,
    }

    /// A static ARP entry.
    Neighbor "[[vnet.neighbor]]" {
        interface: Spanned<String> = required("interface = \"em0\""),
        address: Spanned<String> = required("address = \"172.16.0.2\""),
        mac: Spanned<String> = required("mac = \"02:00:00:00:00:99\""),
    }

    /// A static route.
    Route "[[vnet.route]]"
    one_of("via" "type"; "via = [\"172.16.0.2\"] or type = \"blackhole\"") {
        prefix: Spanned<String> = required("prefix = \"198.18.0.0/15\""),
        /// Addresses of routers, or names of interfaces.
        via: Spanned<OneOrMany>,
        /// `blackhole` or `reject`, instead of `via`.
        action as "type": Spanned<String>,
    }
}

impl Port {
    /// As a file without places would say it.
    pub(crate) fn of(wish: PortWish) -> Self {
        fn value<T>(value: T) -> Spanned<T> {
            Spanned::new(0..0, value)
        }
        let PortWish {
            name,
            device,
            queues,
            workers,
            mtu,
            rx_descriptors,
            tx_descriptors,
            promiscuous,
            mac,
        } = wish;
        Self {
            name: Some(value(name)),
            device: Some(value(device)),
            queues: queues.map(value),
            workers: workers.map(|workers| value(List(workers.into_iter().map(value).collect()))),
            mtu: mtu.map(value),
            rx_descriptors: rx_descriptors.map(value),
            tx_descriptors: tx_descriptors.map(value),
            promiscuous: promiscuous.map(value),
            mac: mac.map(value),
        }
    }
}

/// A number of bytes, or a text such as `64MiB`.
#[derive(Debug)]
pub(crate) struct Bytes(pub(crate) i64);

impl Decode for Spanned<Bytes> {
    fn decode(input: &Input<'_>, found: &mut Vec<Diagnostic>) -> Option<Self> {
        let span = input.value.span();
        if let DeValue::String(text) = input.value.get_ref() {
            if let Some(bytes) = bytes(text) {
                return Some(Spanned::new(span, Bytes(bytes)));
            }
            let cure = format!("write a number and KiB, MiB or GiB: {} = \"64MiB\"", input.key);
            found.push(wrong_type(input, "a number of bytes", cure));
            return None;
        }
        let number = Spanned::<i64>::decode(input, found)?;
        Some(Spanned::new(span, Bytes(number.into_inner())))
    }
}

/// `64MiB`, also with a space between.
fn bytes(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit: i64 = match unit.trim_start() {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit)
}

/// Numbers of CPUs or workers.
pub(crate) type Numbers = List<Spanned<i64>>;

/// Sysctls by name. `"net.inet.ip.forwarding" = 1` and, without quotes, the nested tables that
/// TOML makes of `net.inet.ip.forwarding = 1` mean the same.
#[derive(Debug)]
pub(crate) struct SysctlTable(pub(crate) Vec<SysctlEntry>);

/// One sysctl to set.
#[derive(Debug)]
pub(crate) struct SysctlEntry {
    /// The dotted name and its place.
    pub(crate) name: Spanned<String>,
    /// The value and its place.
    pub(crate) value: Spanned<SysctlScalar>,
}

/// A value that some sysctl could take.
#[derive(Clone, Debug)]
pub(crate) enum SysctlScalar {
    /// A number, `None` if it does not fit in 64 bits.
    Integer(Option<i64>),
    /// A text.
    Text(String),
    /// `true` or `false`, which no sysctl takes.
    Boolean(bool),
    /// Anything else, as an error names it.
    Other(&'static str),
}

impl Decode for SysctlTable {
    fn decode(input: &Input<'_>, found: &mut Vec<Diagnostic>) -> Option<Self> {
        let DeValue::Table(table) = input.value.get_ref() else {
            let cure = "write sysctl = { \"net.inet.ip.forwarding\" = 1 }".to_owned();
            found.push(wrong_type(input, "a table of names and values", cure));
            return None;
        };
        let mut entries = Vec::new();
        flatten("", table, &mut entries);
        // The TOML parser sorts keys by name; the file's order is the one to set them in.
        entries.sort_by_key(|entry| entry.name.span().start);
        Some(Self(entries))
    }
}

/// Names grow by one part per nested table; the TOML parser bounds the depth.
fn flatten(parent: &str, table: &DeTable<'_>, entries: &mut Vec<SysctlEntry>) {
    for (key, value) in table {
        let name = match parent {
            "" => key.get_ref().to_string(),
            _ => format!("{parent}.{}", key.get_ref()),
        };
        let scalar = match value.get_ref() {
            DeValue::Table(nested) => {
                flatten(&name, nested, entries);
                continue;
            }
            DeValue::Integer(number) => {
                SysctlScalar::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok())
            }
            DeValue::String(text) => SysctlScalar::Text(text.to_string()),
            DeValue::Boolean(truth) => SysctlScalar::Boolean(*truth),
            DeValue::Float(_) => SysctlScalar::Other("a decimal fraction"),
            DeValue::Datetime(_) => SysctlScalar::Other("a date or time"),
            DeValue::Array(_) => SysctlScalar::Other("an array"),
        };
        entries.push(SysctlEntry {
            name: Spanned::new(key.span(), name),
            value: Spanned::new(value.span(), scalar),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shipped files are what people learn the keys from.
    #[test]
    fn each_key_is_shown_in_a_shipped_file() {
        let shipped = [
            include_str!("../demo.toml"),
            include_str!("../router.toml"),
            include_str!("../vlan-tenants.toml"),
            include_str!("../tap-lab.toml"),
            include_str!("../service.toml"),
        ];
        for (header, keys) in TABLES.iter().filter(|(header, _)| header.starts_with('[')) {
            for key in *keys {
                let shown = shipped.iter().any(|text| shows(text, header, key.name));
                assert!(shown, "{} of {header} is in no shipped file", key.name);
            }
        }
    }

    /// Whether a line of the table, or a commented one, sets the key; or a sub-table has its name.
    fn shows(text: &str, header: &str, key: &str) -> bool {
        let sub_table = format!("{}.{key}]", header.trim_end_matches(']'));
        let one_table = format!("[{}.{key}]", header.trim_matches(['[', ']']));
        let mut within = false;
        text.lines().any(|line| {
            if line.starts_with('[') {
                within = line == header;
            }
            let line = line.trim_start_matches("# ");
            line.starts_with(&sub_table)
                || line.starts_with(&one_table)
                || (within && line.starts_with(&format!("{key} = ")))
        })
    }
}
