//! Facts of the machine that measures, and the reasons that make its numbers doubtful.

use std::fs;
use std::time::Instant;

use anyhow::Context;

use crate::report::Machine;

/// Steal time above this share of all time is worth a warning.
const STEAL_LIMIT: f64 = 0.01;
/// Interrupts a second on the measuring CPU that are worth a warning: more than a timer of 1000 Hz.
const INTERRUPTS_LIMIT: f64 = 1500.0;
/// Preemptions a second that are worth a warning.
const PREEMPTIONS_LIMIT: f64 = 20.0;

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

/// The shortcomings of this machine as a measuring instrument, one line each.
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

/// Resident memory of this process; hugepages are none of it.
///
/// # Errors
///
/// The kernel does not tell.
pub fn resident_bytes() -> anyhow::Result<u64> {
    const PAGE: u64 = 4096;
    let statm = fs::read_to_string("/proc/self/statm").context("/proc/self/statm")?;
    let pages: u64 =
        statm.split(' ').nth(1).context("/proc/self/statm has no second field")?.parse()?;
    Ok(pages * PAGE)
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

/// The counts of disturbances of a thread that measures on one CPU; that thread takes them before and after.
#[derive(Clone, Copy, Debug)]
pub struct Disturbance {
    cpu: usize,
    at: Instant,
    ticks: Ticks,
    interrupts: u64,
    preemptions: u64,
}

impl Disturbance {
    /// Up to now, on `cpu`; zero what the kernel does not tell.
    #[must_use]
    pub fn now(cpu: usize) -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        Self {
            cpu,
            at: Instant::now(),
            ticks: Ticks::now(),
            interrupts: interrupts(&read("/proc/interrupts"), cpu),
            preemptions: preemptions(&read("/proc/thread-self/status")),
        }
    }

    /// Warnings of what has happened since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Vec<String> {
        let seconds = self.at.duration_since(before.at).as_secs_f64().max(1e-3);
        let rate = self.interrupts.saturating_sub(before.interrupts) as f64 / seconds;
        let preemptions = self.preemptions.saturating_sub(before.preemptions) as f64 / seconds;
        let cpu = self.cpu;
        let many = (rate > INTERRUPTS_LIMIT).then(|| {
            format!("{rate:.0} interrupts a second on CPU {cpu}: the high percentiles are theirs")
        });
        let shared = (preemptions > PREEMPTIONS_LIMIT).then(|| {
            format!("the kernel ran something else on CPU {cpu}, {preemptions:.0} times a second")
        });
        self.ticks.steal_since(before.ticks).into_iter().chain(many).chain(shared).collect()
    }
}

/// Interrupts of `cpu` since the machine started, of all kinds: its column of /proc/interrupts.
fn interrupts(text: &str, cpu: usize) -> u64 {
    let mut lines = text.lines();
    let name = format!("CPU{cpu}");
    let heading = lines.next().unwrap_or_default();
    let Some(column) = heading.split_whitespace().position(|word| word == name) else { return 0 };
    // The first word of a line is the interrupt's name.
    let count = |line: &str| line.split_whitespace().nth(column + 1)?.parse::<u64>().ok();
    lines.filter_map(count).sum()
}

/// How often the kernel took the CPU from this thread.
fn preemptions(status: &str) -> u64 {
    let value = status.lines().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupts_of_one_cpu() {
        let text = "           CPU0       CPU2\n  1:  9  5  IO-APIC  1-edge  i8042\nLOC:  100  20  Local timer\nERR:  7\n";
        assert_eq!(interrupts(text, 0), 116);
        assert_eq!(interrupts(text, 2), 25);
        assert_eq!(interrupts(text, 1), 0);
        assert_eq!(preemptions("a:\t1\nnonvoluntary_ctxt_switches:\t12\n"), 12);
    }

    #[test]
    fn only_what_is_beyond_the_limits_is_worth_a_warning() {
        let before = Disturbance {
            cpu: 1,
            at: Instant::now(),
            ticks: Ticks { steal: 0, all: 0 },
            interrupts: 0,
            preemptions: 0,
        };
        let at = before.at + std::time::Duration::from_secs(2);
        let quiet =
            Disturbance { at, ticks: Ticks { steal: 1, all: 400 }, interrupts: 2000, ..before };
        assert!(quiet.since(&before).is_empty(), "{:?}", quiet.since(&before));
        let loud = Disturbance {
            at,
            ticks: Ticks { steal: 40, all: 400 },
            interrupts: 20_000,
            preemptions: 500,
            ..before
        };
        assert_eq!(loud.since(&before).len(), 3);
    }
}
