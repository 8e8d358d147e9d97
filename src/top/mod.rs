//! `curvnet top`: a live view of a running instance. A client of the control socket like any other; it asks only for what it
//! shows, so it stays light with thousands of vnets.
//!
//! | file | subject |
//! |---|---|
//! | `mod.rs` | the command; `-j` |
//! | `ask.rs` | what is asked, and the thread that asks |
//! | `rates.rs` | rates, from two snapshots |
//! | `app.rs` | the state of the view, and what keys do to it; no terminal |
//! | `draw.rs` | the state on a screen of any size |
//! | `screen.rs` | the terminal: taken, and given back whatever happens |

mod app;
mod ask;
mod draw;
mod rates;
mod screen;

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;

use crate::cli::{Failure, print};
use crate::client::{Access, Connection};

use ask::{Snapshot, Wish};
use rates::View;

/// Arguments of top.
#[derive(Args, Debug)]
pub(crate) struct Top {
    /// Seconds between two looks, 0.1 to 3600.
    #[arg(short, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    delay: Duration,
}

/// The command.
pub(crate) fn run(access: &Access, Top { delay }: Top) -> Result<(), Failure> {
    let mut connection = Connection::open(access.socket.as_deref(), None)?;
    if access.json {
        return Ok(once(&mut connection, access.vnet.clone(), delay)?);
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let text = "curvnet: top: standard input or output is no terminal: -j prints one snapshot with rates";
        return Err(Failure::Config(text.to_owned()));
    }
    let app = app::App::new(access.vnet.clone());
    Ok(screen::run(app, ask::Asker::start(access.socket.clone(), connection)?, delay)?)
}

/// Prints the rates of one interval.
fn once(connection: &mut Connection, vnet: Option<String>, delay: Duration) -> anyhow::Result<()> {
    let wish = Wish { interfaces: vnet.is_some(), vnet, all: true, ..Wish::default() };
    let before = Snapshot::take(connection, &wish)?;
    std::thread::sleep(delay);
    let now = Snapshot::take(connection, &wish)?;
    let text = serde_json::to_string(&View::between(Some(&before), &now))?;
    print(format_args!("{text}\n"))
}

fn interval(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
    let seconds =
        seconds.ok_or_else(|| format!("'{text}' is no time: give seconds, 0.1 to 3600"))?;
    Ok(Duration::from_secs_f64(seconds))
}
