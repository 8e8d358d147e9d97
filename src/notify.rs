//! Tells the service manager (sd_notify(3)) that workers poll, that all is well, what is being done, that the end
//! comes. Without one (`NOTIFY_SOCKET`), only the log hears of workers that stopped polling.

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
        format!("{} worker{plural}, {rate}", workers.len())
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

/// That is done, whatever became of it.
pub(crate) fn reloaded() {
    tell(&[NotifyState::Ready]);
}

fn tell(news: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(news) {
        warn!("the service manager does not listen: {error}");
    }
}
