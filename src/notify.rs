//! Tells the service manager (sd_notify(3)) that workers poll, that all is well, what is being done, that the end
//! comes. Without one (`NOTIFY_SOCKET`), only the log hears of workers that stopped polling.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use numbers::rate;
use sd_notify::NotifyState;
use tracing::{error, info, warn};

use crate::watchdog::Watchdog;
use crate::workers::Worker;

/// How often workers are looked at when no service manager asks for it.
const INTERVAL: Duration = Duration::from_secs(5);

/// Tells the service manager. Belongs to the control thread: when that no longer ticks, nothing is told either, and the
/// service manager's watchdog barks.
#[derive(Debug)]
pub(crate) struct Manager {
    watchdog: Watchdog,
    ready: bool,
    /// When packets were last counted, and how many.
    counted: (Duration, u64),
}

impl Manager {
    /// For `workers` that sleep for `idle_sleep` when they find nothing.
    pub(crate) fn new(workers: usize, idle_sleep: Duration) -> Self {
        // Half of the time that it waits for (sd_watchdog_enabled(3)).
        let interval = sd_notify::watchdog_enabled().map_or(INTERVAL, |timeout| timeout / 2);
        let watchdog = Watchdog::new(workers, interval, idle_sleep);
        Self { watchdog, ready: false, counted: (Duration::ZERO, 0) }
    }

    /// Every tick of the control thread, `now` after its start.
    pub(crate) fn tick(&mut self, now: Duration, workers: &[Worker]) {
        let polls = || workers.iter().map(|worker| worker.gauges.poll.polls.get());
        if !self.ready && polls().all(|polls| polls > 0) {
            self.ready = true;
            tell(&[NotifyState::Ready, NotifyState::Status(&self.status(now, workers))]);
        }
        let Some(look) = self.watchdog.look(now, polls()) else { return };
        for (number, stuck) in look.news {
            let cpu = workers.get(number).map_or(0, |worker| worker.gauges.cpu.0);
            if stuck {
                error!("the worker on CPU {cpu} has stopped polling");
            } else {
                info!("the worker on CPU {cpu} polls again");
            }
        }
        if look.well {
            tell(&[NotifyState::Watchdog, NotifyState::Status(&self.status(now, workers))]);
        } else {
            tell(&[NotifyState::Status("a worker has stopped polling")]);
        }
    }

    /// The end begins.
    pub(crate) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    fn status(&mut self, now: Duration, workers: &[Worker]) -> String {
        let packets = workers.iter().map(|worker| worker.gauges.poll.packets.get()).sum();
        let (then, before) = std::mem::replace(&mut self.counted, (now, packets));
        let seconds = now.saturating_sub(then).as_secs_f64().max(0.001);
        let rate = rate(packets.saturating_sub(before) as f64 / seconds, "pps");
        let plural = if workers.len() == 1 { "" } else { "s" };
        let refused = if REFUSED.load(Ordering::Relaxed) {
            format!("; {NOT_APPLIED}")
        } else {
            String::new()
        };
        format!("{} worker{plural}, {rate}{refused}", workers.len())
    }
}

/// The configuration is being read again. [`reloaded`] follows.
pub(crate) fn reloading() {
    let now = NotifyState::monotonic_usec_now();
    match now {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// That is done, and whether the file was applied. One that was not is in the status until another one is: the service manager
/// asked by a signal, and takes no other answer.
pub(crate) fn reloaded(applied: bool) {
    REFUSED.store(!applied, Ordering::Relaxed);
    if applied {
        tell(&[NotifyState::Ready]);
    } else {
        tell(&[NotifyState::Ready, NotifyState::Status(NOT_APPLIED)]);
    }
}

/// Whether the file that SIGHUP had read again was refused.
static REFUSED: AtomicBool = AtomicBool::new(false);
const NOT_APPLIED: &str = "the changed configuration was not applied, see the log";

fn tell(news: &[NotifyState<'_>]) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let text: String = news.iter().map(|state| format!("{state}\n")).collect();
    if let Err(error) = send(&socket, &text) {
        warn!("the service manager does not listen: {error}");
    }
}

/// One datagram to a path, or with `@` to a name in the abstract namespace (sd_notify(3)), which the crate does not know.
fn send(socket: &OsStr, text: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    let _bytes = UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_sockets_are_told() {
        let name = format!("curvnet-notify-{}", std::process::id());
        let path = std::env::temp_dir().join(&name);
        let abstract_name = SocketAddr::from_abstract_name(&name).expect("an address");
        for (socket, address) in [
            (UnixDatagram::bind_addr(&abstract_name), format!("@{name}").into()),
            (UnixDatagram::bind(&path), path.clone().into_os_string()),
        ] {
            let socket = socket.expect("a socket");
            send(&address, "READY=1\n").expect("sent");
            let mut text = [0; 64];
            let bytes = socket.recv(&mut text).expect("received");
            assert_eq!(&text[..bytes], b"READY=1\n");
        }
        std::fs::remove_file(path).expect("removed");
    }
}
