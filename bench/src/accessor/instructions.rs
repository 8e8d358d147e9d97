//! Instructions of an access, which repeat exactly where cycles do not: this program runs itself under valgrind's
//! callgrind, which counts what one function executes.
//!
//! Counting the disassembly would need no valgrind, but cannot follow a sysctl into the code that it calls.

use std::hint::black_box;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::catalogue::Scenario;
use super::lab::Lab;
use super::run::{Bench, in_place};

/// Blocks that are counted. The first takes what is seldom (a first page, a first lookup) as well, so there are several.
pub(super) const BLOCKS: u32 = 16;

/// The function whose instructions callgrind collects, with those of all that it calls.
const COUNTED: &str = "*accessor*counted_blocks*";

/// The part that the valgrind process is told to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Part {
    /// The scenario's blocks.
    Accesses,
    /// Blocks without accesses.
    Baseline,
}

/// Whether valgrind is there.
pub(super) fn check() -> Result<()> {
    let version = Command::new("valgrind").arg("--version").output();
    ensure!(
        version.is_ok_and(|output| output.status.success()),
        "--instructions needs valgrind: apt-get install valgrind"
    );
    Ok(())
}

/// Instructions of one access of `scenario`.
pub(super) fn count(scenario: &Scenario) -> Result<f64> {
    let total = counted(scenario, Part::Accesses)?;
    let baseline = counted(scenario, Part::Baseline)?;
    let accesses = u64::from(BLOCKS) * scenario.accesses() as u64;
    Ok(total.saturating_sub(baseline) as f64 / accesses as f64)
}

fn counted(scenario: &Scenario, part: Part) -> Result<u64> {
    let part = clap::ValueEnum::to_possible_value(&part).context("no part is hidden")?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(std::env::current_exe().context("the path of this program")?)
        .args(["accessor", "--scenario", &scenario.name, "--count", part.get_name()])
        .output()
        .context("valgrind")?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let last = text.lines().last().unwrap_or_default();
        bail!(
            "under valgrind: {}, {last} (valgrind knows no AVX-512: build for x86-64-v3)",
            output.status
        );
    }
    collected(&text).context("callgrind has collected nothing; its version is not understood")
}

/// The number in callgrind's line `==PID== Collected : NUMBER`.
fn collected(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.split_once("Collected : "))?.1;
    line.trim().parse().ok().filter(|&count| count > 0)
}

/// The work of the valgrind process: prepares the scenario, and runs its blocks where they are counted.
pub(super) fn run_counted(scenario: &Scenario, part: Part) -> Result<()> {
    let mut lab = Lab::new()?;
    match part {
        Part::Accesses => {
            in_place(&mut lab, scenario, |bench| counted_blocks(&mut bench.block()))?;
        }
        Part::Baseline => {
            counted_blocks(&mut Bench::Hot(scenario.baseline(), &lab.worker(1)).block());
        }
    }
    Ok(())
}

/// The function that is counted. Its name is that of [`COUNTED`].
#[inline(never)]
fn counted_blocks(block: &mut Box<dyn FnMut() -> u32 + '_>) {
    for _block in 0..BLOCKS {
        let _sum = black_box(block());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callgrinds_summary_is_understood() {
        let text = "==1== \n==1== Events    : Ir\n==1== Collected : 4711\n==1== \n";
        assert_eq!(collected(text), Some(4711));
        assert_eq!(collected("==1== Collected : 0\n"), None, "the function was not found");
        assert_eq!(collected("nothing"), None);
    }
}
