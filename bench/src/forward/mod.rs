//! `curvnet-bench forward`.

use anyhow::{Result, bail};

use crate::report::Build;

/// Measures the datapath on one worker.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(_args: &Args, _build: Build) -> Result<()> {
    bail!("not here yet")
}
