//! The thread that reads files and compares them with the running configuration; `apply.rs` has the changes that follow.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::{Change, Config, Host, difference};
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use tracing::{debug, error, info, warn};

use super::running::{self, Facts, Reading};
use super::telling::{Telling, count, end};
use super::{Draft, PIECE, Piece, Task, Wish, obstacles};
use crate::execute::Service;
use crate::notify;
use crate::protocol::{ChangeShown, Code, Pushed, Refusal};

/// Bytes of the text in one line of a stream.
const TEXT: usize = 32 * 1024;
/// Changes that are logged each in a line of its own.
const LOGGED: usize = 64;
/// How long to wait for clients that read slowly, before looking again.
const SLOW: Duration = Duration::from_millis(2);

/// The state that the thread works with.
pub(super) struct Work {
    /// The file that the instance was started with.
    pub(super) path: PathBuf,
    /// The configuration at the start: tables of the process do not change.
    pub(super) started: Config,
    /// The host that files are checked against.
    pub(super) host: Host,
    /// Where pieces go.
    pub(super) control: Sender<Piece>,
}

impl Work {
    pub(super) fn run(&self, tasks: &Receiver<Task>) {
        let mut telling = Telling::default();
        loop {
            let task = if telling.is_done() {
                tasks.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                tasks.recv_timeout(SLOW)
            };
            match task {
                Ok(Task::Ask(draft)) => self.ask(draft, &mut telling),
                Ok(Task::Reload) => {
                    notify::reloading();
                    notify::reloaded(self.reload());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            telling.go_on();
        }
    }

    fn ask(&self, draft: Draft, telling: &mut Telling) {
        let Draft { outbox, wish, access, text, .. } = draft;
        let host = Host { devices: access, ..self.host.clone() };
        let mut lines = Vec::new();
        let last = match self.answer(&mut lines, wish, &text, &host) {
            Ok(message) => end("done", message),
            Err(refusal) => {
                let message = "nothing has changed".to_owned();
                Pushed { error: Some(refusal), ..end("refused", message) }
            }
        };
        lines.push(last);
        telling.tell(outbox, lines);
    }

    /// Does what is wished, and puts down what the client is told before the last line.
    fn answer(
        &self,
        lines: &mut Vec<Pushed>,
        wish: Wish,
        text: &str,
        host: &Host,
    ) -> Result<String, Refusal> {
        let Wish::Compare { file, color, check, apply } = wish else {
            let text = self.show()?;
            let line = |part: &str| Pushed { text: Some(part.to_owned()), ..Pushed::default() };
            lines.extend(parts(&text).map(line));
            return Ok(String::new());
        };
        let began = Instant::now();
        let config =
            config::parse(&file, text, host).map_err(|errors| of_file(errors.render(color)))?;
        debug!("{file}: read and checked in {:?}", began.elapsed());
        let warnings = config.warnings.render(color);
        if !warnings.is_empty() {
            lines.push(Pushed { warnings: Some(warnings), ..Pushed::default() });
        }
        let changes = match (check, apply) {
            (_, true) => self.apply(config)?,
            (check, false) => {
                let (changes, facts) = self.compare(config)?;
                if check {
                    obstacles::check(&changes, &facts)?;
                }
                Arc::new(changes)
            }
        };
        let mut shown: Vec<_> = changes.iter().map(ChangeShown::of).collect();
        // By vnet; within one they stay in the order in which they are made.
        shown.sort_by(|one, other| one.vnet.cmp(&other.vnet));
        let line = |change| Pushed { change: Some(change), ..Pushed::default() };
        lines.extend(shown.into_iter().map(line));
        Ok(count(changes.len()))
    }

    /// The file that the instance was started with, once more; whether it was applied. The log says why not.
    fn reload(&self) -> bool {
        let path = self.path.display();
        info!("{path}: SIGHUP, read again");
        let config = match config::load(&self.path, &self.host) {
            Ok(config) => config,
            Err(errors) => {
                error!("{path}: not applied, nothing has changed\n{}", errors.render(false));
                return false;
            }
        };
        let warnings = config.warnings.render(false);
        if !warnings.is_empty() {
            warn!("{}", warnings.trim_end());
        }
        match self.apply(config) {
            Ok(changes) => {
                for change in changes.iter().take(LOGGED) {
                    info!("{}", ChangeShown::of(change));
                }
                info!("{path}: applied, {}", count(changes.len()));
                true
            }
            Err(refusal) => {
                error!("{path}: not applied, nothing has changed: {refusal}");
                false
            }
        }
    }

    /// The running configuration, as the text of a file.
    fn show(&self) -> Result<String, Refusal> {
        let (mut config, _) = self.running()?;
        config
            .vnets
            .retain(|vnet| *vnet != config::Vnet::empty(vnet.name.clone()) || !vnet.name.is_base());
        let notes = running::take_out_unreachable(&mut config);
        let mut text = String::new();
        for note in notes {
            text.push_str(&format!(
                "# Left out, no interface is on a network with the gateway: {note}\n"
            ));
        }
        text.push_str(&config.to_toml());
        Ok(text)
    }

    /// The running configuration.
    fn running(&self) -> Result<(Config, Facts), Refusal> {
        let began = Instant::now();
        let start = |service: &mut Service<'_>| {
            (Facts::of(service.stack, service.ports), Reading::new(service.stack))
        };
        let (facts, mut reading) = self.with(start)?;
        loop {
            let (now, goes_on) = self.with(move |service| {
                let goes_on = reading.go_on(service.stack, service.ports, Instant::now() + PIECE);
                (reading, goes_on)
            })?;
            reading = now;
            if !goes_on {
                break;
            }
        }
        let (ports, vnets) = (facts.ports.clone(), reading.vnets);
        debug!("{} vnets looked at in {:?}", vnets.len(), began.elapsed());
        Ok((Config { ports, vnets, ..self.started.clone() }, facts))
    }

    /// The changes that lead to `config`.
    pub(super) fn compare(&self, mut config: Config) -> Result<(Vec<Change>, Facts), Refusal> {
        let (running, facts) = self.running()?;
        let began = Instant::now();
        facts.settle(&mut config);
        let changes = difference(&running, &config);
        debug!("compared in {:?}", began.elapsed());
        Ok((changes, facts))
    }

    /// Has the control thread do some work.
    pub(super) fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Service<'_>) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let ending = || Refusal::new(Code::Refused, "the instance is ending", "start it again");
        let (answer, answers) = bounded(1);
        let piece = Box::new(move |service: &mut Service<'_>| {
            let _waited_for = answer.send(work(service));
        });
        self.control.send(piece).map_err(|_| ending())?;
        answers.recv().map_err(|_| ending())
    }
}

fn of_file(report: String) -> Refusal {
    Refusal::new(Code::BadConfiguration, report.trim_end(), "mend the file; nothing has changed")
}

/// The text in parts of bounded length, cut behind lines where there are any.
fn parts(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let mut length = text.len().min(TEXT);
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        if length < text.len() {
            length = text[..length].rfind('\n').map_or(length, |at| at + 1);
        }
        let (part, rest) = text.split_at(length);
        text = rest;
        (!part.is_empty()).then_some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_text() {
        let line = "é".repeat(40) + "\n";
        for text in [String::new(), line.repeat(3000), "é".repeat(TEXT)] {
            assert_eq!(parts(&text).collect::<String>(), text);
            assert!(parts(&text).all(|part| part.len() <= TEXT && !part.is_empty()));
        }
    }
}
