//! `curvnet-bench accessor`.

use anyhow::{Result, bail};

use crate::report::Build;

/// Measures what one access to a variable of a vnet costs.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(_args: &Args, _build: Build) -> Result<()> {
    bail!("not here yet")
}
