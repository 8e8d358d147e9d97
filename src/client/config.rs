//! `curvnet config`: what runs as a file, and a file compared with what runs, or applied to it.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::{Client, Connection};
use crate::cli::{Failure, color, complain};
use crate::protocol::{Action, ChangeShown, Code, Done, Ended, ProcessCommand, Pushed};

/// Bytes of a file in one request: six times as many at most, as JSON, fit in a line.
const PART: usize = 8 * 1024;

/// The commands about the configuration.
#[derive(Subcommand, Debug)]
pub(crate) enum Config {
    /// The running configuration, as TOML that `run` accepts.
    Show,
    /// Shows the changes that a file would make.
    Diff {
        /// The configuration, TOML.
        file: PathBuf,
    },
    /// Change what runs to what a file says: all of it, or nothing if something is wrong.
    Apply {
        /// Only say what would change, and whether it can be done.
        #[arg(long)]
        dry_run: bool,
        /// The configuration, TOML.
        file: PathBuf,
    },
}

/// The comparison as `-j` shows it.
#[derive(Debug, Serialize)]
struct Compared {
    changes: Vec<ChangeShown>,
    /// Whether they are made.
    applied: bool,
}

pub(super) fn run(client: &Client, command: Config) -> Result<(), Failure> {
    match command {
        Config::Show => show(client),
        Config::Diff { file } => {
            compare(client, &file, false, |file, color| ProcessCommand::ConfigDiff { file, color })
        }
        Config::Apply { dry_run, file } => compare(client, &file, !dry_run, |file, color| {
            ProcessCommand::ConfigApply { file, color, dry_run }
        }),
    }
}

fn show(client: &Client) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Shown {
        text: String,
    }
    let mut instance = client.connect()?;
    let _begun: Done = instance.ask(ProcessCommand::ConfigShow {})?;
    let mut text = String::new();
    let _end = lines(&mut instance, |line| text.push_str(&line.text.unwrap_or_default()))?;
    client.show(&Shown { text }, |shown| shown.text.clone())
}

fn compare(
    client: &Client,
    file: &Path,
    applied: bool,
    command: impl FnOnce(String, bool) -> ProcessCommand,
) -> Result<(), Failure> {
    let text = config::read(file).map_err(|errors| Failure::Config(errors.render(color())))?;
    let in_color = color() && !client.access.json;
    let mut instance = client.connect()?;
    let stream = instance.next_id();
    let _begun: Done = instance.ask(command(file.display().to_string(), in_color))?;
    let mut rest = text.as_str();
    loop {
        let (part, others) = split(rest);
        let last = others.is_empty();
        let part = part.to_owned();
        let put = ProcessCommand::ConfigPut { stream: stream.clone(), text: part, last };
        let _so_far: Done = instance.ask(put)?;
        rest = others;
        if last {
            break;
        }
    }
    let mut changes = Vec::new();
    let end = lines(&mut instance, |line| {
        if let Some(warnings) = line.warnings {
            complain(warnings.trim_end());
        }
        changes.extend(line.change);
    })?;
    client.show(&Compared { changes, applied }, |compared| {
        let done = if applied && !compared.changes.is_empty() { "applied: " } else { "" };
        let paint = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        format!("{}{done}{}\n", listed(&compared.changes, paint), end.message)
    })
}

/// Takes lines until the stream's end, which may be a refusal.
fn lines(instance: &mut Connection, mut take: impl FnMut(Pushed)) -> Result<Ended, Failure> {
    loop {
        let (mut line, _) = instance.next_line()?;
        if let Some(refusal) = line.error.take() {
            return Err(match refusal.code {
                Code::BadConfiguration => Failure::Config(refusal.message),
                _ => Failure::Runtime(refusal.into()),
            });
        }
        if let Some(end) = line.end.take() {
            return Ok(end);
        }
        take(line);
    }
}

/// The first part of a text, and the rest.
fn split(text: &str) -> (&str, &str) {
    let mut length = text.len().min(PART);
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    text.split_at(length)
}

/// A line each, below a line for their vnet.
fn listed(changes: &[ChangeShown], paint: bool) -> String {
    let mut text = String::new();
    let mut last = None;
    for change in changes {
        if last != Some(&change.vnet) {
            let whose = change.vnet.as_ref().map(|vnet| format!("vnet {vnet}"));
            let _infallible = writeln!(text, "{}:", whose.unwrap_or_else(|| "process".to_owned()));
            last = Some(&change.vnet);
        }
        let (begin, end) = match change.action {
            _ if !paint => ("", ""),
            Action::Add => ("\x1b[32m", "\x1b[0m"),
            Action::Remove => ("\x1b[31m", "\x1b[0m"),
            Action::Change => ("\x1b[33m", "\x1b[0m"),
        };
        let _infallible = writeln!(text, "  {begin}{}{end}", change.line());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_stand_below_their_vnet() {
        let change = |vnet: Option<&str>, action, name: &str, from: &str, to: &str| ChangeShown {
            vnet: vnet.map(str::to_owned),
            action,
            object: "route".to_owned(),
            name: name.to_owned(),
            from: Some(from.to_owned()).filter(|text| !text.is_empty()),
            to: Some(to.to_owned()).filter(|text| !text.is_empty()),
        };
        let changes = [
            change(None, Action::Change, "a", "1", "2"),
            change(Some("red"), Action::Add, "10.1.0.0/16", "", "blackhole"),
            change(Some("red"), Action::Remove, "10.2.0.0/16", "reject", ""),
            change(Some("blue"), Action::Change, "10.2.0.0/16", "reject", "via 10.1.0.2"),
        ];
        let text = "process:\n  ~ route a: 1 -> 2\nvnet red:\n  + route 10.1.0.0/16 blackhole\n  \
                    - route 10.2.0.0/16 reject\nvnet blue:\n  ~ route 10.2.0.0/16: reject -> via 10.1.0.2\n";
        assert_eq!(listed(&changes, false), text);
        assert!(listed(&changes, true).contains("\x1b[32m+ route"));
    }

    #[test]
    fn parts_fit_in_a_line() {
        for text in ["", "a", &"\u{1}".repeat(3 * PART), &"é".repeat(PART)] {
            let (mut rest, mut all) = (text, String::new());
            while !rest.is_empty() {
                let (part, others) = split(rest);
                assert!(serde_json::to_string(part).expect("JSON").len() < 64 * 1024 - 1024);
                all.push_str(part);
                rest = others;
            }
            assert_eq!(all, text);
        }
    }
}
