//! `curvnet doctor`: what the machine lacks, and the command that mends it.

use std::io::IsTerminal;

use pmd::doctor::{Check, State};

use crate::cli::{Failure, print};

/// The command. Reports only; a machine that lacks something is no failure of the command.
pub(crate) fn doctor() -> Result<(), Failure> {
    let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let checks = pmd::doctor::checks();
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for check in &checks {
        print_check(check, width, color)?;
    }
    let missing = checks.iter().filter(|check| check.state != State::Ok).count();
    let what = match missing {
        0 => "Nothing to mend.".to_owned(),
        1 => {
            "1 thing to mend; curvnet runs without it, more slowly or with fewer ports.".to_owned()
        }
        n => format!(
            "{n} things to mend; curvnet runs without them, more slowly or with fewer ports."
        ),
    };
    print(format_args!("\n{what}\n"))?;
    Ok(())
}

fn print_check(check: &Check, width: usize, color: bool) -> anyhow::Result<()> {
    let (word, paint) = match check.state {
        State::Ok => ("ok     ", "\x1b[32m"),
        State::Warn => ("warn   ", "\x1b[33m"),
        State::Missing => ("missing", "\x1b[31m"),
    };
    let (paint, reset) = if color { (paint, "\x1b[0m") } else { ("", "") };
    print(format_args!("{paint}{word}{reset} {:width$}  {}\n", check.name, check.detail))?;
    for line in check.cure.iter().flat_map(|cure| cure.lines()) {
        print(format_args!("        {:width$}    {line}\n", ""))?;
    }
    Ok(())
}
