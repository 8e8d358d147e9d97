//! The settings that make a polling CPU fast and predictable.

use super::{Check, Machine, State};
use crate::cpulist;

pub(super) fn checks(machine: &Machine) -> Vec<Check> {
    vec![
        invariant_tsc(machine),
        cpu_list(machine, "isolcpus", "isolated", "the scheduler puts other threads on any CPU"),
        cpu_list(machine, "nohz_full", "nohz_full", "the timer interrupts workers"),
        governor(machine),
    ]
}

/// All time in the packet path is the TSC.
fn invariant_tsc(machine: &Machine) -> Check {
    let info = machine.read("proc/cpuinfo").unwrap_or_default();
    let flags = info.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    let has = |flag| flags.split_whitespace().any(|word| word == flag);
    if has("constant_tsc") && has("nonstop_tsc") {
        return Check::ok("invariant TSC", "constant_tsc nonstop_tsc");
    }
    let detail = "the TSC may change its rate or stop: measured times would be wrong";
    let cure = "use a CPU, or let the hypervisor show one, with constant_tsc and nonstop_tsc";
    Check::bad(State::Missing, "invariant TSC", detail, cure)
}

/// A kernel argument that names CPUs.
fn cpu_list(machine: &Machine, name: &str, file: &str, lack: &str) -> Check {
    let list = machine.read(&format!("sys/devices/system/cpu/{file}")).unwrap_or_default();
    if cpulist::parse(&list).is_empty() {
        let cure = format!("boot with {name}=CPUS, the list of [workers] cpus");
        return Check::bad(State::Warn, name, format!("none: {lack}"), cure);
    }
    Check::ok(name, list)
}

fn governor(machine: &Machine) -> Check {
    const NAME: &str = "cpufreq governor";
    let governors: Vec<String> = machine
        .list("sys/devices/system/cpu")
        .into_iter()
        .filter(|name| name.strip_prefix("cpu").is_some_and(|id| id.parse::<u32>().is_ok()))
        .filter_map(|cpu| {
            machine.read(&format!("sys/devices/system/cpu/{cpu}/cpufreq/scaling_governor"))
        })
        .collect();
    let slow = governors.iter().filter(|governor| *governor != "performance").count();
    if governors.is_empty() {
        return Check::ok(NAME, "none: the kernel does not scale the frequency");
    }
    if slow == 0 {
        return Check::ok(NAME, "performance");
    }
    let detail = format!("{slow} of {} CPUs are not on \"performance\"", governors.len());
    let cure = "echo performance | tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor";
    Check::bad(State::Warn, NAME, detail, cure)
}
