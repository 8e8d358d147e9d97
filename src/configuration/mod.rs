//! The configuration of a running instance: shown, compared with a file, and changed to what a file says.
//!
//! | file | subject |
//! |---|---|
//! | `mod.rs` | [`Configurator`]: the control thread's side; files as clients send them |
//! | `thread.rs` | the thread that reads files and compares them with what runs |
//! | `apply.rs` | all changes are made, or none |
//! | `telling.rs` | answers on their way to clients |
//! | `running.rs` | what runs, as a configuration |
//! | `obstacles.rs` | changes that cannot be made while the instance runs |
//! | `steps.rs` | changes, made |
//! | `tests.rs` | what is accepted can be started |
//!
//! Work that takes long, such as reading a file of ten thousand vnets, is done by a thread of its own. It holds nothing of the
//! stack: whatever it looks at or changes, the control thread does for it, in pieces of half a millisecond, one in each of
//! its ticks. While changes are made, requests that would change something else are refused.

mod apply;
mod obstacles;
mod running;
mod steps;
mod telling;
#[cfg(test)]
mod tests;
mod thread;

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use config::{Config, DeviceAccess, DeviceRule, Host};
use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use tracing::warn;

use crate::control::{Caller, Outbox};
use crate::execute::Service;
use crate::protocol::{Answer, Code, Done, Id, Refusal};
pub(crate) use steps::start;

/// Files that clients are sending, and requests that wait, at a time.
const DRAFTS: usize = 8;
/// Bytes of all of these together: as many as one file may have.
const DRAFT_BYTES: usize = 64 << 20;

/// Longest wait for the next part of a file.
const PATIENCE: Duration = Duration::from_secs(10);

/// Something that the control thread does for the configuration thread.
type Piece = Box<dyn FnOnce(&mut Service<'_>) + Send>;
/// How long the control thread works on one piece, which is done in one of its ticks.
const PIECE: Duration = Duration::from_micros(500);

/// A client's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The running configuration.
    Show,
    /// Show the changes that a file would make, and then, unless this is only looked at, make them.
    Compare {
        /// The file's name, for messages.
        file: String,
        /// Whether messages may be coloured.
        color: bool,
        /// Whether to look for obstacles.
        check: bool,
        /// Whether to make the changes.
        apply: bool,
    },
}

/// A request, and the file that belongs to it as far as it is there.
#[derive(Debug)]
struct Draft {
    outbox: Outbox,
    wish: Wish,
    /// The devices that the file may name.
    access: DeviceAccess,
    text: String,
    /// There is no more to come.
    is_whole: bool,
    /// When it began, or its last part came.
    grew: Instant,
}

/// A task of the thread.
#[derive(Debug)]
enum Task {
    /// A client asks.
    Ask(Draft),
    /// The file that the instance was started with shall be applied again.
    Reload,
}

/// The control thread's side.
pub(crate) struct Configurator {
    drafts: Vec<Draft>,
    tasks: Option<Sender<Task>>,
    pieces: Option<Receiver<Piece>>,
    /// `[control] devices` of the instance.
    device_rules: Vec<DeviceRule>,
    /// Changes are being made.
    applying: bool,
    thread: Option<JoinHandle<()>>,
}

impl Configurator {
    /// Starts the thread, of an instance that was started with `started`, out of the file at `path`. It inherits the
    /// calling thread's CPUs.
    ///
    /// # Errors
    ///
    /// No thread.
    pub(crate) fn start(path: PathBuf, started: Config, host: Host) -> Result<Self> {
        let device_rules = started.control.devices.clone();
        let (tasks, todo) = unbounded();
        let (to_control, pieces) = bounded(1);
        let work = thread::Work { path, started, host, control: to_control };
        let thread = std::thread::Builder::new()
            .name("configuration".to_owned())
            .spawn(move || work.run(&todo))
            .context("the thread of the configuration")?;
        let (tasks, pieces, thread) = (Some(tasks), Some(pieces), Some(thread));
        Ok(Self { drafts: Vec::new(), tasks, pieces, device_rules, applying: false, thread })
    }

    /// `[control] devices` of the instance.
    pub(crate) fn device_rules(&self) -> &[DeviceRule] {
        &self.device_rules
    }

    /// Begins a stream that the wish is answered by; its file comes by [`Self::put`], and may name the devices of `access`.
    pub(crate) fn begin(
        &mut self,
        caller: &mut Caller<'_>,
        wish: Wish,
        access: DeviceAccess,
    ) -> Result<Answer, Refusal> {
        self.drafts.retain(|draft| !draft.outbox.is_gone());
        if self.drafts.len() >= DRAFTS {
            let text = format!("{DRAFTS} configurations are being sent already");
            return Err(Refusal::new(Code::Refused, text, "try again when one has ended"));
        }
        let is_whole = wish == Wish::Show;
        let (outbox, grew) = (caller.stream(), Instant::now());
        self.drafts.push(Draft { outbox, wish, access, text: String::new(), is_whole, grew });
        Ok(Answer::Done(Done::default()))
    }

    /// One more part of a file.
    pub(crate) fn put(
        &mut self,
        caller: &Caller<'_>,
        stream: &Id,
        text: &str,
        last: bool,
    ) -> Result<Answer, Refusal> {
        let held: usize = self.drafts.iter().map(|draft| draft.text.len()).sum();
        let found = self
            .drafts
            .iter()
            .position(|draft| !draft.is_whole && draft.outbox.belongs_to(caller, stream));
        let Some(at) = found else {
            let cure =
                "name the id of a config.diff or config.apply that has not got its last part";
            return Err(Refusal::new(Code::NotFound, "nothing waits for this part", cure));
        };
        if held + text.len() > DRAFT_BYTES {
            drop(self.drafts.swap_remove(at));
            let text = format!("the configuration is too large: {DRAFT_BYTES} bytes are held");
            return Err(Refusal::new(Code::Refused, text, "is this the right file?"));
        }
        let draft = &mut self.drafts[at];
        draft.text.push_str(text);
        draft.is_whole = last;
        draft.grew = Instant::now();
        Ok(Answer::Done(Done { count: Some(draft.text.len() as u64), more: None }))
    }

    /// Hands over what is whole; once in each tick, so that the answer to a request is there before its stream begins.
    /// A text that does not grow is given up: its client may be unable to send any more, and waits for ever.
    pub(crate) fn hand_over(&mut self) {
        self.drafts.retain(|draft| {
            let is_stuck = !draft.is_whole && draft.grew.elapsed() > PATIENCE;
            if is_stuck {
                let text = format!("no part of the file came for {} s", PATIENCE.as_secs());
                draft.outbox.push(telling::end("timeout", text));
            }
            !is_stuck
        });
        while let Some(at) = self.drafts.iter().position(|draft| draft.is_whole) {
            let draft = self.drafts.remove(at);
            self.give(Task::Ask(draft));
        }
    }

    /// The file that the instance was started with shall be applied again.
    pub(crate) fn reload(&mut self) {
        self.give(Task::Reload);
    }

    fn give(&self, task: Task) {
        if let Some(tasks) = &self.tasks {
            // The thread is there for as long as this is.
            let _taken = tasks.send(task);
        }
    }

    /// The next piece of work for the thread, if there is any.
    pub(crate) fn next_piece(&self) -> Option<Piece> {
        self.pieces.as_ref()?.try_recv().ok()
    }

    /// Refuses a request that has to wait until no configuration is being applied.
    pub(crate) fn check_not_applying(&self) -> Result<(), Refusal> {
        if !self.applying {
            return Ok(());
        }
        let text = "a configuration is being applied";
        Err(Refusal::new(Code::Refused, text, "try again when that is done"))
    }

    /// Ends the thread; what it is at is not finished.
    pub(crate) fn end(&mut self) {
        // Without these it gets neither work nor answers.
        drop((self.pieces.take(), self.tasks.take()));
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            warn!("the thread of the configuration panicked");
        }
    }
}

impl std::fmt::Debug for Configurator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Configurator").field("drafts", &self.drafts).finish_non_exhaustive()
    }
}

impl Drop for Configurator {
    fn drop(&mut self) {
        self.end();
    }
}
