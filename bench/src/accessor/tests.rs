//! That every scenario computes what it says, and that what is slow is measured as slow.

use vnet::{Vnets, curvnet};

use super::catalogue::{Block, Code, Scenario, all};
use super::lab::Lab;
use super::lab_module::lab;
use super::measure::{Cost, chain, median, time};
use super::run::{in_place, measure};
use super::scenarios::{self, ACCESSES, Operator, SYSCTL_ACCESSES, Sink, WRITTEN, Worker};

/// Few enough for a test.
const LARGEST_RING: usize = 512;

fn named(name: &str) -> Scenario {
    all().into_iter().find(|scenario| scenario.name == name).expect("a known name")
}

/// The sums of so many blocks of a scenario, which is none in a build that skips it.
fn sums(lab: &mut Lab, name: &str, blocks: usize) -> Option<Vec<u32>> {
    let scenario = named(name);
    if let Some(why) = scenario.skipped() {
        println!("skipped: {name}: {why}");
        return None;
    }
    let mut sums = Vec::new();
    in_place(lab, &scenario, |bench| {
        let mut block = bench.block();
        sums = (0..blocks).map(|_| block()).collect();
    })
    .expect("memory for the vnets");
    Some(sums)
}

/// Adds up what the timed code drops.
#[derive(Debug, Default)]
struct Sum(u32);

impl Sink for Sum {
    fn take(&mut self, value: u32) {
        self.0 += value;
    }

    fn sum(self) -> u32 {
        self.0
    }
}

fn with_lab(test: impl FnOnce(&mut Lab)) {
    let _turn = vnet::testing::turn();
    test(&mut Lab::new().expect("a lab"));
}

/// `red` has 1 to 4 in its four numbers, every other vnet something else in the first.
#[test]
fn reads_are_of_the_right_vnet() {
    with_lab(|lab| {
        lab.grow(8.min(Vnets::MAX_VNETS)).expect("memory for the vnets");
        let expected = (1 + 2 + 3 + 4) * ACCESSES as u32 / 4;
        let reads: [Block; 4] = [
            scenarios::read_hoisted::<Sum>,
            scenarios::read_cur_each::<Sum>,
            scenarios::init_read_4::<Sum>,
            scenarios::init_read_16::<Sum>,
        ];
        let worker = lab.worker(1);
        let curvnet = curvnet::set(worker.reader, worker.red);
        for (number, read) in reads.iter().enumerate() {
            assert_eq!(read(&worker), expected, "{number}");
        }
        drop(curvnet);
        if Vnets::MAX_VNETS > 1 {
            let _curvnet = curvnet::global::set(worker.red);
            assert_eq!(scenarios::read_global_each::<Sum>(&worker), expected);
        }
    });
}

#[test]
fn writes_arrive_and_counters_count_every_increment() {
    with_lab(|lab| {
        let before = |lab: &Lab| {
            let base = lab::init(lab.worker(1).red);
            let slots =
                base.events().iter(lab.worker(1).reader).map(vnet::Counter::get).sum::<u64>();
            (base.third().get(), base.total().get(), slots)
        };
        let n = ACCESSES as u64;
        assert_eq!(before(lab), (3, 0, 0));
        for (name, expected) in [
            ("write-hoisted", (WRITTEN, 0, 0)),
            ("write-cur-each", (WRITTEN, 0, 0)),
            ("counter-hoisted", (3, 3 * n, 0)),
            ("counter-cur-each", (3, 6 * n, 0)),
            ("counter-per-worker", (3, 6 * n, 3 * n)),
        ] {
            let _sums = sums(lab, name, 3);
            assert_eq!(before(lab), expected, "{name}");
            lab::init(lab.worker(1).red).third().set(3);
        }
    });
}

#[test]
fn curvnet_is_restored() {
    with_lab(|lab| {
        for scenario in all().iter().filter(|scenario| scenario.vnets() <= 8) {
            let _sums = sums(lab, &scenario.name, 1);
            let worker = lab.worker(1);
            assert!(curvnet::get(worker.reader).is_none(), "{}", scenario.name);
            assert!(curvnet::global::get(worker.reader).is_none(), "{}", scenario.name);
        }
    });
}

/// Every vnet of the ring is visited equally often: the places, plus one, are what the vnets hold.
#[test]
fn round_robins_visit_every_vnet() {
    with_lab(|lab| {
        for vnets in [1, 8, 64, LARGEST_RING] {
            // Enough blocks for whole rounds.
            let blocks = 4;
            let visits = blocks * ACCESSES;
            let all_places: usize = (1..=vnets).sum::<usize>() * (visits / vnets);
            if let Some(sums) = sums(lab, &format!("round-robin-hot-{vnets}"), blocks) {
                assert_eq!(sums.iter().sum::<u32>() as usize, all_places, "{vnets} vnets");
            }
        }
    });
}

/// A chase comes to every vnet before it comes to one again.
#[test]
fn chases_visit_every_vnet_once_in_a_round() {
    with_lab(|lab| {
        for vnets in [1, 8, 64, LARGEST_RING] {
            let blocks = vnets.div_ceil(ACCESSES);
            let all_places: usize = (0..vnets).sum();
            if let Some(sums) = sums(lab, &format!("round-robin-cold-{vnets}"), blocks) {
                assert_eq!(sums.iter().sum::<u32>() as usize, all_places, "{vnets} vnets");
                let worker = lab.worker(vnets);
                let mut visited = vec![false; vnets];
                let mut place = 0;
                for _visit in 0..vnets {
                    place = lab::init(&worker.ring[place]).next().get() as usize;
                    assert!(!std::mem::replace(&mut visited[place], true), "{place} came twice");
                }
            }
        }
    });
}

#[test]
fn sysctls_are_read_and_written() {
    with_lab(|lab| {
        let n = SYSCTL_ACCESSES as u32;
        for name in ["sysctl-read-name", "sysctl-read-oid"] {
            assert_eq!(sums(lab, name, 1), Some(vec![2 * n]), "{name}");
        }
        for name in ["sysctl-write-name", "sysctl-write-oid"] {
            // A write answers with the old value.
            let old = 2 + (n - 1) * WRITTEN;
            assert_eq!(sums(lab, name, 2), Some(vec![old, n * WRITTEN]), "{name}");
            let red = lab::init(lab.worker(1).red);
            assert_eq!(red.second().get(), WRITTEN, "{name}");
            red.second().set(2);
        }
    });
}

/// An accessor that takes `STEPS` dependent steps before each read.
fn slowed<const STEPS: u32>(worker: &Worker<'_>) -> u32 {
    let base = lab::cur(worker.reader);
    (0..ACCESSES as u32)
        .fold(0, |sum, seed| sum.wrapping_add(chain(seed, STEPS)).wrapping_add(base.first().get()))
}

/// The same behind a request of the control thread.
fn slowed_request<const STEPS: u32>(operator: &mut Operator<'_>) -> u32 {
    (0..SYSCTL_ACCESSES as u32)
        .fold(operator.oid.name().len() as u32, |sum, seed| sum.wrapping_add(chain(seed, STEPS)))
}

/// No bound in time: a chain a thousand times as long must measure as at least ten times as slow. A step takes five
/// cycles of the core, so only a measurement of something else could miss that.
#[test]
fn a_slow_accessor_is_seen_to_be_slow() {
    with_lab(|lab| {
        let scenario = |code| Scenario { name: "slowed".to_owned(), about: "", code };
        let mut cycles = |code| {
            let cost: Cost = measure(lab, &scenario(code), 50).expect("a result");
            cost.median()
        };
        for (fast, slow) in [
            (Code::InVnet(slowed::<2>), Code::InVnet(slowed::<2000>)),
            (Code::Control(slowed_request::<2>), Code::Control(slowed_request::<2000>)),
        ] {
            let (fast, slow) = (cycles(fast), cycles(slow));
            assert!(slow > 10.0 * fast, "{slow} and {fast} cycles");
        }
    });
}

#[test]
fn the_clock_probe_is_as_long_as_its_chain() {
    let cycles = |steps| median(time(51, || chain(1, steps)));
    assert!(cycles(100_000) > 10 * cycles(100));
}
