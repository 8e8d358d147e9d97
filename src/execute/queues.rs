//! `stats.queues`

use super::Service;
use crate::ports::OpenPort;
use crate::protocol::{Answer, Page, QueueShown, WorkerQueuesShown};

impl Service<'_> {
    /// All workers, in the order of the configuration.
    pub(super) fn stats_queues(&self) -> Answer {
        let workers = self.workers.iter().enumerate();
        let lines = workers.map(|(worker, runs)| WorkerQueuesShown {
            worker: worker as u64,
            cpu: runs.gauges.cpu.0 as u64,
            receive: self.ports.iter().flat_map(|open| polled(open, worker)).collect(),
            transmit: self.ports.iter().filter_map(|open| sent_through(open, worker)).collect(),
        });
        Answer::Queues(Page::only(lines.collect()))
    }
}

/// The receive queues of a port that a worker polls.
fn polled(open: &OpenPort, worker: usize) -> impl Iterator<Item = QueueShown> {
    let own = open.placement.rx.iter().enumerate().filter(move |(_, of)| **of == worker);
    own.map(|(queue, _)| shown(open, queue, false))
}

/// The transmit queue of a port that a worker sends through.
fn sent_through(open: &OpenPort, worker: usize) -> Option<QueueShown> {
    let queue = *open.placement.tx.get(worker)?;
    Some(shown(open, queue, open.placement.senders(queue) > 1))
}

fn shown(open: &OpenPort, queue: usize, shared: bool) -> QueueShown {
    QueueShown { port: open.port.name().to_owned(), queue: queue as u64, shared }
}
