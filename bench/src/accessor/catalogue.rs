//! The scenarios' names, and what each one needs.

use vnet::Vnets;

use super::scenarios::{self as code, Drain, Operator, Worker};

/// Something to measure.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    /// The same in every build.
    pub(super) name: String,
    /// The subject of the measurement, in a line.
    pub(super) about: &'static str,
    pub(super) code: Code,
}

/// A block's code, by whose it is and what must hold when it runs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Code {
    /// A worker's, with `red` as curvnet.
    InVnet(Block),
    /// A worker's, without curvnet.
    Outside(Block),
    /// A worker's, with `red` as the process-wide curvnet of [`vnet::curvnet::global`].
    InGlobal(Block),
    /// Visits to so many vnets, which stay in the caches as far as they fit.
    Hot(usize),
    /// As many, each visited for the first time since the caches were emptied.
    Cold(usize),
    /// The control thread's.
    Control(Request),
}

/// A block of a worker's code; returns the sum of what it read, or 0.
pub(super) type Block = fn(&Worker<'_>) -> u32;
/// A block of the control thread's code; returns the sum of what it read, or 0.
pub(super) type Request = fn(&mut Operator<'_>) -> u32;

/// How many vnets are visited in turn.
const RINGS: [usize; 6] = [1, 8, 64, 512, 4096, 16384];

/// All scenarios, in the order in which they run: few vnets first.
pub(super) fn all() -> Vec<Scenario> {
    let fixed = fixed().map(|(name, about, code)| Scenario { name: name.to_owned(), about, code });
    let hot = RINGS.map(|vnets| Scenario {
        name: format!("round-robin-hot-{vnets}"),
        about: "SET, base, read, RESTORE in each of so many vnets; caches keep what fits",
        code: Code::Hot(vnets),
    });
    let cold = RINGS.map(|vnets| Scenario {
        name: format!("round-robin-cold-{vnets}"),
        about: "the same by pointer chase, with L1 and L2 emptied before",
        code: Code::Cold(vnets),
    });
    fixed.into_iter().chain(hot).chain(cold).collect()
}

fn fixed() -> [(&'static str, &'static str, Code); 16] {
    use Code::{Control, InGlobal, InVnet, Outside};
    [
        ("read-hoisted", "read; the base is taken once", InVnet(code::read_hoisted::<Drain>)),
        (
            "read-cur-each",
            "read; curvnet -> base -> variable each time",
            InVnet(code::read_cur_each::<Drain>),
        ),
        (
            "init-read-1",
            "INIT, then 1 read (the code of read-cur-each)",
            InVnet(code::read_cur_each::<Drain>),
        ),
        ("init-read-4", "INIT, then 4 reads; per read", InVnet(code::init_read_4::<Drain>)),
        ("init-read-16", "INIT, then 16 reads; per read", InVnet(code::init_read_16::<Drain>)),
        ("write-hoisted", "write; the base is taken once", InVnet(code::write_hoisted)),
        (
            "write-cur-each",
            "write; curvnet -> base -> variable each time",
            InVnet(code::write_cur_each),
        ),
        ("counter-hoisted", "increment; the base is taken once", InVnet(code::counter_hoisted)),
        (
            "counter-cur-each",
            "increment; curvnet -> base -> counter each time",
            InVnet(code::counter_cur_each),
        ),
        (
            "counter-per-worker",
            "increment of the worker's own counter, from curvnet each time",
            InVnet(code::counter_per_worker),
        ),
        ("curvnet-set-restore", "CURVNET_SET and CURVNET_RESTORE", Outside(code::set_restore)),
        (
            "curvnet-global",
            "read-cur-each with a plain global curvnet (not thread-local)",
            InGlobal(code::read_global_each::<Drain>),
        ),
        ("sysctl-read-name", "sysctl read by name", Control(code::sysctl_read_name)),
        ("sysctl-read-oid", "sysctl read by an OID found before", Control(code::sysctl_read_oid)),
        ("sysctl-write-name", "sysctl write by name", Control(code::sysctl_write_name)),
        (
            "sysctl-write-oid",
            "sysctl write by an OID found before",
            Control(code::sysctl_write_oid),
        ),
    ]
}

impl Scenario {
    /// Why it cannot run in this build.
    pub(super) fn skipped(&self) -> Option<String> {
        let why = match self.code {
            Code::Hot(vnets) | Code::Cold(vnets) if vnets > Vnets::MAX_VNETS => "has one vnet",
            Code::InGlobal(_) if Vnets::MAX_VNETS == 1 => "has no curvnet",
            _ => return None,
        };
        Some(format!("the build {} {why}", vnet::ARM))
    }

    /// How many vnets it visits.
    pub(super) fn vnets(&self) -> usize {
        match self.code {
            Code::Hot(vnets) | Code::Cold(vnets) => vnets,
            _ => 1,
        }
    }

    /// How many accesses are in a block.
    pub(super) fn accesses(&self) -> usize {
        match self.code {
            Code::Control(_) => code::SYSCTL_ACCESSES,
            Code::Cold(vnets) => vnets.min(code::ACCESSES),
            _ => code::ACCESSES,
        }
    }

    /// Its curve in a diagram over the number of vnets.
    pub(super) fn series(&self) -> Option<&'static str> {
        match self.code {
            Code::Hot(_) => Some("round-robin-hot"),
            Code::Cold(_) => Some("round-robin-cold"),
            _ => None,
        }
    }

    /// A block without accesses, which costs what a block costs beside its accesses.
    pub(super) fn baseline(&self) -> Block {
        match self.code {
            Code::InVnet(_) | Code::Outside(_) | Code::InGlobal(_) => code::empty,
            Code::Hot(_) | Code::Cold(_) | Code::Control(_) => code::call,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_differ_and_are_plain() {
        let all = all();
        let names: HashSet<_> = all.iter().map(|scenario| &scenario.name).collect();
        assert_eq!(names.len(), all.len());
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(names.iter().all(|name| name.chars().all(plain)));
    }

    #[test]
    fn only_builds_with_one_vnet_skip() {
        let skipped = all().iter().filter(|scenario| scenario.skipped().is_some()).count();
        assert_eq!(skipped, if Vnets::MAX_VNETS == 1 { 11 } else { 0 });
    }
}
