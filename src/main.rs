//! curvnet: a multi-tenant network stack in user space on DPDK.

mod build;
mod check;
mod cli;
mod client;
mod configuration;
mod control;
mod distribution;
mod doctor;
mod execute;
mod failure;
mod host;
mod log;
mod manual;
mod metrics;
mod notify;
mod ports;
mod protocol;
mod run;
mod signals;
mod streams;
mod summary;
mod table;
mod terminal;
#[cfg(test)]
mod testing;
mod top;
mod watchdog;
mod workers;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
