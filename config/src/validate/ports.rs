//! `[[port]]`.

use std::collections::BTreeMap;

use toml::Spanned;

use super::scalars::{self, Named};
use super::{Check, device};
use crate::defaults::{DESCRIPTORS_DEFAULT, MTU_DEFAULT, limits};
use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::model::{Device, Port, PortName};
use crate::nearest::list;
use crate::raw;

/// The ports, and what interfaces need to know of those that have errors themselves.
#[derive(Default)]
pub(super) struct Ports {
    /// Those without errors.
    pub(super) checked: Vec<Port>,
    /// All by name, so that an error of a port is not followed by "unknown port".
    pub(super) known: BTreeMap<String, Known>,
}

/// A port as interfaces see it.
pub(super) struct Known {
    /// The place of its name.
    pub(super) span: Span,
    /// Bytes of IP packet.
    pub(super) mtu: u16,
    /// The place of the MTU, if the file gives it.
    pub(super) mtu_span: Option<Span>,
}

/// Names and devices that are taken.
#[derive(Default)]
struct Taken {
    names: BTreeMap<String, Span>,
    devices: BTreeMap<String, Span>,
    /// Interfaces of the host.
    interfaces: BTreeMap<String, Span>,
}

pub(super) fn check(check: &mut Check<'_>, raw: Vec<raw::Port>, workers: usize) -> Ports {
    let mut ports = Ports::default();
    let mut taken = Taken::default();
    if let Some(beyond) = raw.get(check.host.max_ports).filter(|_| check.host.max_ports > 0) {
        let diagnostic = too_many(raw.len(), check.host.max_ports, beyond.name.as_ref());
        check.report(diagnostic);
    }
    for raw in raw {
        let name = raw.name.clone();
        let mtu_span = raw.mtu.as_ref().map(Spanned::span);
        let mtu =
            scalars::number(check, "mtu", raw.mtu.clone(), (limits::MTU, "bytes"), MTU_DEFAULT);
        if let Some(name) = &name {
            let known = Known { span: name.span(), mtu, mtu_span };
            let _ = ports.known.entry(name.get_ref().clone()).or_insert(known);
        }
        ports.checked.extend(port(check, raw, mtu, workers, &mut taken));
    }
    ports
}

fn port(
    check: &mut Check<'_>,
    raw: raw::Port,
    mtu: u16,
    workers: usize,
    taken: &mut Taken,
) -> Option<Port> {
    let raw::Port {
        name,
        device,
        queues,
        workers: polling,
        mtu: _,
        rx_descriptors,
        tx_descriptors,
        promiscuous,
        mac,
    } = raw;
    let name = name.and_then(|given| port_name(check, given, taken));
    let device = device.and_then(|given| port_device(check, &given, taken));
    let polling = polling.map(|given| port_workers(check, &given, workers));
    let polled_by = match &polling {
        Some(polling) => (polling.len(), "name more workers in `workers`"),
        None => (workers, "add CPUs to `cpus` in [workers]"),
    };
    let queues = queues.and_then(|given| port_queues(check, &given, polled_by));
    // As many as it would have without the key.
    let named = polling.as_ref().map(Vec::len);
    let queues = queues.filter(|queues| Some(usize::from(*queues)) != named);
    let rx_descriptors = descriptors(check, "rx_descriptors", rx_descriptors);
    let tx_descriptors = descriptors(check, "tx_descriptors", tx_descriptors);
    let mac = mac.and_then(|given| scalars::mac(check, &given));
    Some(Port {
        name: name?,
        device: device?,
        queues,
        workers: polling,
        mtu,
        rx_descriptors,
        tx_descriptors,
        promiscuous: promiscuous.is_some_and(Spanned::into_inner),
        mac,
    })
}

fn descriptors(check: &mut Check<'_>, key: &str, given: Option<Spanned<i64>>) -> u16 {
    scalars::number(check, key, given, (limits::DESCRIPTORS, "descriptors"), DESCRIPTORS_DEFAULT)
}

fn port_name(check: &mut Check<'_>, given: Spanned<String>, taken: &mut Taken) -> Option<PortName> {
    let usable = scalars::name(check, Named::Port, &given);
    let free = scalars::unique(check, Named::Port, &given, &mut taken.names);
    (usable && free).then(|| PortName(given.into_inner()))
}

fn port_device(
    check: &mut Check<'_>,
    given: &Spanned<String>,
    taken: &mut Taken,
) -> Option<Device> {
    let device = device::check(check, given)?;
    let key = device.key();
    if let Some(first) = taken.devices.get(&key) {
        let cure = match &device {
            Device::Pci { .. } => "a NIC is one port; to share it between interfaces, give them \
                                   VLANs of one port"
                .to_owned(),
            Device::Vdev { name, .. } => {
                let driver = name.trim_end_matches(|c: char| c.is_ascii_digit());
                format!("a virtual device is called driver and number: {driver}1, {driver}2, ...")
            }
        };
        check.report(
            Diagnostic::at(
                Rule::DeviceTwice,
                given.span(),
                format!("two ports on the device {key}"),
                "the device is taken",
                cure,
            )
            .also(first.clone(), "first used here"),
        );
        return None;
    }
    let _ = taken.devices.insert(key, given.span());
    for interface in device.interfaces() {
        if let Some(first) = taken.interfaces.get(interface) {
            check.report(interface_shared(interface, given.span(), first.clone()));
            return None;
        }
    }
    let interfaces = device.interfaces().map(|interface| (interface.to_owned(), given.span()));
    taken.interfaces.extend(interfaces);
    Some(device)
}

/// Each of them would get the frames of both, and so would their tenants.
fn interface_shared(interface: &str, second: Span, first: Span) -> Diagnostic {
    Diagnostic::at(
        Rule::InterfaceShared,
        second,
        format!("two ports on the interface {interface} of the host"),
        "each of the two would get all frames",
        "give one port the interface, and share it between vnets by VLANs",
    )
    .also(first, "first used here")
}

fn too_many(count: usize, most: usize, first: Option<&Spanned<String>>) -> Diagnostic {
    Diagnostic::at(
        Rule::TooManyPorts,
        first.map_or(0..0, Spanned::span),
        format!("{count} ports"),
        format!("DPDK has room for {most}"),
        "share ports between interfaces by VLANs, or build DPDK with -Dmax_ethports",
    )
}

/// The workers that poll a port; none that is wrong.
fn port_workers(
    check: &mut Check<'_>,
    given: &Spanned<raw::Numbers>,
    workers: usize,
) -> Vec<usize> {
    if given.get_ref().0.is_empty() {
        check.report(Diagnostic::at(
            Rule::NoWorker,
            given.span(),
            "no worker is left to poll the port",
            "one worker is needed at least",
            "name workers, or leave the key out for those that poll the fewest queues",
        ));
    }
    let mut first_use: BTreeMap<usize, Span> = BTreeMap::new();
    let mut polling = Vec::new();
    for entry in &given.get_ref().0 {
        let Some(worker) = known_worker(check, entry, workers) else { continue };
        if let Some(first) = first_use.get(&worker) {
            let first = first.clone();
            check.report(worker_twice(worker, entry.span(), first));
        } else {
            let _ = first_use.insert(worker, entry.span());
            polling.push(worker);
        }
    }
    polling
}

fn known_worker(check: &mut Check<'_>, entry: &Spanned<i64>, workers: usize) -> Option<usize> {
    let worker = usize::try_from(*entry.get_ref()).ok().filter(|worker| *worker < workers);
    // No worker at all has been reported already.
    if worker.is_none() && workers > 0 {
        let known = list((0..workers).map(|worker| worker.to_string()));
        check.report(Diagnostic::at(
            Rule::UnknownWorker,
            entry.span(),
            format!("there is no worker {}", entry.get_ref()),
            "workers are numbered from 0, in the order of `cpus` in [workers]",
            format!("choose from {known}, or add CPUs to `cpus` in [workers]"),
        ));
    }
    worker
}

fn worker_twice(worker: usize, second: Span, first: Span) -> Diagnostic {
    Diagnostic::at(
        Rule::WorkerTwice,
        second,
        format!("worker {worker} polls the port twice"),
        "named again",
        "name each worker once; it polls every queue that it is given",
    )
    .also(first, "first named here")
}

/// A queue that no worker polls would swallow the packets that the NIC hashes to it.
fn port_queues(
    check: &mut Check<'_>,
    given: &Spanned<i64>,
    (workers, more): (usize, &str),
) -> Option<u16> {
    let wanted = *given.get_ref();
    let queues = u16::try_from(wanted).ok().filter(|queues| *queues > 0);
    let Some(queues) = queues else {
        check.report(Diagnostic::at(
            Rule::OutOfRange,
            given.span(),
            "`queues` is out of range".to_owned(),
            "a port needs at least one queue",
            "write queues = 1, or leave the key out for one per worker",
        ));
        return None;
    };
    // No worker at all has been reported already.
    if workers > 0 && usize::from(queues) > workers {
        check.report(Diagnostic::at(
            Rule::TooManyQueues,
            given.span(),
            format!("{queues} queues, but {workers} {}", plural(workers, "worker")),
            "some queues would not be polled",
            format!("write queues = {workers}, or {more}"),
        ));
        return None;
    }
    Some(queues)
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}
