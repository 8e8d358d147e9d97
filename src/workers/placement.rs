//! Which worker polls, and which one sends through, each queue of a port.
//!
//! A worker that polls a port is given a transmit queue of it before any other worker is. Workers share a queue when the
//! device has fewer than there are workers (`TxPort::shared`): a packet is sent by the worker that received it, always.

/// The workers that have the queues of one port. Workers go by their numbers: places in `[workers] cpus`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placement {
    /// By receive queue: the worker that polls it.
    pub(crate) rx: Vec<usize>,
    /// By worker: the transmit queue that it sends through.
    pub(crate) tx: Vec<usize>,
}

impl Placement {
    /// Deals `rx` and `tx` queues to the workers, each of which polls as many queues of other ports as `polled` says. Only
    /// the workers of `wish` poll the port, in this order, unless it is empty: then each queue goes to the worker that has
    /// the fewest. Workers share the transmit queues if there are not enough.
    pub(crate) fn new((rx, tx): (usize, usize), polled: &[usize], wish: &[usize]) -> Self {
        let rx = pollers(rx, polled, wish);
        // The workers that poll the port first, in the order of its queues, then the others.
        let mut order: Vec<usize> = Vec::with_capacity(polled.len());
        for worker in rx.iter().copied().chain(0..polled.len()) {
            if !order.contains(&worker) {
                order.push(worker);
            }
        }
        let mut queues = vec![0; polled.len()];
        for (place, worker) in order.into_iter().enumerate() {
            queues[worker] = place % tx.max(1);
        }
        Self { rx, tx: queues }
    }

    /// How many workers send through a transmit queue.
    pub(crate) fn senders(&self, queue: usize) -> usize {
        self.tx.iter().filter(|of| **of == queue).count()
    }
}

/// By receive queue: the worker that polls it.
fn pollers(queues: usize, polled: &[usize], wish: &[usize]) -> Vec<usize> {
    if !wish.is_empty() {
        return wish.iter().copied().cycle().take(queues).collect();
    }
    let mut polled = polled.to_vec();
    let mut fewest = || {
        let fewest = polled.iter_mut().enumerate().min_by_key(|(_, queues)| **queues);
        fewest.map_or(0, |(worker, queues)| {
            *queues += 1;
            worker
        })
    };
    (0..queues).map(|_| fewest()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_with_one_queue_keep_all_workers_busy() {
        let first = Placement::new((1, 1), &[0, 0], &[]);
        assert_eq!(first, Placement { rx: vec![0], tx: vec![0, 0] });
        let second = Placement::new((1, 1), &[1, 0], &[]);
        assert_eq!(second, Placement { rx: vec![1], tx: vec![0, 0] });
        assert_eq!((second.senders(0), second.senders(1)), (2, 0));
    }

    #[test]
    fn with_a_queue_for_each_worker_none_is_shared() {
        let all = Placement::new((4, 4), &[0, 0, 0, 0], &[]);
        assert_eq!(all, Placement { rx: vec![0, 1, 2, 3], tx: vec![0, 1, 2, 3] });
        // One receive queue: the others send as well, through queues of their own.
        let one = Placement::new((1, 3), &[2, 1, 2], &[]);
        assert_eq!(one, Placement { rx: vec![1], tx: vec![1, 0, 2] });
    }

    #[test]
    fn workers_share_when_there_are_not_enough() {
        let two = Placement::new((1, 2), &[1, 1, 0], &[]);
        assert_eq!(two, Placement { rx: vec![2], tx: vec![1, 0, 0] });
        let spread = Placement::new((4, 2), &[0, 0, 0, 0], &[]);
        assert_eq!(spread.tx, [0, 1, 0, 1]);
    }

    #[test]
    fn the_operator_says_which_workers_poll() {
        let wished = Placement::new((2, 1), &[0, 5, 5], &[2, 1]);
        assert_eq!(wished, Placement { rx: vec![2, 1], tx: vec![0, 0, 0] });
        let more_queues = Placement::new((3, 3), &[0, 0, 0], &[1]);
        assert_eq!(more_queues, Placement { rx: vec![1, 1, 1], tx: vec![1, 0, 2] });
    }
}
