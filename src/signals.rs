//! The reasons for which a run ends or reads its file again: SIGINT, SIGTERM, SIGHUP, and a terminal that has gone.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// A second request to end within this time of the first is the same one: timeout(1) sends its signal to the process and to
/// its group, and fingers are slow.
pub(crate) const SAME_INTERRUPT: Duration = Duration::from_millis(500);

/// The requests that signals make.
#[derive(Debug)]
pub(crate) struct Signals {
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    terminal: Terminal,
}

impl Signals {
    /// Catches them from now on, in a thread of its own. The first SIGINT or SIGTERM asks for a clean end; the second ends the
    /// process whatever it is at, also while it starts.
    ///
    /// # Errors
    ///
    /// No thread, or no descriptors.
    pub(crate) fn catch() -> io::Result<Self> {
        let (stop, reload) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        let (ends, reloads) = (Arc::clone(&stop), Arc::clone(&reload));
        let _for_ever =
            std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
                let mut requests = Requests::default();
                for signal in signals.forever() {
                    match requests.take(signal, Instant::now()) {
                        Request::Reload => reloads.store(true, Ordering::Relaxed),
                        Request::End => ends.store(true, Ordering::Relaxed),
                        Request::EndNow => {
                            let _ends_the_process =
                                signal_hook::low_level::emulate_default_handler(signal);
                        }
                    }
                }
            })?;
        Ok(Self { stop, reload, terminal: Terminal::of_this_process() })
    }

    /// Whether a clean end is asked for.
    pub(crate) fn is_end(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether the terminal that the process was started from has gone: nobody there could end it any more.
    pub(crate) fn is_terminal_gone(&self) -> bool {
        self.terminal.is_gone()
    }

    /// Whether the configuration is to be read again; once for each request. A terminal that closes sends the same signal.
    pub(crate) fn take_reload(&self) -> bool {
        if !self.reload.swap(false, Ordering::Relaxed) {
            return false;
        }
        if self.is_terminal_gone() {
            self.stop.store(true, Ordering::Relaxed);
            return false;
        }
        true
    }
}

/// A signal's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Reload,
    End,
    EndNow,
}

/// The signals so far.
#[derive(Debug, Default)]
struct Requests {
    /// When the end was first asked for.
    end: Option<Instant>,
}

impl Requests {
    fn take(&mut self, signal: i32, now: Instant) -> Request {
        if signal == SIGHUP {
            return Request::Reload;
        }
        let first = *self.end.get_or_insert(now);
        if now.saturating_duration_since(first) > SAME_INTERRUPT {
            Request::EndNow
        } else {
            Request::End
        }
    }
}

/// The standard streams that were a terminal at the start.
#[derive(Debug)]
struct Terminal([bool; 3]);

impl Terminal {
    fn of_this_process() -> Self {
        let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
        Self([input.is_terminal(), output.is_terminal(), error.is_terminal()])
    }

    /// A terminal that was hung up is one no more (tty_ioctl(4)), and says so to poll(2).
    fn is_gone(&self) -> bool {
        let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
        let streams = [input.as_fd(), output.as_fd(), error.as_fd()];
        let terminals = streams.into_iter().zip(self.0).filter(|(_, is_one)| *is_one);
        let mut fds: Vec<PollFd<'_>> =
            terminals.map(|(fd, _)| PollFd::from_borrowed_fd(fd, PollFlags::empty())).collect();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        !fds.is_empty()
            && rustix::event::poll(&mut fds, Some(&now)).is_ok()
            && fds.iter().any(|fd| fd.revents().contains(PollFlags::HUP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_request_to_end_ends_at_once() {
        let (start, mut requests) = (Instant::now(), Requests::default());
        assert_eq!(requests.take(SIGHUP, start), Request::Reload);
        assert_eq!(requests.take(SIGTERM, start), Request::End);
        assert_eq!(requests.take(SIGINT, start + SAME_INTERRUPT), Request::End);
        let later = start + SAME_INTERRUPT + Duration::from_millis(1);
        assert_eq!(requests.take(SIGHUP, later), Request::Reload);
        assert_eq!(requests.take(SIGTERM, later), Request::EndNow);
    }
}
