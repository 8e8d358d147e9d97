//! Requests of the control socket, executed by the control thread between two of its ticks. A request is done whole or
//! refused; a long list is answered in pages, so that none takes long.
//!
//! | file | commands |
//! |---|---|
//! | `vnets.rs` | `vnet.*` |
//! | `interfaces.rs` | `interface.*` but one, `address.*` |
//! | `moves.rs` | `interface.move`, `epair.create` |
//! | `routes.rs` | `route.*` |
//! | `neighbors.rs` | `arp.*` |
//! | `probes.rs` | `probe.*` |
//! | `sysctls.rs` | `sysctl.*` |
//! | `ports.rs` | `port.*` |
//! | `stats.rs` | `statistics`, `stats`, `features` |
//! | `queues.rs` | `stats.queues` |
//! | `capture.rs` | `capture` |

mod capture;
mod interfaces;
mod moves;
mod neighbors;
mod ports;
mod probes;
mod queues;
mod routes;
mod stats;
mod sysctls;
mod vnets;

pub(crate) use stats::ports;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use config::{BadName, DeviceAccess, DevicePermission};
use stack::control::Stack;
use stack::net::Ifnet;
use vnet::VnetRef;

use crate::configuration::{Configurator, Wish};
use crate::control::{Caller, Rights};
use crate::ports::Ports;
use crate::protocol::{
    Answer, Code, Command, Done, PAGE, Page, ProcessCommand, Refusal, Request, VnetCommand,
};
use crate::streams::Streams;
use crate::workers::Worker;

/// The state that requests work on.
#[derive(Debug)]
pub(crate) struct Service<'a> {
    /// All vnets.
    pub(crate) stack: &'a mut Stack,
    /// All ports.
    pub(crate) ports: &'a mut Ports,
    /// All workers.
    pub(crate) workers: &'a mut [Worker],
    /// The streams of clients that listen.
    pub(crate) streams: &'a mut Streams,
    /// The configuration as a whole.
    pub(crate) configurator: &'a mut Configurator,
}

/// A page whose entries take work begins no further one after this time.
const STEP: Duration = Duration::from_micros(150);

type Answered = Result<Answer, Refusal>;

impl Service<'_> {
    /// Executes one request.
    pub(crate) fn execute(&mut self, request: Request, caller: &mut Caller<'_>) -> Answered {
        let Request { id: _, vnet, command } = request;
        if command.is_refused_during_apply() {
            self.configurator.check_not_applying()?;
        }
        match command {
            Command::Process(command) => self.execute_for_process(command, caller),
            Command::Vnet(command) => {
                let vnet = self.vnet(vnet.as_deref())?;
                self.execute_in(&vnet, command, caller)
            }
        }
    }

    fn execute_for_process(
        &mut self,
        command: ProcessCommand,
        caller: &mut Caller<'_>,
    ) -> Answered {
        match command {
            ProcessCommand::VnetList { after } => Ok(self.vnet_list(after)),
            ProcessCommand::VnetShow { name } => self.vnet_show(&name),
            ProcessCommand::VnetTraffic { after, holds, limit } => {
                Ok(self.vnet_traffic(after, holds.as_deref(), limit))
            }
            ProcessCommand::VnetDrops { after } => Ok(self.vnet_drops(after)),
            ProcessCommand::VnetCreate { name } => self.vnet_create(&name),
            ProcessCommand::VnetDestroy { name } => self.vnet_destroy(&name),
            ProcessCommand::PortList { after } => Ok(self.port_list(after.as_deref())),
            ProcessCommand::PortAttach(wish) => self.port_attach(wish, caller),
            ProcessCommand::PortDetach { name, force } => self.port_detach(&name, force),
            ProcessCommand::PortWorkers { name, workers } => {
                self.port_workers(&name, workers, caller)
            }
            ProcessCommand::ConfigShow {} => self.configure(caller, Wish::Show),
            ProcessCommand::ConfigDiff { file, color } => {
                let (check, apply) = (false, false);
                self.configure(caller, Wish::Compare { file, color, check, apply })
            }
            ProcessCommand::ConfigApply { file, color, dry_run } => {
                let (check, apply) = (true, !dry_run);
                self.configure(caller, Wish::Compare { file, color, check, apply })
            }
            ProcessCommand::ConfigPut { stream, text, last } => {
                self.configurator.put(caller, &stream, &text, last)
            }
            ProcessCommand::Stats {} => Ok(self.stats()),
            ProcessCommand::StatsQueues {} => Ok(self.stats_queues()),
            ProcessCommand::Features {} => Ok(self.features()),
            ProcessCommand::Events {} => self.streams.listen(self.stack, caller),
            ProcessCommand::Stop { stream } => self.streams.stop(self.stack, caller, &stream),
        }
    }

    fn configure(&mut self, caller: &mut Caller<'_>, wish: Wish) -> Answered {
        self.streams.check_id(caller)?;
        let access = self.device_access(caller);
        self.configurator.begin(caller, wish, access)
    }

    /// The devices that a client may name, in whichever request.
    fn device_access(&self, caller: &Caller<'_>) -> DeviceAccess {
        match caller.rights() {
            Rights::Full => DeviceAccess::Any,
            Rights::Group => DeviceAccess::Only(DevicePermission {
                rules: self.configurator.device_rules().to_vec(),
                running: self.ports.iter().map(|open| open.config.device.to_string()).collect(),
                user: rustix::process::geteuid().as_raw(),
            }),
        }
    }

    fn execute_in(
        &mut self,
        vnet: &VnetRef,
        command: VnetCommand,
        caller: &mut Caller<'_>,
    ) -> Answered {
        match command {
            VnetCommand::InterfaceList { interface, after } => {
                self.interface_list(vnet, interface.as_deref(), after)
            }
            VnetCommand::InterfaceCreate { interface, port, vlan, mac } => {
                self.interface_create(vnet, interface, &port, vlan, mac)
            }
            VnetCommand::InterfaceDestroy { interface } => self.interface_destroy(vnet, &interface),
            VnetCommand::InterfaceSet(changes) => self.interface_set(vnet, changes),
            VnetCommand::InterfaceMove { interface, to, from } => {
                self.interface_move(vnet, &interface, to.as_deref(), from.as_deref())
            }
            VnetCommand::EpairCreate { epair } => self.epair_create(vnet, epair),
            VnetCommand::AddressAdd { interface, address } => {
                self.address_add(vnet, &interface, address)
            }
            VnetCommand::AddressDelete { interface, address } => {
                self.address_delete(vnet, &interface, address)
            }
            VnetCommand::RouteList { after } => self.route_list(vnet, after),
            VnetCommand::RouteAdd { routes } => self.route_add(vnet, routes),
            VnetCommand::RouteDelete { prefixes } => self.route_delete(vnet, prefixes),
            VnetCommand::RouteGet { address, prefix_len } => {
                self.route_get(vnet, address, prefix_len)
            }
            VnetCommand::RouteFlush {} => self.route_flush(vnet),
            VnetCommand::ArpList { after } => self.arp_list(vnet, after),
            VnetCommand::ArpSet { address, mac } => self.arp_set(vnet, address, mac),
            VnetCommand::ArpDelete { address } => self.arp_delete(vnet, address),
            VnetCommand::SysctlGet { name } => self.sysctl_get(vnet, &name),
            VnetCommand::SysctlSet { name, value, values } => {
                self.sysctl_set(vnet, name, value, values)
            }
            VnetCommand::ProbeSend(request) => self.probe_send(vnet, &request),
            VnetCommand::ProbeGet { probes } => self.probe_get(vnet, &probes),
            VnetCommand::Statistics {} => Ok(self.statistics(vnet)),
            VnetCommand::Capture { interface, filter, snaplen, drops } => {
                self.capture(vnet, interface.as_deref(), &filter, (snaplen, drops), caller)
            }
        }
    }

    /// The vnet of that name; the first one of the process if none is named.
    fn vnet(&self, name: Option<&str>) -> Result<VnetRef, Refusal> {
        let vnets = self.stack.vnets();
        let found = match name {
            Some(name) => vnets.by_name(name),
            None => vnets.vnet0(),
        };
        found.cloned().ok_or_else(|| {
            let name = name.unwrap_or(stack::control::VNET0);
            if vnets.dying_names().any(|dying| dying == name) {
                let text = format!("vnet {name} is being destroyed");
                return Refusal::new(Code::Dying, text, "wait, and create it again");
            }
            let known = vnets.iter().map(|vnet| vnet.name());
            Refusal::not_found("vnet", name, known, "`vnet list` shows those that there are")
        })
    }

    /// The interface of that name.
    fn interface(&self, vnet: &VnetRef, name: &str) -> Result<Arc<Ifnet>, Refusal> {
        self.stack.find(vnet, name).ok_or_else(|| {
            let all = self.stack.interfaces_after(vnet, 0, PAGE);
            let known = all.iter().map(|ifp| ifp.name.as_str());
            let what = format!("interface in vnet {} that is called", vnet.name());
            Refusal::not_found(&what, name, known, "`ifconfig` shows those that there are")
        })
    }

    /// The name of a port.
    fn port_name(&self, id: pmd::PortId) -> Option<&str> {
        self.ports.by_id(id).map(|open| open.port.name())
    }
}

/// Refuses a name that no file could have.
fn check_name(what: &str, name: Result<(), BadName>, text: &str) -> Result<(), Refusal> {
    name.map_err(|error| {
        let cure = "use letters, digits, dots, dashes or underscores, beginning with a letter";
        Refusal::new(Code::BadRequest, format!("{what} name {text:?} {error}"), cure)
    })
}

/// Nothing to say.
fn done() -> Answer {
    Answer::Done(Done::default())
}

/// A refusal by the stack, whose errors name cause and cure.
fn refused(error: &dyn std::error::Error, cure: &str) -> Refusal {
    Refusal::of(Code::Refused, error, cure)
}

/// Counters as they are answered.
fn counters<'a>(counters: impl IntoIterator<Item = (&'a str, u64)>) -> BTreeMap<String, u64> {
    counters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Those that are not zero.
fn nonzero<'a>(all: impl IntoIterator<Item = (&'a str, u64)>) -> BTreeMap<String, u64> {
    counters(all.into_iter().filter(|(_, value)| *value > 0))
}

/// Whether every item of a page could be shown; an item may vanish while a page is made only if there is a bug.
fn page<T, U>(
    items: Vec<T>,
    key: impl FnOnce(&T) -> serde_json::Value,
    show: impl Fn(T) -> U,
) -> Page<U> {
    let Page { list, next } = Page::of(items, key);
    Page { list: list.into_iter().map(show).collect(), next }
}

#[cfg(test)]
mod tests;
