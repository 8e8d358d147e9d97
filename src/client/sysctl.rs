//! `curvnet sysctl`, with the words and the output of sysctl(8).

use std::fmt::Write as _;

use clap::Args;
use serde_json::Value;

use super::{Client, usage};
use crate::cli::Failure;
use crate::protocol::{Page, SysctlShown, VnetCommand};

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
    let mut list: Vec<SysctlShown> = Vec::new();
    let oids = if command.all { vec![String::new()] } else { command.oids.clone() };
    for oid in oids {
        let request = match oid.split_once('=') {
            Some((name, value)) => VnetCommand::SysctlSet {
                name: name.trim().to_owned(),
                value: Value::String(value.trim().to_owned()),
            },
            None => VnetCommand::SysctlGet { name: oid },
        };
        list.extend(instance.ask::<Page<SysctlShown>>(request)?.list);
    }
    client.show(&Page::only(list), |page| show(&command, page))
}

fn show(how: &Sysctl, page: &Page<SysctlShown>) -> String {
    let mut text = String::new();
    for SysctlShown { name, value, old, description, .. } in &page.list {
        let value = plain(value);
        let _infallible = match (how, old) {
            (Sysctl { names: true, .. }, _) => writeln!(text, "{name}"),
            (Sysctl { values: true, .. }, _) => writeln!(text, "{value}"),
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
