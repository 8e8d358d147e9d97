//! The arithmetic that is checked before anything is started: are there enough mbufs?

use std::fmt;

use crate::pool;

/// The mbufs that one port can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortDemand {
    /// The operator's name.
    pub name: String,
    /// Receive queues.
    pub rx_queues: u16,
    /// Transmit queues.
    pub tx_queues: u16,
    /// Descriptors of each receive queue; each holds an mbuf from the start.
    pub rx_desc: u16,
    /// Descriptors of each transmit queue; each may hold an mbuf until it is sent.
    pub tx_desc: u16,
    /// Packets that the driver keeps to replay them.
    pub replayed: u32,
}

/// Everything that takes mbufs from one pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Demand {
    /// The ports that use the pool.
    pub ports: Vec<PortDemand>,
    /// Worker threads. The control thread is added to them.
    pub workers: u16,
    /// Packets a worker takes in one poll.
    pub burst: u16,
    /// The pool's cache for each thread.
    pub cache: u32,
    /// Places in queues between threads and in reassembly, where packets may wait.
    pub queued: u32,
}

/// One addend of the sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The use and its arithmetic, e.g. `p0: 2 rx queues x 1024 descriptors`.
    pub what: String,
    /// How many mbufs.
    pub mbufs: u64,
}

/// A sum of mbufs against a pool. `Display` prints it, one addend a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// The addends.
    pub terms: Vec<Term>,
    /// Their sum.
    pub needed: u64,
    /// The mbufs of the pool.
    pub mbufs: u32,
    /// About what the pool takes of memory, in MiB.
    pub memory_mib: u64,
}

/// Why a configuration cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// The pool is too small: a port could not fill its rings, or a worker would starve.
    #[error("too few mbufs; set [dpdk] mbufs = {suggestion} or lower the descriptors:\n{budget}")]
    TooFew {
        /// The sum.
        budget: Budget,
        /// A number that is enough and uses the memory well (2^q - 1).
        suggestion: u64,
    },
}

/// Adds up what `demand` takes and compares it with a pool of `mbufs`.
///
/// # Errors
/// See [`BudgetError`]; its text shows the sum.
pub fn budget(demand: &Demand, mbufs: u32) -> Result<Budget, BudgetError> {
    let mut terms = Vec::new();
    for port in &demand.ports {
        terms.push(port.term("rx", port.rx_queues, port.rx_desc));
        terms.push(port.term("tx", port.tx_queues, port.tx_desc));
        if port.replayed != 0 {
            let what = format!("{}: packets to replay", port.name);
            terms.push(Term { what, mbufs: port.replayed.into() });
        }
    }
    terms.extend(demand.thread_terms());
    let needed = terms.iter().map(|term| term.mbufs).sum();
    let memory_mib = pool::memory_mib(mbufs, pool::DATA_ROOM);
    let budget = Budget { terms, needed, mbufs, memory_mib };
    if needed > u64::from(mbufs) {
        let suggestion = (needed + 1).next_power_of_two() - 1;
        return Err(BudgetError::TooFew { budget, suggestion });
    }
    Ok(budget)
}

/// A warning if there are more workers than receive queues: some poll nothing until a port is attached.
#[must_use]
pub fn idle_workers(demand: &Demand) -> Option<String> {
    let queues = demand.ports.iter().map(|port| u32::from(port.rx_queues)).sum();
    let workers = u32::from(demand.workers);
    if workers <= queues {
        return None;
    }
    let parts: Vec<String> =
        demand.ports.iter().map(|port| format!("{} {}", port.name, port.rx_queues)).collect();
    let sum = if parts.is_empty() { "no port".to_owned() } else { parts.join(" + ") };
    Some(format!(
        "{}, but {} ({sum}): {} for a port that is attached later",
        counted(workers, "worker"),
        counted(queues, "rx queue"),
        if workers - queues == 1 {
            "one waits".to_owned()
        } else {
            format!("{} wait", workers - queues)
        },
    ))
}

/// `1 worker`, `2 workers`.
fn counted(count: u32, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

impl PortDemand {
    fn term(&self, direction: &str, queues: u16, descriptors: u16) -> Term {
        let queues_in_words = counted(queues.into(), &format!("{direction} queue"));
        Term {
            what: format!("{}: {queues_in_words} x {descriptors} descriptors", self.name),
            mbufs: u64::from(queues) * u64::from(descriptors),
        }
    }
}

impl Demand {
    fn thread_terms(&self) -> Vec<Term> {
        let threads = u64::from(self.workers) + 1;
        // A cache gives buffers back when it holds one and a half times its size
        // (CACHE_FLUSHTHRESH_MULTIPLIER in rte_mempool.c).
        let cache = u64::from(self.cache) * 3 / 2;
        // One burst was received, and one waits for tx.
        let bursts = 2 * u64::from(self.burst);
        let mut terms = vec![
            Term {
                what: format!("{threads} threads x cache of {} x 1.5", self.cache),
                mbufs: threads * cache,
            },
            Term {
                what: format!(
                    "{} x 2 bursts of {} in flight",
                    counted(self.workers.into(), "worker"),
                    self.burst
                ),
                mbufs: u64::from(self.workers) * bursts,
            },
        ];
        if self.queued != 0 {
            terms.push(Term {
                what: "waiting in queues between threads".to_owned(),
                mbufs: u64::from(self.queued),
            });
        }
        terms
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for term in &self.terms {
            writeln!(f, "{:>10}  {}", term.mbufs, term.what)?;
        }
        writeln!(f, "{:>10}  needed", self.needed)?;
        write!(f, "{:>10}  in the pool (about {} MiB)", self.mbufs, self.memory_mib)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand() -> Demand {
        let port = |name: &str, rx_queues| PortDemand {
            name: name.to_owned(),
            rx_queues,
            tx_queues: 2,
            rx_desc: 1024,
            tx_desc: 512,
            replayed: if name == "p1" { 30 } else { 0 },
        };
        Demand {
            ports: vec![port("p0", 2), port("p1", 1)],
            workers: 2,
            burst: 64,
            cache: 128,
            queued: 100,
        }
    }

    // By hand: 2*1024 + 2*512 + 1*1024 + 2*512 + 30 + 3*192 + 2*128 + 100
    const NEEDED: u32 = 2048 + 1024 + 1024 + 1024 + 30 + 576 + 256 + 100;

    #[test]
    fn the_sum_is_shown_when_it_is_one_too_many() {
        let enough = budget(&demand(), NEEDED).expect("exactly enough");
        assert_eq!(enough.needed, u64::from(NEEDED));
        assert_eq!(enough.terms.iter().map(|term| term.mbufs).sum::<u64>(), enough.needed);

        let error = budget(&demand(), NEEDED - 1).expect_err("one too few");
        let text = error.to_string();
        for part in [
            "p0: 2 rx queues x 1024 descriptors",
            "p1: 1 rx queue x",
            "30  p1: packets to replay",
            "6082  needed",
            "8191",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn more_workers_than_queues_is_a_warning() {
        let mut demand = demand();
        demand.workers = 3;
        assert_eq!(idle_workers(&demand), None);
        demand.workers = 4;
        assert!(budget(&demand, 65535).is_ok());
        let text = idle_workers(&demand).expect("one worker is idle");
        assert!(text.starts_with("4 workers, but 3 rx queues (p0 2 + p1 1): one waits "), "{text}");
        demand.ports.clear();
        demand.workers = 2;
        let text = idle_workers(&demand).expect("both are idle");
        assert!(text.starts_with("2 workers, but 0 rx queues (no port): 2 wait "), "{text}");
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let most = PortDemand {
            name: "p".to_owned(),
            rx_queues: u16::MAX,
            tx_queues: u16::MAX,
            rx_desc: u16::MAX,
            tx_desc: u16::MAX,
            replayed: u32::MAX,
        };
        let demand = Demand {
            ports: vec![most; 32],
            workers: u16::MAX,
            burst: u16::MAX,
            cache: u32::MAX,
            queued: u32::MAX,
        };
        assert!(matches!(budget(&demand, u32::MAX), Err(BudgetError::TooFew { .. })));
    }
}
