//! `curvnet-bench pktgen`.

use anyhow::{Result, bail};

use crate::report::Build;

/// Generates packets and receives what comes back.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(_args: &Args, _build: Build) -> Result<()> {
    bail!("not here yet")
}
