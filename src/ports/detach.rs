//! One port less while the workers run: no interface is on it any more, the workers send what they have for it and give
//! its queues back, and then it is stopped and closed. The other ports lose nothing.

use stack::control::{Event, EventKind, Stack};
use stack::net::IfSlot;
use tracing::{info, warn};

use super::Ports;
use crate::protocol::{Code, Refusal};
use crate::summary::PortSummary;
use crate::workers::{self, Worker};

impl Ports {
    /// Detaches a port. Interfaces that are on it are destroyed with `force`, as FreeBSD does when a device goes
    /// (`ether_ifdetach`, net/if_ethersubr.c), and are a reason to refuse without.
    pub(crate) fn detach(
        &mut self,
        name: &str,
        force: bool,
        stack: &mut Stack,
        workers: &mut [Worker],
    ) -> Result<(), Refusal> {
        let Some(at) = self.open.iter().position(|open| open.port.name() == name) else {
            return Err(self.unknown(name));
        };
        let id = self.open[at].facts.id;
        let on_it = stack.interfaces_on(id);
        if !on_it.is_empty() && !force {
            let names: Vec<&str> = on_it.iter().map(|(_, name)| name.as_str()).collect();
            let text = format!("port {name} carries {}", names.join(", "));
            let cure = "destroy these interfaces, or detach the port with --force, which does so";
            return Err(Refusal::new(Code::Refused, text, cure));
        }
        for (slot, interface) in &on_it {
            destroy(stack, *slot, interface)?;
        }
        let (rx, tx) = workers::detach(workers, id)
            .map_err(|error| Refusal::new(Code::Refused, format!("{error:#}"), "see the log"))?;
        let mut open = self.open.remove(at);
        let summary = PortSummary::of(&open.port, &workers::gauges(workers));
        workers::forget(workers, id);
        let _older = self.gone.insert(name.to_owned(), summary);
        if let Err(error) = open.port.stop(rx, tx) {
            // It is closed all the same, and a device that is gone may well refuse.
            warn!("{error}");
        }
        open.port.close();
        stack.emit(|| Event::new(EventKind::PortDetached).port(name));
        info!("port {name} detached");
        Ok(())
    }

    /// Detaches a port whose device has gone away; its interfaces go with it. A configuration that is applied again brings
    /// both back.
    pub(super) fn detach_vanished(
        &mut self,
        name: &str,
        stack: &mut Stack,
        workers: &mut [Worker],
    ) {
        match self.detach(name, true, stack, workers) {
            Ok(()) => warn!("port {name}: its device is gone, and its interfaces with it"),
            Err(refusal) => warn!("port {name}: its device is gone: {refusal}"),
        }
    }
}

fn destroy(stack: &mut Stack, slot: IfSlot, name: &str) -> Result<(), Refusal> {
    stack.destroy_interface(slot).map_err(|error| {
        Refusal::new(
            Code::Refused,
            format!("{name} cannot be destroyed: {error}"),
            "destroy it first",
        )
    })
}
