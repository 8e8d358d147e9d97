//! The measuring programs of curvnet, behind the binary `curvnet-bench`.
//!
//! | command | what it measures |
//! |---|---|
//! | `accessor` | one access to a vnet's variable |
//! | `forward` | the datapath, packet by packet |
//! | `flood` | a tenant beside one that floods |
//! | `lookup` | the FIB's bulk lookup beside DPDK's |
//! | `compare` | builds against each other, by the two above |
//! | `pktgen` | another process or machine, from outside |
//! | `life` | vnets that come, go and change under traffic |
//! | `vnet` | creating and destroying vnets, and what an idle one costs |

#![forbid(unsafe_code)]

mod accessor;
mod compare;
mod flood;
mod forward;
mod host;
mod life;
mod lookup;
pub mod machine;
mod pattern;
mod pktgen;
mod random;
pub mod report;
mod vnet;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::report::Build;

/// A mistake in the usage or in a file: the complete text for people. Exit code 2.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.trim_end())
    }
}

impl std::error::Error for Usage {}

/// Measures curvnet.
#[derive(Parser, Debug)]
#[command(name = "curvnet-bench", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Accessor(accessor::Args),
    Forward(forward::Args),
    Life(life::Args),
    Flood(flood::Args),
    Lookup(lookup::Args),
    Compare(compare::Args),
    Pktgen(Box<pktgen::Args>),
    Vnet(vnet::Args),
}

/// Runs `curvnet-bench` as `build`. Exit codes: 0 done, 1 run-time failure, 2 bad usage or manifest.
#[must_use]
pub fn main(build: Build) -> ExitCode {
    let done = match Cli::parse().command {
        Command::Accessor(args) => accessor::run(&args, build),
        Command::Forward(args) => forward::run(&args, build),
        Command::Life(args) => life::run(&args, build),
        Command::Flood(args) => flood::run(&args, build),
        Command::Lookup(args) => lookup::run(&args, build),
        Command::Compare(args) => compare::run(&args, build),
        Command::Pktgen(args) => pktgen::run(&args, build),
        Command::Vnet(args) => vnet::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            if let Some(usage) = error.downcast_ref::<Usage>() {
                let _nobody_listens = writeln!(std::io::stderr(), "{usage}");
                return ExitCode::from(2);
            }
            let _nobody_listens = writeln!(std::io::stderr(), "curvnet-bench: {error:#}");
            ExitCode::from(1)
        }
    }
}
