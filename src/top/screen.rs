//! The terminal: taken at the start, given back whatever happens, also on a signal and in a panic.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::app::{App, Next};
use super::ask::Asker;
use super::draw;

/// How long one waits for a key: signals and answers are looked at so often.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Shows the view until the user, or a signal, ends it.
pub(super) fn run(mut app: App, asker: Asker, delay: Duration) -> Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&ended);
    ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed))
        .context("SIGINT, SIGTERM and SIGHUP")?;
    // From here on a panic gives the terminal back, too, before its message.
    let mut terminal = ratatui::try_init().context("the terminal")?;
    let done = show(&mut terminal, &mut app, &asker, delay, &ended);
    if terminal.show_cursor().is_err() {
        // Dropped, it would say so on standard error, which is as gone as the terminal, and panic.
        std::mem::forget(terminal);
    }
    ratatui::try_restore().context("the terminal")?;
    done
}

/// Waits for a key. Not by crossterm, which reads a terminal that is gone for ever and does not return.
fn wait(keys: BorrowedFd<'_>) -> Result<()> {
    let mut events = [PollFd::from_borrowed_fd(keys, PollFlags::IN)];
    match poll(&mut events, Some(&PATIENCE)) {
        // A signal, which the loop looks for.
        Err(Errno::INTR) => return Ok(()),
        waited => _ = waited.context("the terminal")?,
    }
    let gone = events[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL);
    ensure!(!gone, "the terminal is gone");
    Ok(())
}

fn show(
    terminal: &mut DefaultTerminal,
    app: &mut App,
    asker: &Asker,
    delay: Duration,
    ended: &AtomicBool,
) -> Result<()> {
    let mut due = Instant::now();
    // The question that is not answered yet, and whether it was asked because it was time.
    let mut waiting = None;
    let mut shown = app.wish();
    while !ended.load(Ordering::Relaxed) {
        app.rows = draw::rows(terminal.size().context("the terminal's size")?.height);
        let _frame = terminal.draw(|frame| draw::draw(frame, app)).context("the terminal")?;
        let (wish, now) = (app.wish(), Instant::now());
        if waiting.is_none() && (now >= due || wish != shown) {
            let regular = now >= due;
            if regular {
                due = now + delay;
            }
            shown = wish.clone();
            asker.ask(wish)?;
            waiting = Some(regular);
        }
        wait(io::stdin().as_fd())?;
        if event::poll(Duration::ZERO).context("the terminal")?
            && let Event::Key(key) = event::read().context("the terminal")?
            && key.kind != KeyEventKind::Release
            && app.key(key) == Next::Quit
        {
            return Ok(());
        }
        if let Some(answer) = asker.answer() {
            app.take(answer, waiting.take().unwrap_or(true));
        }
    }
    Ok(())
}
