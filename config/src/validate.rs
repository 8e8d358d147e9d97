//! The rules, one file per subject. Each function takes what the file says, reports what is wrong
//! and hands back what is right; that something was wrong anywhere is seen from the diagnostics.

mod addresses;
mod attachments;
mod control;
mod device;
mod epairs;
mod interfaces;
mod limits;
mod links;
mod log;
mod metrics;
mod neighbors;
mod next_hops;
mod port_use;
mod ports;
mod routes;
mod scalars;
mod sizes;
mod sysctls;
mod vnets;
mod workers;

pub use log::wrong_log_directive;

use crate::diagnostic::{Diagnostic, Rule};
use crate::error::Report;
use crate::host::Host;
use crate::model::{Config, Port, PortWish};
use crate::raw;

/// The file that is being checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) file_name: &'a str,
    pub(crate) text: &'a str,
}

/// The state that every rule needs: the facts, and where to put its findings.
struct Check<'a> {
    source: &'a Source<'a>,
    host: &'a Host,
    /// Whether `eal_args` has DPDK load drivers that the host does not know.
    loads_drivers: bool,
    found: &'a mut Vec<Diagnostic>,
}

impl Check<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }
}

/// Checks the whole document. The result may be used only if no error was found.
pub(crate) fn document(
    raw: raw::Document,
    source: &Source<'_>,
    host: &Host,
    found: &mut Vec<Diagnostic>,
) -> Config {
    let raw::Document { dpdk, workers, control, log, histograms, metrics, port, vnet } = raw;
    let (port, vnet) = (port.unwrap_or_default(), vnet.unwrap_or_default());
    if port.is_empty() && vnet.is_empty() && found.is_empty() {
        found.push(empty());
    }
    let mut check = Check { source, host, loads_drivers: false, found };
    let dpdk = control::dpdk(&mut check, dpdk);
    check.loads_drivers = dpdk.eal_args.iter().any(|arg| arg.starts_with("-d"));
    let workers = workers::check(&mut check, workers);
    let ports = ports::check(&mut check, port, workers.cpus.len());
    Config {
        dpdk,
        vnets: vnets::check(&mut check, vnet, &ports),
        ports: ports.checked,
        workers,
        control: control::check(&mut check, control),
        log: log::check(&mut check, log),
        histograms: histograms.map(|raw| workers::histograms(&mut check, raw)),
        metrics: metrics::check(&mut check, metrics),
        warnings: Report::default(),
    }
}

/// Checks one port alone. What it returns may be used only if nothing was found.
pub(crate) fn port(
    wish: PortWish,
    workers: usize,
    source: &Source<'_>,
    host: &Host,
    found: &mut Vec<Diagnostic>,
) -> Option<Port> {
    let loads_drivers = false;
    let mut check = Check { source, host, loads_drivers, found };
    ports::check(&mut check, vec![raw::Port::of(wish)], workers).checked.pop()
}

fn empty() -> Diagnostic {
    Diagnostic::at(
        Rule::Empty,
        0..0,
        "nothing to do: the file has neither a [[port]] nor a [[vnet]]",
        "expected at least one port and one vnet",
        "the smallest configuration that answers a ping:\n\
         [[port]]\n\
         name = \"p0\"\n\
         device = \"net_tap0,iface=curvnet0\"\n\
         [[vnet]]\n\
         name = \"red\"\n\
         [[vnet.interface]]\n\
         name = \"em0\"\n\
         port = \"p0\"\n\
         mac = \"02:00:00:00:00:01\"\n\
         addresses = [\"172.16.0.1/24\"]",
    )
}
