//! `curvnet-bench compare`.

use anyhow::{Result, bail};

use crate::report::Build;

/// Builds and runs several builds in turn and compares them.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(_args: &Args, _build: Build) -> Result<()> {
    bail!("not here yet")
}
