//! `curvnet doctor`: what the machine lacks, and the command that mends it.

use std::io::IsTerminal;

use pmd::doctor::{Check, State};

use crate::cli::Failure;

/// The command. Reports only; a machine that lacks something is no failure of the command.
pub(crate) fn doctor() -> Result<(), Failure> {
    let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let checks = pmd::doctor::checks();
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for check in &checks {
        print_check(check, width, color);
    }
    let missing = checks.iter().filter(|check| check.state != State::Ok).count();
    match missing {
        0 => println!("\nNothing to mend."),
        1 => {
            println!("\n1 thing to mend; curvnet runs without it, more slowly or with fewer ports.")
        }
        n => println!(
            "\n{n} things to mend; curvnet runs without them, more slowly or with fewer ports."
        ),
    }
    Ok(())
}

fn print_check(check: &Check, width: usize, color: bool) {
    let (word, paint) = match check.state {
        State::Ok => ("ok     ", "\x1b[32m"),
        State::Warn => ("warn   ", "\x1b[33m"),
        State::Missing => ("missing", "\x1b[31m"),
    };
    let (paint, reset) = if color { (paint, "\x1b[0m") } else { ("", "") };
    println!("{paint}{word}{reset} {:width$}  {}", check.name, check.detail);
    if let Some(cure) = &check.cure {
        for line in cure.lines() {
            println!("        {:width$}    {line}", "");
        }
    }
}
