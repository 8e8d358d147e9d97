//! `[workers]` and `[histograms]`: which CPUs poll, how, and what they measure of themselves.

use std::collections::BTreeMap;

use toml::Spanned;

use super::{Check, scalars};
use crate::defaults::{BURST_DEFAULT, IDLE_SLEEP_US_DEFAULT, SAMPLE_DEFAULT, limits};
use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::model::{CpuId, Histograms, Workers};
use crate::nearest::list;
use crate::raw;

pub(super) fn check(check: &mut Check<'_>, raw: Option<raw::Workers>) -> Workers {
    let (cpus, burst, idle_sleep_us) = match raw {
        Some(raw::Workers { cpus, burst, idle_sleep_us }) => (cpus, burst, idle_sleep_us),
        None => (None, None, None),
    };
    Workers {
        cpus: match cpus {
            Some(given) => given_cpus(check, &given),
            None => default_cpus(check),
        },
        burst: scalars::number(check, "burst", burst, (limits::BURST, "packets"), BURST_DEFAULT),
        idle_sleep_us: scalars::number(
            check,
            "idle_sleep_us",
            idle_sleep_us,
            (limits::IDLE_SLEEP_US, "microseconds"),
            IDLE_SLEEP_US_DEFAULT,
        ),
    }
}

pub(super) fn histograms(check: &mut Check<'_>, raw: raw::Histograms) -> Histograms {
    let range = (limits::SAMPLE, "iterations");
    Histograms { sample: scalars::number(check, "sample", raw.sample, range, SAMPLE_DEFAULT) }
}

/// The last CPU: the kernel and its interrupts favour the first one.
fn default_cpus(check: &Check<'_>) -> Vec<CpuId> {
    check.host.online_cpus.last().copied().into_iter().collect()
}

fn given_cpus(check: &mut Check<'_>, given: &Spanned<raw::Numbers>) -> Vec<CpuId> {
    if given.get_ref().0.is_empty() {
        check.report(Diagnostic::at(
            Rule::NoWorker,
            given.span(),
            "no CPU is left to poll the ports",
            "one worker is needed at least",
            format!("name one of the CPUs {}", online(check)),
        ));
    }
    let mut first_use: BTreeMap<CpuId, Span> = BTreeMap::new();
    let mut cpus = Vec::new();
    for entry in &given.get_ref().0 {
        let Some(cpu) = online_cpu(check, entry) else { continue };
        match first_use.get(&cpu) {
            Some(first) => {
                let diagnostic = cpu_twice(check, cpu, entry.span(), first.clone());
                check.report(diagnostic);
            }
            None => {
                let _ = first_use.insert(cpu, entry.span());
                cpus.push(cpu);
            }
        }
    }
    cpus
}

fn online_cpu(check: &mut Check<'_>, entry: &Spanned<i64>) -> Option<CpuId> {
    let cpu = usize::try_from(*entry.get_ref()).ok().map(CpuId);
    let known = cpu.filter(|cpu| check.host.online_cpus.contains(cpu));
    if known.is_none() {
        check.report(Diagnostic::at(
            Rule::UnknownCpu,
            entry.span(),
            format!("there is no CPU {} to run a worker on", entry.get_ref()),
            "not among the CPUs that this process may use",
            format!("choose from {}", online(check)),
        ));
    }
    known
}

fn cpu_twice(check: &Check<'_>, cpu: CpuId, second: Span, first: Span) -> Diagnostic {
    Diagnostic::at(
        Rule::CpuTwice,
        second,
        format!("two workers on CPU {cpu}"),
        "a polling worker needs the whole CPU",
        format!("name each CPU once; there are {}", online(check)),
    )
    .also(first, "first used here")
}

fn online(check: &Check<'_>) -> String {
    list(check.host.online_cpus.iter().map(CpuId::to_string))
}
