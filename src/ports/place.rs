//! A port's receive queues, polled by other workers than before, while packets come.

use config::PortWish;
use tracing::info;

use super::{OpenPort, Ports};
use crate::protocol::{Code, Refusal};
use crate::workers::{self, Worker};

impl Ports {
    /// A port's keys as a file would say them if these workers polled it.
    pub(crate) fn polled_by(&self, name: &str, workers: Vec<i64>) -> Result<PortWish, Refusal> {
        let open = self.find(name).ok_or_else(|| self.unknown(name))?;
        let queues = open.queues_beside(workers.len()).map(i64::from);
        Ok(PortWish { queues, workers: Some(workers), ..open.config.wish() })
    }

    /// Has the queues of a port polled by the workers `to`, which are as many as it has queues, or more.
    pub(crate) fn place(
        &mut self,
        name: &str,
        to: &[usize],
        workers: &mut [Worker],
    ) -> Result<(), Refusal> {
        let Some(open) = self.open.iter_mut().find(|open| open.port.name() == name) else {
            return Err(self.unknown(name));
        };
        workers::move_rx(workers, open.facts.id, to)
            .map_err(|error| Refusal::new(Code::Refused, format!("{error:#}"), "see the log"))?;
        open.placement.rx = to.iter().copied().take(open.placement.rx.len()).collect();
        open.config.queues = open.queues_beside(to.len());
        open.config.workers = Some(to.to_vec());
        info!("port {name} is polled by the workers {to:?}");
        Ok(())
    }
}

impl OpenPort {
    /// The key `queues` that has to stand beside so many workers, so that a start from the file makes as many.
    fn queues_beside(&self, workers: usize) -> Option<u16> {
        let (queues, _) = self.port.queues();
        (usize::from(queues) != workers).then_some(queues)
    }
}
