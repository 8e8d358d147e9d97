//! One more port while the workers run: it is opened and started, and the workers take its queues between two iterations.
//! They are not paused, and the other ports lose nothing.

use pmd::budget::{Budget, BudgetError};
use pmd::{MAX_PORTS, PortError};
use stack::control::{Event, EventKind, Stack};
use tracing::info;

use super::{OpenPort, Ports};
use crate::check;
use crate::protocol::{Code, Refusal};
use crate::workers::{self, Worker};

impl Ports {
    /// Opens a port, starts it, and deals its queues to the workers. Refused, nothing has changed.
    pub(crate) fn attach(
        &mut self,
        config: &config::Port,
        stack: &mut Stack,
        workers: &mut [Worker],
    ) -> Result<(), Refusal> {
        self.check_room(config)?;
        let mut open = self.open_one(config).map_err(|error| refused(&error))?;
        let polled = workers::polled(workers);
        let shares = open.start(&polled).map_err(|error| refused(&error))?;
        workers::attach(workers, open.facts.id, shares)
            .map_err(|error| Refusal::new(Code::Refused, format!("{error:#}"), "see the log"))?;
        info!("port {} attached: {}", open.port.name(), config.device);
        stack.emit(|| Event::new(EventKind::PortAttached).port(open.port.name()));
        self.open.push(open);
        Ok(())
    }

    /// Whether name and device are free, and mbufs suffice.
    fn check_room(&self, config: &config::Port) -> Result<(), Refusal> {
        let name = config.name.as_str();
        if self.find(name).is_some() {
            let cure = "give the new one another name, or detach the old one";
            return Err(Refusal::new(Code::Exists, format!("there is a port {name}"), cure));
        }
        let key = config.device.key();
        if let Some(other) = self.iter().find(|open| open.config.device.key() == key) {
            let text = format!("{key} is port {}", other.port.name());
            return Err(Refusal::new(Code::Exists, text, "each port needs a device of its own"));
        }
        for interface in config.device.interfaces() {
            let has_it =
                |open: &&OpenPort| open.config.device.interfaces().any(|other| other == interface);
            if let Some(other) = self.iter().find(has_it) {
                let text =
                    format!("port {} is on the host's interface {interface}", other.port.name());
                let cure = "each port needs an interface of its own: two would get the same frames";
                return Err(Refusal::new(Code::Exists, text, cure));
            }
        }
        if self.open.len() >= MAX_PORTS {
            let text = format!("there are {MAX_PORTS} ports, as many as DPDK has room for");
            return Err(Refusal::new(Code::Refused, text, "detach one"));
        }
        let more = check::demand_of(config, self.workers)
            .map_err(|(cause, cure)| Refusal::new(Code::Refused, cause, cure))?;
        let ports = self.iter().map(OpenPort::demand).chain([more]);
        let mbufs = self.pools.all().first().map_or(0, pmd::MbufPool::capacity);
        let demand = check::demand(ports.collect(), self.workers, self.burst, mbufs);
        match pmd::budget(&demand, mbufs) {
            Ok(_) => Ok(()),
            Err(error) => Err(too_few(name, &error)),
        }
    }
}

impl OpenPort {
    /// The mbufs that it can hold.
    fn demand(&self) -> pmd::budget::PortDemand {
        let ((rx_queues, tx_queues), (rx_desc, tx_desc)) =
            (self.port.queues(), self.port.descriptors());
        let name = self.port.name().to_owned();
        let replayed = self.replayed;
        pmd::budget::PortDemand { name, rx_queues, tx_queues, rx_desc, tx_desc, replayed }
    }
}

fn too_few(name: &str, error: &BudgetError) -> Refusal {
    let BudgetError::TooFew { budget, suggestion } = error;
    let Budget { needed, mbufs, .. } = budget;
    let text = format!(
        "port {name} does not fit: {needed} mbufs would be needed, and the pool has {mbufs}\n{budget}"
    );
    let cure = format!(
        "give the port fewer queues or descriptors, or set [dpdk] mbufs = {suggestion} and start again"
    );
    Refusal::new(Code::Refused, text, cure)
}

/// The port's errors say "cause: cure", with what DPDK logged behind.
fn refused(error: &PortError) -> Refusal {
    let code = match error {
        PortError::AlreadyOpen { .. } => Code::Exists,
        _ => Code::Refused,
    };
    Refusal::new(
        code,
        error.to_string(),
        "check the device's name and arguments; the log has what DPDK says",
    )
}
