//! Children that end when we do: an interrupt or a time limit kills them, and the caller cleans up.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The longest pause between two looks at a child. Looking is all that we do while it measures.
const LOOK_MAX: Duration = Duration::from_millis(50);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on SIGINT and SIGTERM make [`run`] fail instead of ending the process, so that what was begun is undone.
pub(crate) fn catch_interrupts() -> Result<()> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))
        .context("cannot handle SIGINT")
}

/// The output and the status that a child left.
#[derive(Debug)]
pub(crate) struct Done {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// The text that it printed; empty where the command does not capture it.
    pub(crate) stdout: String,
    /// The text of its complaints; empty where the command does not capture it.
    pub(crate) stderr: String,
}

/// Runs a command to its end, captures what `stdout` and `stderr` say is piped.
///
/// # Errors
///
/// The program does not start, takes longer than `limit`, or we are interrupted.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<Done> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child =
        command.stdin(Stdio::null()).spawn().with_context(|| format!("{name} does not start"))?;
    let stdout = child.stdout.take().map(reader);
    let stderr = child.stderr.take().map(reader);
    let status = wait(&mut child, limit);
    if status.is_err() {
        // Either may fail because the child ended just now, which is what is wanted.
        let _ended = child.kill();
        let _ended = child.wait();
    }
    let status = status.with_context(|| format!("{name} was stopped"))?;
    Ok(Done { status, stdout: text(stdout), stderr: text(stderr) })
}

fn wait(child: &mut Child, limit: Duration) -> Result<ExitStatus> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            // Ctrl-C reaches the child as well; then its exit is no result.
            if INTERRUPTED.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
            return Ok(status);
        }
        if INTERRUPTED.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        if start.elapsed() > limit {
            bail!("it did not end within {} s", limit.as_secs());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LOOK_MAX);
    }
}

/// A full pipe would stop the child, so each is read by a thread of its own.
fn reader(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // The bytes that were read before an error are still worth showing.
        let _cut_short = pipe.read_to_end(&mut bytes);
        bytes
    })
}

fn text(reader: Option<JoinHandle<Vec<u8>>>) -> String {
    let bytes = reader.and_then(|thread| thread.join().ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_status_come_back() {
        let mut command = Command::new("sh");
        let command = command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let done =
            run(command.stdout(Stdio::piped()).stderr(Stdio::piped()), Duration::MAX).unwrap();
        assert_eq!((done.status.code(), &*done.stdout, &*done.stderr), (Some(3), "out\n", "err\n"));
    }

    #[test]
    fn a_child_that_does_not_end_is_ended() {
        let mut command = Command::new("sleep");
        let error = run(command.arg("1000"), Duration::ZERO).unwrap_err();
        assert_eq!(format!("{error:#}"), "sleep was stopped: it did not end within 0 s");
    }
}
