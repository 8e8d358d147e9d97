//! Questions to the control thread. Who asks waits, but not for ever; who answers never does.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use super::collect::{self, Sources};
use super::sample::{InterfaceSample, ProcessSample, VnetSample};

/// Questions that wait. Who asks has one on its way: eight connections of ours, and ten of DPDK's.
const QUESTIONS: usize = 32;
/// How long one waits for an answer. The control thread is at most busy with one large change of the configuration.
const PATIENCE: Duration = Duration::from_secs(5);

/// A question for the control thread.
#[derive(Debug)]
enum Question {
    /// The process.
    Process(SyncSender<ProcessSample>),
    /// Some vnets, from this place on.
    Vnets(usize, SyncSender<Vec<VnetSample>>),
    /// The vnet of this name.
    Vnet(String, SyncSender<Option<VnetSample>>),
    /// More interfaces of the vnet of this name, behind this index.
    Interfaces(String, u64, SyncSender<(Vec<InterfaceSample>, Option<u64>)>),
}

/// The control thread does not answer: it is ending, or was busy for too long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silence;

impl std::fmt::Display for Silence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the control thread does not answer: curvnet is ending, or busy; try again")
    }
}

/// The end of those who ask.
#[derive(Clone, Debug)]
pub(crate) struct Inquirer(SyncSender<Question>);

/// The end of the control thread. When it goes, so do the questions in the queue, and those who asked learn of it (which is
/// why the queue is of std: crossbeam's keeps them).
#[derive(Debug)]
pub(crate) struct Desk(Receiver<Question>);

/// A queue of questions.
pub(crate) fn open() -> (Desk, Inquirer) {
    let (questions, desk) = sync_channel(QUESTIONS);
    (Desk(desk), Inquirer(questions))
}

impl Inquirer {
    fn ask<T>(&self, question: impl FnOnce(SyncSender<T>) -> Question) -> Result<T, Silence> {
        let (answer, answered) = sync_channel(1);
        self.0.try_send(question(answer)).map_err(|_| Silence)?;
        answered.recv_timeout(PATIENCE).map_err(|_| Silence)
    }

    /// The process.
    pub(crate) fn process(&self) -> Result<ProcessSample, Silence> {
        self.ask(Question::Process)
    }

    /// The vnet of that name, with all of its interfaces.
    pub(crate) fn vnet(&self, name: &str) -> Result<Option<VnetSample>, Silence> {
        let mut found = self.ask(|answer| Question::Vnet(name.to_owned(), answer))?;
        if let Some(vnet) = &mut found {
            self.complete(vnet)?;
        }
        Ok(found)
    }

    /// Some vnets from place `from` on, with all of their interfaces; empty behind the last one.
    pub(crate) fn vnets(&self, from: usize) -> Result<Vec<VnetSample>, Silence> {
        let mut vnets = self.ask(|answer| Question::Vnets(from, answer))?;
        vnets.iter_mut().try_for_each(|vnet| self.complete(vnet))?;
        Ok(vnets)
    }

    /// All vnets.
    pub(crate) fn all_vnets(&self) -> Result<Vec<VnetSample>, Silence> {
        let mut all = Vec::new();
        loop {
            let from = all.last().map_or(0, |last: &VnetSample| last.index + 1);
            let some = self.vnets(from)?;
            if some.is_empty() {
                return Ok(all);
            }
            all.extend(some);
        }
    }

    /// Gets the interfaces that did not fit into one answer.
    fn complete(&self, vnet: &mut VnetSample) -> Result<(), Silence> {
        while let Some(after) = vnet.more_after {
            let name = vnet.name.clone();
            let (more, next) = self.ask(|answer| Question::Interfaces(name, after, answer))?;
            vnet.interfaces.extend(more);
            vnet.more_after = next;
        }
        Ok(())
    }
}

impl Desk {
    /// Answers one question, if there is one.
    pub(crate) fn serve(&self, sources: &Sources<'_>) {
        let Ok(question) = self.0.try_recv() else { return };
        // A scraper that gave up waiting is gone, and the answer with it.
        match question {
            Question::Process(to) => drop(to.try_send(collect::process(sources))),
            Question::Vnets(from, to) => drop(to.try_send(collect::vnets(sources.stack, from))),
            Question::Vnet(name, to) => drop(to.try_send(collect::vnet(sources.stack, &name))),
            Question::Interfaces(name, after, to) => {
                drop(to.try_send(collect::more_interfaces(sources.stack, &name, after)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::RecvTimeoutError;

    use super::*;

    #[test]
    fn nobody_waits_for_a_control_thread_that_is_gone() {
        let (desk, inquirer) = open();
        drop(desk);
        assert!(inquirer.process().is_err());

        // Nor when it goes with the question in its queue.
        let (desk, inquirer) = open();
        let (answer, answered) = sync_channel(1);
        assert!(inquirer.0.try_send(Question::Process(answer)).is_ok());
        drop(desk);
        assert_eq!(answered.recv_timeout(PATIENCE).err(), Some(RecvTimeoutError::Disconnected));
    }
}
