//! Commands of DPDK's telemetry socket: what `dpdk-telemetry.py` sees of vnets and workers. Ports it sees by itself.
//!
//! DPDK runs them on threads of its own; they ask the control thread as the HTTP listener does, and wait a few of its ticks.

use pmd::Eal;
use pmd::telemetry::{Command, Telemetry, TelemetryError, Value};
use stack::drops::DropReason;
use stack::worker::Node;

use super::desk::Inquirer;
use super::sample::{ProcessSample, VnetSample};
use crate::build::Build;
use crate::workers::Gauges;

/// Names in one list: DPDK's answers have 16 KiB at most, and a vnet's name 64 bytes.
const NAMES: usize = 128;

type Answer = Result<Value, String>;

/// A command that asks the control thread; it gets its parameters without spaces around them.
type Asks = fn(&Inquirer, &str) -> Answer;

const COMMANDS: &[(&str, &str, Asks)] = &[
    ("/curvnet/info", "Returns version, uptime and number of vnets. Takes no parameters", info),
    (
        "/curvnet/vnets",
        "Returns names of vnets, 128 at most. Parameters: int index to begin at",
        vnets,
    ),
    ("/curvnet/vnet", "Returns sizes and books of a vnet. Parameters: string name", vnet),
    (
        "/curvnet/interfaces",
        "Returns names of interfaces of a vnet. Parameters: string vnet",
        interfaces,
    ),
    (
        "/curvnet/interface",
        "Returns counters. Parameters: string vnet, string interface",
        interface,
    ),
    (
        "/curvnet/statistics",
        "Returns ipstat, icmpstat and arpstat. Parameters: string vnet",
        statistics,
    ),
    (
        "/curvnet/drops",
        "Returns dropped packets by reason. Parameters: string vnet, or none for all",
        drops,
    ),
    ("/curvnet/workers", "Returns counters of the workers. Takes no parameters", workers),
    ("/curvnet/nodes", "Returns packets by node, of all workers. Takes no parameters", nodes),
];

/// Registers the commands.
pub(super) fn register(eal: &Eal, inquirer: &Inquirer) -> Result<Telemetry, TelemetryError> {
    let commands = COMMANDS.iter().map(|(name, help, asks)| {
        let inquirer = inquirer.clone();
        let command: Command = Box::new(move |parameters| asks(&inquirer, parameters.trim()));
        (*name, *help, command)
    });
    Telemetry::register(eal, commands)
}

fn info(inquirer: &Inquirer, _: &str) -> Answer {
    let Build { version, features, git, target_cpu: _, dpdk: _ } = Build::this();
    let process = process(inquirer)?;
    Ok(Value::Dict(vec![
        text("version", version),
        text("git", git),
        text("arm", &features.join(" ")),
        number("uptime_s", process.uptime_s as u64),
        number("vnets", process.vnets as u64),
        number("workers", process.workers.len() as u64),
    ]))
}

fn vnets(inquirer: &Inquirer, from: &str) -> Answer {
    let mut next: usize = match from {
        "" => 0,
        from => from.parse().map_err(|_| format!("{from} is no index: give a number from 0"))?,
    };
    let mut names = Vec::new();
    while names.len() < NAMES {
        let some = inquirer.vnets(next).map_err(|silence| silence.to_string())?;
        let Some(last) = some.last() else { break };
        next = last.index + 1;
        names.extend(some.into_iter().map(|vnet| vnet.name).take(NAMES - names.len()));
    }
    Ok(Value::List(names))
}

fn vnet(inquirer: &Inquirer, name: &str) -> Answer {
    let vnet = find(inquirer, name)?;
    Ok(Value::Dict(vec![
        text("name", &vnet.name),
        number("index", vnet.index as u64),
        number("interfaces", vnet.interfaces.len() as u64),
        number("routes", vnet.routes as u64),
        number("neighbors", vnet.neighbors as u64),
        number("received", vnet.books.received),
        number("originated", vnet.books.originated),
        number("sent", vnet.books.sent),
        number("delivered", vnet.books.delivered),
        number("dropped", vnet.books.dropped()),
        number("in_flight", vnet.books.in_flight),
    ]))
}

fn interfaces(inquirer: &Inquirer, name: &str) -> Answer {
    let names = find(inquirer, name)?.interfaces.into_iter().map(|interface| interface.name);
    Ok(Value::List(names.collect()))
}

fn interface(inquirer: &Inquirer, names: &str) -> Answer {
    let (vnet, name) = names.split_once(',').ok_or("give a vnet and an interface: red,em0")?;
    let vnet = find(inquirer, vnet.trim())?;
    let found = vnet.interfaces.iter().find(|interface| interface.name == name.trim());
    let found =
        found.ok_or_else(|| format!("there is no interface {name} in vnet {}", vnet.name))?;
    Ok(counters(found.counters.iter().copied()))
}

fn statistics(inquirer: &Inquirer, name: &str) -> Answer {
    Ok(counters(find(inquirer, name)?.statistics))
}

fn drops(inquirer: &Inquirer, name: &str) -> Answer {
    if !name.is_empty() {
        return Ok(counters(find(inquirer, name)?.books.drops));
    }
    let workers = process(inquirer)?.workers;
    let vnets = inquirer.all_vnets().map_err(|silence| silence.to_string())?;
    let by_reason = DropReason::ALL.iter().map(|reason| {
        let of_vnets = vnets.iter().flat_map(|vnet| &vnet.books.drops);
        let of_vnets = of_vnets.filter(|(name, _)| *name == reason.name()).map(|(_, n)| n);
        let of_workers = workers.iter().map(|worker| worker.dropped(*reason));
        (reason.name(), of_vnets.sum::<u64>() + of_workers.sum::<u64>())
    });
    Ok(counters(by_reason.filter(|(_, packets)| *packets > 0)))
}

fn workers(inquirer: &Inquirer, _: &str) -> Answer {
    let worker = |(slot, worker): (usize, Gauges)| {
        let poll = &worker.poll;
        let entries = counters([
            ("cpu", worker.cpu.0 as u64),
            ("polls", poll.polls.get()),
            ("packets", poll.packets.get()),
            ("busy_cycles", poll.busy_cycles.get()),
            ("idle_cycles", poll.idle_cycles.get()),
            ("sleep_cycles", poll.sleep_cycles.get()),
        ]);
        (format!("worker{slot}"), entries)
    };
    let workers = process(inquirer)?.workers;
    Ok(Value::Dict(workers.into_iter().enumerate().map(worker).collect()))
}

fn nodes(inquirer: &Inquirer, _: &str) -> Answer {
    let workers = process(inquirer)?.workers;
    let packets = |node: Node| -> u64 {
        workers.iter().map(|worker| worker.nodes.get(node).packets.get()).sum()
    };
    Ok(counters(Node::ALL.iter().map(|node| (node.name(), packets(*node)))))
}

fn process(inquirer: &Inquirer) -> Result<ProcessSample, String> {
    inquirer.process().map_err(|silence| silence.to_string())
}

fn find(inquirer: &Inquirer, name: &str) -> Result<VnetSample, String> {
    if name.is_empty() {
        return Err("give the name of a vnet; /curvnet/vnets lists them".to_owned());
    }
    let found = inquirer.vnet(name).map_err(|silence| silence.to_string())?;
    found.ok_or_else(|| format!("there is no vnet {name}; /curvnet/vnets lists them"))
}

fn counters<'a>(counters: impl IntoIterator<Item = (&'a str, u64)>) -> Value {
    Value::Dict(counters.into_iter().map(|(name, value)| number(name, value)).collect())
}

fn number(name: &str, value: u64) -> (String, Value) {
    (name.to_owned(), Value::Number(value))
}

fn text(name: &str, value: &str) -> (String, Value) {
    (name.to_owned(), Value::Text(value.to_owned()))
}
