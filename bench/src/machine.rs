//! What is known of the machine that measures, and what makes its numbers doubtful.

use std::fs;

use crate::report::Machine;

/// Steal time above this share of all time is worth a warning.
const STEAL_LIMIT: f64 = 0.01;

/// Describes this machine. `tsc_hz` is the measured frequency of its time stamp counter.
#[must_use]
pub fn describe(tsc_hz: u64) -> Machine {
    Machine {
        cpu: cpuinfo("model name").unwrap_or_else(|| "unknown".to_owned()),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        tsc_hz,
        kernel: kernel(),
        warnings: warnings(),
    }
}

fn cpuinfo(field: &str) -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with(field))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn kernel() -> String {
    let read = |file: &str| fs::read_to_string(format!("/proc/sys/kernel/{file}"));
    match (read("ostype"), read("osrelease")) {
        (Ok(name), Ok(release)) => format!("{} {}", name.trim(), release.trim()),
        _ => "unknown".to_owned(),
    }
}

/// What is wrong with this machine as a measuring instrument, one line each.
#[must_use]
pub fn warnings() -> Vec<String> {
    let mut warnings = Vec::new();
    let flags = cpuinfo("flags").unwrap_or_default();
    for flag in ["constant_tsc", "nonstop_tsc"] {
        if !flags.split_whitespace().any(|word| word == flag) {
            warnings.push(format!("the CPU does not promise {flag}: cycles may not be time"));
        }
    }
    let governor = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
    if let Some(governor) =
        fs::read_to_string(governor).ok().filter(|name| name.trim() != "performance")
    {
        warnings.push(format!("the frequency governor is {}, not performance", governor.trim()));
    }
    warnings
}

/// Time as /proc/stat counts it, to be taken before and after a measurement.
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    steal: u64,
    all: u64,
}

impl Ticks {
    /// Up to now; zero where /proc/stat cannot be read.
    #[must_use]
    pub fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let fields: Vec<u64> = text
            .lines()
            .next()
            .into_iter()
            .flat_map(|line| line.split_whitespace().skip(1))
            .filter_map(|field| field.parse().ok())
            .collect();
        // proc(5): user nice system idle iowait irq softirq steal; the two after them are part of the first two.
        Self { steal: fields.get(7).copied().unwrap_or(0), all: fields.iter().take(8).sum() }
    }

    /// A warning when the hypervisor took the CPUs away for a part of the time since `before`.
    #[must_use]
    pub fn steal_since(self, before: Self) -> Option<String> {
        let all = self.all.saturating_sub(before.all);
        let share = self.steal.saturating_sub(before.steal) as f64 / all.max(1) as f64;
        (share > STEAL_LIMIT)
            .then(|| format!("the hypervisor took {:.1} % of the CPU time", share * 100.0))
    }
}
