//! The manifest: which builds are compared, in which scenarios. bench/README.md, "compare", documents the keys.

mod raw;
mod read;

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result};

use self::read::parse;
use crate::Usage;

/// A manifest that can be used.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Manifest {
    /// At least one; names differ.
    pub(crate) builds: Vec<BuildSpec>,
    /// The place of the reference in `builds`.
    pub(crate) reference: usize,
    /// The plan without `--short`.
    pub(crate) full: Plan,
    /// The plan with `--short`.
    pub(crate) short: Plan,
}

/// A build to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BuildSpec {
    /// Its name, which is that of its target directory as well.
    pub(crate) name: String,
    /// Where its program comes from.
    pub(crate) source: Source,
}

/// Where a build's program comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A program that is there already.
    Program(PathBuf),
    /// Cargo builds it.
    Cargo(CargoBuild),
}

/// The build that cargo is to make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CargoBuild {
    /// Exactly these features; `None` leaves cargo's default.
    pub(crate) features: Option<Vec<String>>,
    /// The cargo profile.
    pub(crate) profile: String,
    /// RUSTFLAGS; `None` leaves those of the environment and of `.cargo/config.toml`.
    pub(crate) rustflags: Option<String>,
    /// A git revision; `None` is the working tree.
    pub(crate) revision: Option<String>,
}

/// The scenarios that are measured, and how often.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// In this order.
    pub(crate) scenarios: Vec<ScenarioName>,
    /// Rounds.
    pub(crate) rounds: usize,
    /// Measured time of a run of `forward`, in seconds.
    pub(crate) seconds: f64,
}

/// A scenario of a command: `accessor:read-cur-each`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScenarioName {
    /// Which command measures it.
    pub(crate) command: Measure,
    /// Its name there.
    pub(crate) name: String,
}

/// A command that measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// `curvnet-bench accessor`.
    Accessor,
    /// `curvnet-bench forward`.
    Forward,
}

impl Measure {
    /// The sub-command.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::Accessor => "accessor",
            Self::Forward => "forward",
        }
    }
}

impl FromStr for ScenarioName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "a scenario is accessor:NAME or forward:NAME";
        let (command, name) = text.split_once(':').ok_or(wanted)?;
        let command = match command {
            "accessor" => Measure::Accessor,
            "forward" => Measure::Forward,
            _ => return Err(wanted.to_owned()),
        };
        // A name goes onto a command line: it must not look like an option.
        if name.is_empty() || name.starts_with('-') || name.contains(char::is_whitespace) {
            return Err(wanted.to_owned());
        }
        Ok(Self { command, name: name.to_owned() })
    }
}

impl fmt::Display for ScenarioName {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}:{}", self.command.command(), self.name)
    }
}

/// Seconds of a run that can be asked for: below there is little to measure, and a worker's counters are not meant for
/// more.
pub(super) const SECONDS_RANGE: RangeInclusive<f64> = 0.001..=600.0;

/// Reads a manifest; programs in it are relative to its folder.
///
/// # Errors
///
/// The file cannot be read, or a [`Usage`] that tells everything that is wrong with it.
pub(crate) fn load(path: &Path) -> Result<Manifest> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the manifest {}", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&path.display().to_string(), &text, folder).map_err(|bad| Usage(bad.to_string()).into())
}

#[cfg(test)]
mod tests;
