//! A configuration as TOML, in the style of the shipped files: what has its default is left out, except for what follows
//! from the machine. Reading the text again gives the same configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write as _};
use std::path::Path;

use crate::defaults::{
    BURST_DEFAULT, DESCRIPTORS_DEFAULT, IDLE_SLEEP_US_DEFAULT, LOG_LEVEL_DEFAULT,
    LOOPBACK_MTU_DEFAULT, MTU_DEFAULT, SOCKET_DEFAULT,
};
use crate::model::{
    Attachment, Config, Control, Dpdk, Gateway, Histograms, Hugepages, IfName, Interface, Log,
    LogFormat, LogTarget, Metrics, Neighbor, Port, Route, RouteTarget, Sysctl, SysctlValue, Vnet,
    VnetName, Workers,
};

/// Sysctls that stand in one line; more get a line each.
const SYSCTLS_INLINE: usize = 2;

/// A table with its keys and values, as they stand in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// `[workers]`
    pub(crate) header: &'static str,
    /// In the order in which they are written.
    pub(crate) keys: Vec<(&'static str, String)>,
}

impl Table {
    fn new(header: &'static str) -> Self {
        Self { header, keys: Vec::new() }
    }

    fn with(mut self, key: &'static str, value: impl Display) -> Self {
        self.keys.push((key, value.to_string()));
        self
    }

    /// The key, unless it has its default.
    fn unless<T: Display + PartialEq>(self, key: &'static str, value: T, default: T) -> Self {
        if value == default { self } else { self.with(key, value) }
    }

    /// The key, if it is there at all.
    fn maybe(self, key: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    fn write(&self, text: &mut String) {
        if !text.is_empty() {
            text.push('\n');
        }
        let _infallible = writeln!(text, "{}", self.header);
        for (key, value) in &self.keys {
            let _infallible = writeln!(text, "{key} = {value}");
        }
    }
}

impl Config {
    /// The configuration as TOML. Parsing it gives an equal one.
    ///
    /// ```
    /// let host = config::Host { online_cpus: [config::CpuId(1)].into(), max_vnets: 9, ..config::Host::default() };
    /// let text = "[workers]\ncpus = [1]\n\n[[vnet]]\nname = \"red\"\n\n[[vnet.route]]\nprefix = \"10.0.0.0/8\"\n\
    ///             type = \"reject\"\n";
    /// assert_eq!(config::parse("a.toml", text, &host).unwrap().to_toml(), text);
    /// ```
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        self.process().iter().for_each(|table| table.write(&mut text));
        self.ports.iter().for_each(|port| port_table(port).write(&mut text));
        let epairs = epairs(&self.vnets);
        self.vnets.iter().for_each(|vnet| self.vnet(vnet, &epairs, &mut text));
        text
    }

    /// The tables that are there once; a change of one concerns the whole process.
    pub(crate) fn process(&self) -> Vec<Table> {
        let Self {
            dpdk,
            workers,
            control,
            log,
            histograms,
            metrics,
            ports: _,
            vnets: _,
            warnings: _,
        } = self;
        let mut tables = vec![
            dpdk_table(dpdk),
            workers_table(workers),
            control_table(control),
            log_table(log),
            metrics_table(metrics),
        ];
        tables.retain(|table| !table.keys.is_empty());
        tables.extend(
            histograms
                .map(|Histograms { sample }| Table::new("[histograms]").with("sample", sample)),
        );
        tables
    }

    fn vnet(&self, vnet: &Vnet, epairs: &Epairs<'_>, text: &mut String) {
        let Vnet { name, sysctls, interfaces, neighbors, routes } = vnet;
        let table = Table::new("[[vnet]]").with("name", quoted(name.as_str()));
        if sysctls.len() <= SYSCTLS_INLINE {
            let pairs: Vec<String> = sysctls.iter().map(assignment).collect();
            let inline = (!pairs.is_empty()).then(|| format!("{{ {} }}", pairs.join(", ")));
            table.maybe("sysctl", inline).write(text);
        } else {
            table.write(text);
            text.push_str("\n[vnet.sysctl]\n");
            for sysctl in sysctls {
                let _infallible = writeln!(text, "{}", assignment(sysctl));
            }
        }
        for interface in interfaces {
            let epair = epairs.get(&(name, &interface.name)).map(String::as_str);
            self.interface(interface, epair).write(text);
        }
        neighbors.iter().for_each(|neighbor| neighbor_table(neighbor).write(text));
        routes.iter().for_each(|route| route_table(route).write(text));
    }

    fn interface(&self, interface: &Interface, epair: Option<&str>) -> Table {
        let Interface { name, attachment, mtu, mac, addresses, up } = interface;
        let table = Table::new("[[vnet.interface]]").with("name", quoted(name.as_str()));
        let (table, mtu_default) = match attachment {
            Attachment::Loopback => (table.with("kind", quoted("loopback")), LOOPBACK_MTU_DEFAULT),
            Attachment::Epair { .. } => (table.maybe("epair", epair.map(quoted)), MTU_DEFAULT),
            Attachment::Port { port, vlan } => {
                let port_mtu = self.port(port).map_or(MTU_DEFAULT, |port| port.mtu);
                (table.with("port", quoted(port.as_str())).maybe("vlan", *vlan), port_mtu)
            }
        };
        let table = table.unless("mtu", *mtu, mtu_default).maybe("mac", mac.map(quoted));
        let table = match addresses.as_slice() {
            [] => table,
            some => table.with("addresses", list(some.iter().map(quoted))),
        };
        table.unless("up", *up, true)
    }
}

/// The names of epairs, by vnet and name of either end.
type Epairs<'a> = BTreeMap<(&'a VnetName, &'a IfName), String>;

/// Only a file has names for epairs, so any will do: what the first end is called without its last letter, unless another
/// pair is called so.
fn epairs(vnets: &[Vnet]) -> Epairs<'_> {
    let (mut epairs, mut used, mut numbers) = (Epairs::new(), BTreeSet::new(), 0..);
    for (vnet, one) in
        vnets.iter().flat_map(|vnet| vnet.interfaces.iter().map(move |one| (vnet, one)))
    {
        let Attachment::Epair { vnet: far_vnet, interface } = &one.attachment else { continue };
        if epairs.contains_key(&(&vnet.name, &one.name)) {
            continue;
        }
        let name = one.name.as_str();
        let stem = name.strip_suffix(['a', 'b']).filter(|stem| !stem.is_empty()).unwrap_or(name);
        let others = numbers.by_ref().map(|number: usize| format!("epair{number}"));
        let mut names = std::iter::once(stem.to_owned()).chain(others);
        let name = names.find(|name| !used.contains(name)).unwrap_or_default();
        let _new = used.insert(name.clone());
        let _new = epairs.insert((far_vnet, interface), name.clone());
        let _new = epairs.insert((&vnet.name, &one.name), name);
    }
    epairs
}

fn dpdk_table(Dpdk { hugepages, eal_args, mbufs }: &Dpdk) -> Table {
    let word = |hugepages: &Hugepages| match hugepages {
        Hugepages::Auto => quoted("auto"),
        Hugepages::Required => quoted("required"),
        Hugepages::None => quoted("none"),
    };
    Table::new("[dpdk]")
        .unless("hugepages", word(hugepages), word(&Hugepages::default()))
        .unless("eal_args", list(eal_args.iter().map(quoted)), "[]".to_owned())
        .maybe("mbufs", *mbufs)
}

fn workers_table(Workers { cpus, burst, idle_sleep_us }: &Workers) -> Table {
    Table::new("[workers]").with("cpus", list(cpus)).unless("burst", *burst, BURST_DEFAULT).unless(
        "idle_sleep_us",
        *idle_sleep_us,
        IDLE_SLEEP_US_DEFAULT,
    )
}

fn control_table(Control { socket, owner, group, devices }: &Control) -> Table {
    let path = |path: &Path| quoted(path.display());
    Table::new("[control]")
        .unless("socket", path(socket), path(Path::new(SOCKET_DEFAULT)))
        .maybe("owner", owner.as_ref().map(quoted))
        .maybe("group", group.as_ref().map(quoted))
        .maybe("devices", (!devices.is_empty()).then(|| list(devices.iter().map(quoted))))
}

fn log_table(Log { format, target, level }: &Log) -> Table {
    let format = match format {
        LogFormat::Text => None,
        LogFormat::Json => Some("json"),
    };
    let target = match target {
        LogTarget::Stderr => None,
        LogTarget::Journal => Some("journal"),
    };
    Table::new("[log]")
        .maybe("format", format.map(quoted))
        .maybe("target", target.map(quoted))
        .unless("level", quoted(level), quoted(LOG_LEVEL_DEFAULT))
}

fn metrics_table(Metrics { listen, dpdk_telemetry }: &Metrics) -> Table {
    Table::new("[metrics]").maybe("listen", listen.map(quoted)).unless(
        "dpdk_telemetry",
        *dpdk_telemetry,
        false,
    )
}

/// The table of a port.
pub(crate) fn port_table(port: &Port) -> Table {
    let Port {
        name,
        device,
        queues,
        workers,
        mtu,
        rx_descriptors,
        tx_descriptors,
        promiscuous,
        mac,
    } = port;
    Table::new("[[port]]")
        .with("name", quoted(name.as_str()))
        .with("device", quoted(device))
        .maybe("queues", *queues)
        .maybe("workers", workers.as_ref().map(list))
        .unless("mtu", *mtu, MTU_DEFAULT)
        .unless("rx_descriptors", *rx_descriptors, DESCRIPTORS_DEFAULT)
        .unless("tx_descriptors", *tx_descriptors, DESCRIPTORS_DEFAULT)
        .unless("promiscuous", *promiscuous, false)
        .maybe("mac", mac.map(quoted))
}

fn assignment(Sysctl { name, value }: &Sysctl) -> String {
    let value = match value {
        SysctlValue::Integer(number) => number.to_string(),
        SysctlValue::Text(text) => quoted(text),
    };
    format!("{} = {value}", quoted(name))
}

fn neighbor_table(Neighbor { interface, address, mac }: &Neighbor) -> Table {
    Table::new("[[vnet.neighbor]]")
        .with("interface", quoted(interface.as_str()))
        .with("address", quoted(address))
        .with("mac", quoted(mac))
}

fn route_table(Route { prefix, target }: &Route) -> Table {
    let table = Table::new("[[vnet.route]]").with("prefix", quoted(prefix));
    match target {
        RouteTarget::Via(gateways) => table.with("via", list(gateways.iter().map(quoted))),
        RouteTarget::Interface(name) => table.with("via", list([quoted(name)])),
        RouteTarget::Blackhole | RouteTarget::Reject => table.with("type", quoted(target)),
    }
}

fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    format!("[{}]", items.join(", "))
}

/// A TOML string. What it cannot hold as it is, TOML writes as `\uXXXX`.
fn quoted(text: impl Display) -> String {
    let mut out = "\"".to_owned();
    for c in text.to_string().chars() {
        let _infallible = match c {
            '"' | '\\' => write!(out, "\\{c}"),
            c if c.is_ascii_control() => write!(out, "\\u{:04X}", u32::from(c)),
            c => write!(out, "{c}"),
        };
    }
    out.push('"');
    out
}

impl Display for Gateway {
    /// As it stands in `via`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.address.fmt(f)
    }
}
