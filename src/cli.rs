//! The command line, and what its exit codes mean: 0 done, 1 run-time failure, 2 bad configuration or usage.

use std::fmt;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};

pub(crate) use crate::failure::Failure;
use crate::terminal::printable;
use crate::{build, check, client, doctor, manual, run};

/// A multi-tenant network stack in user space on DPDK.
#[derive(Parser, Debug)]
#[command(name = "curvnet", version = build::VERSION, about, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    access: client::Access,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run a configuration until SIGINT or SIGTERM.
    Run {
        /// The configuration, TOML.
        config: PathBuf,
        /// Stop by itself after this time, e.g. 500ms, 10s, 2m.
        #[arg(long, value_parser = duration)]
        duration: Option<Duration>,
        /// Print one summary object on stdout at the end, and nothing else there.
        #[arg(long)]
        json: bool,
    },
    /// Check a configuration without starting anything, and show the arithmetic.
    Check {
        /// The configuration, TOML.
        config: PathBuf,
    },
    /// Look at the machine: what is missing for full speed, and the command that mends it.
    Doctor,
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages.
    Man {
        /// The directory to write them into.
        directory: PathBuf,
    },
    #[command(flatten)]
    Client(client::Command),
}

/// Parses the command line and runs the command.
pub(crate) fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => {
            let json = cli.access.json;
            dispatch(cli).map_or_else(|failure| failure.tell(json), |()| ExitCode::SUCCESS)
        }
        Err(error) if error.use_stderr() && is_json_wanted() => {
            Failure::of_usage(&error).tell(true)
        }
        // clap would write the arguments as they are.
        Err(error) if error.use_stderr() => {
            let text = error.render();
            complain(&if color() { text.ansi().to_string() } else { text.to_string() });
            ExitCode::from(2)
        }
        // Help, and the version.
        Err(error) => error.exit(),
    }
}

/// Whether `-j` is among arguments that are no command.
fn is_json_wanted() -> bool {
    let matches = Cli::command().ignore_errors(true).try_get_matches();
    // Where parsing ended early, the default of a flag is missing, too.
    matches.is_ok_and(|matches| matches.get_one("json").is_some_and(|json| *json))
}

fn dispatch(Cli { access, command }: Cli) -> Result<(), Failure> {
    match command {
        Command::Client(command) => client::run(access, command),
        _ if access.is_given() => Err(Failure::Config(
            "curvnet: -j, -s and -v are for commands to a running instance".to_owned(),
        )),
        Command::Run { config, duration, json } => run::run(&config, duration, json),
        Command::Check { config } => check::check(&config),
        Command::Doctor => doctor::doctor(),
        Command::Completions { shell } => Ok(manual::completions(Cli::command(), shell)?),
        Command::Man { directory } => Ok(manual::pages(Cli::command(), &directory)?),
    }
}

/// Writes to standard error; when that is closed there is nobody left to tell.
pub(crate) fn complain(text: &str) {
    use std::io::Write;
    let _nobody_listens = writeln!(std::io::stderr(), "{}", printable(text));
}

/// Writes to standard output; that it is closed is an error like any other.
pub(crate) fn print(text: fmt::Arguments<'_>) -> anyhow::Result<()> {
    use std::io::Write;
    std::io::stdout().write_all(printable(&text.to_string()).as_bytes()).context("standard output")
}

/// Whether messages may be coloured.
pub(crate) fn color() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// `500ms`, `10s`, `2m`, `1h`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a time: write it like 500ms, 10s, 2m or 1h");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, millis) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("3", 3000),
            ("0.5s", 500),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "10x", "-1s", "1e9999h", "ten"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn habits_of_freebsd() {
        let parsed = |text: &str| Cli::try_parse_from(text.split_whitespace());
        for text in [
            "ifconfig -a",
            "ifconfig -l",
            "ifconfig -lu",
            "ifconfig -ad",
            "ifconfig em0 -vnet blue",
            "ifconfig em0 10.1.0.1 -alias",
            "netstat -rn",
            "netstat -nr",
            "netstat -in",
            "netstat -ibnW",
            "netstat -nI em0",
            "netstat -i -I em0",
            "netstat -sn",
            "arp -an",
            "arp -na",
            "arp -n 10.1.0.2",
            "arp -n -d 10.1.0.2",
            "route -n get 10.1.0.2",
            "route -n get default",
            "route -n add -net 10.2.0.0/16 10.1.0.2",
            "route -n delete -net 10.2.0.0/16",
            "route -n flush",
            "sysctl -a",
            "sysctl -an",
            "sysctl -w net.inet.ip.ttl=3",
            "ping -n -c 1 10.1.0.2",
            "traceroute -n 10.1.0.2",
        ] {
            assert!(parsed(&format!("curvnet {text}")).is_ok(), "{text}");
            assert!(parsed(&format!("curvnet -v blue {text}")).is_ok(), "{text}");
        }
        for text in [
            "ifconfig -a em0",
            "ifconfig -al",
            "ifconfig -ud",
            "ifconfig -x",
            "netstat",
            "netstat -n",
            "netstat -rs",
            "netstat -ri",
            "arp",
            "arp -n",
            "arp -ad",
            "arp -a 10.1.0.2",
            "route",
            "route -n",
        ] {
            assert!(parsed(&format!("curvnet {text}")).is_err(), "{text}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
