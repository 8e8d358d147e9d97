//! `curvnet-bench pktgen`: another process, or another machine, as a device under test sees it from outside.
//!
//! | file | what it does |
//! |---|---|
//! | `settings`, `plan` | flags and file, then checked |
//! | `value`, `rate`, `sizes`, `field` | what people write: numbers and times, rates, frame sizes, prefixes and ranges |
//! | `template`, `signature` | what a packet looks like |
//! | `pacer`, `generator` | when packets leave |
//! | `received`, `sequence`, `arp`, `sink` | what comes back |
//! | `session`, `trial` | ports and threads |
//! | `ndr` | the search for the non-drop rate |
//! | `live`, `result`, `report`, `text` | what is shown |

mod arp;
mod field;
mod generator;
mod live;
mod ndr;
mod pacer;
mod plan;
mod rate;
mod received;
mod report;
mod result;
mod sequence;
mod session;
mod settings;
mod signature;
mod sink;
mod sizes;
mod template;
mod text;
mod trial;
mod value;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};

use self::live::Live;
use self::ndr::{Bisection, Search, Step, TRIALS_MAX, Verdict};
use self::plan::{Ndr, Plan};
use self::rate::{Rate, bits_of};
use self::report::Report;
use self::result::Trial;
use self::session::Session;
pub(crate) use self::settings::Args;
use self::settings::Settings;
use self::trial::Asked;
use crate::report::Build;

/// Runs the command.
pub(crate) fn run(args: &Args, build: Build) -> Result<()> {
    let plan = Plan::new(&Settings::read(args)?)?;
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed))
        .context("SIGINT and SIGTERM")?;
    // EAL pins this thread, after which the machine looks like one CPU.
    let machine = crate::machine::describe(pmd::tsc::hz());
    let mut session = Session::open(&plan, stop)?;
    let mut live = Live::new(plan.json);
    let before = crate::machine::Ticks::now();
    let (trial, search) = match &plan.ndr {
        None => (Some(single(&plan, &mut session, &mut live)?), None),
        Some(ndr) => (None, Some(search(&plan, ndr, &mut session, &mut live)?)),
    };
    let mut report = Report::new(&plan, &session, build, machine);
    report.notes.extend(crate::machine::Ticks::now().steal_since(before));
    report.notes.extend(trial.as_ref().and_then(hint));
    report.trial = trial;
    report.ndr = search;
    session.close()?;
    let text = if plan.json { serde_json::to_string(&report)? + "\n" } else { report.to_string() };
    std::io::stdout().write_all(text.as_bytes()).context("standard output")
}

/// One trial at the asked rate.
fn single(plan: &Plan, session: &mut Session, live: &mut Live) -> Result<Trial> {
    let asked = Asked {
        pps: plan.traffic.rate.pps(plan.traffic.sizes.mean(), session.line_bits),
        duration: plan.timing.duration,
        count: plan.timing.count,
    };
    Ok(Trial::new(&session.trial(plan, asked, stream(0), live)?))
}

/// Trials until the non-drop rate is known.
fn search(plan: &Plan, ndr: &Ndr, session: &mut Session, live: &mut Live) -> Result<Search> {
    let mean = plan.traffic.sizes.mean();
    let pps = |rate: Rate| rate.pps(mean, session.line_bits).context("a search needs a rate");
    let max = pps(ndr.max)?;
    let min = ndr.min.map_or(Ok(max / 100.0), pps)?;
    if min > max {
        bail!("--ndr-min is {min:.0} pps, above --ndr-max, {max:.0} pps");
    }
    let mut bisection = Bisection::new(min, max, ndr.resolution);
    let mut trials = Vec::new();
    while let Some(pps) = bisection.next().filter(|_| trials.len() < TRIALS_MAX) {
        let number = trials.len() + 1;
        live.title(format!("trial {number}, "));
        let asked = Asked { pps: Some(pps), duration: Some(ndr.trial), count: None };
        let outcome = session.trial(plan, asked, stream(number), live)?;
        if outcome.interrupted {
            bail!("interrupted in trial {number}");
        }
        let trial = Trial::new(&outcome);
        let verdict = Verdict::of(&trial, ndr.loss);
        bisection.record(verdict == Verdict::Passed);
        let step = Step { verdict, trial };
        live.line(&format!("trial {number:<3} {step}"));
        trials.push(step);
    }
    let found = bisection.found();
    Ok(Search {
        pps: found,
        line_bit_s: found.map(|pps| pps * bits_of(mean)),
        line_share: found.map(|pps| pps * bits_of(mean) / session.line_bits),
        min_pps: min,
        max_pps: max,
        resolution: ndr.resolution,
        loss_tolerance: ndr.loss,
        trial_s: ndr.trial.as_secs_f64(),
        trials,
    })
}

/// A number for the packets of a trial that another trial, and most likely another process, does not have.
fn stream(trial: usize) -> u16 {
    let process = u64::from(std::process::id()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    // Both are 16 bits.
    (process as u16).wrapping_add(trial as u16)
}

/// The probable mistake when nothing came back.
fn hint(trial: &Trial) -> Option<String> {
    let nothing = trial.received.as_ref()?.packets == 0 && trial.sent.packets > 0;
    nothing.then(|| {
        "nothing came back: is --dst-mac the address of the device under test, and does it have a route and a \
         neighbour for --dst?"
            .to_owned()
    })
}

#[cfg(test)]
mod tests;
