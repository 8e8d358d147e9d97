//! The measuring programs of curvnet, behind the binary `curvnet-bench`.
//!
//! | command | what it measures |
//! |---|---|
//! | `vnet` | creating and destroying vnets, and what an idle one costs |

#![forbid(unsafe_code)]

mod vnet;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures curvnet.
#[derive(Parser, Debug)]
#[command(name = "curvnet-bench", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Creates and destroys vnets; prints the time of each and the memory of an idle one.
    Vnet {
        /// Vnets to create; the median of their times is printed.
        #[arg(long, default_value_t = 1000)]
        count: usize,
        /// Workers that the vnets keep counters for.
        #[arg(long, default_value_t = 4)]
        workers: usize,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Runs `curvnet-bench`. Exit codes: 0 done, 1 run-time failure, 2 bad usage.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Vnet { count, workers, json } => vnet::run(count, workers, json),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            let _nobody_listens = writeln!(std::io::stderr(), "curvnet-bench: {error:#}");
            ExitCode::from(1)
        }
    }
}
