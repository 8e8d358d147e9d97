//! `curvnet-bench lookup`: the FIB's bulk lookup beside that of DPDK's `rte_fib` (DIR-24-8), for the same tables and the
//! same destinations in the same order, in one process and in turns.

use std::hint::black_box;
use std::num::NonZeroU16;
use std::sync::Arc;

use anyhow::{Result, ensure};
use pmd::test_support::RteFib;
use pmd::{Eal, tsc};
use serde_json::{Map, json};
use stack::inet::route::{Fib, FibControl, FibPolicy};
use stack::net::route::{Rib, RouteEntry, RouteFlags};

use crate::forward::measure::{BURST, baseline};
use crate::forward::table::{self, Prefix};
use crate::host::{Host, Options};
use crate::random::Random;
use crate::report::{Better, Build, Scenario};

/// Mbufs are not needed, but a host has some.
const MBUFS: u32 = 1023;
/// Memory of DPDK: `rte_fib` takes 64 MiB for its /24s.
const MEMORY_MIB: u32 = 512;
/// Next hops of the tables.
const NEXT_HOPS: usize = 256;
/// Destinations before they repeat: at least so many, or one for each route.
const DESTINATIONS: usize = 1 << 16;

/// Measures the FIB's bulk lookup beside that of DPDK's rte_fib.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Rounds, in each of which both tables look up all destinations.
    #[arg(long, default_value_t = 21, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    #[command(flatten)]
    options: Options,
}

/// A table of routes.
struct Size {
    name: &'static str,
    routes: usize,
}

/// Tables, in the order in which they run. The few are four /16s, which with the gaps around them are
/// eight ranges.
const SIZES: [Size; 3] = [
    Size { name: "lookup-few", routes: FEW.len() },
    Size { name: "lookup-1k", routes: 1000 },
    Size { name: "lookup-1m", routes: 1_000_000 },
];
const FEW: [Prefix; 4] =
    [(0x0a00_0000, 16), (0x0a01_0000, 16), (0x1400_0000, 16), (0x1e00_0000, 16)];

/// Runs the command.
pub(crate) fn run(args: &Args, build: Build) -> Result<()> {
    if args.options.list {
        SIZES.iter().for_each(|size| println!("{}", size.name));
        return Ok(());
    }
    // As the program does; `rte_fib` has its tables on DPDK's own huge pages.
    pmd::malloc::use_huge_pages();
    let host = Host::start(&args.options, MBUFS, MEMORY_MIB)?;
    pmd::affinity::pin(host.cpu)?;
    let mut findings = args.options.findings();
    let [name, ours, theirs, ratio] = ["bulk lookup", "cycles", "rte_fib", "ratio"];
    findings.say(format_args!("{name:<16}{ours:>9}{theirs:>9}{ratio:>9}   layout"));
    for size in &SIZES {
        let measured = measure(size, args.rounds as usize, &host)?;
        findings.say(measured.line(size.name));
        findings.add([measured.report(size.name)]);
    }
    findings.finish("lookup", build)
}

/// Cycles of an address in each round, here and there.
struct Measured {
    ours: Vec<f64>,
    theirs: Vec<f64>,
    layout: &'static str,
}

impl Measured {
    /// How many lookups the FIB makes while `rte_fib` makes one: the median of the rounds' own ratios.
    fn ratio(&self) -> f64 {
        median(self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| theirs / ours))
    }

    fn line(&self, name: &str) -> String {
        let Self { ours, theirs, layout } = self;
        let (ours, theirs) = (median(ours.iter().copied()), median(theirs.iter().copied()));
        format!("{name:<16}{ours:>9.2}{theirs:>9.2}{:>9.2}   {layout}", self.ratio())
    }

    fn report(&self, name: &str) -> Scenario {
        let details = json!({
            "rte_fib_cycles": median(self.theirs.iter().copied()),
            "ratio": self.ratio(),
            "layout": self.layout,
        });
        Scenario {
            name: name.to_owned(),
            value: median(self.ours.iter().copied()),
            unit: "cycles".to_owned(),
            better: Better::Lower,
            percentiles: None,
            point: None,
            details: details.as_object().cloned().unwrap_or_else(Map::new),
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Makes both tables, compares their answers, and looks up in turns. The order changes from round to round.
fn measure(size: &Size, rounds: usize, host: &Host) -> Result<Measured> {
    let mut random = Random::new(0x6c6f_6f6b);
    let prefixes = if size.routes == FEW.len() {
        FEW.to_vec()
    } else {
        table::internet(size.routes, &mut random).0
    };
    let destinations: Vec<u32> = (0..size.routes.max(DESTINATIONS))
        .map(|n| table::host_of(prefixes[n % prefixes.len()], &mut random))
        .collect();
    let (fib, rte_fib) = tables(&prefixes, size.name, &host.eal, &mut random)?;
    compare(&fib, &rte_fib, &destinations)?;
    let baseline = baseline();
    let mut measured = Measured { ours: vec![], theirs: vec![], layout: fib.layout_name() };
    // One more, which fills the caches and does not count.
    for round in 0..=rounds {
        let of_both = if round % 2 == 0 {
            let ours = here(&fib, &destinations, baseline);
            (ours, there(&rte_fib, &destinations, baseline))
        } else {
            let theirs = there(&rte_fib, &destinations, baseline);
            (here(&fib, &destinations, baseline), theirs)
        };
        if round > 0 {
            measured.ours.push(of_both.0);
            measured.theirs.push(of_both.1);
        }
    }
    Ok(measured)
}

fn tables(
    prefixes: &[Prefix],
    name: &str,
    eal: &Eal,
    random: &mut Random,
) -> Result<(Arc<Fib>, RteFib)> {
    let mut rte_fib = RteFib::new(eal, name, 1 << 20, 1 << 8);
    let mut rib = Rib::new();
    for &(address, len) in prefixes {
        let hop = 1 + random.place(NEXT_HOPS) as u16;
        let entry = RouteEntry {
            nexthop: NonZeroU16::MIN.saturating_add(hop - 1),
            flags: RouteFlags::STATIC,
        };
        let _none = rib.insert(ipnet::Ipv4Net::new(address.into(), len)?, entry)?;
        rte_fib.add(address, len, u32::from(hop));
    }
    Ok((FibControl::new(FibPolicy::default()).rebuild(&rib), rte_fib))
}

/// Fails unless both give the same next hop for every destination.
fn compare(fib: &Fib, rte_fib: &RteFib, destinations: &[u32]) -> Result<()> {
    let (mut ours, mut theirs) = ([0; BURST], [0; BURST]);
    for burst in destinations.chunks(BURST) {
        fib.lookup_bulk(burst, &mut ours[..burst.len()]);
        rte_fib.lookup_bulk(burst, &mut theirs[..burst.len()]);
        let same = ours.iter().map(|hop| u64::from(*hop)).eq(theirs);
        ensure!(same, "the tables answer {ours:?} and {theirs:?} to {burst:?}");
    }
    Ok(())
}

/// Cycles an address of the FIB's bulk lookup, in bursts.
#[inline(never)]
fn here(fib: &Fib, destinations: &[u32], baseline: u64) -> f64 {
    let mut hops = [0; BURST];
    let begin = tsc::serialized();
    for burst in destinations.chunks_exact(BURST) {
        fib.lookup_bulk(black_box(burst), &mut hops);
        let _read = black_box(&hops);
    }
    per_address(tsc::serialized() - begin, baseline, destinations)
}

/// Cycles an address of `rte_fib_lookup_bulk`, in bursts.
#[inline(never)]
fn there(rte_fib: &RteFib, destinations: &[u32], baseline: u64) -> f64 {
    let mut hops = [0; BURST];
    let begin = tsc::serialized();
    for burst in destinations.chunks_exact(BURST) {
        rte_fib.lookup_bulk(black_box(burst), &mut hops);
        let _read = black_box(&hops);
    }
    per_address(tsc::serialized() - begin, baseline, destinations)
}

fn per_address(cycles: u64, baseline: u64, destinations: &[u32]) -> f64 {
    let looked_up = destinations.len() / BURST * BURST;
    cycles.saturating_sub(baseline) as f64 / looked_up as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_differs_is_found() {
        let mut random = Random::new(1);
        let eal = pmd::test_support::eal();
        let (prefixes, _) = table::internet(1000, &mut random);
        let (fib, mut rte_fib) =
            tables(&prefixes, "differs", &eal, &mut random).expect("both tables");
        let destinations: Vec<u32> =
            prefixes.iter().map(|prefix| table::host_of(*prefix, &mut random)).collect();
        compare(&fib, &rte_fib, &destinations).expect("the same answers");
        rte_fib.add(destinations[700], 32, NEXT_HOPS as u32 + 1);
        let _error = compare(&fib, &rte_fib, &destinations).expect_err("another next hop");
    }

    #[test]
    fn the_ratio_is_above_one_where_the_fib_is_faster() {
        let measured =
            Measured { ours: vec![1.0, 2.0, 2.0], theirs: vec![9.0, 4.0, 3.0], layout: "few" };
        assert_eq!(measured.ratio(), 2.0);
    }
}
