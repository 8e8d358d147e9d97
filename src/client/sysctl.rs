//! `curvnet sysctl`, with the words and the output of sysctl(8).

use std::fmt::Write as _;

use clap::Args;
use serde_json::Value;

use super::{Client, Connection, usage};
use crate::cli::Failure;
use crate::protocol::{Code, NewSysctl, Page, Refusal, SysctlShown, VnetCommand};

/// Arguments of sysctl.
#[derive(Args, Debug)]
pub(crate) struct Sysctl {
    /// Show all.
    #[arg(short = 'a')]
    all: bool,
    /// Show descriptions instead of values.
    #[arg(short = 'd', conflicts_with = "names")]
    descriptions: bool,
    /// Show names only.
    #[arg(short = 'N')]
    names: bool,
    /// Show values only.
    #[arg(short = 'n', conflicts_with_all = ["names", "descriptions"])]
    values: bool,
    /// Change values, which needs no option.
    #[arg(short = 'w', id = "write")]
    _write: bool,
    /// Names, of one or of all below it; with a value, it is changed.
    #[arg(value_name = "NAME[=VALUE]")]
    oids: Vec<String>,
}

pub(super) fn run(client: &Client, command: Sysctl) -> Result<(), Failure> {
    if command.all != command.oids.is_empty() {
        return Err(usage("sysctl: give names, or -a for all"));
    }
    let mut instance = client.connect()?;
    let words = if command.all { vec![String::new()] } else { command.oids.clone() };
    let (found, missing) = ask(&mut instance, &words)?;
    match missing {
        None => client.show(&found, |page| show(&command, page)),
        // Those that there are, but with -j, which prints one document.
        Some(error) => {
            if !client.access.json && !found.list.is_empty() {
                client.show(&found, |page| show(&command, page))?;
            }
            Err(error.into())
        }
    }
}

/// Reads, and sets, in the order of the words. Values are set all or none, and none if a name that is to be read is unknown; else
/// the first such name's error is beside what there is.
fn ask(
    instance: &mut Connection,
    words: &[String],
) -> Result<(Page<SysctlShown>, Option<anyhow::Error>), Failure> {
    let read = |instance: &mut Connection, name: &str| {
        let request = VnetCommand::SysctlGet { name: name.to_owned() };
        instance.ask::<Page<SysctlShown>>(request).map(|page| page.list)
    };
    let values: Vec<NewSysctl> = words.iter().filter_map(|word| assignment(word)).collect();
    let mut set = Vec::new();
    if !values.is_empty() {
        for name in words.iter().filter(|word| assignment(word).is_none()) {
            drop(read(instance, name)?);
        }
        let request = VnetCommand::SysctlSet { name: None, value: None, values };
        set = instance.ask::<Page<SysctlShown>>(request)?.list;
    }
    let (mut list, mut missing, mut set) = (Vec::new(), None, set.into_iter());
    for word in words {
        if assignment(word).is_some() {
            list.extend(set.next());
            continue;
        }
        match read(instance, word) {
            Ok(found) => list.extend(found),
            Err(error) if is_missing(&error) => missing = missing.or(Some(error)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok((Page::only(list), missing))
}

/// `NAME=VALUE`
fn assignment(word: &str) -> Option<NewSysctl> {
    let (name, value) = word.split_once('=')?;
    Some(NewSysctl { name: name.trim().to_owned(), value: Value::String(value.trim().to_owned()) })
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refusal>().is_some_and(|refusal| refusal.code == Code::NotFound)
}

fn show(how: &Sysctl, page: &Page<SysctlShown>) -> String {
    let mut text = String::new();
    for SysctlShown { name, value, old, description, .. } in &page.list {
        let value = plain(value);
        let _infallible = match (how, old) {
            (Sysctl { names: true, .. }, _) => writeln!(text, "{name}"),
            (Sysctl { values: true, .. }, Some(old)) => writeln!(text, "{} -> {value}", plain(old)),
            (Sysctl { values: true, .. }, None) => writeln!(text, "{value}"),
            (Sysctl { descriptions: true, .. }, _) => writeln!(text, "{name}: {description}"),
            (_, Some(old)) => writeln!(text, "{name}: {} -> {value}", plain(old)),
            (_, None) => writeln!(text, "{name}: {value}"),
        };
    }
    text
}

/// Texts without their quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
