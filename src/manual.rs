//! Completions and manual pages, from the one definition of the command line.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::print;

/// The manual's section: commands of the system's administration, as ifconfig(8) and route(8) are.
const SECTION: &str = "8";

/// The end of every page.
const TAIL: &str = "\
.SH \"EXIT STATUS\"
0 done, 1 failed at run time, 2 bad configuration or usage.
.SH FILES
.TP
.I /run/curvnet.sock
The control socket, unless the configuration names another.
.TP
.I /etc/curvnet/curvnet.toml
What the service runs.
.SH ENVIRONMENT
.TP
.B CURVNET_LOG
The log's level, before that of the configuration: error, warn, info, debug, trace or off.
";

/// Prints a shell's completions.
pub(crate) fn completions(mut command: clap::Command, shell: Shell) -> Result<()> {
    let mut text = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut text);
    print(format_args!("{}", String::from_utf8_lossy(&text)))
}

/// Writes a page for the command and for each of its subcommands into a directory, which is made if need be.
pub(crate) fn pages(command: clap::Command, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    page(&command, directory)
}

fn page(command: &clap::Command, directory: &Path) -> Result<()> {
    let version = format!("curvnet {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).section(SECTION).source(version).manual("curvnet");
    let mut text = Vec::new();
    man.render(&mut text)?;
    text.write_all(TAIL.as_bytes())?;
    let file = directory.join(man.get_filename());
    fs::write(&file, text).with_context(|| file.display().to_string())?;
    command.get_subcommands().try_for_each(|command| page(command, directory))
}
